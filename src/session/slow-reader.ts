/**
 * Watches one client that takes its bytes too slowly: much is waiting and nothing moves, or far too much is waiting.
 * Costs nothing while little waits.
 */
import type { Clock } from '../telemetry/clock.js'
import type { Deadlines, Timed } from '../stream/deadlines.js'

export interface SlowBounds {
  /** Above this the client must show progress. */
  readonly slowBytes: number
  readonly slowMs: number
}

/**
 * Above `slowBytes` times this the client has lost at once: many senders wrote a little each. It is more than what is
 * stored for an account (5 MiB), which comes in one piece.
 */
export const HARD_FACTOR = 8

export interface Watched {
  readonly pendingBytes: number
  tooSlow(why: string): void
}

export class SlowReader implements Timed {
  readonly #watched: Watched
  readonly #bounds: SlowBounds
  readonly #clock: Clock
  readonly #deadlines: Deadlines
  #dueAt = Infinity
  #waitingThen = 0
  #addedSince = 0

  constructor(watched: Watched, bounds: SlowBounds, { clock, deadlines }: { clock: Clock; deadlines: Deadlines }) {
    this.#watched = watched
    this.#bounds = bounds
    this.#clock = clock
    this.#deadlines = deadlines
  }

  /** After each write. @param bytes how many were added, or a little less */
  wrote(bytes: number): void {
    const waiting = this.#watched.pendingBytes
    if (waiting <= this.#bounds.slowBytes) return
    if (waiting > this.#bounds.slowBytes * HARD_FACTOR) this.#watched.tooSlow(`${waiting} bytes wait`)
    else if (this.#dueAt === Infinity) this.#watch(waiting, this.#clock.now())
    else this.#addedSince += bytes
  }

  check(now: number): number {
    if (now < this.#dueAt) return this.#dueAt
    const waiting = this.#watched.pendingBytes
    const taken = this.#waitingThen + this.#addedSince - waiting
    this.#dueAt = Infinity
    if (waiting <= this.#bounds.slowBytes) return Infinity
    if (taken > 0) this.#watch(waiting, now)
    else this.#watched.tooSlow(`${waiting} bytes wait and none was taken for ${this.#bounds.slowMs} ms`)
    return this.#dueAt
  }

  stop(): void {
    this.#dueAt = Infinity
    this.#deadlines.forget(this)
  }

  #watch(waiting: number, now: number): void {
    this.#waitingThen = waiting
    this.#addedSince = 0
    this.#dueAt = now + this.#bounds.slowMs
    this.#deadlines.look(this, this.#dueAt)
  }
}
