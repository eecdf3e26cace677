/** Values of the whole cluster that no account owns: drawn once by whichever node comes first, then the same for all. */
import type { Database } from './database.js'

export class ServerValues {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** What stands under `name`, or what `make` gives and is kept from now on. */
  async once(name: string, make: () => string): Promise<string> {
    await this.#database.write((sql) => sql('server_values').insert({ name, content: make() }).onConflict('name').ignore())
    const row = await this.#database.read((sql) => sql('server_values').where({ name }).first<{ content: string }>('content'))
    return row?.content ?? make()
  }
}
