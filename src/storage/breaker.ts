/**
 * Keeps callers from queueing at a dead database: after some failures in a row it opens and every call is refused at
 * once, until a probe succeeds. Owns the count, the state and the probe's timer.
 */
import type { Cancel, Clock } from '../telemetry/clock.js'
import { StorageError } from './store.js'

export type DatabaseState = 'up' | 'away'

/** One lost connection is not an outage: the pool replaces it. */
const FAILURES_MAX = 5
const PROBE_MS = 2000

export class Breaker {
  readonly #clock: Clock
  readonly #probe: () => Promise<void>
  readonly #handlers = new Set<(state: DatabaseState) => void>()
  #failures = 0
  #state: DatabaseState = 'up'
  #cancel: Cancel | undefined
  #probing = false

  /** `probe` talks to the database past the breaker; it rejects while the database is away. */
  constructor(clock: Clock, probe: () => Promise<void>) {
    this.#clock = clock
    this.#probe = probe
  }

  get state(): DatabaseState {
    return this.#state
  }

  onState(handler: (state: DatabaseState) => void): Cancel {
    this.#handlers.add(handler)
    return () => this.#handlers.delete(handler)
  }

  /** Throws while open. */
  pass(): void {
    if (this.#state === 'away') throw new StorageError('the database is away', 'away')
  }

  worked(): void {
    this.#failures = 0
    if (this.#state === 'away') this.#change('up')
  }

  failed(): void {
    this.#failures++
    if (this.#failures >= FAILURES_MAX && this.#state === 'up') this.#change('away')
  }

  close(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#handlers.clear()
  }

  #change(state: DatabaseState): void {
    this.#state = state
    this.#cancel?.()
    this.#cancel = state === 'away' ? this.#clock.every(PROBE_MS, () => void this.#tryOnce()) : undefined
    for (const handler of this.#handlers) handler(state)
  }

  async #tryOnce(): Promise<void> {
    if (this.#probing) return
    this.#probing = true
    try {
      await this.#probe()
      this.worked()
    } catch {
      // Still away; the next tick tries again.
    } finally {
      this.#probing = false
    }
  }
}
