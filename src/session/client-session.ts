/**
 * The session of one client: stamps and counts what the stream brings, hands it on one at a time, writes what is
 * delivered. Owns JID, presence, priority, slots, and how far its stanzas are dealt with.
 */
import { HOLD, type OpenStream, type StanzaConsumer } from '../stream/open-stream.js'
import type { Deadlines } from '../stream/deadlines.js'
import type { AccountRef } from '../storage/store.js'
import type { Clock } from '../telemetry/clock.js'
import type { Metrics } from '../telemetry/metrics.js'
import type { StreamClosedReason } from '../telemetry/reasons.js'
import type { RawElement } from '../xml/raw.js'
import { errorReply } from '../xmpp/error-stanza.js'
import { StanzaError, StreamError } from '../xmpp/errors.js'
import type { Hlc } from '../xmpp/hlc.js'
import { JidError, type Jid, type JidCache } from '../xmpp/jid.js'
import { Stanza, type StanzaKind } from '../xmpp/stanza.js'
import type { SessionHandler } from './handler.js'
import { HandledPrefix } from './handled-prefix.js'
import type { LocalSession } from './sessions.js'
import { HARD_FACTOR, SlowReader, type SlowBounds } from './slow-reader.js'
import type { Slot } from './slot.js'

/** What sessions count. */
export type SessionMetrics = Pick<Metrics, 'stanzasIn' | 'stanzasOut'>

export interface SessionParts {
  readonly metrics: SessionMetrics
  readonly handler: SessionHandler
  readonly jids: JidCache
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly slow: SlowBounds
  /** Takes the session out of the registry. */
  readonly remove: (session: LocalSession) => void
}

export interface DeviceFacts {
  readonly jid: Jid
  readonly account: AccountRef
  /** 32 hexadecimal digits. */
  readonly session: string
  readonly bound: Hlc
}

/** Characters of an id; nobody needs more, and every id is mirrored. */
const ID_LENGTH_MAX = 1024
/** Stanzas of one client that wait for their destinations' answers; then reading rests. */
const UNHANDLED_MAX = 512
/** Of a root tag, roughly: what a held stanza costs besides its inside. */
const HEAD_BYTES = 256

interface Held {
  readonly stanza: Stanza
  readonly to: Jid | undefined
}

export class ClientSession implements LocalSession, StanzaConsumer {
  readonly jid: Jid
  readonly account: AccountRef
  readonly session: string
  readonly bound: Hlc
  readonly secure: boolean
  readonly address: string
  readonly watermarks = new Map<string, number>()
  readonly #stream: OpenStream
  readonly #parts: SessionParts
  readonly #slow: SlowReader
  readonly #slots = new Map<Slot<unknown>, unknown>()
  readonly #handled = new HandledPrefix()
  #presence: Stanza | undefined
  #priority: number | undefined
  #received = 0
  /** Deliveries wait here until the client knows its address, and while the gate is shut. */
  #held: Held[] | undefined = []
  #heldBytes = 0
  #begun = false
  #gateOpen = true
  #over = false

  constructor(facts: DeviceFacts, stream: OpenStream, parts: SessionParts) {
    this.jid = facts.jid
    this.account = facts.account
    this.session = facts.session
    this.bound = facts.bound
    this.secure = stream.peer.secure
    this.address = stream.peer.address
    this.#stream = stream
    this.#parts = parts
    const watched = { get pendingBytes() { return stream.pendingBytes }, tooSlow: (why: string) => this.#tooSlow(why) }
    this.#slow = new SlowReader(watched, parts.slow, parts)
  }

  get presence(): Stanza | undefined {
    return this.#presence
  }

  get priority(): number | undefined {
    return this.#priority
  }

  /** How many of the client's stanzas are dealt with, without a gap: `h` of XEP-0198. */
  get h(): number {
    return this.#handled.value
  }

  get<T>(slot: Slot<T>): T {
    return this.#slots.has(slot) ? this.#slots.get(slot) as T : slot.initial
  }

  set<T>(slot: Slot<T>, value: T): void {
    this.#slots.set(slot, value)
  }

  setPresence(presence: Stanza | undefined, priority: number | undefined): void {
    this.#presence = presence
    this.#priority = priority
  }

  // ---- from the client

  stanza(element: RawElement): void {
    const { attrs } = element
    if (attrs['from'] !== undefined) this.#checkFrom(attrs['from'])
    const index = ++this.#received
    const kind = element.name as StanzaKind                    // the stream passes on nothing else
    const id = attrs['id']
    const type = attrs['type'] ?? ''
    const to = this.#addressee(attrs['to'])
    if (to === null) {
      this.#parts.handler.malformed(this, kind, id, type, attrs['to'] ?? '')
      this.handled(index)
      return
    }
    const lang = attrs['xml:lang'] ?? this.#stream.lang         // RFC 6120 §4.7.4
    const head = { kind, to, from: this.#stamp(kind, type), id, type, lang }
    if (element.reserved === true) {                            // RFC 6120 §8.4
      this.#refuse(Stanza.of(head), index, new StanzaError('modify', 'not-acceptable', 'Elements of streams inside a stanza'))
      return
    }
    this.#receive(Stanza.ofBytes(head, element.children, element.inside), index)
  }

  #receive(stanza: Stanza, index: number): void {
    if (stanza.id !== undefined && stanza.id.length > ID_LENGTH_MAX) {
      this.#refuse(stanza, index, new StanzaError('modify', 'bad-request', `An id of more than ${ID_LENGTH_MAX} characters`))
      return
    }
    this.#parts.metrics.stanzasIn.add(stanza.kind)
    const pending = this.#parts.handler.receive(this, stanza, index)
    if (pending !== undefined) void this.#wait(pending)
    if (this.#received - this.#handled.value >= UNHANDLED_MAX) this.#stream.hold(HOLD.window)
  }

  // One stanza at a time: reading rests until the handler is done.
  async #wait(pending: Promise<void>): Promise<void> {
    this.#stream.hold(HOLD.handler)
    try {
      await pending
    } catch (error) {
      this.#stream.log.error({ err: error, jid: this.jid.toString() }, 'session.failed')
      this.close(new StreamError('internal-server-error'), 'stream-error')
    }
    this.#stream.release(HOLD.handler)
  }

  // RFC 6120 §8.1.2.1, §4.9.3.9: one's own full or bare JID, or nothing.
  #checkFrom(from: string): void {
    const jid = this.#addressee(from)
    if (jid && (jid.equals(this.jid) || jid.equals(this.account.jid))) return
    throw new StreamError('invalid-from', 'Stanzas are from the address that was bound')
  }

  /** `null` for text that is no address. */
  #addressee(text: string | undefined): Jid | undefined | null {
    if (text === undefined) return undefined
    try {
      return this.#parts.jids.parse(text)
    } catch (error) {
      if (error instanceof JidError) return null
      throw error
    }
  }

  // RFC 6120 §8.1.2.1; RFC 6121 §3.1.2: what is about subscriptions is from the account.
  #stamp(kind: StanzaKind, type: string): Jid {
    return kind === 'presence' && isSubscription(type) ? this.account.jid : this.jid
  }

  #refuse(stanza: Stanza, index: number, error: StanzaError): void {
    const reply = errorReply(stanza, error)
    if (reply !== undefined) this.deliver(reply, this.jid)
    this.handled(index)
  }

  // ---- to the client

  deliver(stanza: Stanza, to?: Jid): boolean {
    if (this.#over) return true
    if (this.#held !== undefined) return this.#hold(stanza, to)
    return this.#write(stanza, to)
  }

  #write(stanza: Stanza, to: Jid | undefined): boolean {
    const stream = this.#stream
    const { inside } = stanza
    const ready = stream.write(stanza.open(stream.form, to ?? stanza.to), inside, stanza.close)
    this.#parts.metrics.stanzasOut.add(stanza.kind)
    this.#slow.wrote(inside.length)
    return ready
  }

  #hold(stanza: Stanza, to: Jid | undefined): boolean {
    this.#held?.push({ stanza, to })
    this.#heldBytes += stanza.inside.length + HEAD_BYTES
    const { slowBytes } = this.#parts.slow
    if (this.#heldBytes > slowBytes * HARD_FACTOR) this.#stream.abort(this.#gateOpen ? 'slow-reader' : 'isolated')
    return this.#heldBytes <= slowBytes
  }

  #flush(): void {
    if (!this.#begun || !this.#gateOpen) return
    const held = this.#held ?? []
    this.#held = undefined
    this.#heldBytes = 0
    for (const { stanza, to } of held) this.deliver(stanza, to)
  }

  #tooSlow(why: string): void {
    this.close(new StreamError('resource-constraint', why), 'slow-reader')
  }

  /** The client knows its address. */
  begin(): void {
    this.#begun = true
    this.#flush()
  }

  /** The isolation rule: while shut nothing is read and nothing written. */
  gate(open: boolean): void {
    if (open === this.#gateOpen || this.#over) return
    this.#gateOpen = open
    if (open) {
      this.#flush()
      this.#stream.release(HOLD.gate)
    } else {
      this.#held ??= []
      this.#stream.hold(HOLD.gate)
    }
  }

  handled(index: number): void {
    this.#handled.add(index)
    if (this.#received - this.#handled.value <= UNHANDLED_MAX / 2) this.#stream.release(HOLD.window)
  }

  drained(): void {}

  // ---- the end

  close(error: StreamError | undefined, reason: StreamClosedReason): void {
    if (this.#gateOpen) this.#stream.close(error, reason)
    else this.#stream.abort(reason)
  }

  ended(reason: StreamClosedReason): void {
    if (this.#over) return
    this.#over = true
    this.#held = undefined
    this.#slow.stop()
    this.#parts.remove(this)
    this.#parts.handler.ended(this, reason)
  }
}

function isSubscription(type: string): boolean {
  return type === 'subscribe' || type === 'subscribed' || type === 'unsubscribe' || type === 'unsubscribed'
}
