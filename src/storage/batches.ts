/**
 * Statements of the hot path on their way to SQLite: those that come while others run, or soon after, go there in one message
 * and one transaction. Owns who waits.
 */
import { setImmediate as turnsEnd } from 'node:timers/promises'
import type { Clock } from '../telemetry/clock.js'
import type { SqliteResult, SqliteStatement } from './sqlite-connection.js'
import { StorageError } from './store.js'
import { WAITING_MAX } from './turns.js'

/** Others wait while a batch runs: some milliseconds. */
const BATCH_MAX = 100
/** How long a batch waits for company: turns of the event loop, which are short where little happens; more of them save nothing. */
const TURNS_MAX = 16
/** Where turns are long. Less than this costs a tenth of what a login takes. */
const COMPANY_MS = 4

interface Waiting {
  readonly statement: SqliteStatement
  readonly done: (result: SqliteResult) => void
  readonly failed: (error: unknown) => void
}

/** Waits for its turn, asks what to run, and runs that as one transaction. */
export type RunBatch = (take: () => Promise<readonly SqliteStatement[]>, mayBeDone: () => boolean) => Promise<readonly SqliteResult[]>

export class Batches {
  readonly #clock: Clock
  readonly #run: RunBatch
  #filling: Waiting[] | undefined
  #waiting = 0
  /** Statements of the latest batch: how many turns the next one waits. Alone, a statement waits for the end of its own. */
  #latest = 1

  constructor(clock: Clock, run: RunBatch) {
    this.#clock = clock
    this.#run = run
  }

  /** A result may be an error of this statement alone. */
  add(statement: SqliteStatement): Promise<SqliteResult> {
    if (this.#waiting >= WAITING_MAX) return Promise.reject(new StorageError(`${WAITING_MAX} statements wait for the database`, 'away'))
    this.#waiting++
    return new Promise((done, failed) => {
      const waiting = { statement, done, failed }
      if (this.#filling !== undefined && this.#filling.length < BATCH_MAX) this.#filling.push(waiting)
      else void this.#work(this.#filling = [waiting])
    })
  }

  async #work(batch: readonly Waiting[]): Promise<void> {
    const take = async (): Promise<readonly SqliteStatement[]> => {
      await this.#company(batch)
      if (this.#filling === batch) this.#filling = undefined
      return batch.map(({ statement }) => statement)
    }
    try {
      const results = await this.#run(take, () => batch.some(({ statement }) => statement.changes))
      batch.forEach(({ done }, index) => done(results[index] ?? {}))
    } catch (error) {
      if (this.#filling === batch) this.#filling = undefined
      for (const { statement, failed } of batch) failed(statement.changes ? error : unread(error))
    }
    this.#waiting -= batch.length
  }

  /** The message there, the one back and waking up are paid once for all that is asked for meanwhile: the more ask, the longer. */
  async #company(batch: readonly Waiting[]): Promise<void> {
    const until = this.#clock.now() + COMPANY_MS
    for (let turns = Math.min(this.#latest, TURNS_MAX); turns > 0; turns--) {
      await turnsEnd()
      if (batch.length >= BATCH_MAX || this.#clock.now() >= until) break
    }
    this.#latest = batch.length
  }
}

/** Whether the changes beside it were made does not matter to a read. */
function unread(error: unknown): unknown {
  return error instanceof StorageError && error.kind === 'unknown' ? new StorageError(error.message, 'away') : error
}
