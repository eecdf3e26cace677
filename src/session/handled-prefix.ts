/** Numbers 1, 2, 3 … that come in any order, counted as far as none is missing (I6). */
export class HandledPrefix {
  #value = 0
  readonly #early = new Set<number>()

  get value(): number {
    return this.#value
  }

  add(index: number): void {
    if (index > this.#value + 1) {
      this.#early.add(index)
      return
    }
    if (index <= this.#value) return
    this.#value = index
    while (this.#early.size > 0 && this.#early.delete(this.#value + 1)) this.#value++
  }
}
