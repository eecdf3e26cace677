/**
 * Whether this node is near its end: its event loop late, its heap or its descriptors almost used up. Then the doors stop
 * taking new connections, so that the ones it has go on. Owns the last reading of each probe and what follows from it.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { Cancel, Clock } from './clock.js'

export interface StrainSettings {
  readonly delayMs: number
  readonly heapPercent: number
  readonly descriptorsPercent: number
}

export const STRAINS = ['event-loop', 'heap', 'descriptors'] as const
export type StrainKind = (typeof STRAINS)[number]

/** What is measured; asked once a second. `descriptors` is `undefined` where the system does not say. */
export interface Probes {
  /** Lateness of the event loop since the last question, 99th percentile. */
  delayMs(): number
  heapPercent(): number
  descriptorsPercent(): number | undefined
  stop(): void
}

const LOOK_MS = 1_000
/** One long turn is no overload. */
const DELAY_LASTS_MS = 5_000
/** It is over when the reading has been below this share of its limit for so long: no flapping. */
const CALM_SHARE = 0.9
const CALM_MS = 5_000

interface Watched {
  readonly kind: StrainKind
  readonly limit: number
  readonly lastsMs: number
  readonly say: (value: number) => string
  over: boolean
  /** Since when it has been on the other side. */
  since: number | undefined
  value: number
}

export class Strain {
  readonly #clock: Clock
  readonly #probes: Probes
  readonly #watched: readonly Watched[]
  readonly #waiting = new Set<{ readonly until: number, readonly done: () => void }>()
  #cancel: Cancel | undefined

  constructor({ delayMs, heapPercent, descriptorsPercent }: StrainSettings, clock: Clock, probes: Probes) {
    this.#clock = clock
    this.#probes = probes
    const one = (kind: StrainKind, limit: number, lastsMs: number, say: Watched['say']): Watched =>
      ({ kind, limit, lastsMs, say, over: false, since: undefined, value: 0 })
    this.#watched = [
      one('event-loop', delayMs, DELAY_LASTS_MS, (value) => `the event loop is ${Math.round(value)} ms late`),
      one('heap', heapPercent, 0, (value) => `${Math.round(value)} % of the heap is in use (--max-old-space-size)`),
      one('descriptors', descriptorsPercent, 0, (value) => `${Math.round(value)} % of the descriptors are open (ulimit -n)`)
    ]
  }

  start(): void {
    this.#cancel ??= this.#clock.every(LOOK_MS, () => this.look())
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#probes.stop()
    for (const { done } of this.#waiting) done()
    this.#waiting.clear()
  }

  /** New connections had better not come. */
  get strained(): boolean {
    return this.#watched.some(({ over }) => over)
  }

  /** For people and the state of health. */
  problems(): readonly string[] {
    return this.#watched.filter(({ over }) => over).map(({ say, value }) => `no new connections: ${say(value)}`)
  }

  /** 1 for what is strained now, for the metrics. */
  readings(): ReadonlyMap<StrainKind, number> {
    return new Map(this.#watched.map(({ kind, over }) => [kind, over ? 1 : 0]))
  }

  /** Resolves when it is over, or after `ms`. */
  async relief(ms: number): Promise<void> {
    if (!this.strained) return
    await new Promise<void>((done) => this.#waiting.add({ until: this.#clock.now() + ms, done }))
  }

  /** Asks the probes; the timer calls it. */
  look(): void {
    const now = this.#clock.now()
    const values = [this.#probes.delayMs(), this.#probes.heapPercent(), this.#probes.descriptorsPercent() ?? 0]
    this.#watched.forEach((watched, i) => judge(watched, values[i] ?? 0, now))
    const { strained } = this
    for (const waiting of this.#waiting) {
      if (strained && now < waiting.until) continue
      this.#waiting.delete(waiting)
      waiting.done()
    }
  }
}

function judge(watched: Watched, value: number, now: number): void {
  const { over, limit } = watched
  watched.value = value
  const crossed = over ? value < limit * CALM_SHARE : value >= limit
  if (!crossed) {
    watched.since = undefined
    return
  }
  watched.since ??= now
  if (now - watched.since < (over ? CALM_MS : watched.lastsMs)) return
  watched.over = !over
  watched.since = undefined
}

/** Fine enough for limits of tenths of a second, and cheap. */
const SAMPLE_MS = 20

export function systemProbes(): Probes {
  const delay = monitorEventLoopDelay({ resolution: SAMPLE_MS })
  delay.enable()
  return {
    delayMs() {
      const late = delay.percentile(99) / 1e6 - SAMPLE_MS
      delay.reset()
      return Math.max(0, late)
    },
    heapPercent() {
      const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
      return (100 * used) / limit
    },
    descriptorsPercent() {
      const most = openFilesMax()
      return most === undefined ? undefined : (100 * openFiles()) / most
    },
    stop: () => { delay.disable() }
  }
}

/** Linux; elsewhere nobody says. Read each time: `prlimit` may change it. */
function openFilesMax(): number | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined ? undefined : Number(soft)
  } catch {
    return undefined
  }
}

/** Linux 6.2 and later count them in the size of the folder; with older ones the names are counted. */
function openFiles(): number {
  const { size } = statSync('/proc/self/fd')
  return size > 0 ? size : readdirSync('/proc/self/fd').length
}
