/**
 * Shape one of storage: a value under a key of an account. Owns `account_values`. A change is read, made and swapped in
 * if nobody was faster: two statements and no transaction, because every login and logout makes one.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { digest } from './columns.js'
import type { Database, Sql, Statement } from './database.js'
import { StorageError, type AccountRef, type Values } from './store.js'

const GET: Statement = { name: 'value', text: 'select content from account_values where account_id = ? and name_key = ?' }
const INSERT: Statement = {
  name: 'value-insert', text: 'insert into account_values (account_id, name_key, name, content) values (?, ?, ?, ?)'
}
const UPDATE: Statement = {
  name: 'value-update', text: 'update account_values set content = ? where account_id = ? and name_key = ? and content = ?'
}
const DELETE: Statement = {
  name: 'value-delete', text: 'delete from account_values where account_id = ? and name_key = ? and content = ?'
}

interface Place {
  readonly account_id: number
  readonly name_key: string
}

/** Somebody was faster so often: other nodes only, for this one's changes of a value wait for each other. */
const TRIES_MAX = 20
const PAUSE_MS = 10

type Change = (value: string | undefined) => string | undefined

interface Waiting {
  readonly change: Change
  readonly done: (value: string | undefined) => void
  readonly failed: (error: unknown) => void
}

const placeOf = (account: AccountRef, key: string): Place => ({ account_id: account.id, name_key: digest(key) })

export class SqlValues implements Values {
  readonly #database: Database

  /** Changes of one value that wait for those under way. */
  readonly #lines = new Map<string, Waiting[]>()

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

  /** Changes that wait for the same value are made together. */
  update(account: AccountRef, key: string, change: Change): Promise<string | undefined> {
    const place = placeOf(account, key)
    const name = `${account.id} ${place.name_key}`
    const line = this.#lines.get(name)
    return new Promise((done, failed) => {
      const waiting = { change, done, failed }
      if (line !== undefined) line.push(waiting)
      else {
        const first = [waiting]
        this.#lines.set(name, first)
        void this.#work(account, key, first).finally(() => this.#lines.delete(name))
      }
    })
  }

  async remove(account: AccountRef, key: string): Promise<void> {
    await this.#database.write((sql) => sql('account_values').where(placeOf(account, key)).delete())
  }

  async #work(account: AccountRef, key: string, line: Waiting[]): Promise<void> {
    while (line.length > 0) {
      const batch = line.splice(0)
      try {
        await this.#make(account, key, batch)
      } catch (error) {
        for (const { failed } of batch) failed(error)
      }
    }
  }

  async #make(account: AccountRef, key: string, batch: readonly Waiting[]): Promise<void> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const before = await this.get(account, key)
      const { after, tell } = made(batch, before)
      if (after === before || await this.#swap(account, key, before, after)) {
        tell()
        return
      }
      await sleep(Math.random() * PAUSE_MS * tries)
    }
    throw new StorageError('the value changes too often', 'away')
  }

  /** False: it is not `before` any more. */
  async #swap(...[account, key, before, after]: [AccountRef, string, string | undefined, string | undefined]): Promise<boolean> {
    if (before === undefined) return after === undefined || this.#insert(account, key, after)
    const here = [account.id, digest(key), before]
    const count = after === undefined ? this.#database.change(DELETE, here) : this.#database.change(UPDATE, [after, ...here])
    return await count > 0
  }

  async #insert(account: AccountRef, key: string, content: string): Promise<boolean> {
    try {
      await this.#database.change(INSERT, [account.id, digest(key), key, content])
      return true
    } catch (error) {
      // Somebody made it between our look and our insert; or the account is gone.
      if (error instanceof StorageError && error.kind === 'refused' && await this.get(account, key) !== undefined) return false
      throw error
    }
  }
}

/** What each made of the value that the one before it left. */
function made(batch: readonly Waiting[], before: string | undefined): { readonly after: string | undefined; readonly tell: () => void } {
  let after = before
  const tells = batch.map(({ change, done, failed }) => {
    try {
      const value = after = change(after)
      return () => done(value)
    } catch (error) {
      return () => failed(error)
    }
  })
  return { after, tell: () => tells.forEach((tell) => tell()) }
}

async function put(sql: Sql, place: Place, name: string, content: string): Promise<void> {
  await sql('account_values').insert({ ...place, name, content }).onConflict(['account_id', 'name_key']).merge(['content'])
}
