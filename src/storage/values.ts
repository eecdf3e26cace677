/**
 * Shape one of storage: a value under a key of an account. Owns `account_values`. A change is read, made and swapped in
 * if nobody was faster: two statements and no transaction. Notes wait for each other first: every login and logout makes one.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { digest } from './columns.js'
import type { Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
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

/** How long notes wait for others, and how many values may have some; as many as this are worked on at once. */
const NOTE_MS = 1000
const NOTED_MAX = 5000
const AT_ONCE = 100
/** Values whose last note is remembered: people who come and go, in two megabytes or so. */
const LEFT_MAX = 5000

type Change = (value: string | undefined) => string | undefined

interface Waiting {
  readonly change: Change
  readonly done: (value: string | undefined) => void
  readonly failed: (error: unknown) => void
}

/** Changes of one value that wait for those under way, or for their second to end. */
interface Line {
  readonly account: AccountRef
  readonly key: string
  readonly waiting: Waiting[]
  begun: boolean
  noted: boolean
}

export interface ValuesParts {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
}

const nameOf = (account: AccountRef, key: string): string => `${account.id} ${key}`
const placeOf = (account: AccountRef, key: string): Place => ({ account_id: account.id, name_key: digest(key) })

export class SqlValues implements Values {
  readonly #database: Database
  readonly #clock: Clock
  readonly #log: Log
  /** By account and key. */
  readonly #lines = new Map<string, Line>()
  /** What the latest notes have left: mostly it is still there, and need not be read to be changed again. */
  readonly #left = new Map<string, string>()
  #noted: Line[] = []
  #flushing: Promise<void> = Promise.resolve()

  constructor({ database, clock, log }: ValuesParts) {
    this.#database = database
    this.#clock = clock
    this.#log = log
  }

  async get(account: AccountRef, key: string): Promise<string | undefined> {
    const line = this.#lines.get(nameOf(account, key))
    if (line !== undefined) return this.update(account, key, (value) => value)
    return this.#get(account, key)
  }

  async set(account: AccountRef, key: string, value: string): Promise<void> {
    await this.#database.write((sql) => put(sql, placeOf(account, key), key, value))
  }

  /** Changes that wait for the same value are made together. */
  update(account: AccountRef, key: string, change: Change): Promise<string | undefined> {
    return new Promise((done, failed) => {
      const line = this.#add(account, key, { change, done, failed })
      if (!line.begun) void this.#work(line)
    })
  }

  note(account: AccountRef, key: string, change: Change): void {
    const failed = (error: unknown): void => {
      this.#log.warn({ account: account.jid.toString(), key, error: String(error) }, 'value.not-noted')
    }
    const line = this.#add(account, key, { change, done: () => undefined, failed })
    line.noted = true
    if (line.begun || line.waiting.length > 1) return
    if (this.#noted.push(line) === 1) this.#clock.after(NOTE_MS, () => void this.flush())
    else if (this.#noted.length >= NOTED_MAX) void this.flush()
  }

  /** Makes what is noted; resolves when it is done. */
  flush(): Promise<void> {
    const due = this.#noted
    this.#noted = []
    this.#flushing = this.#flushing.then(() => this.#workAll(due))
    return this.#flushing
  }

  async remove(account: AccountRef, key: string): Promise<void> {
    await this.#database.write((sql) => sql('account_values').where(placeOf(account, key)).delete())
  }

  #add(account: AccountRef, key: string, waiting: Waiting): Line {
    const name = nameOf(account, key)
    const known = this.#lines.get(name)
    const line = known ?? { account, key, waiting: [], begun: false, noted: false }
    line.waiting.push(waiting)
    if (known === undefined) this.#lines.set(name, line)
    return line
  }

  async #workAll(lines: readonly Line[]): Promise<void> {
    for (let first = 0; first < lines.length; first += AT_ONCE) {
      await Promise.all(lines.slice(first, first + AT_ONCE).filter((line) => !line.begun).map((line) => this.#work(line)))
    }
  }

  async #work(line: Line): Promise<void> {
    const { account, key, waiting } = line
    line.begun = true
    while (waiting.length > 0) {
      const batch = waiting.splice(0)
      try {
        await this.#make(line, batch)
      } catch (error) {
        for (const { failed } of batch) failed(error)
      }
    }
    this.#lines.delete(nameOf(account, key))
  }

  async #get(account: AccountRef, key: string): Promise<string | undefined> {
    const [row] = await this.#database.rows<{ readonly content: string }>(GET, [account.id, digest(key)])
    return row?.content
  }

  async #make({ account, key, noted }: Line, batch: readonly Waiting[]): Promise<void> {
    const name = nameOf(account, key)
    let guess = this.#left.get(name)
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const before = guess ?? await this.#get(account, key)
      const { after, tell } = made(batch, before)
      if (after === before ? guess === undefined : await this.#swap(account, key, before, after)) {
        if (noted) this.#leave(name, after)
        tell()
        return
      }
      guess = undefined
      await sleep(Math.random() * PAUSE_MS * tries)
    }
    throw new StorageError('the value changes too often', 'away')
  }

  #leave(name: string, content: string | undefined): void {
    this.#left.delete(name)
    if (content !== undefined) this.#left.set(name, content)
    const [oldest] = this.#left.keys()
    if (this.#left.size > LEFT_MAX && oldest !== undefined) this.#left.delete(oldest)
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
      if (error instanceof StorageError && error.kind === 'refused' && await this.#get(account, key) !== undefined) return false
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
