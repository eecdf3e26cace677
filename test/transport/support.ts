/** What the transport tests share: a clock moved by hand, a log that remembers, a sink that records, test limits. */
import type { Bounds, TransportRoom } from '../../src/transport/bounds.js'
import { httpLimitOptions } from '../../src/transport/options.js'
import type { HttpLimitSettings } from '../../src/transport/options.js'
import { TurnEnd } from '../../src/transport/turn-end.js'
import type { Transport, TransportSink } from '../../src/transport/transport.js'
import { Wheel } from '../../src/transport/wheel.js'
import type { Cancel, Clock } from '../../src/telemetry/clock.js'
import type { ConnectionRefusedReason } from '../../src/telemetry/reasons.js'
import type { Log } from '../../src/telemetry/log.js'
import { Desks } from '../../src/xml/desk.js'
import type { RawElement, StreamHeader, XmlFault, XmlLimits } from '../../src/xml/raw.js'
import { largestTurn } from '../support/turns.js'

export class HandClock implements Clock {
  #now = 1_000_000
  #tasks: { at: number, period: number | undefined, task: () => void }[] = []

  now(): number { return this.#now }
  wall(): number { return Date.UTC(2030, 0, 1) + this.#now }

  after(delayMs: number, task: () => void): Cancel {
    return this.#add({ at: this.#now + delayMs, period: undefined, task })
  }

  every(periodMs: number, task: () => void): Cancel {
    return this.#add({ at: this.#now + periodMs, period: periodMs, task })
  }

  /** Moves on, running everything that becomes due, in order. */
  move(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const next = this.#tasks.toSorted((a, b) => a.at - b.at)[0]
      if (next === undefined || next.at > end) break
      this.#now = next.at
      if (next.period === undefined) this.#tasks = this.#tasks.filter((entry) => entry !== next)
      else next.at += next.period
      next.task()
    }
    this.#now = end
  }

  #add(entry: { at: number, period: number | undefined, task: () => void }): Cancel {
    this.#tasks.push(entry)
    return () => { this.#tasks = this.#tasks.filter((other) => other !== entry) }
  }
}

export interface Line { readonly level: string, readonly event: string, readonly fields: Readonly<Record<string, unknown>> }

export function recordingLog(lines: Line[] = []): Log & { readonly lines: Line[] } {
  const write = (level: string) => (fields: object, event: string): void => {
    lines.push({ level, event, fields: fields as Record<string, unknown> })
  }
  return {
    lines, error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug'), trace: write('trace'),
    child: () => recordingLog(lines), isLevelEnabled: () => true
  }
}

const LIMITS: XmlLimits = { stanzaBytes: 262_144, elements: 5_000, depth: 64, attributes: 64, namespaces: 32, nameBytes: 1_024 }

export const BOUNDS: Bounds = {
  before: { ...LIMITS, stanzaBytes: 8_192, elements: 32, depth: 8 }, after: LIMITS, beforeBytes: 65_536,
  headerMs: 30_000, stanzaMs: 120_000, handshakeMs: 10_000, pendingBytesMax: 1_048_576, slowMs: 10_000
}

/** The settings as they are when nothing is configured. */
export function initialOf<T>(group: Readonly<Record<string, { readonly initial: unknown }>>): T {
  return Object.fromEntries(Object.entries(group).map(([key, option]) => [key, option.initial])) as T
}

export const httpLimits = initialOf<HttpLimitSettings>(httpLimitOptions)

export interface TestRoom extends TransportRoom {
  readonly clock: HandClock
  /** Addresses without limits. */
  readonly exempt: readonly string[]
  readonly log: ReturnType<typeof recordingLog>
  /** Reasons of refusals, as the metric counts them. */
  readonly counted: readonly ConnectionRefusedReason[]
}

export function testRoom(bounds: Partial<Bounds> = {}, exempt: readonly string[] = ['127.0.0.0/8']): TestRoom {
  const clock = new HandClock()
  const wheel = new Wheel(clock)
  wheel.start()
  const counted: ConnectionRefusedReason[] = []
  const refused = { add(reason: ConnectionRefusedReason) { counted.push(reason) } }
  const shared = { wheel, turn: new TurnEnd(), desks: new Desks(), log: recordingLog() }
  return { ...shared, exempt, clock, bounds: { ...BOUNDS, ...bounds }, refused, counted }
}

export type Seen =
  | { readonly kind: 'header', readonly header: StreamHeader }
  | { readonly kind: 'element', readonly element: RawElement }
  | { readonly kind: 'closed' }
  | { readonly kind: 'fault', readonly fault: XmlFault }
  | { readonly kind: 'drained' }
  | { readonly kind: 'gone', readonly error: Error | undefined }

/** Records what a transport reports; `react` runs inside the callback. */
export class RecordingSink implements TransportSink {
  readonly seen: Seen[] = []
  react: (seen: Seen) => void = () => {}
  #waiting: (() => void)[] = []
  #taken = 0

  header(header: StreamHeader): void { this.#note({ kind: 'header', header }) }
  element(element: RawElement): void { this.#note({ kind: 'element', element }) }
  closed(): void { this.#note({ kind: 'closed' }) }
  fault(fault: XmlFault): void { this.#note({ kind: 'fault', fault }) }
  drained(): void { this.#note({ kind: 'drained' }) }
  gone(error: Error | undefined): void { this.#note({ kind: 'gone', error }) }

  /** The next report, in order. */
  async next(): Promise<Seen> {
    for (;;) {
      const seen = this.seen[this.#taken]
      if (seen !== undefined) {
        this.#taken++
        return seen
      }
      await new Promise<void>((resolve) => { this.#waiting.push(resolve) })
    }
  }

  /** The next report of this kind, passing over others. */
  async until<K extends Seen['kind']>(kind: K): Promise<Extract<Seen, { kind: K }>> {
    for (;;) {
      const seen = await this.next()
      if (seen.kind === kind) return seen as Extract<Seen, { kind: K }>
    }
  }

  get names(): string[] {
    return this.seen.flatMap((seen) => (seen.kind === 'element' ? [seen.element.attrs['id'] ?? seen.element.name] : []))
  }

  #note(seen: Seen): void {
    this.seen.push(seen)
    this.react(seen)
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

export function attached(transport: Transport): RecordingSink {
  const sink = new RecordingSink()
  transport.attach(sink)
  return sink
}

/** Lets immediates and what they cause run; for tests without sockets. */
export async function turns(count = 3): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => { setImmediate(resolve) })
}

export const REPLY = { from: 'im.test', to: undefined, id: 's1', version: '1.0', lang: 'en' } as const

/** The most bytes of elements that came in one turn of the event loop, when `count` elements have come. */
export function largestTurnOf(sink: RecordingSink, count: number): Promise<number> {
  return largestTurn(count, (note) => {
    sink.react = (seen) => { if (seen.kind === 'element') note(seen.element.size) }
  })
}
