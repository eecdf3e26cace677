/**
 * What an inactive client does not get yet (XEP-0352): the newest stanza on each topic, in the order in which they came.
 * Owns the bounds of it. A stanza gets its number when it is let go, not before (I4).
 */
import type { StableLog } from './stable-log.js'
import type { Entry } from './unacked.js'

/** The whole of it takes a client that wakes up no longer than a few round trips. */
const BYTES_MAX = 256 * 1024

export interface HeldBackParts {
  readonly session: string
  /** Stanzas. */
  readonly most: number
  /** `undefined`: nobody takes the session over. */
  readonly log: StableLog | undefined
  readonly deliver: (entry: Entry) => true | Promise<void>
}

export class HeldBack {
  readonly #parts: HeldBackParts
  readonly #newest = new Map<string, Entry>()
  #bytes = 0

  constructor(parts: HeldBackParts) {
    this.#parts = parts
  }

  /** Resolves when it is stable (I1). */
  hold(topic: string, entry: Entry): true | Promise<void> {
    const { session, most, log } = this.#parts
    this.#drop(topic)
    if (this.#newest.size >= most || this.#bytes + entry.bytes > BYTES_MAX) this.release()
    entry.stanza.pack()
    this.#newest.set(topic, entry)
    this.#bytes += entry.bytes
    const { key, stanza, to } = entry
    return log?.append({ type: 'HOLD', session, topic, key, stanza, to }) ?? true
  }

  /** Lets all go. */
  release(): void {
    if (this.#newest.size === 0) return
    const { session, log, deliver } = this.#parts
    const entries = [...this.#newest.values()]
    this.#newest.clear()
    this.#bytes = 0
    for (const entry of entries) void deliver(entry)
    void log?.append({ type: 'RELEASE', session })
  }

  // The newer one goes to the end: what one contact says stays in order.
  #drop(topic: string): void {
    const older = this.#newest.get(topic)
    if (older === undefined) return
    this.#bytes -= older.bytes
    this.#newest.delete(topic)
  }
}
