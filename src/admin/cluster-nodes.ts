/**
 * `starling cluster nodes` and `starling cluster fence`: the members as the database alone knows them. Whether a node
 * lives is seen by its beat, read twice; no clocks are compared.
 */
import type { ClusterTables, NodeRow } from '../storage/cluster-tables.js'
import { CommandError } from './exit-codes.js'
import { table } from './table.js'

export interface ClusterPorts {
  readonly tables: Pick<ClusterTables, 'rows' | 'fence' | 'isFenced'>
  readonly clusterName: string
  readonly print: (text: string) => void
  /** Waits. */
  readonly pause: (ms: number) => Promise<void>
}

/** A live node renews its row each second. */
export const WATCH_MS = 2_000

export interface NodeFacts {
  readonly name: string
  readonly incarnation: number
  readonly state: NodeRow['state']
  readonly version: string
  /** Renewals seen in two seconds. */
  readonly beats: number
  readonly links: number
  readonly backup: string | null
  readonly address: string
  readonly strategy: string
  readonly services: NodeRow['services']
}

function factsOf(row: NodeRow, before: NodeRow | undefined): NodeFacts {
  return {
    name: row.hostname, incarnation: row.incarnation, state: row.state, version: row.version,
    beats: before?.incarnation === row.incarnation ? row.beat - before.beat : row.beat,
    links: row.links, backup: row.backup ?? null, address: row.advertise, strategy: row.strategy, services: row.services
  }
}

/** What looking needs. */
export interface Watching {
  readonly tables: Pick<ClusterTables, 'rows'>
  readonly clusterName: string
  readonly pause: (ms: number) => Promise<void>
}

export async function nodeFacts({ tables, clusterName, pause }: Watching): Promise<readonly NodeFacts[]> {
  const before = new Map((await tables.rows(clusterName)).map((row) => [row.hostname, row]))
  await pause(WATCH_MS)
  return (await tables.rows(clusterName)).map((row) => factsOf(row, before.get(row.hostname)))
}

export async function showNodes(ports: ClusterPorts, json: boolean): Promise<void> {
  const facts = await nodeFacts(ports)
  if (json) {
    ports.print(JSON.stringify(facts, null, 2))
    return
  }
  if (facts.length === 0) {
    ports.print(`no node of the cluster ${ports.clusterName} has ever used this database`)
    return
  }
  ports.print(table(
    ['NODE', 'INCARNATION', 'STATE', 'VERSION', 'BEATS', 'LINKS', 'BACKUP', 'ADDRESS'],
    facts.map((f) => [f.name, f.incarnation, f.state, f.version, f.beats, f.links, f.backup ?? '-', f.address].map(String))
  ))
}

/** Fences one life of one node, by compare-and-set on the row as it was just seen: a node that still renews is not hit. */
export async function fenceNode(ports: ClusterPorts, name: string, incarnation: number): Promise<void> {
  const row = (await ports.tables.rows(ports.clusterName)).find((one) => one.hostname === name)
  if (row === undefined) throw new CommandError(`the cluster ${ports.clusterName} has no node ${name}`)
  if (row.incarnation < incarnation) {
    throw new CommandError(`${name} has not had an incarnation ${incarnation}; the last one is ${row.incarnation}`)
  }
  if (row.incarnation > incarnation || row.state === 'fenced' || row.state === 'left') {
    ports.print(`incarnation ${incarnation} of ${name} is over already`)
    return
  }
  await ports.pause(WATCH_MS)
  if (!await ports.tables.fence(row)) {
    throw new CommandError(`${name} is alive: its beat went on while it was watched; stop it first`)
  }
  ports.print(`fenced incarnation ${incarnation} of ${name}`)
}
