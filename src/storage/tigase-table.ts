/**
 * A `cluster_nodes` table that a real Tigase made: its seven columns only. While Tigase nodes use it we must not (they
 * delete rows that they do not know); a left-over is renamed, so that nothing of it is lost.
 */
import type { Log } from '../telemetry/log.js'
import { DatabaseRefused, rowsOf, type Sql } from './database.js'
import type { DatabaseKind } from './settings.js'

const TABLE = 'cluster_nodes'
const KEPT_AS = 'cluster_nodes_tigase'
/** `secondary` came later and may be missing. */
const TIGASE = ['hostname', 'password', 'last_update', 'port', 'cpu_usage', 'mem_usage']
const TIGASE_OPTIONAL = 'secondary'

/** Rows touched in the last five minutes by the database's clock. PostgreSQL's column may be in local time or in UTC. */
const RECENT: Readonly<Record<DatabaseKind, string>> = {
  sqlite: "last_update > datetime('now', '-300 seconds')",
  postgresql: "(last_update > localtimestamp - interval '5 minutes' or " +
    "last_update at time zone current_setting('log_timezone') > current_timestamp - interval '5 minutes')",
  mysql: 'last_update > current_timestamp - interval 300 second'
}

export async function setTigaseAside(kind: DatabaseKind, sql: Sql, log: Log): Promise<void> {
  if (!(await sql.schema.hasTable(TABLE)) || (await sql.schema.hasColumn(TABLE, 'incarnation'))) return
  await mustBeTigase(sql)
  const recent = rowsOf(kind, await sql.raw(`select hostname from ${TABLE} where ${RECENT[kind]}`))
  if (recent.length > 0) {
    const names = recent.map((row) => String(row['hostname'])).join(', ')
    throw new DatabaseRefused('schema', `Tigase nodes are using this table: ${TABLE} was updated in the last 5 minutes by ${names}. ` +
      'They delete rows that they do not know; stop them, or give Starling a database of its own')
  }
  const name = await freeName(sql)
  await sql.schema.renameTable(TABLE, name)
  log.warn({ table: TABLE, keptAs: name }, 'database.tigase-table-renamed')
}

async function mustBeTigase(sql: Sql): Promise<void> {
  const columns = Object.keys(await sql(TABLE).columnInfo()).map((name) => name.toLowerCase())
  const rest = columns.filter((name) => name !== TIGASE_OPTIONAL)
  if (rest.length === TIGASE.length && TIGASE.every((name) => rest.includes(name))) return
  throw new DatabaseRefused('schema', `the table ${TABLE} is neither ours nor Tigase's (columns: ${columns.join(', ')}); ` +
    'rename it, or give Starling a database of its own')
}

async function freeName(sql: Sql): Promise<string> {
  let name = KEPT_AS
  for (let n = 2; await sql.schema.hasTable(name); n++) name = `${KEPT_AS}_${n}`
  return name
}
