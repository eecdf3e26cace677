/**
 * knex's SQLite dialect on a `SqliteConnection`. Transactions begin IMMEDIATE: a deferred one that reads first is
 * refused when another process has written meanwhile. Beside errors the one place with inheritance: knex asks for it.
 */
import { createRequire } from 'node:module'
import { SqliteConnection, type WorkerSettings } from './sqlite-connection.js'

/** What is used here of two inner classes of knex, which it publishes without types. */
interface KnexClient {
  readonly connectionSettings: unknown
  _formatBindings(bindings: readonly unknown[] | undefined): unknown[]
  transaction(...args: readonly unknown[]): unknown
}
interface KnexTransaction {
  query(connection: unknown, sql: string): Promise<unknown>
}

const load = createRequire(import.meta.url)
const BetterSqliteClient = load('knex/lib/dialects/better-sqlite3/index.js') as new (config: unknown) => KnexClient
const SqliteTransaction = load('knex/lib/dialects/sqlite3/execution/sqlite-transaction.js') as
  new (...args: readonly unknown[]) => KnexTransaction

/** The part of knex's query object that matters here. */
interface QueryObject {
  readonly sql?: string
  readonly bindings?: readonly unknown[]
  response?: unknown
  context?: { readonly lastID: number | undefined; readonly changes: number | undefined }
}

class ImmediateTransaction extends SqliteTransaction {
  begin(connection: unknown): Promise<unknown> {
    return this.query(connection, 'BEGIN IMMEDIATE;')
  }
}

export class SqliteClient extends BetterSqliteClient {
  /** knex loads a driver here; ours lives in the thread. */
  _driver(): object {
    return {}
  }

  acquireRawConnection(): Promise<SqliteConnection> {
    return SqliteConnection.open(this.connectionSettings as WorkerSettings)
  }

  destroyRawConnection(connection: SqliteConnection): Promise<void> {
    return connection.close()
  }

  async _query(connection: SqliteConnection, query: QueryObject): Promise<QueryObject> {
    if (query.sql === undefined || query.sql === '') throw new Error('The query is empty')
    const [{ rows, changes, lastId } = {}] = await connection.request([{ sql: query.sql, bindings: this._formatBindings(query.bindings) }])
    query.response = rows ?? { changes, lastInsertRowid: lastId }
    if (rows === undefined) query.context = { lastID: lastId, changes }
    return query
  }

  override transaction(...args: readonly unknown[]): ImmediateTransaction {
    return new ImmediateTransaction(this, ...args)
  }
}
