/** Bytes that came and are not done with: the caller's chunk while it lasts, then a copy of what is left of it. */
const EMPTY = Buffer.alloc(0)
const CAPACITY_MIN = 256
/** A buffer of ours may be this many times larger than what is left in it. */
const WASTE_MAX = 4

export class BytesHeld {
  /** Valid between `from` and `end`. */
  data: Buffer = EMPTY
  /** First byte that is still needed. */
  from = 0
  end = 0
  /** `data` is ours: we may write behind `end`, and nobody writes into it. */
  #own = false

  get size(): number {
    return this.end - this.from
  }

  /** Adds a chunk. It is looked at in place when nothing else is held; `keep` must be called before it is reused. */
  add(chunk: Buffer): void {
    if (this.from === this.end) {
      this.#set(chunk, 0, chunk.length, false)
      return
    }
    const size = this.size + chunk.length
    if (!this.#own || this.end + chunk.length > this.data.length) this.#move(Math.max(size, 2 * this.size, CAPACITY_MIN))
    chunk.copy(this.data, this.end)
    this.end += chunk.length
  }

  /** Copies what is still needed, if it is not ours; lets go of everything when nothing is. */
  keep(): void {
    if (this.from === this.end) this.clear()
    else if (!this.#own || this.data.length > WASTE_MAX * this.size + CAPACITY_MIN) this.#move(this.size)
  }

  clear(): void {
    this.#set(EMPTY, 0, 0, false)
  }

  /** Not from Node's pool: a byte that somebody sends slowly must not hold a whole slab. */
  #move(capacity: number): void {
    const { data, from, end } = this
    const moved = Buffer.allocUnsafeSlow(capacity)
    data.copy(moved, 0, from, end)
    this.#set(moved, 0, end - from, true)
  }

  #set(data: Buffer, from: number, end: number, own: boolean): void {
    this.data = data
    this.from = from
    this.end = end
    this.#own = own
  }
}
