/**
 * The end of a turn of the event loop: what many stanzas wrote to many connections goes out there, once per
 * connection. One immediate for the whole process, not one per connection.
 */
export interface Flushable {
  flush(): void
}

export class TurnEnd {
  #waiting: Flushable[] = []
  readonly #run = (): void => this.#flushAll()

  /** Calls `flush` once at the end of this turn; the caller sees to it that it is added only once. */
  add(item: Flushable): void {
    if (this.#waiting.push(item) === 1) setImmediate(this.#run)
  }

  #flushAll(): void {
    const due = this.#waiting
    this.#waiting = []
    for (const item of due) item.flush()
  }
}
