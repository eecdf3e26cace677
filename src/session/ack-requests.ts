/**
 * When to ask a client what it has handled (`<r/>`, XEP-0198 §4), one question at a time, and when to give it up. Costs
 * nothing per stanza but a count: the wheel is told with the first of a few.
 */
import type { Deadlines, Timed } from '../stream/deadlines.js'
import type { Clock } from '../telemetry/clock.js'

export interface AckBounds {
  /** Stanzas after which the client is asked. */
  readonly every: number
  /** After fewer it is asked when so long has passed. */
  readonly idleMs: number
  /** A question without an answer for so long: the connection is lost. */
  readonly answerMs: number
}

export interface Asked {
  /** @param idle nothing was written for a while */
  ask(idle: boolean): void
  lost(): void
  /** When anything came from it last, monotonic milliseconds. */
  heardAt(): number
}

/** A client that acknowledges unasked (§4: at any time) is asked after so many times more, that is, when it has stopped. */
const PATIENCE = 4

export class AckRequests implements Timed {
  readonly #client: Asked
  readonly #bounds: AckBounds
  readonly #clock: Clock
  readonly #deadlines: Deadlines
  /** Written since the last question. */
  #fresh = 0
  /** Stanzas after which it is asked. */
  #every: number
  #asked = false
  #dueAt = Infinity

  constructor(client: Asked, bounds: AckBounds, { clock, deadlines }: { readonly clock: Clock; readonly deadlines: Deadlines }) {
    this.#client = client
    this.#bounds = bounds
    this.#every = bounds.every
    this.#clock = clock
    this.#deadlines = deadlines
  }

  /** A stanza was written. */
  wrote(): void {
    this.#fresh++
    if (!this.#asked && this.#fresh >= this.#every) this.#ask(this.#clock.now(), false)
    else if (this.#dueAt === Infinity) this.#due(this.#clock.now() + (this.#asked ? this.#bounds.answerMs : this.#bounds.idleMs))
  }

  /** @param left stanzas that are not acknowledged yet */
  answered(left: number): void {
    if (!this.#asked) this.#every = this.#bounds.every * PATIENCE
    this.#asked = false
    this.#dueAt = Infinity
    if (this.#fresh > left) this.#fresh = left
    if (left === 0) return
    if (this.#fresh >= this.#every) this.#ask(this.#clock.now(), false)
    else this.#due(this.#clock.now() + this.#bounds.idleMs)
  }

  /** Is it still there? Whoever wants to know waits for the answer. */
  probe(): void {
    if (this.#asked) return
    this.#asked = true
    this.#client.ask(false)
  }

  check(now: number): number {
    if (now < this.#dueAt) return this.#dueAt
    this.#dueAt = Infinity
    // What it says may stand behind much that it has sent and that is read only so fast.
    const answerBy = this.#client.heardAt() + this.#bounds.answerMs
    if (!this.#asked) this.#ask(now, true)
    else if (now < answerBy) this.#dueAt = answerBy
    else this.#client.lost()
    return this.#dueAt
  }

  /** The connection is over. */
  stop(): void {
    this.#fresh = 0
    this.#every = this.#bounds.every
    this.#asked = false
    this.#dueAt = Infinity
    this.#deadlines.forget(this)
  }

  #ask(now: number, idle: boolean): void {
    this.#fresh = 0
    this.#asked = true
    this.#due(now + this.#bounds.answerMs)
    this.#client.ask(idle)
  }

  #due(at: number): void {
    this.#dueAt = at
    this.#deadlines.look(this, at)
  }
}
