/** Counts by key that begin anew some time after their first: failed logins and new accounts of an address. */
export class PeriodCounts {
  readonly #periodMs: number
  readonly #counts = new Map<string, { count: number, until: number }>()

  constructor(periodMs: number) {
    this.#periodMs = periodMs
  }

  get size(): number { return this.#counts.size }

  of(key: string, now: number): number {
    const known = this.#counts.get(key)
    return known !== undefined && now < known.until ? known.count : 0
  }

  add(key: string, now: number, by = 1): number {
    const count = Math.max(0, this.of(key, now) + by)
    const known = this.#counts.get(key)
    if (known !== undefined && now < known.until) known.count = count
    else this.#counts.set(key, { count, until: now + this.#periodMs })
    return count
  }

  /** The period of `key` begins now, its count stays. */
  extend(key: string, now: number): void {
    const known = this.#counts.get(key)
    if (known !== undefined) known.until = now + this.#periodMs
  }

  forgetOld(now: number): void {
    for (const [key, { until }] of this.#counts) if (now >= until) this.#counts.delete(key)
  }
}
