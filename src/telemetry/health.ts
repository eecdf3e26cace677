/**
 * How the node is: each part reports its state, `/healthz` and `/ready` read the whole. Owns the last report of each.
 */
import type { Cancel, Clock } from './clock.js'

export type HealthState = 'ok' | 'degraded' | 'down'

export interface PartHealth {
  readonly state: HealthState
  /** For people: what is wrong. */
  readonly why: string
  /** Milliseconds since 1970 of the last change of state. */
  readonly since: number
}

export interface HealthReport {
  /** The worst of all parts. */
  readonly state: HealthState
  readonly ready: boolean
  /** Why clients are not let in yet, or no longer; empty when ready. */
  readonly waitingFor: string
  readonly parts: Readonly<Record<string, PartHealth>>
}

/** How often watched parts are asked, so that the log tells a change without anybody's looking. */
const LOOK_MS = 1000

const RANK: Readonly<Record<HealthState, number>> = { ok: 0, degraded: 1, down: 2 }

export class Health {
  readonly #parts = new Map<string, PartHealth>()
  readonly #clock: Clock
  readonly #changed: (part: string, health: PartHealth) => void
  readonly #watched = new Map<string, () => readonly string[]>()
  #looking: Cancel | undefined
  #waitingFor = 'starting'

  /** `changed` is called when a part's state changes, for the log. */
  constructor(clock: Clock, changed: (part: string, health: PartHealth) => void = () => undefined) {
    this.#clock = clock
    this.#changed = changed
  }

  set(part: string, state: HealthState, why = ''): void {
    const before = this.#parts.get(part)
    const same = before?.state === state
    const health = { state, why, since: same ? before.since : this.#clock.wall() }
    this.#parts.set(part, health)
    if (!same && (before !== undefined || state !== 'ok')) this.#changed(part, health)
  }

  /** A part that is asked, every second and for each report. What it says is for people; nothing: it is well. */
  watch(part: string, problems: () => readonly string[]): void {
    this.#watched.set(part, problems)
    this.#looking ??= this.#clock.every(LOOK_MS, () => this.#look())
  }

  /** Clients may not come any more, and watched parts are not asked. */
  stop(why: string): void {
    this.setWaiting(why)
    this.#looking?.()
  }

  /** Clients may come. */
  setReady(): void {
    this.#waitingFor = ''
  }

  /** Clients may not come: `why` is shown by `/ready`. */
  setWaiting(why: string): void {
    this.#waitingFor = why
  }

  get ready(): boolean {
    return this.#waitingFor === ''
  }

  /** False: the process had better be replaced; `degraded` is still alive. */
  get alive(): boolean {
    return this.#worst() !== 'down'
  }

  report(): HealthReport {
    this.#look()
    const parts = Object.fromEntries([...this.#parts].sort(([a], [b]) => a.localeCompare(b)))
    return { state: this.#worst(), ready: this.ready, waitingFor: this.#waitingFor, parts }
  }

  #look(): void {
    for (const [part, problems] of this.#watched) {
      const why = problems()
      this.set(part, why.length === 0 ? 'ok' : 'degraded', why.join('; '))
    }
  }

  #worst(): HealthState {
    return [...this.#parts.values()].reduce<HealthState>((worst, { state }) => (RANK[state] > RANK[worst] ? state : worst), 'ok')
  }
}
