/**
 * Time, passed in. Owns nothing: production uses `systemClock()`, tests move a hand-set clock.
 * Monotonic time decides; wall time only stamps.
 */
export type Cancel = () => void

export interface Clock {
  /** Milliseconds, monotonic, origin arbitrary. */
  now(): number
  /** Milliseconds since 1970 by this machine's wall clock; may jump. */
  wall(): number
  /** Runs `task` once after `delayMs`; the timer does not keep the process alive. */
  after(delayMs: number, task: () => void): Cancel
  /** Runs `task` every `periodMs` until cancelled; the timer does not keep the process alive. */
  every(periodMs: number, task: () => void): Cancel
}

export function systemClock(): Clock {
  return {
    now: () => performance.now(),
    wall: () => Date.now(),
    after(delayMs, task) {
      const timer = setTimeout(task, delayMs).unref()
      return () => clearTimeout(timer)
    },
    every(periodMs, task) {
      const timer = setInterval(task, periodMs).unref()
      return () => clearInterval(timer)
    }
  }
}
