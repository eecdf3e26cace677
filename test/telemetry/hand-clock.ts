/** A clock moved by hand. */
import type { Clock } from '../../src/telemetry/clock.js'

export class HandClock implements Clock {
  #now = 0
  readonly #tasks: { at: number; readonly every: number; readonly task: () => void }[] = []

  now(): number {
    return this.#now
  }

  wall(): number {
    return 1_700_000_000_000 + this.#now
  }

  after(delayMs: number, task: () => void): () => void {
    return this.#add(delayMs, 0, task)
  }

  every(periodMs: number, task: () => void): () => void {
    return this.#add(periodMs, periodMs, task)
  }

  move(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const next = this.#tasks.filter((one) => one.at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#now = next.at
      if (next.every === 0) this.#tasks.splice(this.#tasks.indexOf(next), 1)
      else next.at += next.every
      next.task()
    }
    this.#now = end
  }

  #add(delayMs: number, every: number, task: () => void): () => void {
    const one = { at: this.#now + delayMs, every, task }
    this.#tasks.push(one)
    return () => {
      const at = this.#tasks.indexOf(one)
      if (at >= 0) this.#tasks.splice(at, 1)
    }
  }
}
