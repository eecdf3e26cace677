/**
 * How the node is: each part reports its state, `/healthz` and `/ready` read the whole. Owns the last report of each.
 */
import type { Clock } from './clock.js'

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

const RANK: Readonly<Record<HealthState, number>> = { ok: 0, degraded: 1, down: 2 }

export class Health {
  readonly #parts = new Map<string, PartHealth>()
  readonly #clock: Clock
  readonly #changed: (part: string, health: PartHealth) => void
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
    const parts = Object.fromEntries([...this.#parts].sort(([a], [b]) => a.localeCompare(b)))
    return { state: this.#worst(), ready: this.ready, waitingFor: this.#waitingFor, parts }
  }

  #worst(): HealthState {
    return [...this.#parts.values()].reduce<HealthState>((worst, { state }) => (RANK[state] > RANK[worst] ? state : worst), 'ok')
  }
}
