/**
 * Taking a node's name at start: a held name is watched on our own clock; its holder is replaced only when its beat has
 * stood still for as long as it takes to fence a node.
 */
import { randomBytes } from 'node:crypto'
import type { ClaimResult, ClusterTables, NodeClaim, NodeRow } from '../storage/cluster-tables.js'
import type { Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import type { LinkCertificate } from './certificate.js'
import { PROTOCOL_MAX, PROTOCOL_MIN } from './frames.js'
import { BEAT_MS, Membership } from './membership.js'
import type { ClusterSettings } from './settings.js'

/** This node may not start, or not go on. 75: try again later. 78: the configuration must be changed. */
export class StartRefused extends Error {
  constructor(readonly exitCode: 75 | 78, message: string) {
    super(message)
    this.name = 'StartRefused'
  }
}

export type Claimed = Extract<ClaimResult, { outcome: 'claimed' }>

export interface ClaimParts {
  readonly tables: Pick<ClusterTables, 'claim' | 'rows'>
  readonly clock: Clock
  readonly log: Log
  readonly dead?: number | undefined
  /** The highest incarnation that this process has heard of. */
  readonly heard?: number
}

interface Claimant {
  readonly settings: ClusterSettings
  readonly advertise: string
  readonly port: number
}

/** What this life says of itself in its row. */
export function claimOf({ settings, advertise, port }: Claimant, certificate: LinkCertificate | undefined): NodeClaim {
  return {
    hostname: settings.name, secondary: settings.secondary, clusterName: settings.clusterName, hostId: settings.hostId,
    strategy: settings.strategy, version: settings.version, advertise, port, cpuUsage: 0, memUsage: 0,
    password: randomBytes(24).toString('hex'), bootNonce: randomBytes(16).toString('hex'), certSha256: certificate?.sha256,
    protocolMin: PROTOCOL_MIN, protocolMax: PROTOCOL_MAX
  }
}

/** @throws StartRefused when another live process or another cluster has the name */
export async function takeName(claim: NodeClaim, parts: ClaimParts): Promise<Claimed> {
  let replacing: NodeRow | undefined
  for (;;) {
    const result = await parts.tables.claim(claim, replacing, parts.heard)
    switch (result.outcome) {
      case 'claimed': return result
      case 'other-cluster': throw otherCluster(claim, result.by)
      case 'held':
        parts.log.info({ node: claim.hostname, holder: result.by.advertise, state: result.by.state }, 'cluster.name-held')
        replacing = result.by.incarnation === parts.dead ? result.by : await watch(result.by, parts)
        break
      default: return result satisfies never
    }
  }
}

function otherCluster(claim: NodeClaim, by: NodeRow): StartRefused {
  return new StartRefused(78, `the node name ${claim.hostname} belongs to the cluster "${by.clusterName}" in this database, ` +
    `this node is configured for "${claim.clusterName}": choose another --tigase-primary-address or set --cluster-name`)
}

/** Resolves with the row when its beat stood still long enough, with nothing when the name is free again. */
async function watch(holder: NodeRow, parts: ClaimParts): Promise<NodeRow | undefined> {
  const { tables, clock } = parts
  const membership = new Membership('')
  const seenAt = clock.now()
  membership.read([holder], seenAt, seenAt)
  for (;;) {
    await new Promise<void>((resolve) => void clock.after(BEAT_MS, resolve))
    const sentAt = clock.now()
    const row = (await tables.rows(holder.clusterName)).find((other) => other.hostname === holder.hostname)
    if (row === undefined || row.state === 'left' || row.state === 'fenced') return undefined
    if (row.incarnation !== holder.incarnation || row.beat !== holder.beat) throw held(row)
    membership.renewed(sentAt, clock.now())
    membership.read([row], sentAt, clock.now())
    if (membership.suspects(clock.now()).length > 0) return row
  }
}

function held(row: NodeRow): StartRefused {
  return new StartRefused(75, `the node name ${row.hostname} is held by a live node (life ${row.incarnation}, links at ` +
    `${row.advertise}, host ${row.hostId}, version ${row.version}): stop it, or give this node a name of its own ` +
    'with --tigase-primary-address')
}
