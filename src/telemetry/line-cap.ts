/**
 * Keeps the log readable under abuse: at most ten lines a minute of one event from one address and 200 lines a second in
 * all; what was left out is counted and said once. Owns the counts.
 */
import type { Clock } from './clock.js'

/** Lines of one event from one address in a minute: enough to see it, too few to fill a disk. */
const LINES_PER_MINUTE = 10
const WINDOW_MS = 60_000
/** All lines below level error together. */
const LINES_PER_SECOND = 200
/** Pairs of event and address that are counted; beyond it all others share one count for each event. */
const PAIRS_MAX = 10_000
const SWEEP_MS = 10_000

export interface Capped {
  readonly event: string
  /** `undefined`: the lines of all addresses, by the limit for a second. */
  readonly ip: string | undefined
  readonly suppressed: number
}

interface Count {
  readonly event: string
  readonly ip: string
  readonly since: number
  lines: number
}

export class LineCap {
  readonly #counts = new Map<string, Count>()
  readonly #clock: Clock
  readonly #exempt: (ip: string) => boolean
  readonly #summary: (capped: Capped) => void
  #second = 0
  #inSecond = 0
  #overflow = 0
  readonly #cancel: () => void

  constructor(clock: Clock, exempt: (ip: string) => boolean, summary: (capped: Capped) => void) {
    this.#clock = clock
    this.#exempt = exempt
    this.#summary = summary
    this.#cancel = clock.every(SWEEP_MS, () => this.sweep())
  }

  /** May this line be written? */
  passes(event: string, ip: string | undefined): boolean {
    if (ip !== undefined && this.#exempt(ip)) return true
    return (ip === undefined || this.#passesPair(event, ip)) && this.#passesSecond()
  }

  /** Says what was left out of windows that are over, or of all. */
  sweep(all = false): void {
    const now = this.#clock.now()
    for (const [key, count] of this.#counts) {
      if (!all && now - count.since < WINDOW_MS) continue
      this.#counts.delete(key)
      this.#tell(count)
    }
    if (this.#overflow === 0) return
    this.#summary({ event: 'any', ip: undefined, suppressed: this.#overflow })
    this.#overflow = 0
  }

  stop(): void {
    this.#cancel()
    this.sweep(true)
  }

  #passesPair(event: string, ip: string): boolean {
    const now = this.#clock.now()
    const own = `${event} ${ip}`
    const key = this.#counts.has(own) || this.#counts.size < PAIRS_MAX ? own : event
    const known = this.#counts.get(key)
    const over = known !== undefined && now - known.since >= WINDOW_MS
    if (over) this.#tell(known)
    const count = known === undefined || over ? { event, ip: key === own ? ip : 'others', since: now, lines: 0 } : known
    count.lines++
    if (count !== known) this.#counts.set(key, count)
    return count.lines <= LINES_PER_MINUTE
  }

  #tell({ event, ip, lines }: Count): void {
    if (lines > LINES_PER_MINUTE) this.#summary({ event, ip, suppressed: lines - LINES_PER_MINUTE })
  }

  #passesSecond(): boolean {
    const second = Math.floor(this.#clock.now() / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#inSecond = 0
    }
    if (++this.#inSecond <= LINES_PER_SECOND) return true
    this.#overflow++
    return false
  }
}
