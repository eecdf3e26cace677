/** Values of the whole cluster that no account owns: drawn once by whichever node comes first, then the same for all. */
import type { Database, Statement } from './database.js'
import { StorageError } from './store.js'

const ONCE: Statement = { name: 'server-value', text: 'select content from server_values where name = ?' }

/** Names are compared as texts. */
const SPAN_DIGITS = 10

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

  /** One value for each span of time, which forgets those of the spans before it. */
  async forSpan(name: string, span: number, make: () => string): Promise<string> {
    const own = `${name}/${String(span).padStart(SPAN_DIGITS, '0')}`
    const value = await this.once(own, make)
    // Only older ones: clocks differ, and a node behind must not take away what the others already use.
    await this.#database.write((sql) => sql('server_values').where('name', 'like', `${name}/%`).where('name', '<', own).delete())
    return value
  }
}
