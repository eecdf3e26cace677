/**
 * The bounds of what waits for answers (zero-loss design, M8; architecture, "bounded everywhere"): a sender whose
 * stanzas are not answered is not read from; when that lasts, it is answered `wait` before anything is sent.
 */
import type { Clock } from '../telemetry/clock.js'
import type { NodeRef } from './strategy.js'

/** Of one session. */
export const OPEN_STANZAS_MAX = 1_000
export const OPEN_BYTES_MAX = 1024 * 1024
/** Of the node: 32,000 short stanzas, what a cluster sends in the seconds until a stopped node is fenced. */
export const NODE_BYTES_MAX = 32 * 1024 * 1024
/** How long a sender is held back, and how long a channel may be full, before errors say so. A fence takes about 6 s. */
export const HOLD_MS = 10_000
/** Un-answered stanzas that a session may add while a channel stays full. */
const OPEN_WHILE_FULL_MAX = 16

/** What one session has open. */
interface Flow {
  stanzas: number
  bytes: number
  /** Reading goes on when these are called. */
  held: (() => void)[] | undefined
}

export class Backpressure {
  readonly #clock: Clock
  readonly #flows = new Map<string, Flow>()
  /** Channels that said "pause", since when, by node. */
  readonly #full = new Map<string, number>()
  #bytes = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get openBytes(): number {
    return this.#bytes
  }

  get anyFull(): boolean {
    return this.#full.size > 0
  }

  /** Some channel is full, or much is open: sessions are held back, and each may add little. */
  get strained(): boolean {
    return this.#full.size > 0 || this.#bytes >= NODE_BYTES_MAX
  }

  get fullNodes(): readonly string[] {
    return [...this.#full.keys()]
  }

  opened(osid: string, bytes: number): void {
    let flow = this.#flows.get(osid)
    if (flow === undefined) this.#flows.set(osid, flow = { stanzas: 0, bytes: 0, held: undefined })
    flow.stanzas++
    flow.bytes += bytes
    this.#bytes += bytes
  }

  closed(osid: string, bytes: number): void {
    this.#bytes -= bytes
    const flow = this.#flows.get(osid)
    if (flow === undefined) return
    flow.stanzas--
    flow.bytes -= bytes
    if (flow.held === undefined || !this.#hasRoom(flow)) return
    const { held } = flow
    flow.held = undefined
    for (const go of held) go()
  }

  /** Now and then: flows that nothing is open of are kept until here, since most have the next one soon. */
  sweep(): void {
    for (const [osid, flow] of this.#flows) if (flow.stanzas === 0) this.#flows.delete(osid)
  }

  /** The channel to `node` is full. */
  full(node: NodeRef): void {
    if (!this.#full.has(node.name)) this.#full.set(node.name, this.#clock.now())
  }

  /** It moves, or is no more. */
  moves(node: NodeRef): void {
    if (this.#full.size > 0) this.#full.delete(node.name)
  }

  /** One of these has been full for so long that nothing more is queued for it. */
  refuses(nodes: readonly NodeRef[]): boolean {
    const now = this.#clock.now()
    return nodes.some((node) => now - (this.#full.get(node.name) ?? now) >= HOLD_MS)
  }

  /** The session has been held back, and still nothing moves. */
  exhausted(osid: string): boolean {
    const flow = this.#flows.get(osid)
    if (flow === undefined) return false
    return flow.stanzas >= OPEN_STANZAS_MAX || flow.bytes >= OPEN_BYTES_MAX ||
      (flow.stanzas >= OPEN_WHILE_FULL_MAX && this.strained)
  }

  /** Resolves when the session may be read again; nothing when it may now. */
  room(osid: string): Promise<void> | undefined {
    const flow = this.#flows.get(osid)
    if (flow === undefined || flow.stanzas === 0) return undefined
    if (flow.stanzas < OPEN_STANZAS_MAX && flow.bytes < OPEN_BYTES_MAX && !this.strained) return undefined
    return new Promise((resolve) => {
      const cancel = this.#clock.after(HOLD_MS, resolve)
      flow.held ??= []
      flow.held.push(() => {
        cancel()
        resolve()
      })
    })
  }

  #hasRoom(flow: Flow): boolean {
    if (flow.stanzas === 0) return true
    return flow.stanzas <= OPEN_STANZAS_MAX / 2 && flow.bytes <= OPEN_BYTES_MAX / 2 && this.#full.size === 0
  }
}
