/** Shape one of storage: a value under a key of an account. Owns `account_values`. */
import { digest, lockAccount } from './columns.js'
import type { Database, Sql, Statement } from './database.js'
import type { AccountRef, Values } from './store.js'

const GET: Statement = { name: 'value', text: 'select content from account_values where account_id = ? and name_key = ?' }

interface Place {
  readonly account_id: number
  readonly name_key: string
}

const placeOf = (account: AccountRef, key: string): Place => ({ account_id: account.id, name_key: digest(key) })

export class SqlValues implements Values {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async get(account: AccountRef, key: string): Promise<string | undefined> {
    const [row] = await this.#database.rows<{ readonly content: string }>(GET, [account.id, digest(key)])
    return row?.content
  }

  async set(account: AccountRef, key: string, value: string): Promise<void> {
    await this.#database.write((sql) => put(sql, placeOf(account, key), key, value))
  }

  update(account: AccountRef, key: string, change: (value: string | undefined) => string | undefined): Promise<string | undefined> {
    const place = placeOf(account, key)
    return this.#database.transaction(async (sql) => {
      // The value's row may not exist yet, so the account's is locked.
      await lockAccount(sql, account.id, ['id'])
      const before = await contentAt(sql, place)
      const after = change(before)
      if (after === before) return after
      if (after === undefined) await sql('account_values').where(place).delete()
      else await put(sql, place, key, after)
      return after
    })
  }

  async remove(account: AccountRef, key: string): Promise<void> {
    await this.#database.write((sql) => sql('account_values').where(placeOf(account, key)).delete())
  }
}

async function contentAt(sql: Sql, place: Place): Promise<string | undefined> {
  const row: unknown = await sql('account_values').where(place).first('content')
  return (row as { content: string } | undefined)?.content
}

async function put(sql: Sql, place: Place, name: string, content: string): Promise<void> {
  await sql('account_values').insert({ ...place, name, content }).onConflict(['account_id', 'name_key']).merge(['content'])
}
