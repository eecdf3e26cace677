/**
 * Bytes that wait for all clients of this node together. One client's bound does not help when a thousand read nothing:
 * beyond this one, whoever has taken nothing for longest is cut off first. Owns the sum.
 */

/** A queue below this is a client that reads; it is not even looked at. */
const LARGE_BYTES = 65_536
/** Whoever took something within this time is slow, not still. */
const STILL_MS = 1000

export interface PendingQueue {
  readonly pendingBytes: number
  /** When something was taken last, or the queue began to be large. */
  readonly progressAt: number
  /** Too slow, whatever its own bound says. */
  condemn(): void
}

export class PendingTotal {
  readonly #max: number
  readonly #now: () => number
  readonly #large = new Set<PendingQueue>()
  #bytes = 0

  /** @param now monotonic milliseconds */
  constructor(max: number, now: () => number) {
    this.#max = max
    this.#now = now
  }

  get bytes(): number {
    return this.#bytes
  }

  /** @param change of `queue`'s bytes, which has been made */
  add(queue: PendingQueue, change: number): void {
    this.#bytes += change
    const after = queue.pendingBytes
    const before = after - change
    if (after > LARGE_BYTES && before <= LARGE_BYTES) this.#large.add(queue)
    else if (after <= LARGE_BYTES && before > LARGE_BYTES) this.#large.delete(queue)
    if (change > 0 && this.#bytes > this.#max) this.#relieve(this.#now())
  }

  #relieve(now: number): void {
    let stillest: PendingQueue | undefined
    for (const queue of this.#large) {
      if (stillest === undefined || queue.progressAt < stillest.progressAt) stillest = queue
    }
    if (stillest === undefined || now - stillest.progressAt < STILL_MS) return
    this.#large.delete(stillest)
    stillest.condemn()
  }
}
