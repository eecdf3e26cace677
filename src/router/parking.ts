/**
 * Stanzas that wait at their destination, in order for each account: while one of its devices is becoming available, or
 * this node may not serve. Bounded; what does not fit is refused, which nobody has accepted yet.
 */
import type { Jid } from '../xmpp/jid.js'
import type { Verdict } from './envelope.js'
import type { Eventually } from './eventually.js'

interface Most {
  readonly stanzas: number
  readonly bytes: number
}

/**
 * A device is ready in milliseconds; so much for one account means that its database hangs. With what is stored for it (500,
 * 5 MiB) it must not be more than one device's queue takes.
 */
const OPENING: Most = { stanzas: 400, bytes: 2 * 1024 * 1024 }
/** While this node may not serve: what two senders have under way for one account. */
const GATED: Most = { stanzas: 1_000, bytes: 4 * 1024 * 1024 }
/** Of all accounts: what comes in while this node may not serve. */
const NODE_BYTES_MAX = 64 * 1024 * 1024
/** What one costs besides its inside, roughly: presence is often empty. */
const HEAD_BYTES = 512
const FULL: Verdict = { kind: 'reject', why: 'error', type: 'wait', condition: 'resource-constraint' }

interface Waiting<T> {
  readonly item: T
  readonly bytes: number
  readonly done: (verdict: Eventually<Verdict>) => void
}

interface Lot<T> {
  readonly closers: Set<object>
  readonly waiting: Waiting<T>[]
  bytes: number
}

export class Parking<T extends { readonly address: Jid }> {
  readonly #lots = new Map<string, Lot<T>>()
  readonly #serve: (item: T) => Eventually<Verdict>
  #size = 0
  #bytes = 0

  constructor(serve: (item: T) => Eventually<Verdict>) {
    this.#serve = serve
  }

  get size(): number {
    return this.#size
  }

  close(account: string, by: object): void {
    this.#lot(account).closers.add(by)
  }

  /** @param release false: what waits goes on waiting, for `releaseAll` */
  open(account: string, by: object, release: boolean): void {
    const lot = this.#lots.get(account)
    lot?.closers.delete(by)
    if (release && lot?.closers.size === 0) this.#release(account, lot)
  }

  /** Something waits, or has to. */
  closed(address: Jid): boolean {
    return this.#lots.size > 0 && this.#lots.has(address.bare.toString())
  }

  /** @param inside bytes between the root tags */
  park(item: T, inside: number): Promise<Verdict> | Verdict {
    const bytes = inside + HEAD_BYTES
    const lot = this.#lot(item.address.bare.toString())
    const most = lot.closers.size > 0 ? OPENING : GATED
    if (lot.waiting.length >= most.stanzas || lot.bytes + bytes > most.bytes || this.#bytes + bytes > NODE_BYTES_MAX) return FULL
    this.#size++
    this.#bytes += bytes
    lot.bytes += bytes
    return new Promise((resolve) => {
      lot.waiting.push({ item, bytes, done: resolve })
    })
  }

  releaseAll(): void {
    for (const [account, lot] of [...this.#lots]) if (lot.closers.size === 0) this.#release(account, lot)
  }

  clear(): void {
    this.#lots.clear()
    this.#size = this.#bytes = 0
  }

  #release(account: string, lot: Lot<T>): void {
    // What comes in meanwhile stands behind those that wait: the lot stays until it is empty.
    for (let next = lot.waiting.shift(); next !== undefined; next = lot.waiting.shift()) {
      this.#size--
      lot.bytes -= next.bytes
      this.#bytes -= next.bytes
      next.done(this.#serve(next.item))
    }
    if (lot.closers.size === 0) this.#lots.delete(account)
  }

  #lot(account: string): Lot<T> {
    const known = this.#lots.get(account)
    if (known !== undefined) return known
    const lot: Lot<T> = { closers: new Set(), waiting: [], bytes: 0 }
    this.#lots.set(account, lot)
    return lot
  }
}
