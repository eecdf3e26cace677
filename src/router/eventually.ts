/** Synchronous until something waits: the two shapes that the router's paths have. */
import { isPromise } from '../pipeline/run.js'

export { isPromise }
export type Eventually<T> = T | Promise<T>

export function then<T, U>(value: Eventually<T>, next: (value: T) => Eventually<U>): Eventually<U> {
  return isPromise(value) ? value.then(next) : next(value)
}

/** One item after the other. */
export function inOrder<T>(items: readonly T[], run: (item: T) => Eventually<void>, from = 0): Eventually<void> {
  for (let i = from; i < items.length; i++) {
    const waiting = run(items[i] as T)
    if (isPromise(waiting)) return waiting.then(() => inOrder(items, run, i + 1))
  }
}
