/**
 * The cluster's tables: who lives, who was fenced, what live nodes are told. Each change is one compare-and-set on the
 * row that carries the beat; the database's clock stamps rows for people and decides nothing.
 */
import type {
  ClaimResult, ClusterTables, Life, NodeClaim, NodeRow, NodeServices, NodeState, Notice, Renewal
} from './cluster-tables.js'
import type { Database, Sql } from './database.js'
import { claimedRow, nodeOf, type DbNode } from './node-rows.js'
import type { DatabaseKind } from './settings.js'

const LIVE: readonly NodeState[] = ['joining', 'up', 'draining']
/** A live node reads notices with each beat, and rows of nodes that have ended are for people: a day is enough for both. */
const A_DAY_AGO: Readonly<Record<DatabaseKind, string>> = {
  sqlite: "datetime('now', '-1 day')",
  postgresql: "current_timestamp - interval '1 day'",
  mysql: 'current_timestamp - interval 1 day'
}
/** At one time; the rest comes with the next beat. */
const NOTICES_MAX = 1000

export class SqlClusterTables implements ClusterTables {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  claim(claim: NodeClaim, replacing?: NodeRow, above = 0): Promise<ClaimResult> {
    return this.#database.transaction(async (sql) => {
      // The counter's lock lets one claim at a time through, so two processes with one name come one after another.
      const incarnation = await draw(sql, 'incarnation', above)
      const row = (await sql('cluster_nodes').where({ hostname: claim.hostname }).forUpdate().first()) as DbNode | undefined
      const refusal = row && refusalOf(nodeOf(row), claim, replacing)
      if (refusal !== undefined) return refusal
      if (row !== undefined && LIVE.includes(row.state)) await markFenced(sql, nodeOf(row))
      await writeClaim(sql, claim, incarnation, row === undefined)
      await sql('cluster_fence').insert({ hostname: claim.hostname, incarnation, fenced: 0 })
      await sql('cluster_nodes').whereNotIn('state', LIVE).whereRaw(`last_update < ${A_DAY_AGO[this.#database.kind]}`).delete()
      const life: Life = { hostname: claim.hostname, incarnation, bootNonce: claim.bootNonce }
      return { outcome: 'claimed', life, row: nodeOf({ hostname: claim.hostname, ...claimedRow(claim, incarnation) }) }
    })
  }

  async rows(clusterName: string): Promise<readonly NodeRow[]> {
    const rows: unknown = await this.#database.read((sql) =>
      sql('cluster_nodes').where({ cluster_name: clusterName }).orderBy('hostname').select()
    )
    return (rows as readonly DbNode[]).map(nodeOf)
  }

  renew(life: Life, { cpuUsage, memUsage, links }: Renewal): Promise<boolean> {
    return this.#changeOwn(life, (sql) => ({ beat: sql.raw('beat + 1'), cpu_usage: cpuUsage, mem_usage: memUsage, links }))
  }

  setState(life: Life, state: NodeState, services?: NodeServices): Promise<boolean> {
    const doors = services === undefined ? {} : { services: JSON.stringify(services) }
    return this.#changeOwn(life, (sql) => ({ state, view_no: sql.raw('view_no + 1'), ...doors }))
  }

  fence(seen: NodeRow): Promise<boolean> {
    const { hostname, incarnation, beat, viewNo } = seen
    return this.#database.transaction(async (sql) => {
      const hit = await sql('cluster_nodes')
        .where({ hostname, incarnation, beat, view_no: viewNo }).whereIn('state', LIVE)
        .update({ state: 'fenced', view_no: sql.raw('view_no + 1'), last_update: sql.fn.now() })
      if (hit !== 1) return false
      await markFenced(sql, seen)
      return true
    })
  }

  async isFenced(hostname: string, incarnation: number): Promise<boolean> {
    const row: unknown = await this.#database.read((sql) =>
      sql('cluster_fence as f').leftJoin('cluster_nodes as n', 'n.hostname', 'f.hostname')
        .where({ 'f.hostname': hostname, 'f.incarnation': incarnation })
        .first('f.fenced', 'n.incarnation as present')
    )
    // A life without a row has never been, or was cleared away long after its end.
    if (row === undefined) return true
    const { fenced, present } = row as { fenced: number; present: number | null }
    return fenced === 1 || (present !== null && present > incarnation)
  }

  async notices(after: number): Promise<readonly Notice[]> {
    const rows: unknown = await this.#database.read((sql) =>
      sql('cluster_notices').where('id', '>', after).orderBy('id').limit(NOTICES_MAX).select('id', 'kind', 'subject')
    )
    return rows as readonly Notice[]
  }

  async lastNotice(): Promise<number> {
    const row: unknown = await this.#database.read((sql) => sql('cluster_seq').where({ name: 'notice' }).first('v'))
    return (row as { v: number } | undefined)?.v ?? 0
  }

  notify(kind: string, subject: string): Promise<void> {
    return this.#database.transaction(async (sql) => {
      // The counter stays locked to the commit: numbers are seen in their order, none appears behind a reader's back.
      const id = await draw(sql, 'notice')
      await sql('cluster_notices').insert({ id, kind, subject })
      await sql('cluster_notices').whereRaw(`at_db < ${A_DAY_AGO[this.#database.kind]}`).delete()
    })
  }

  /** One row hit: this life goes on. None: it is fenced, or its row is gone. */
  async #changeOwn({ hostname, incarnation, bootNonce }: Life, change: (sql: Sql) => object): Promise<boolean> {
    const hit = await this.#database.write((sql) =>
      sql('cluster_nodes')
        .where({ hostname, incarnation, boot_nonce: bootNonce }).whereIn('state', LIVE)
        .update({ ...change(sql), last_update: sql.fn.now() })
    )
    return hit === 1
  }
}

/** The next number of a sequence beyond `above`; its row stays locked to the end of the transaction. */
async function draw(sql: Sql, name: string, above = 0): Promise<number> {
  const grown = await sql('cluster_seq').where({ name }).update({ v: sql.raw('v + 1') })
  if (grown === 0) {
    // Two first draws at once: one of them makes the row, the other grows it.
    await sql('cluster_seq').insert({ name, v: 0 }).onConflict('name').ignore()
    await sql('cluster_seq').where({ name }).update({ v: sql.raw('v + 1') })
  }
  const row: unknown = await sql('cluster_seq').where({ name }).first('v')
  const { v } = row as { v: number }
  if (v <= above) await sql('cluster_seq').where({ name }).update({ v: above + 1 })
  return Math.max(v, above + 1)
}

/** Why the name cannot be taken now; `undefined`: it can. */
function refusalOf(held: NodeRow, claim: NodeClaim, replacing: NodeRow | undefined): ClaimResult | undefined {
  if (!LIVE.includes(held.state)) return undefined
  if (held.clusterName !== claim.clusterName) return { outcome: 'other-cluster', by: held }
  // Our own claim whose answer was lost.
  if (held.bootNonce === claim.bootNonce) return undefined
  return replacing !== undefined && sameMoment(held, replacing) ? undefined : { outcome: 'held', by: held }
}

function sameMoment(held: NodeRow, seen: NodeRow): boolean {
  return held.incarnation === seen.incarnation && held.beat === seen.beat && held.viewNo === seen.viewNo
}

/** In one transaction with the row in `cluster_nodes`, which a restarted node writes over. */
async function markFenced(sql: Sql, { hostname, incarnation, backup, backupIncarnation }: NodeRow): Promise<void> {
  const mark = { fenced: 1, backup: backup ?? null, backup_inc: backupIncarnation ?? null }
  await sql('cluster_fence').insert({ hostname, incarnation, ...mark }).onConflict(['hostname', 'incarnation']).merge(mark)
}

async function writeClaim(sql: Sql, claim: NodeClaim, incarnation: number, isNew: boolean): Promise<void> {
  const row = claimedRow(claim, incarnation)
  const { hostname } = claim
  if (isNew) await sql('cluster_nodes').insert({ hostname, ...row })
  else await sql('cluster_nodes').where({ hostname }).update({ ...row, last_update: sql.fn.now(), started_at: sql.fn.now() })
}
