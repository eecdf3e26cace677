/** A clock whose periodic tasks a test runs by hand. */
import type { Clock } from '../../src/telemetry/clock.js'

export interface HandClock extends Clock {
  /** Runs every periodic task once. */
  tick(): void
  readonly running: number
}

export function handClock(): HandClock {
  const tasks = new Set<() => void>()
  return {
    now: () => 0,
    wall: () => 0,
    after: () => () => {},
    every(_periodMs, task) {
      tasks.add(task)
      return () => tasks.delete(task)
    },
    tick() {
      for (const task of [...tasks]) task()
    },
    get running() {
      return tasks.size
    }
  }
}
