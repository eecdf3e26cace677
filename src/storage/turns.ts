/**
 * How much work waits for the database. As many tasks run as the pool has connections; some wait, first come first
 * served; what would wait beyond that, or has waited for too long, is refused. Owns the queue.
 */
import type { Clock } from '../telemetry/clock.js'

/** What a database does in the time that anybody may wait, at a millisecond each; about 10 MiB of tasks. */
export const WAITING_MAX = 5000

interface Turn {
  readonly since: number
  go(): void
  refuse(why: string): void
}

export interface TurnsOptions {
  readonly runningMax: number
  /** A task that has not begun by then is refused. */
  readonly waitMs: number
  readonly clock: Clock
  /** Makes the error of a task that was not begun. */
  readonly refused: (why: string) => Error
  readonly waitingMax?: number
}

export class Turns {
  readonly #options: TurnsOptions
  #running = 0
  /** Taken from `#first` on; what is before it is gone. */
  #waiting: (Turn | undefined)[] = []
  #first = 0
  #watching = false
  #whenIdle: () => void = () => undefined

  constructor(options: TurnsOptions) {
    this.#options = options
  }

  get waiting(): number {
    return this.#waiting.length - this.#first
  }

  async run<T>(task: () => PromiseLike<T>): Promise<T> {
    if (this.#running < this.#options.runningMax) this.#running++
    else await this.#wait()
    try {
      return await task()
    } finally {
      this.#next()
    }
  }

  /** Resolves when all that was asked for is done, or after `waitMs`. */
  async idle(): Promise<void> {
    if (this.#running === 0) return
    const { clock, waitMs } = this.#options
    await new Promise<void>((resolve) => {
      this.#whenIdle = resolve
      clock.after(waitMs, resolve)
    })
  }

  /** Nobody who waits gets a turn: the database is away. */
  refuseAll(why: string): void {
    for (let turn = this.#take(); turn !== undefined; turn = this.#take()) turn.refuse(why)
  }

  #wait(): Promise<void> {
    const { clock, waitingMax = WAITING_MAX, refused } = this.#options
    this.#refuseLate()
    if (this.waiting >= waitingMax) return Promise.reject(refused(`${waitingMax} tasks wait for the database`))
    return new Promise((go, reject) => {
      this.#waiting.push({ since: clock.now(), go, refuse: (why) => reject(refused(why)) })
      if (!this.#watching) this.#watch()
    })
  }

  // The place goes straight to the next one, so that nobody slips in between.
  #next(): void {
    const turn = this.#take()
    if (turn !== undefined) turn.go()
    else if (--this.#running === 0) this.#whenIdle()
  }

  #take(): Turn | undefined {
    const turn = this.#waiting[this.#first]
    if (turn === undefined) return undefined
    this.#waiting[this.#first++] = undefined
    if (this.#first === this.#waiting.length) {
      this.#waiting = []
      this.#first = 0
    } else if (this.#first >= WAITING_MAX) {
      this.#waiting = this.#waiting.slice(this.#first)
      this.#first = 0
    }
    return turn
  }

  /** One timer for all: for the one that waits longest. */
  #watch(): void {
    const oldest = this.#waiting[this.#first]
    this.#watching = oldest !== undefined
    if (oldest === undefined) return
    const { clock, waitMs } = this.#options
    clock.after(Math.max(1, oldest.since + waitMs - clock.now()), () => {
      this.#refuseLate()
      this.#watch()
    })
  }

  #refuseLate(): void {
    const { clock, waitMs } = this.#options
    const late = clock.now() - waitMs
    for (let oldest = this.#waiting[this.#first]; oldest !== undefined && oldest.since <= late; oldest = this.#waiting[this.#first]) {
      this.#take()?.refuse(`no connection to the database was free in ${waitMs} ms`)
    }
  }
}
