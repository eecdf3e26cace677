/**
 * The request ids of one BOSH session (XEP-0124 §14): which request is next, which are early, which have their answer in
 * the buffer. Pure bookkeeping.
 */
export type RidKind = 'new' | 'open' | 'answered' | 'outside'

export class RidWindow<R, A> {
  /** Simultaneous requests that the client may have. */
  readonly size: number
  #last: number
  #highest: number
  /** Not answered: early ones, and those that have had their turn. */
  readonly #open = new Map<number, R>()
  readonly #answers = new Map<number, A>()

  constructor(firstRid: number, size: number) {
    this.#last = firstRid - 1
    this.#highest = firstRid - 1
    this.size = size
  }

  /** The highest id up to which every request has come. */
  get last(): number { return this.#last }
  /** The highest id that has come, early ones included. */
  get highest(): number { return this.#highest }
  get openCount(): number { return this.#open.size }

  kindOf(rid: number): RidKind {
    if (this.#open.has(rid)) return 'open'
    if (this.#answers.has(rid)) return 'answered'
    return rid > this.#last && rid <= this.#last + this.size ? 'new' : 'outside'
  }

  openAt(rid: number): R | undefined { return this.#open.get(rid) }
  answerOf(rid: number): A | undefined { return this.#answers.get(rid) }

  add(rid: number, request: R): void {
    this.#open.set(rid, request)
    if (rid > this.#highest) this.#highest = rid
  }

  /** The request whose turn it is now, once; `undefined` while it has not come. */
  takeNext(): R | undefined {
    const request = this.#open.get(this.#last + 1)
    if (request !== undefined) this.#last++
    return request
  }

  /** All that are open, in the order of their ids. */
  opened(): readonly R[] {
    return [...this.#open].toSorted(([a], [b]) => a - b).map(([, request]) => request)
  }

  /** Answered, and not to be repeated from the buffer. */
  released(rid: number): void {
    this.#open.delete(rid)
  }

  /** Answered; the buffer keeps as many answers as there may be requests (§14.3). */
  answered(rid: number, answer: A): void {
    this.#open.delete(rid)
    this.#answers.set(rid, answer)
    if (this.#answers.size <= this.size) return
    const [oldest] = this.#answers.keys()
    if (oldest !== undefined) this.#answers.delete(oldest)
  }
}
