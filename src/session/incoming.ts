/**
 * What a client sends: stamped, numbered, handed on one at a time. Owns how far its stanzas are dealt with, which is `h` of
 * XEP-0198 (I6), and why reading rests, over the change of streams.
 */
import { NS_SM } from '../stream/namespaces.js'
import { HOLD, type Hold, type OpenStream } from '../stream/open-stream.js'
import type { RawElement } from '../xml/raw.js'
import { errorReply } from '../xmpp/error-stanza.js'
import { StanzaError, StreamError } from '../xmpp/errors.js'
import { JidError, type Jid, type JidCache } from '../xmpp/jid.js'
import { Stanza, type StanzaKind } from '../xmpp/stanza.js'
import type { Metrics } from '../telemetry/metrics.js'
import { HandledPrefix } from './handled-prefix.js'
import type { SessionHandler } from './handler.js'
import type { Session } from './session.js'
import type { StableLog } from './stable-log.js'

export interface IncomingParts {
  readonly handler: SessionHandler
  readonly jids: JidCache
  readonly stableLog: StableLog
  readonly metrics: Pick<Metrics, 'stanzasIn' | 'contents'>
}

/** Characters of an id; nobody needs more, and every id is mirrored. */
const ID_LENGTH_MAX = 1024
/** Stanzas of one client that wait for their destinations' answers; then reading rests. */
const UNHANDLED_MAX = 512

export class Incoming {
  readonly #session: Session
  readonly #parts: IncomingParts
  /** Outlives the session, for `<failed h/>`. */
  readonly handled = new HandledPrefix()
  #stream: OpenStream | undefined
  #received = 0
  /** The highest number that went to the handler: what a client sends again up to it is counted, not routed (I6). */
  #routed = 0
  #holds = 0
  /** The client has asked about stanzas up to here, and was last told of so many. */
  #askedOf = 0
  #told = 0
  #planned = false

  constructor(session: Session, parts: IncomingParts) {
    this.#session = session
    this.#parts = parts
  }

  /** @param start what is counted from; 0 but in tests */
  enable(start = 0): void {
    this.handled.countFrom(this.#received, start)
  }

  attach(stream: OpenStream): void {
    this.#stream = stream
    for (const why of Object.values(HOLD)) if ((this.#holds & why) !== 0) stream.hold(why)
  }

  detach(): void {
    this.#stream = undefined
    this.#askedOf = 0
    this.#planned = false
  }

  /** The client will send again everything after the `h` that this returns, under the same numbers. */
  resume(): number {
    this.#received = this.handled.counted                               // trap 33: what is accepted stays so
    this.release(HOLD.window)
    return this.handled.h
  }

  hold(why: Hold): void {
    this.#holds |= why
    this.#stream?.hold(why)
  }

  release(why: Hold): void {
    if ((this.#holds & why) === 0) return
    this.#holds &= ~why
    this.#stream?.release(why)
  }

  stanza(element: RawElement): void {
    const { attrs } = element
    if (attrs['from'] !== undefined) this.#checkFrom(attrs['from'])
    const index = ++this.#received
    if (index > this.#routed) {
      this.#routed = index
      this.#enter(element, index)
    }
    if (this.#received - this.handled.value >= UNHANDLED_MAX) this.hold(HOLD.window)
  }

  /** Out of order is allowed. */
  dealtWith(index: number): void {
    this.handled.add(index)
    const { value } = this.handled
    if (this.#received - value <= UNHANDLED_MAX / 2) this.release(HOLD.window)
    if (this.#planned || this.#told >= this.#askedOf || value <= this.#told) return
    this.#planned = true
    setImmediate(() => { this.answer() })                               // once for all that this turn brings
  }

  /** `<r/>`: answered once for all that came with it, and again when what came before it is handled. */
  asked(): void {
    this.#askedOf = this.#received
    if (this.#planned) return
    this.#planned = true
    queueMicrotask(() => { this.answer() })
  }

  /** Says what is still to be said to whoever has asked. */
  answer(): void {
    if (!this.#planned) return
    this.#planned = false
    if (this.#stream !== undefined) this.#tell()
  }

  #tell(): void {
    this.#told = this.handled.value
    const { h } = this.handled
    const stable = this.#parts.stableLog.append({ type: 'IN', session: this.#session.session, h })      // trap 2
    if (stable === true) this.#say(h)
    else void stable.then(() => this.#say(h), () => undefined)          // this life is fenced
  }

  #say(h: number): void {
    this.#stream?.send(`<a xmlns='${NS_SM}' h='${h}'/>`)
  }

  #enter(element: RawElement, index: number): void {
    const { attrs } = element
    const kind = element.name as StanzaKind                    // the stream passes on nothing else
    const id = attrs['id']
    const type = attrs['type'] ?? ''
    const to = this.#addressee(attrs['to'])
    if (to === null) {
      this.#parts.handler.malformed(this.#session, kind, id, type, attrs['to'] ?? '')
      this.dealtWith(index)
      return
    }
    const lang = attrs['xml:lang'] ?? this.#stream?.lang         // RFC 6120 §4.7.4
    const head = { kind, to, from: this.#stamp(kind, type), id, type, lang }
    if (element.reserved === true) {                            // RFC 6120 §8.4
      this.#refuse(Stanza.of(head), index, new StanzaError('modify', 'not-acceptable', 'Elements of streams inside a stanza'))
      return
    }
    const { contents } = this.#parts.metrics
    if (element.boring) contents.copied++
    else contents.rewritten++
    this.#receive(Stanza.ofBytes(head, element.children, element.inside, contents), index)
  }

  #receive(stanza: Stanza, index: number): void {
    if (stanza.id !== undefined && stanza.id.length > ID_LENGTH_MAX) {
      this.#refuse(stanza, index, new StanzaError('modify', 'bad-request', `An id of more than ${ID_LENGTH_MAX} characters`))
      return
    }
    this.#parts.metrics.stanzasIn.add(stanza.kind)
    const pending = this.#parts.handler.receive(this.#session, stanza, index)
    if (pending !== undefined) void this.#wait(pending)
  }

  // One stanza at a time: reading rests until the handler is done, also on the stream that resumes this one.
  async #wait(pending: Promise<void>): Promise<void> {
    const log = this.#stream?.log
    this.hold(HOLD.handler)
    try {
      await pending
    } catch (error) {
      log?.error({ err: error, jid: this.#session.jid.toString() }, 'session.failed')
      this.#session.close(new StreamError('internal-server-error'), 'stream-error')
    }
    this.release(HOLD.handler)
  }

  // RFC 6120 §8.1.2.1, §4.9.3.9: one's own full or bare JID, or nothing.
  #checkFrom(from: string): void {
    const jid = this.#addressee(from)
    if (jid && (jid.equals(this.#session.jid) || jid.equals(this.#session.account.jid))) return
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
    return kind === 'presence' && isSubscription(type) ? this.#session.account.jid : this.#session.jid
  }

  #refuse(stanza: Stanza, index: number, error: StanzaError): void {
    const reply = errorReply(stanza, error)
    if (reply !== undefined) void this.#session.deliver(reply, this.#session.jid)
    this.dealtWith(index)
  }
}

function isSubscription(type: string): boolean {
  return type === 'subscribe' || type === 'subscribed' || type === 'unsubscribe' || type === 'unsubscribed'
}
