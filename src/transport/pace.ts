/**
 * How fast one established stream is read (XEP-0205 §4.5). Too fast never costs a client anything but time: reading rests
 * until what was taken is paid for. Owns the token buckets of one connection; the clock is asked only when one is empty, the
 * wheel's last tick is good enough to fill them.
 */
import type { RateBounds, Ticket, TransportRoom } from './bounds.js'
import type { Timed, Wheel } from './wheel.js'

class Bucket {
  readonly #perMs: number
  readonly #burst: number
  left: number
  #at: number

  /** @param perSecond 0 for no limit */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perMs = perSecond / 1_000
    this.#burst = perSecond === 0 ? Infinity : burst
    this.left = this.#burst
    this.#at = now
  }

  refill(now: number): void {
    this.left = Math.min(this.#burst, this.left + (now - this.#at) * this.#perMs)
    this.#at = now
  }

  /** Milliseconds until nothing is owed. */
  get owedMs(): number {
    return this.left < 0 ? -this.left / this.#perMs : 0
  }
}

/** What reads. */
export interface Reader {
  rest(): void
  goOn(): void
}

export class Pace implements Timed {
  readonly #wheel: Wheel
  readonly #reader: Reader
  readonly #bytes: Bucket
  readonly #stanzas: Bucket
  readonly #presences: Bucket
  readonly #iqs: Bucket
  #filledAt: number
  #until = 0

  constructor(rates: RateBounds, wheel: Wheel, reader: Reader) {
    const now = wheel.now()
    this.#filledAt = now
    this.#wheel = wheel
    this.#reader = reader
    this.#bytes = new Bucket(rates.bytes, rates.bytesBurst, now)
    this.#stanzas = new Bucket(rates.stanzas, rates.stanzasBurst, now)
    this.#presences = new Bucket(rates.presences, rates.presencesBurst, now)
    this.#iqs = new Bucket(rates.iqs, rates.iqsBurst, now)
  }

  /** Once for each piece that comes, before its stanzas. */
  bytes(count: number): void {
    const now = this.#wheel.coarseNow
    if (now > this.#filledAt) this.#refill(now)
    if ((this.#bytes.left -= count) < 0) this.#owe()
  }

  stanza(name: string): void {
    let short = --this.#stanzas.left < 0
    if (name === 'iq') short = --this.#iqs.left < 0 || short
    else if (name === 'presence') short = --this.#presences.left < 0 || short
    if (short) this.#owe()
  }

  check(now: number): number {
    if (now < this.#until) return this.#until
    this.#until = 0
    this.#reader.goOn()
    return Infinity
  }

  stop(): void {
    this.#wheel.forget(this)
  }

  #owe(): void {
    const now = this.#wheel.now()
    this.#refill(now)
    const owedMs = Math.max(this.#bytes.owedMs, this.#stanzas.owedMs, this.#presences.owedMs, this.#iqs.owedMs)
    if (owedMs === 0) return
    if (this.#until === 0) this.#reader.rest()
    this.#until = now + owedMs
    this.#wheel.look(this, this.#until)
  }

  #refill(now: number): void {
    this.#filledAt = now
    this.#bytes.refill(now)
    this.#stanzas.refill(now)
    this.#presences.refill(now)
    this.#iqs.refill(now)
  }
}

/** For a stream that has just been authenticated; nothing where no rate holds. */
export function paceOf({ bounds: { rates }, wheel }: TransportRoom, { exempt }: Ticket, reader: Reader): Pace | undefined {
  const limited = rates !== undefined && (rates.bytes > 0 || rates.stanzas > 0 || rates.presences > 0 || rates.iqs > 0)
  return limited && !exempt ? new Pace(rates, wheel, reader) : undefined
}
