/**
 * Who asks for BOSH sessions that do not exist. Sids cannot be guessed; this keeps those who try from costing much.
 */
import { countedAs } from './networks.js'
import type { Timed, Wheel } from './wheel.js'

/** A page that is reloaded misses once or twice. */
const MISSES_MAX = 20
const PERIOD_MS = 60_000
/** Addresses remembered; beyond, new ones are not counted until the period ends. */
const ADDRESSES_MAX = 10_000

export class SidGuesses implements Timed {
  readonly #wheel: Wheel
  readonly #misses = new Map<string, number>()

  constructor(wheel: Wheel) {
    this.#wheel = wheel
  }

  /** Counts one miss; true when the address has had too many. */
  note(address: string): boolean {
    const key = countedAs(address)
    const misses = (this.#misses.get(key) ?? 0) + 1
    if (misses > 1 || this.#misses.size < ADDRESSES_MAX) this.#misses.set(key, misses)
    this.#wheel.look(this, this.#wheel.now() + PERIOD_MS)
    return misses > MISSES_MAX
  }

  isBlocked(address: string): boolean {
    return (this.#misses.get(countedAs(address)) ?? 0) > MISSES_MAX
  }

  check(): number {
    this.#misses.clear()
    return Infinity
  }
}
