/** Numbers that follow from a seed, and what one makes of them. Weyl's sequence, mixed (as in mulberry32). */
const STEP = 0x6d2b79f5
const GOLDEN = 0x9e3779b1

export class Random {
  #state: number

  constructor(readonly seed: number) {
    this.#state = Math.imul(seed, GOLDEN) ^ Math.floor(seed / 2 ** 32)
  }

  /** From 0 to 2^31 - 1. */
  next(): number {
    this.#state = (this.#state + STEP) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 1
  }

  /** From 0 to `count` - 1; 0 for none. */
  below(count: number): number {
    return count <= 1 ? 0 : this.next() % count
  }

  /** Once in `count` times. */
  once(count: number): boolean {
    return this.next() % count === 0
  }

  pick<T>(list: readonly T[]): T {
    const found = list[this.below(list.length)]
    if (found === undefined) throw new Error('nothing to pick from')
    return found
  }

  /** Each of some things. */
  list<T>(max: number, make: () => T): readonly T[] {
    return Array.from({ length: this.below(max + 1) }, make)
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    for (let i = 0; i < length; i++) bytes[i] = this.next() >>> 8
    return bytes
  }

  hex(bytes: number): string {
    return this.bytes(bytes).toString('hex')
  }
}
