/** Values of the whole cluster that no account owns: drawn once by whichever node comes first, then the same for all. */
import type { Database, Statement } from './database.js'
import { StorageError } from './store.js'

const ONCE: Statement = { name: 'server-value', text: 'select content from server_values where name = ?' }

export class ServerValues {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** What stands under `name`, or what `make` gives and is kept from now on. */
  async once(name: string, make: () => string): Promise<string> {
    await this.#database.write((sql) => sql('server_values').insert({ name, content: make() }).onConflict('name').ignore())
    const [row] = await this.#database.rows<{ readonly content: string }>(ONCE, [name])
    if (row === undefined) throw new StorageError(`the server value ${name} was taken away`, 'refused')
    return row.content
  }
}
