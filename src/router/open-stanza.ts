/**
 * A stanza at its origin until it is closed: whom it was put to, what they said, and the lane it stands in - the
 * un-closed stanzas of one origin session to one account, in their order (D.7b).
 */
import type { Jid } from '../xmpp/jid.js'
import type { Stanza } from '../xmpp/stanza.js'
import type { Offer } from './acceptance.js'
import type { Question } from './ask-table.js'
import type { Cause } from './cause.js'
import { ordinal, type StanzaKey, type Verdict } from './envelope.js'
import type { NodeRef } from './strategy.js'

/** What an open stanza costs besides its inside: head, places, questions. Without it, empty ones would be free. */
export const OPEN_HEAD_BYTES = 1024

/** One node that was asked: the latest question to it, only whose answer counts. */
export class Place implements Question {
  ask = 0
  since = 0
  /** What that question said of earlier stanzas. */
  prev = 0
  /** `undefined` until it is answered; a gap is no answer. */
  verdict: Verdict | undefined = undefined
  /** Asked again because of a gap already: the next gap waits until an earlier stanza is closed. */
  gapped = false
  stuck = false
  /** No longer one of its stanza's. */
  over = false

  constructor(
    readonly node: NodeRef, readonly lane: Lane, readonly stanza: OpenStanza,
    private readonly took: (place: Place, verdict: Verdict) => void
  ) {}

  answered(verdict: Verdict): void {
    this.took(this, verdict)
  }

  gone(): void {
    // `Asks.lost` takes the place away.
  }
}

/**
 * - `asking`: the nodes are asked
 * - `dealing`: nobody took it; the account's offline storage has it
 * - `stored`: it is a row; the nodes are asked a second time, whether somebody has come meanwhile
 * - `settled`: dealt with, answered or ignored
 */
export type Stage = 'asking' | 'dealing' | 'stored' | 'settled'

export interface Sent {
  readonly cause: Cause
  readonly key: StanzaKey
  readonly stanza: Stanza
  readonly to: Jid
  readonly audience: string
  readonly except: Jid | undefined
  readonly readdress: boolean
  /** Nobody took it: the account's rules decide. False: then that is all. */
  readonly mayStrand: boolean
  /** Id of the session that is gone and left it unacknowledged. */
  readonly leftBy?: string
}

export class OpenStanza implements Offer {
  readonly cause: Cause
  readonly key: StanzaKey
  readonly stanza: Stanza
  readonly audience: string
  readonly except: Jid | undefined
  readonly readdress: boolean
  readonly mayStrand: boolean
  readonly again: boolean
  /** Whose stanzas it keeps its order with: those of its own session, or what one session left. */
  readonly flow: string
  readonly state = false
  readonly owner = undefined
  /** A full JID that nobody has becomes the bare one (RFC 6121 §8.5.3.2.1). */
  address: Jid
  prev = 0
  row = 0
  stage: Stage = 'asking'
  /** When it was asked last, monotonic. */
  since = 0
  /** Somebody was asked, this node included; a place for it is kept only when there is something to remember. */
  asked = false
  places: Place[] = []

  constructor(sent: Sent) {
    this.cause = sent.cause
    this.key = sent.key
    this.stanza = sent.stanza
    this.address = sent.to
    this.audience = sent.audience
    this.except = sent.except
    this.readdress = sent.readdress
    this.mayStrand = sent.mayStrand
    this.again = sent.leftBy !== undefined
    this.flow = sent.leftBy ?? sent.key.osid
  }

  get bytes(): number {
    return this.stanza.inside.length + OPEN_HEAD_BYTES
  }

  place(node: NodeRef): Place | undefined {
    for (const place of this.places) if (place.node.name === node.name) return place
    return undefined
  }

  get answered(): boolean {
    for (const place of this.places) if (place.verdict === undefined) return false
    return true
  }

  get accepted(): boolean {
    for (const place of this.places) if (place.verdict?.kind === 'accept') return true
    return false
  }
}

export class Lane {
  readonly open: OpenStanza[] = []
  /** To another address of the account: after all that are open. */
  readonly waiting: OpenStanza[] = []
  /** Guards against being worked on twice at a time. */
  busy = false
  again = false
  /** Some place of a stanza here is stuck: only then a closed stanza makes all others be looked at. */
  hasStuck = false
  /** This life is over: what still comes to it is nobody's business. */
  over = false

  constructor(readonly osid: string, readonly account: string) {}

  get empty(): boolean {
    return this.open.length === 0 && this.waiting.length === 0
  }

  /** Nothing stands here, and nobody works on it. */
  get idle(): boolean {
    return !this.busy && this.empty
  }

  /** One address at a time: both forms share a device's watermark. */
  fits(address: Jid): boolean {
    const first = this.open[0]
    const last = this.open[this.open.length - 1]
    return first === undefined || (first.address.equals(address) && last?.address.equals(address) === true)
  }

  admits(address: Jid): boolean {
    return this.waiting.length === 0 && this.fits(address)
  }

  /** What `prev` says of the stanza now: all earlier ones here are un-closed; those that were answered are nobody's any more. */
  before(stanza: OpenStanza): number {
    for (let i = this.open.lastIndexOf(stanza) - 1; i >= 0; i--) {
      const earlier = this.open[i]
      if (earlier !== undefined && earlier.stage !== 'settled') return ordinal(earlier.key)
    }
    return 0
  }
}
