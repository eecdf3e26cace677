/**
 * Where new connections begin: so many in one turn of the event loop, and the others in the next ones, in their order. When
 * thousands come back at once, those who are in are served in between. Owns the connections that wait for a turn.
 */

/** To let one in and to log it in is about a millisecond of work, so a turn stays well below what a person notices. */
export const BEGIN_PER_TURN = 16

export class Entrance {
  #room = BEGIN_PER_TURN
  #turning = false
  readonly #waiting: (() => void)[] = []

  /** @param begin called now or in a later turn; the socket may have closed by then */
  enter(begin: () => void): void {
    this.#waiting.push(begin)
    this.#admit()
  }

  #admit(): void {
    while (this.#room > 0) {
      const begin = this.#waiting.shift()
      if (begin === undefined) break
      this.#room--
      begin()
    }
    if (this.#turning || this.#room === BEGIN_PER_TURN) return
    this.#turning = true
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#turning = false
    this.#room = BEGIN_PER_TURN
    this.#admit()
  }
}
