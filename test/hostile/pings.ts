/** How long the canaries' pings took while bad things were sent, on the node that got them and on the others. */

export interface Told {
  readonly here: readonly number[]
  readonly elsewhere: readonly number[]
}

class Pings {
  readonly #here: number[] = []
  readonly #elsewhere: number[] = []

  note(node: number, ms: number): void {
    (node === 0 ? this.#here : this.#elsewhere).push(Math.round(ms * 10) / 10)
  }

  told(): Told {
    return { here: this.#here, elsewhere: this.#elsewhere }
  }
}

export const PINGS = new Pings()
