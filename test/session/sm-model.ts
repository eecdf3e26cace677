/**
 * Stream management as a pure model: what a server must know of one session and say to its client, whatever happens in
 * between. Written from XEP-0198 and the zero-loss design, not from the code. Everything counts from 1.
 */
export interface Bounds {
  readonly queueMax: number
  /** So many times as much while the client is there. */
  readonly burst: number
}

/** What a stanza to the client, or more time, does to the session. */
export type Fate = 'stays' | 'detached' | 'over'

export class SmModel {
  readonly #bounds: Bounds
  attached = true
  over = false
  /** Stanzas to the client: accepted, and acknowledged as the server knows. */
  accepted = 0
  acked = 0
  /** Highest that the client can have got: what it may acknowledge. */
  written = 0
  /** Stanzas from the client: the highest number that was routed, and those that are dealt with. */
  routed = 0
  readonly #handled = new Set<number>()
  /** The number that the next stanza from the client has. */
  #next = 1
  /** How many waited when the connection was lost. */
  #left = 0

  constructor(bounds: Bounds) {
    this.#bounds = bounds
  }

  /** §4: what is accepted, in order and without a gap. */
  get h(): number {
    let h = 0
    while (this.#handled.has(h + 1)) h++
    return h
  }

  get unacked(): number {
    return this.accepted - this.acked
  }

  accept(): Fate {
    this.accepted++
    const { queueMax, burst } = this.#bounds
    if (this.unacked <= (this.attached ? queueMax * burst : queueMax + this.#left)) return 'stays'
    if (!this.attached) return this.end()
    this.cut()
    return 'detached'
  }

  /** The number of a stanza from the client that must be routed; 0 for one that was already. */
  receive(): number {
    const number = this.#next++
    if (number <= this.routed) return 0
    this.routed = number
    return number
  }

  handle(number: number): void {
    this.#handled.add(number)
  }

  /** §6: more than was written is an error. */
  acknowledge(h: number): 'fine' | 'too-high' {
    if (h > this.written) return 'too-high'
    this.acked = Math.max(this.acked, h)
    return 'fine'
  }

  cut(): void {
    if (this.attached) this.#left = this.unacked
    this.attached = false
  }

  /** §5: after this everything that is not acknowledged is written again, and the client sends all after `h` again. */
  resume(h: number): 'resumed' | 'too-high' | 'over' {
    if (this.over) return 'over'
    if (this.acknowledge(h) === 'too-high') return 'too-high'
    this.attached = true
    this.#next = this.h + 1
    return 'resumed'
  }

  end(): 'over' {
    this.attached = false
    this.over = true
    return 'over'
  }
}
