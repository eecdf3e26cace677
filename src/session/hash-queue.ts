/**
 * Bounds the hashing of passwords: the thread pool is shared with name look-ups and files, and whoever knows no password
 * must not be able to fill it.
 */
/** All of libuv's four threads but one, so that nobody's file or name waits behind a password. */
const RUNNING_MAX = 3
const WAITING_MAX = 100

export class HashQueue {
  readonly #runningMax: number
  readonly #waitingMax: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(runningMax = RUNNING_MAX, waitingMax = WAITING_MAX) {
    this.#runningMax = runningMax
    this.#waitingMax = waitingMax
  }

  /** Runs `job` when there is room; `undefined` when too many wait already. */
  run<T>(job: () => Promise<T>): Promise<T> | undefined {
    if (this.#running < this.#runningMax) {
      this.#running++
      return this.#start(job)
    }
    if (this.#waiting.length >= this.#waitingMax) return undefined
    return new Promise<void>((resolve) => this.#waiting.push(resolve)).then(() => this.#start(job))
  }

  async #start<T>(job: () => Promise<T>): Promise<T> {
    try {
      return await job()
    } finally {
      this.#next()
    }
  }

  // The place goes straight to the next one, so that nobody slips in between.
  #next(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#running--
    else next()
  }
}
