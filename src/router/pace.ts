/**
 * Many who come in one turn of the event loop go on a few at a time, and others are served between them: a proxy that
 * restarts says goodbye for thousands at once.
 */

/** Farewells in a turn: each tells its contacts, which takes up to a millisecond. */
const PER_TURN = 8

export class Pace {
  readonly #waiting: (() => void)[] = []
  #left = PER_TURN
  #planned = false

  /** Resolves when it is one's turn; nothing when it is now. */
  turn(): Promise<void> | undefined {
    if (!this.#planned) {
      this.#planned = true
      setImmediate(this.#next)
    }
    if (this.#left > 0) {
      this.#left--
      return undefined
    }
    return new Promise((go) => this.#waiting.push(go))
  }

  readonly #next = (): void => {
    const due = this.#waiting.splice(0, PER_TURN)
    this.#left = PER_TURN - due.length
    this.#planned = due.length > 0
    if (this.#planned) setImmediate(this.#next)
    for (const go of due) go()
  }
}
