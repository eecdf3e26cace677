/** A clock moved by hand: tasks run in the order of their times while it moves. */
import type { Cancel, Clock } from '../../src/telemetry/clock.js'

interface Task {
  at: number
  readonly periodMs: number | undefined
  readonly run: () => void
}

export class HandClock implements Clock {
  #now = 1_000_000
  readonly #tasks = new Set<Task>()

  now(): number {
    return this.#now
  }

  wall(): number {
    return 1_700_000_000_000 + this.#now
  }

  after(delayMs: number, run: () => void): Cancel {
    return this.#add({ at: this.#now + delayMs, periodMs: undefined, run })
  }

  every(periodMs: number, run: () => void): Cancel {
    return this.#add({ at: this.#now + periodMs, periodMs, run })
  }

  /** Without running anything: the process was stopped. */
  jump(ms: number): void {
    this.#now += ms
  }

  /** Moves on, runs what is due, and lets promises settle after each task. */
  async move(ms: number): Promise<void> {
    const until = this.#now + ms
    for (let next = this.#next(until); next !== undefined; next = this.#next(until)) {
      this.#now = Math.max(this.#now, next.at)
      if (next.periodMs === undefined) this.#tasks.delete(next)
      else next.at += next.periodMs
      next.run()
      await settled()
    }
    this.#now = until
    await settled()
  }

  #next(until: number): Task | undefined {
    const due = [...this.#tasks].filter((task) => task.at <= until)
    return due.sort((a, b) => a.at - b.at)[0]
  }

  #add(task: Task): Cancel {
    this.#tasks.add(task)
    return () => void this.#tasks.delete(task)
  }
}

/** Lets promise chains run to their end. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}
