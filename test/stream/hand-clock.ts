/** A clock that is moved by hand. */
import type { Cancel, Clock } from '../../src/telemetry/clock.js'

interface Timer {
  at: number
  readonly period: number | undefined
  readonly task: () => void
}

export class HandClock implements Clock {
  #now = 1_000_000
  /** Sets the wall clock alone: days go by and no timer runs. */
  wallAheadMs = 0
  readonly #timers = new Set<Timer>()

  now(): number {
    return this.#now
  }

  wall(): number {
    return 1_800_000_000_000 + this.#now + this.wallAheadMs
  }

  after(delayMs: number, task: () => void): Cancel {
    return this.#add({ at: this.#now + delayMs, period: undefined, task })
  }

  every(periodMs: number, task: () => void): Cancel {
    return this.#add({ at: this.#now + periodMs, period: periodMs, task })
  }

  /** Runs what is due on the way, in order. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#now = Math.max(this.#now, due.at)
      if (due.period === undefined) this.#timers.delete(due)
      else due.at += due.period
      due.task()
    }
    this.#now = end
  }

  #add(timer: Timer): Cancel {
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }
}
