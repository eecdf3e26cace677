/** What an operator sees and does with SQL, on any of the three databases. */
import { openDatabase, rowsOf, type Database } from '../../src/storage/database.js'
import { silentLog } from './silent-log.js'
import type { TestDatabase } from './database.js'

export type SqlRow = Readonly<Record<string, unknown>>

export class SqlDoor {
  readonly #database: Database

  constructor(private readonly spec: Pick<TestDatabase, 'settings'>) {
    this.#database = openDatabase(spec.settings, silentLog)
  }

  run(sql: string): Promise<readonly SqlRow[]> {
    return this.#database.read(async (knex) => rowsOf(this.spec.settings.kind, await knex.raw(sql)))
  }

  nodes(): Promise<readonly SqlRow[]> {
    return this.run('select * from cluster_nodes order by hostname')
  }

  async node(name: string): Promise<SqlRow> {
    const row = (await this.nodes()).find((each) => each['hostname'] === name)
    if (row === undefined) throw new Error(`there is no row of ${name}`)
    return row
  }

  close(): Promise<void> {
    return this.#database.close()
  }
}
