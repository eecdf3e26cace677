/** Numbers 1, 2, 3 … that come in any order, counted as far as none is missing (I6); `h` is the count of XEP-0198. */
import { COUNTS } from '../stream/features/sm.js'

export class HandledPrefix {
  #value = 0
  /** What came too early, if anything. */
  #early: Set<number> | undefined
  /** The last number that `h` does not count, and what it started with. */
  #before = 0
  #start = 0

  get value(): number {
    return this.#value
  }

  get h(): number {
    return (this.counted - this.#before + this.#start) % COUNTS
  }

  /** The number that `h` stands for. */
  get counted(): number {
    return Math.max(this.#value, this.#before)
  }

  countFrom(before: number, start: number): void {
    this.#before = before
    this.#start = start
  }

  add(index: number): void {
    if (index > this.#value + 1) {
      this.#early ??= new Set()
      this.#early.add(index)
      return
    }
    if (index <= this.#value) return
    this.#value = index
    while (this.#early?.delete(this.#value + 1) === true) this.#value++
    if (this.#early?.size === 0) this.#early = undefined
  }
}
