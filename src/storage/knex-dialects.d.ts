/** The inner classes of knex that the SQLite dialect builds on, which knex publishes without types. */
declare module 'knex/lib/dialects/better-sqlite3/index.js' {
  export default class BetterSqliteClient {
    constructor(config: unknown)
    readonly connectionSettings: unknown
    _formatBindings(bindings: readonly unknown[] | undefined): unknown[]
    transaction(...args: readonly unknown[]): unknown
  }
}

declare module 'knex/lib/dialects/sqlite3/execution/sqlite-transaction.js' {
  export default class SqliteTransaction {
    constructor(...args: readonly unknown[])
    query(connection: unknown, sql: string): Promise<unknown>
  }
}
