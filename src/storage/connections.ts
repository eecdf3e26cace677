/**
 * knex configurations for the three databases: session settings, number types, time-outs, a client-side timer for a
 * server that falls silent.
 */
import type { Knex } from 'knex'
import pg from 'pg'
import { SqliteClient } from './sqlite-dialect.js'
import { SILENT, troubleError, type WorkerSettings } from './sqlite-connection.js'
import { CONNECT_MS, POOL_SIZE, SILENT_GRACE_MS, type DatabaseSettings, type ServerSettings } from './settings.js'

/** PostgreSQL's oid of BIGINT; ours stay below 2^53. */
const INT8 = 20
const IDLE_MS = 30_000

const postgresSession = (statementMs: number): readonly string[] => [
  `set time zone 'UTC'; set statement_timeout = ${statementMs}; set idle_in_transaction_session_timeout = ${statementMs}`
]

/**
 * READ COMMITTED: no gap locks between logins. Values are escaped with backslashes by the driver, so the mode that
 * turns them off must not be on. A frozen node must not hold its row locks for ever (MariaDB's own variables).
 */
const mariadbSession = (statementMs: number): readonly string[] => {
  const seconds = Math.ceil(statementMs / 1000)
  return [
    "set session time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', " +
      `innodb_lock_wait_timeout = ${seconds} ` +
      `/*M!100301 , max_statement_time = ${seconds}, idle_transaction_timeout = ${seconds} */`,
    'set session transaction isolation level read committed'
  ]
}

type Done = (error: Error | null, result?: unknown) => void
const isDone = (value: unknown): value is Done => typeof value === 'function'

/** What `pg` and `mysql2` have in common. */
interface DriverConnection {
  query(...args: unknown[]): unknown
  readonly connection?: { readonly stream: { destroy(): void } }
  destroy?(): void
  __knex__disposed?: Error
}

function cut(connection: DriverConnection, error: Error): void {
  connection.__knex__disposed = error
  if (connection.destroy !== undefined) connection.destroy()
  else connection.connection?.stream.destroy()
}

/** A server that does not answer loses the connection, and with it the transaction. */
function watch(connection: DriverConnection, silentMs: number): void {
  const query = connection.query.bind(connection)
  connection.query = (...args) => {
    const done = args.at(-1)
    if (!isDone(done)) return query(...args)
    let timer: NodeJS.Timeout | undefined = setTimeout(() => {
      timer = undefined
      const error = troubleError(`no answer from the database in ${silentMs} ms`, SILENT)
      cut(connection, error)
      done(error)
    }, silentMs)
    const once: Done = (error, result) => {
      if (timer === undefined) return
      clearTimeout(timer)
      timer = undefined
      done(error, result)
    }
    return query(...args.slice(0, -1), once)
  }
}

type Prepare = (connection: DriverConnection, done: Done) => void

function prepareWith(statements: readonly string[], statementMs: number): Prepare {
  return (connection, done) => {
    watch(connection, statementMs + SILENT_GRACE_MS)
    const next = (index: number): void => {
      const sql = statements[index]
      if (sql === undefined) {
        done(null)
        return
      }
      connection.query(sql, (error: Error | null) => (error === null ? next(index + 1) : done(error)))
    }
    next(0)
  }
}

function tlsOf({ ssl }: ServerSettings): object {
  if (ssl === undefined || ssl === false) return {}
  if (ssl === true) return { ssl: { rejectUnauthorized: true } }
  return { ssl: { rejectUnauthorized: ssl.verify, ...(ssl.ca === undefined ? {} : { ca: ssl.ca }) } }
}

const loginOf = ({ host, port, database, user, password }: ServerSettings): object => ({ host, port, database, user, password })

const parserOf = pg.types.getTypeParser.bind(pg.types) as (oid: number, format?: 'text') => unknown

function postgres(settings: ServerSettings, statementMs: number): Knex.Config {
  const types = {
    getTypeParser: (oid: number, format?: 'text'): unknown => (oid === INT8 ? Number : parserOf(oid, format))
  }
  return {
    client: 'pg',
    connection: {
      ...loginOf(settings), ...tlsOf(settings), types,
      connectionTimeoutMillis: CONNECT_MS, keepAlive: true, application_name: 'starling'
    } as Knex.PgConnectionConfig,
    pool: pool(settings, prepareWith(postgresSession(statementMs), statementMs))
  }
}

function mariadb(settings: ServerSettings, statementMs: number): Knex.Config {
  return {
    client: 'mysql2',
    connection: {
      ...loginOf(settings), ...tlsOf(settings),
      // The server may not ask for our files.
      flags: ['-LOCAL_FILES'],
      connectTimeout: CONNECT_MS, charset: 'utf8mb4', supportBigNumbers: true, dateStrings: true, timezone: 'Z'
    },
    pool: pool(settings, prepareWith(mariadbSession(statementMs), statementMs))
  }
}

function pool(settings: ServerSettings, afterCreate: Knex.PoolConfig['afterCreate']): Knex.PoolConfig {
  return { min: 0, max: settings.poolSize ?? POOL_SIZE, idleTimeoutMillis: IDLE_MS, ...(afterCreate && { afterCreate }) }
}

function sqlite(file: string, statementMs: number): Knex.Config {
  const settings: WorkerSettings = { file, busyMs: statementMs }
  return {
    client: SqliteClient as unknown as typeof Knex.Client,
    connection: settings as unknown as Knex.StaticConnectionConfig,
    // One connection that stays: SQLite has one writer, the thread answers in order, and another one would be slow at first.
    pool: { min: 1, max: 1 },
    useNullAsDefault: true
  }
}

export function configOf(settings: DatabaseSettings, statementMs: number): Knex.Config {
  switch (settings.kind) {
    case 'sqlite': return sqlite(settings.file, statementMs)
    case 'postgresql': return postgres(settings, statementMs)
    case 'mysql': return mariadb(settings, statementMs)
    default: return settings satisfies never
  }
}
