/**
 * The hybrid logical clock: 48 bits of milliseconds, 16 of counter. It orders binds across nodes and stamps frames;
 * it never decides who is alive. 8 bytes in frames, 16 hexadecimal digits in columns, a pair of numbers in code.
 */
export interface Hlc {
  readonly ms: number
  readonly count: number
}

export function compareHlc(a: Hlc, b: Hlc): number {
  return a.ms - b.ms || a.count - b.count
}

const COUNT_MAX = 0xffff

/** One per process, passed in. */
export class HybridClock {
  #last: Hlc = { ms: 0, count: 0 }

  /** @param wall wall clock, milliseconds since 1970 */
  constructor(private readonly wall: () => number) {}

  /** A value above every value given or seen so far. */
  next(): Hlc {
    const ms = this.wall()
    const last = this.#last
    if (ms > last.ms) this.#last = { ms, count: 0 }
    else if (last.count < COUNT_MAX) this.#last = { ms: last.ms, count: last.count + 1 }
    else this.#last = { ms: last.ms + 1, count: 0 }
    return this.#last
  }

  /** Moves past a value that came from another node. */
  seen(other: Hlc): void {
    if (compareHlc(other, this.#last) > 0) this.#last = other
  }
}
