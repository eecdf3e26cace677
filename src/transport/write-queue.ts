/**
 * What waits to be written to one socket. Pieces are collected and leave in one write a turn; while a write is under way
 * nothing more is handed to the system, so that every finished write is progress that can be seen. Owns the pending bytes.
 */
import type { Writable } from 'node:stream'
import type { PendingQueue, PendingTotal } from './pending.js'
import type { Flushable, TurnEnd } from './turn-end.js'

/** One write carries about this much: progress on a slow line is seen in steps of this size. */
const WRITE_BYTES = 65_536

type Piece = string | Buffer

const NONE: Piece[] = []
Object.freeze(NONE)
const NOTHING: Buffer = Buffer.alloc(0)

export interface QueueBounds {
  /** Beyond this many bytes `push` says no, and the peer must show progress. */
  readonly pendingBytesMax: number
  /** A peer that takes nothing for this long while more than `pendingBytesMax` wait is too slow. */
  readonly slowMs: number
  /** Of all queues of the node together. */
  readonly total?: PendingTotal | undefined
}

/** Senders that do not wait (many of them, each with a little) may go beyond the bound, but only this many times. */
const HARD_FACTOR = 8

export interface QueueOwner {
  /** Enough has been taken after `push` said no. */
  drained(): void
  /** The bound is crossed: `isSlow` should be asked at `at`. */
  watch(at: number): void
  now(): number
}

export class WriteQueue implements Flushable, PendingQueue {
  readonly #turn: TurnEnd
  readonly #bounds: QueueBounds
  readonly #owner: QueueOwner
  #socket: Writable | undefined
  #pieces = NONE
  #collected = 0
  #underWay = 0
  #planned = false
  #full = false
  #progressAt = 0
  #condemned = false
  #ending = false
  #whenEmpty: (() => void) | undefined
  readonly #written = (error?: Error | null): void => { this.#onWritten(error) }

  constructor(turn: TurnEnd, bounds: QueueBounds, owner: QueueOwner) {
    this.#turn = turn
    this.#bounds = bounds
    this.#owner = owner
  }

  get pendingBytes(): number {
    return this.#collected + this.#underWay
  }

  get progressAt(): number {
    return this.#progressAt
  }

  condemn(): void {
    this.#condemned = true
    this.#owner.watch(this.#owner.now())
  }

  /** Writes go to `socket` from now on; nothing may be under way (STARTTLS). */
  use(socket: Writable): void {
    this.#socket = socket
  }

  /** False: wait for `drained`. */
  push(first: Piece, inside = NOTHING, last = ''): boolean {
    if (this.#ending || first.length === 0) return !this.#full
    const bytes = sizeOf(first) + inside.length + sizeOf(last)
    if (this.pendingBytes === 0) this.#progressAt = this.#owner.now()
    if (this.#collected === 0) this.#pieces = inside.length === 0 ? [first] : [first, inside, last]
    else if (inside.length === 0) this.#pieces.push(first)
    else this.#pieces.push(first, inside, last)
    this.#collected += bytes
    this.#bounds.total?.add(this, bytes)
    if (!this.#planned) {
      this.#planned = true
      this.#turn.add(this)
    }
    if (!this.#full && this.pendingBytes > this.#bounds.pendingBytesMax) this.#fill()
    else if (this.#full && this.pendingBytes > this.#bounds.pendingBytesMax * HARD_FACTOR) this.#owner.watch(this.#owner.now())
    return !this.#full
  }

  /** Writes what is collected now. */
  flush(): void {
    this.#planned = false
    if (this.#underWay > 0 || this.#socket === undefined) return
    if (this.#collected > 0) this.#write(this.#socket)
    else this.#rest()
  }

  /** Writes everything, then half-closes. */
  end(): void {
    this.#ending = true
    this.flush()
  }

  /** Resolves when the system has taken everything that is collected now. */
  empty(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenEmpty = resolve
      this.flush()
    })
  }

  /** Throws everything away. */
  drop(): void {
    const bytes = this.pendingBytes
    this.#pieces = NONE
    this.#collected = this.#underWay = 0
    if (bytes > 0) this.#bounds.total?.add(this, -bytes)
    this.#ending = true
    this.#socket = undefined
  }

  /** When the peer will count as too slow; `Infinity` while it need not hurry. */
  slowAt(): number {
    if (this.#condemned) return 0
    if (!this.#full) return Infinity
    if (this.pendingBytes > this.#bounds.pendingBytesMax * HARD_FACTOR) return this.#owner.now()
    return this.pendingBytes > this.#bounds.pendingBytesMax ? this.#progressAt + this.#bounds.slowMs : Infinity
  }

  #fill(): void {
    this.#full = true
    this.#progressAt = this.#owner.now()
    this.#owner.watch(this.#progressAt + this.#bounds.slowMs)
  }

  #write(socket: Writable): void {
    const before = this.#collected
    const data = this.#take()
    this.#underWay = before - this.#collected
    socket.write(data, this.#written)
  }

  #take(): Piece {
    if (this.#collected <= WRITE_BYTES) {
      const all = one(this.#pieces, this.#collected)
      this.#pieces = NONE
      this.#collected = 0
      return all
    }
    let count = 0
    let size = 0
    for (const piece of this.#pieces) {
      if (size >= WRITE_BYTES) break
      size += sizeOf(piece)
      count++
    }
    this.#collected -= size
    return one(this.#pieces.splice(0, count), size)
  }

  #onWritten(error?: Error | null): void {
    const bytes = this.#underWay
    this.#underWay = 0
    if (bytes > 0) this.#bounds.total?.add(this, -bytes)
    if (error) return                                  // the socket's own `close` tells
    this.#progressAt = this.#owner.now()
    if (this.#collected > 0) this.flush()
    else this.#rest()
    if (this.#full && this.pendingBytes <= this.#bounds.pendingBytesMax / 2) {
      this.#full = false
      this.#owner.drained()
    } else if (this.#full) this.#owner.watch(this.slowAt())
  }

  #rest(): void {
    this.#whenEmpty?.()
    this.#whenEmpty = undefined
    if (this.#ending && this.#socket?.writableEnded === false) this.#socket.end()
  }
}

function sizeOf(piece: Piece): number {
  return typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length
}

function one(pieces: readonly Piece[], size: number): Piece {
  const [only] = pieces
  return pieces.length === 1 && only !== undefined ? only : join(pieces, size)
}

/** Text and bytes as one buffer of `size` bytes. No text ends within a character: each is markup. */
export function join(pieces: readonly Piece[], size: number): Buffer {
  const joined = Buffer.allocUnsafe(size)
  let at = 0
  let text = ''                                        // neighbours are put together: a call for each would cost more
  for (const piece of pieces) {
    if (typeof piece === 'string') {
      text += piece
      continue
    }
    if (text !== '') at += joined.write(text, at)
    at += piece.copy(joined, at)
    text = ''
  }
  if (text !== '') at += joined.write(text, at)
  return at === size ? joined : joined.subarray(0, at) // never what lay in memory before
}
