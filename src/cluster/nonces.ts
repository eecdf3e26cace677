/** Nonces of HELLOs met in the last ten minutes: a recorded handshake is good for nothing. */
import type { Clock } from '../telemetry/clock.js'

const REMEMBER_MS = 600_000
/** Only nodes with their row's certificate get this far; a mesh that reconnects each second stays below. */
const NONCES_MAX = 100_000

export class NonceMemory {
  /** Oldest first. */
  readonly #seenAt = new Map<string, number>()

  constructor(private readonly clock: Clock) {}

  /** True when it was met before; remembers it. */
  replayed(nonce: Buffer): boolean {
    const now = this.clock.now()
    for (const [old, at] of this.#seenAt) {
      if (now - at < REMEMBER_MS && this.#seenAt.size < NONCES_MAX) break
      this.#seenAt.delete(old)
    }
    const text = nonce.toString('base64')
    if (this.#seenAt.has(text)) return true
    this.#seenAt.set(text, now)
    return false
  }
}
