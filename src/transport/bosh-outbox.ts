/**
 * What waits for the next request of a BOSH client. Owns the pending bytes and whether the client fetches them.
 */
import type { PendingQueue } from './pending.js'
import type { QueueBounds } from './write-queue.js'

export interface OutboxOwner {
  watch(at: number): void
  now(): number
}

/** As for sockets: senders that do not wait may go beyond the bound this many times. */
const HARD_FACTOR = 8

export class BoshOutbox implements PendingQueue {
  readonly #bounds: QueueBounds
  readonly #owner: OutboxOwner
  #pieces: (string | Buffer)[] = []
  #bytes = 0
  #streams = false
  #streamError = false
  #full = false
  #fullAt = 0
  #condemned = false
  progressAt = 0

  constructor(bounds: QueueBounds, owner: OutboxOwner) {
    this.#bounds = bounds
    this.#owner = owner
  }

  get pendingBytes(): number { return this.#bytes }

  condemn(): void {
    this.#condemned = true
    this.#owner.watch(this.#owner.now())
  }

  /** One of the payloads is a stream error: the answer that carries it must say so (XEP-0124 §17.2). */
  get hasStreamError(): boolean { return this.#streamError }

  /** False: wait until `recovered`. */
  push(first: string, inside?: Buffer, last?: string): boolean {
    if (first.startsWith('<stream:')) this.#streams = true
    if (first.startsWith('<stream:error')) this.#streamError = true
    this.#add(first)
    if (inside !== undefined) this.#add(inside)
    if (last !== undefined) this.#add(last)
    if (!this.#full && this.#bytes > this.#bounds.pendingBytesMax) {
      this.#full = true
      this.#fullAt = this.#owner.now()
      this.#owner.watch(this.#fullAt + this.#bounds.slowMs)
    } else if (this.#full && this.#bytes > this.#bounds.pendingBytesMax * HARD_FACTOR) this.#owner.watch(this.#owner.now())
    return !this.#full
  }

  take(): { readonly payload: readonly (string | Buffer)[], readonly streams: boolean } {
    const taken = { payload: this.#pieces, streams: this.#streams }
    this.drop()
    return taken
  }

  drop(): void {
    const bytes = this.#bytes
    this.#pieces = []
    this.#bytes = 0
    if (bytes > 0) this.#bounds.total?.add(this, -bytes)
    this.#streams = false
  }

  /** True once after `push` said no and the client has fetched. */
  recovered(): boolean {
    if (!this.#full || this.#bytes > this.#bounds.pendingBytesMax / 2) return false
    this.#full = false
    return true
  }

  slowAt(): number {
    if (this.#condemned) return 0
    if (!this.#full || this.#bytes <= this.#bounds.pendingBytesMax) return Infinity
    return this.#bytes > this.#bounds.pendingBytesMax * HARD_FACTOR ? this.#owner.now() : this.#fullAt + this.#bounds.slowMs
  }

  #add(piece: string | Buffer): void {
    const bytes = typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length
    if (this.#bytes === 0) this.progressAt = this.#owner.now()
    this.#pieces.push(piece)
    this.#bytes += bytes
    this.#bounds.total?.add(this, bytes)
  }
}
