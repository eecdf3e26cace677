/**
 * Rows of the offline table that devices of this node have taken: each is deleted by its number once it is in the log,
 * by the node that took it and by nobody else (D.7b). Deletes are batched for each account; one that fails is tried again.
 */
import type { Session } from '../session/session.js'
import type { AccountRef, OfflineMessages } from '../storage/store.js'
import type { Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'

/** A database that is away for a moment; the row may be read again only by a later session. */
const RETRY_MS = 2_000

interface Batch {
  readonly account: AccountRef
  readonly rows: Set<number>
  running: boolean
}

export class OfflineRows {
  readonly #offline: OfflineMessages
  readonly #clock: Clock
  readonly #log: Log
  readonly #batches = new Map<number, Batch>()
  /** Taken and not yet deleted, by session: a second reading does not bring them again. */
  readonly #taken = new WeakMap<Session, Set<number>>()

  constructor(offline: OfflineMessages, clock: Clock, log: Log) {
    this.#offline = offline
    this.#clock = clock
    this.#log = log
  }

  /** False: this session has that row already. */
  take(session: Session, row: number): boolean {
    const taken = this.#taken.get(session) ?? new Set()
    if (row > 0 && taken.has(row)) return false
    this.#taken.set(session, taken.add(row))
    return true
  }

  /** It is stable: the row may go. */
  taken(session: Session, row: number): void {
    if (row > 0) this.remove(session.account, row)
  }

  remove(account: AccountRef, row: number): void {
    const batch = this.#batches.get(account.id) ?? { account, rows: new Set(), running: false }
    this.#batches.set(account.id, batch)
    batch.rows.add(row)
    if (batch.running) return
    batch.running = true
    queueMicrotask(() => void this.#run(batch))
  }

  /** Accounts whose rows wait to be deleted. */
  get pending(): number {
    return this.#batches.size
  }

  async #run(batch: Batch): Promise<void> {
    const rows = [...batch.rows]
    try {
      await this.#offline.remove(batch.account, rows)
      for (const row of rows) batch.rows.delete(row)
    } catch (error) {
      this.#log.warn({ account: batch.account.jid.toString(), rows: rows.length, err: error }, 'offline.delete-failed')
      this.#clock.after(RETRY_MS, () => void this.#run(batch))
      return
    }
    if (batch.rows.size > 0) return this.#run(batch)
    this.#batches.delete(batch.account.id)
  }
}
