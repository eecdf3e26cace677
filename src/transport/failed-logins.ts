/**
 * Addresses whose logins fail too often (XEP-0205 §4): so many in a period, then no new connection that would log in for
 * as long. Owns the counts, which are this node's.
 */
import type { AddressLimitSettings } from './options.js'

/** Addresses remembered at one time, some megabytes; beyond, new ones are not counted until others are forgotten. */
const ADDRESSES_MAX = 50_000

interface Failures {
  count: number
  /** Forgotten, or allowed again. */
  until: number
}

export class FailedLogins {
  readonly #max: number
  readonly #periodMs: number
  readonly #failures = new Map<string, Failures>()

  constructor({ loginFailures, loginFailuresSeconds }: AddressLimitSettings) {
    this.#max = loginFailures
    this.#periodMs = loginFailuresSeconds * 1_000
  }

  /** Counts one failure; true when that was one too many. `key`: see `countedAs`. */
  note(key: string, now: number): boolean {
    const known = this.#failures.get(key)
    const current = known !== undefined && now < known.until ? known : { count: 0, until: now + this.#periodMs }
    current.count++
    if (current.count === this.#max) current.until = now + this.#periodMs
    if (known !== undefined || this.#failures.size < ADDRESSES_MAX) this.#failures.set(key, current)
    return current.count >= this.#max
  }

  isRefused(key: string, now: number): boolean {
    const known = this.#failures.get(key)
    return known !== undefined && known.count >= this.#max && now < known.until
  }

  forgetOld(now: number): void {
    for (const [key, { until }] of this.#failures) if (now >= until) this.#failures.delete(key)
  }
}
