/**
 * May this node read from and write to clients? The isolation rule and the rule of waking up, on our own monotonic
 * clock. Asked by the read and write paths once a turn: a timer alone is too late after a pause. Pure.
 */

/** Without a confirmed renewal for this long, and without any link that answers, we may have been fenced. */
export const ISOLATED_MS = 4000
/** From here on links are asked more often whether they still answer. */
const DOUBT_MS = 1500
/** A longer gap between two looks at the clock means that we were stopped, and may have been fenced meanwhile. */
export const PAUSE_MS = 2000

export class Gate {
  #confirmedSentAt: number
  #lookedAt: number
  /** Set after a pause until something sent later is answered. */
  #wokeAt: number | undefined
  #databaseAway = false
  /** The latest moment at which some link of ours was known to work. */
  #linkedAt = Number.NEGATIVE_INFINITY
  #others = false

  constructor(now: number) {
    this.#confirmedSentAt = now
    this.#lookedAt = now
  }

  /** Looks at the clock and decides. */
  serving(now: number): boolean {
    if (now - this.#lookedAt > PAUSE_MS) {
      this.#wokeAt = now
      this.#databaseAway = false
    }
    this.#lookedAt = now
    if (this.#wokeAt !== undefined) return false
    return !(this.#others && now - this.#linkedAt > ISOLATED_MS && now - this.#confirmedSentAt > ISOLATED_MS)
  }

  /** The database is late: only a link that answers keeps us serving. */
  doubtful(now: number): boolean {
    return this.#others && now - this.#confirmedSentAt > DOUBT_MS
  }

  /** True while something must be answered before we serve: renew and ping at once. */
  get woken(): boolean {
    return this.#wokeAt !== undefined
  }

  /** The age of a renewal counts from when it was sent. */
  renewed(sentAt: number): void {
    this.#confirmedSentAt = Math.max(this.#confirmedSentAt, sentAt)
    this.#databaseAway = false
    if (this.#wokeAt !== undefined && sentAt >= this.#wokeAt) this.#wokeAt = undefined
  }

  /** A renewal sent then was not answered, or with an error. */
  renewalFailed(sentAt: number): void {
    if (this.#wokeAt === undefined || sentAt >= this.#wokeAt) this.#databaseAway = true
  }

  /** With the database away an answered PING that was sent after waking will do. */
  ponged(sentAt: number): void {
    if (this.#databaseAway && this.#wokeAt !== undefined && sentAt >= this.#wokeAt) this.#wokeAt = undefined
  }

  /**
   * A connection that stands is not enough: nothing says so when a cable is pulled.
   * @param linkedAt of the links that stand, the latest READY or the sending of the latest PING that was answered;
   * minus infinity without one
   * @param others the last known view has other nodes
   */
  linked(linkedAt: number, others: boolean): void {
    this.#linkedAt = linkedAt
    this.#others = others
  }
}
