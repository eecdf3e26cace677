/**
 * The one door to a database: statements and transactions with time-outs, retries and a breaker, and the one place
 * where a driver's error becomes a `StorageError`. The rest of the room sees knex as the type `Sql` only.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import knex, { type Knex } from 'knex'
import { systemClock, type Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import { Batches } from './batches.js'
import { Breaker, type DatabaseState } from './breaker.js'
import { configOf } from './connections.js'
import { classify, type Cause, type Failure } from './failure.js'
import { addressOf, MIGRATION_MS, POOL_SIZE, STATEMENT_MS, type DatabaseKind, type DatabaseSettings } from './settings.js'
import { troubleError, type SqliteConnection, type SqliteResult, type SqliteStatement } from './sqlite-connection.js'
import { StorageError } from './store.js'
import { Turns } from './turns.js'

export type Sql = Knex

/** Waiting does not help: an operator must change something. */
export class DatabaseRefused extends Error {
  constructor(readonly reason: Cause | 'schema', message: string) {
    super(message)
    this.name = 'DatabaseRefused'
  }
}

/** `name` must be unique: PostgreSQL plans a named statement once (half the time of a login's read). */
export interface Statement {
  readonly name: string
  readonly text: string
}

export interface DatabaseFacts {
  readonly kind: DatabaseKind
  readonly version: string
  /** Without user and password. */
  readonly address: string
}

export interface Database {
  readonly kind: DatabaseKind
  readonly state: DatabaseState
  /** Called when the breaker opens or closes; returns how to stop that. */
  onState(handler: (state: DatabaseState) => void): () => void
  /** Talks to the database past the breaker. Rejects with `DatabaseRefused`, or `StorageError` if it is unreachable. */
  check(): Promise<DatabaseFacts>
  /** The rows of a statement of the hot path: written once, and prepared once for each connection where that pays. */
  rows<Row>(statement: Statement, bindings: readonly (string | number)[]): Promise<readonly Row[]>
  /** How many rows a statement of the hot path changed: rejects with kind `unknown` if its answer was lost. */
  change(statement: Statement, bindings: readonly (string | number)[]): Promise<number>
  /** One statement that changes nothing. */
  read<T>(query: (sql: Sql) => PromiseLike<T>): Promise<T>
  /** One statement that changes something: rejects with kind `unknown` if its answer was lost. */
  write<T>(query: (sql: Sql) => PromiseLike<T>): Promise<T>
  /** `work` runs again from its start after a deadlock, so it must have no other effects. */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>
  /** A transaction on a connection of its own for migrations: long time-outs, no retry, errors as `check` gives them. */
  maintain<T>(work: (sql: Sql) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** Deadlocks and serialization failures, each try after a short random pause. */
const TRIES_MAX = 5
const PAUSE_MS = 20

const ADVICE: Readonly<Record<Cause, string>> = {
  password: 'the database refused the user or the password; check --user-db-uri',
  right: 'the database user lacks a right (it must own its tables or be allowed to create them)',
  database: 'there is no such database on the server; create it or check --user-db-uri',
  file: 'the SQLite file cannot be opened or is not a database; check the path and its rights'
}

const VERSION_SQL: Readonly<Record<DatabaseKind, string>> = {
  sqlite: 'select sqlite_version() as version',
  postgresql: "select current_setting('server_version') as version",
  mysql: 'select version() as version'
}

export function openDatabase(settings: DatabaseSettings, log: Log, clock: Clock = systemClock()): Database {
  return new KnexDatabase(settings, log, clock)
}

/** Rows of a raw statement, which each driver wraps in its own way. */
export function rowsOf(kind: DatabaseKind, result: unknown): readonly Readonly<Record<string, unknown>>[] {
  switch (kind) {
    case 'sqlite': return result as Record<string, unknown>[]
    case 'postgresql': return (result as { rows: Record<string, unknown>[] }).rows
    case 'mysql': return (result as [Record<string, unknown>[]])[0]
    default: return kind satisfies never
  }
}

/** What is used here of knex's client. */
interface ConnectionPool {
  acquireConnection(): Promise<SqliteConnection>
  releaseConnection(connection: SqliteConnection): Promise<void>
}

/** How many rows a raw statement changed. */
function countOf(kind: Exclude<DatabaseKind, 'sqlite'>, result: unknown): number {
  return kind === 'postgresql' ? (result as { rowCount: number }).rowCount : (result as [{ affectedRows: number }])[0].affectedRows
}

class KnexDatabase implements Database {
  readonly kind: DatabaseKind
  readonly #settings: DatabaseSettings
  readonly #address: string
  readonly #log: Log
  readonly #knex: Knex
  readonly #breaker: Breaker
  /** The breaker does not count who is refused here: the database works, only slowly. */
  readonly #turns: Turns
  /** The one connection: who has the turn has it, so the pool need not be asked again. */
  #sqlite: SqliteConnection | undefined
  readonly #batches: Batches

  constructor(settings: DatabaseSettings, log: Log, clock: Clock) {
    this.kind = settings.kind
    this.#settings = settings
    this.#address = addressOf(settings)
    this.#log = log
    this.#knex = this.#connect(STATEMENT_MS)
    this.#breaker = new Breaker(clock, async () => {
      await this.#knex.raw('select 1')
    })
    this.#breaker.onState((state) => this.#told(state))
    this.#turns = new Turns({
      runningMax: settings.kind === 'sqlite' ? 1 : settings.poolSize ?? POOL_SIZE, waitMs: STATEMENT_MS, clock,
      refused: (why) => new StorageError(why, 'away')
    })
    this.#batches = new Batches(clock, (take, mayBeDone) => this.#tries(async () => this.#together(await take()), mayBeDone))
  }

  get state(): DatabaseState {
    return this.#breaker.state
  }

  onState(handler: (state: DatabaseState) => void): () => void {
    return this.#breaker.onState(handler)
  }

  async check(): Promise<DatabaseFacts> {
    try {
      const [row] = rowsOf(this.kind, await this.#knex.raw(VERSION_SQL[this.kind]))
      this.#breaker.worked()
      return { kind: this.kind, version: String(row?.['version']), address: this.#address }
    } catch (error) {
      throw this.#startError(error)
    }
  }

  async maintain<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    const own = this.#connect(MIGRATION_MS)
    try {
      return await own.transaction((sql) => work(sql))
    } catch (error) {
      throw this.#startError(error)
    } finally {
      await own.destroy()
    }
  }

  async rows<Row>({ name, text }: Statement, bindings: readonly (string | number)[]): Promise<readonly Row[]> {
    if (this.kind === 'sqlite') return (await this.#batched({ sql: text, bindings })).rows as readonly Row[]
    const options = this.kind === 'postgresql' ? { name } : {}
    return rowsOf(this.kind, await this.read((sql) => sql.raw(text, bindings).options(options))) as readonly Row[]
  }

  async change({ name, text }: Statement, bindings: readonly (string | number)[]): Promise<number> {
    if (this.kind === 'sqlite') return (await this.#batched({ sql: text, bindings, changes: true })).changes ?? 0
    const options = this.kind === 'postgresql' ? { name } : {}
    return countOf(this.kind, await this.write((sql) => sql.raw(text, bindings).options(options)))
  }

  read<T>(query: (sql: Sql) => PromiseLike<T>): Promise<T> {
    return this.#tries(() => query(this.#knex), () => false)
  }

  write<T>(query: (sql: Sql) => PromiseLike<T>): Promise<T> {
    return this.#tries(() => query(this.#knex), () => true)
  }

  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    // Before COMMIT is sent nothing can have happened, whatever is lost.
    let committing = false
    const once = (): Promise<T> => {
      committing = false
      return this.#knex.transaction(async (sql) => {
        const result = await work(sql)
        committing = true
        return result
      })
    }
    return this.#tries(once, () => committing)
  }

  async close(): Promise<void> {
    await this.#turns.idle()
    this.#breaker.close()
    await this.#knex.destroy()
  }

  async #batched(statement: SqliteStatement): Promise<SqliteResult> {
    const result = await this.#batches.add(statement)
    if (result.error === undefined) return result
    const { message, code } = result.error
    const failure = classify(troubleError(`${statement.sql} - ${message}`, code))
    throw failure === undefined ? new Error(message) : this.#failed(failure, false)
  }

  async #together(statements: readonly SqliteStatement[]): Promise<readonly SqliteResult[]> {
    if (this.#sqlite !== undefined && this.#sqlite.__knex__disposed === undefined) return this.#sqlite.request(statements)
    const client = this.#knex.client as ConnectionPool
    const connection = await client.acquireConnection()
    this.#sqlite = connection
    try {
      return await connection.request(statements)
    } finally {
      await client.releaseConnection(connection)
    }
  }

  async #tries<T>(task: () => PromiseLike<T>, mayBeDone: () => boolean): Promise<T> {
    this.#breaker.pass()
    return this.#turns.run(() => this.#attempts(task, mayBeDone))
  }

  /** `mayBeDone` says, after a lost answer, whether the change may have happened. */
  async #attempts<T>(task: () => PromiseLike<T>, mayBeDone: () => boolean): Promise<T> {
    this.#breaker.pass()
    for (let attempt = 1; ; attempt++) {
      try {
        const result = await task()
        this.#breaker.worked()
        return result
      } catch (error) {
        const failure = classify(error)
        if (failure === undefined) throw error
        if (failure.kind !== 'again' || attempt === TRIES_MAX) throw this.#failed(failure, mayBeDone())
        await sleep(Math.random() * PAUSE_MS * attempt)
      }
    }
  }

  #failed(failure: Failure, mayBeDone: boolean): Error {
    if (failure.kind === 'away') this.#breaker.failed()
    else this.#breaker.worked()
    if (failure.kind === 'refused') {
      // Our own statement was wrong, or a row it needs is gone: worth a line, never the values.
      this.#log.warn({ reason: failure.text }, 'database.refused')
      return new StorageError(failure.text, 'refused')
    }
    this.#log.debug({ reason: failure.text }, 'database.failed')
    return new StorageError(failure.text, mayBeDone && !failure.undone ? 'unknown' : 'away')
  }

  #startError(error: unknown): unknown {
    const failure = classify(error)
    if (failure === undefined) return error
    const { cause, text, kind } = failure
    if (cause !== undefined) return new DatabaseRefused(cause, `${this.#address}: ${ADVICE[cause]} (${text})`)
    return new StorageError(`${this.#address}: ${text}`, kind === 'refused' ? 'refused' : 'away')
  }

  #connect(statementMs: number): Knex {
    return knex({
      ...configOf(this.#settings, statementMs),
      acquireConnectionTimeout: STATEMENT_MS,
      // Values stay out of messages.
      compileSqlOnError: false,
      log: quiet(this.#log)
    })
  }

  #told(state: DatabaseState): void {
    if (state === 'away') this.#turns.refuseAll('the database is away')
    if (state === 'up') this.#log.info({ address: this.#address }, 'database.up')
    else this.#log.error({ address: this.#address, todo: 'logins wait; see that the database runs and is reachable' }, 'database.away')
  }
}

/** knex speaks of lost connections and old drivers; we say the same ourselves. */
function quiet(log: Log): Knex.Logger {
  const whisper = (message: unknown): void => log.debug({ message: String(message).slice(0, 200) }, 'database.knex')
  return { warn: whisper, error: whisper, debug: whisper, deprecate: whisper }
}
