/**
 * One timer for all connections. An item keeps its own deadlines as numbers and is looked at when the earliest of them
 * may be due; nothing is armed or cancelled per stanza. Owns the slots; the clock is passed in.
 */
import type { Cancel, Clock } from '../telemetry/clock.js'

export interface Timed {
  /** Acts on what is due at `now` and says when to look again, `Infinity` for not at all. */
  check(now: number): number
}

/** Time-outs here are seconds: a quarter of one is fine enough. */
const TICK_MS = 250
/** Deadlines further away than this many ticks (two minutes) are looked at early, which costs one call of `check`. */
const SLOTS = 480

export class Wheel {
  readonly #clock: Clock
  readonly #slots: readonly Set<Timed>[]
  readonly #ticks = new Map<Timed, number>()
  #done: number
  #cancel: Cancel | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#slots = Array.from({ length: SLOTS }, () => new Set<Timed>())
    this.#done = Math.floor(clock.now() / TICK_MS)
  }

  start(): void {
    this.#cancel ??= this.#clock.every(TICK_MS, () => this.turn())
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  get size(): number {
    return this.#ticks.size
  }

  now(): number {
    return this.#clock.now()
  }

  /** The time of the last tick: a quarter of a second old at most, and free. */
  get coarseNow(): number {
    return this.#done * TICK_MS
  }

  /** Looks at `item` at `at` or a little later; an earlier look that is already planned stays. */
  look(item: Timed, at: number): void {
    if (at === Infinity) return
    const wanted = Math.max(this.#done + 1, Math.ceil(at / TICK_MS))
    const tick = Math.min(wanted, this.#done + SLOTS - 1)
    const planned = this.#ticks.get(item)
    if (planned !== undefined) {
      if (planned <= tick) return
      this.#slots[planned % SLOTS]?.delete(item)
    }
    this.#ticks.set(item, tick)
    this.#slots[tick % SLOTS]?.add(item)
  }

  forget(item: Timed): void {
    const planned = this.#ticks.get(item)
    if (planned === undefined) return
    this.#ticks.delete(item)
    this.#slots[planned % SLOTS]?.delete(item)
  }

  /** Looks at everything that has become due; the timer calls it, tests may. */
  turn(): void {
    const now = this.#clock.now()
    const target = Math.floor(now / TICK_MS)
    const steps = Math.min(target - this.#done, SLOTS)
    const first = target - steps + 1
    for (let tick = first; tick <= target; tick++) {
      this.#done = tick
      this.#empty(tick % SLOTS, now)
    }
  }

  #empty(index: number, now: number): void {
    const slot = this.#slots[index]
    if (slot === undefined || slot.size === 0) return
    for (const item of [...slot]) {
      if (!slot.delete(item)) continue                 // an earlier item forgot this one
      this.#ticks.delete(item)
      this.look(item, item.check(now))
    }
  }
}
