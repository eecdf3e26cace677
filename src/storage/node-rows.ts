/** Rows of `cluster_nodes` as values, both ways. */
import type { NodeClaim, NodeRow, NodeServices, NodeState } from './cluster-tables.js'

export interface DbNode {
  readonly hostname: string
  readonly secondary: string | null
  readonly password: string
  readonly port: number
  readonly cpu_usage: number
  readonly mem_usage: number
  readonly cluster_name: string
  readonly incarnation: number
  readonly boot_nonce: string
  readonly state: NodeState
  readonly beat: number
  readonly view_no: number
  readonly advertise: string
  readonly host_id: string
  readonly backup: string | null
  readonly backup_inc: number | null
  readonly strategy: string
  readonly links: number
  readonly cert_sha256: string | null
  readonly protocol_min: number
  readonly protocol_max: number
  readonly version: string | null
  readonly services: string | null
}

export function nodeOf(row: DbNode): NodeRow {
  return {
    hostname: row.hostname,
    secondary: row.secondary ?? undefined,
    password: row.password,
    port: row.port,
    cpuUsage: row.cpu_usage,
    memUsage: row.mem_usage,
    clusterName: row.cluster_name,
    incarnation: row.incarnation,
    bootNonce: row.boot_nonce,
    state: row.state,
    beat: row.beat,
    viewNo: row.view_no,
    advertise: row.advertise,
    hostId: row.host_id,
    backup: row.backup ?? undefined,
    backupIncarnation: row.backup_inc ?? undefined,
    strategy: row.strategy,
    links: row.links,
    certSha256: row.cert_sha256 ?? undefined,
    protocolMin: row.protocol_min,
    protocolMax: row.protocol_max,
    version: row.version ?? '',
    services: servicesOf(row.services)
  }
}

const DOORS = ['c2s', 'c2sTls', 'http', 'https', 'admin'] as const

/** People may edit the table: what is not an object of texts counts as closed doors. */
function servicesOf(text: string | null): NodeServices {
  const found: { -readonly [Door in keyof NodeServices]: string } = {}
  try {
    const parsed = JSON.parse(text ?? '{}') as Record<string, unknown> | null
    for (const door of DOORS) {
      const address = parsed?.[door]
      if (typeof address === 'string') found[door] = address
    }
  } catch {
    return {}
  }
  return found
}

/** A new life's columns; the database's own clock stamps it. */
export function claimedRow(claim: NodeClaim, incarnation: number): Omit<DbNode, 'hostname'> {
  return {
    secondary: claim.secondary ?? null,
    password: claim.password,
    port: claim.port,
    cpu_usage: claim.cpuUsage,
    mem_usage: claim.memUsage,
    cluster_name: claim.clusterName,
    incarnation,
    boot_nonce: claim.bootNonce,
    state: 'joining',
    beat: 0,
    view_no: 0,
    advertise: claim.advertise,
    host_id: claim.hostId,
    backup: null,
    backup_inc: null,
    strategy: claim.strategy,
    links: 0,
    cert_sha256: claim.certSha256 ?? null,
    protocol_min: claim.protocolMin,
    protocol_max: claim.protocolMax,
    version: claim.version,
    services: '{}'
  }
}
