/**
 * One XML stream (RFC 6120 §4): a state machine between a transport and a session. Owns its state, the stream id and the
 * flags secure, authenticated, bound; runs the features of its profile; says stream errors; closes.
 */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import type { StreamClosedReason } from '../telemetry/reasons.js'
import type { PeerFacts, Transport, TransportKind, TransportSink, WriteForm } from '../transport/transport.js'
import type { RawElement, StreamHeader, XmlFault } from '../xml/raw.js'
import { StreamError } from '../xmpp/errors.js'
import type { Jid } from '../xmpp/jid.js'
import type { Identity } from './authenticator.js'
import { closingLine, reasonOfBreak } from './closing.js'
import type { Deadlines, Timed } from './deadlines.js'
import {
  claimant, fits, offers, raised, type Feature, type FeatureHost, type Flag, type Flags, type Negotiator, type Outcome
} from './features/feature.js'
import { isAcknowledging } from './features/sm.js'
import { judgeHeader, type HeaderVerdict } from './header.js'
import { NS_CLIENT, NS_ERRORS, NS_SM } from './namespaces.js'
import { HOLD, type Hold, type OpenStream, type StanzaConsumer, type StreamState } from './open-stream.js'
import type { Profile } from './profile.js'
import { featuresText, streamErrorText } from './text.js'
import { isStanza, PeerError, refuseUnexpected } from './unexpected.js'

export interface StreamParts {
  readonly profile: Profile
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly log: Log
  /** The stream has ended. */
  readonly over: (stream: Stream, reason: StreamClosedReason) => void
}

export class Stream implements TransportSink, Timed, FeatureHost, OpenStream {
  readonly #transport: Transport
  readonly #parts: StreamParts
  readonly since: number
  /** Until a resource is bound. */
  #negotiators: Map<Feature, Negotiator> | undefined
  #state: StreamState = { kind: 'opening' }
  #flags: Flags
  #id = ''
  #domain = ''
  #lang: string | undefined
  #claimed: Jid | undefined
  #identity: Identity | undefined
  #jid: Jid | undefined
  /** Nothing else is listened to while it negotiates. */
  #alone: Feature | undefined
  #greeted = false
  #handshaking = false
  #holds = 0
  #deadline: number
  #received = 0
  #sent = 0

  constructor(transport: Transport, parts: StreamParts) {
    this.#transport = transport
    this.#parts = parts
    this.#flags = raised({ secure: transport.peer.secure }, [])
    this.since = parts.clock.now()
    this.#deadline = this.since + parts.profile.authenticatedMs
  }

  /** Begins to listen. */
  start(): void {
    this.#parts.deadlines.look(this, this.#deadline)
    this.#transport.attach(this)
  }

  get kind(): TransportKind {
    return this.#transport.kind
  }

  get form(): WriteForm {
    return this.#transport.form
  }

  get clock(): Clock {
    return this.#parts.clock
  }

  /** Made anew, for it is used rarely. */
  get log(): Log {
    return this.#parts.log.child({ ip: this.peer.address, transport: this.kind })
  }

  get flags(): Flags {
    return this.#flags
  }

  get id(): string {
    return this.#id
  }

  get domain(): string {
    return this.#domain
  }

  get lang(): string | undefined {
    return this.#lang
  }

  get claimed(): Jid | undefined {
    return this.#claimed
  }

  get identity(): Identity | undefined {
    return this.#identity
  }

  get peer(): PeerFacts {
    return this.#transport.peer
  }

  get consumer(): StanzaConsumer | undefined {
    return this.#state.kind === 'open' ? this.#state.consumer : undefined
  }

  get alive(): boolean {
    return this.#state.kind !== 'closing' && this.#state.kind !== 'closed'
  }

  get pendingBytes(): number {
    return this.#transport.pendingBytes
  }

  // ---- what the transport brings

  header(header: StreamHeader): void {
    if (!this.alive) return
    if (this.#state.kind === 'opening') this.#judge(header)
    else this.#fail(new StreamError('bad-format', 'A second stream header'))
  }

  #judge(header: StreamHeader): void {
    if (this.peer.secure && !this.#flags.secure) this.raise(['secure'])
    const { domains } = this.#parts.profile
    const account = this.#identity?.jid
    const verdict = judgeHeader(header, { kind: this.kind, secure: this.#flags.secure, domains, account })
    this.#greet(verdict)
    if (verdict.refusal === undefined) this.#begin(verdict)
    else this.#fail(verdict.refusal)
  }

  #begin(verdict: HeaderVerdict): void {
    this.#domain = verdict.domain
    this.#lang = verdict.lang
    this.#claimed = this.#flags.secure ? verdict.claimed : undefined
    this.#state = { kind: 'negotiating' }
    this.announce()
    if (this.#parts.log.isLevelEnabled('debug')) this.log.debug({ stream: this.#id, domain: this.#domain, ...this.#flags }, 'stream.opened')
  }

  announce(): void {
    const offered = offers(this.#parts.profile.features, this)
    this.#transport.send(featuresText(this.form, offered))
    if (offered === '') this.log.info({ stream: this.#id, hint: 'TLS is required here; connect with TLS' }, 'stream.nothing-offered')
  }

  raise(flags: readonly Flag[]): void {
    this.#flags = raised(this.#flags, flags)
  }

  element(element: RawElement): void {
    switch (this.#state.kind) {
      case 'opening':                                                   // RFC 7395 §3.4: <open/> comes first
        this.#fail(new StreamError('invalid-namespace', 'A stream header must come first'))
        break
      case 'negotiating':
        this.#negotiate(element)
        break
      case 'open':
        this.#open(element, this.#state.consumer)
        break
      case 'closing':
      case 'closed':
        break
      default: this.#state satisfies never
    }
  }

  blank(): void {
    if (this.#alone !== undefined) this.#fail(new StreamError('policy-violation', 'White space during a login'))     // XEP-0388 §2.4
  }

  closed(): void {
    if (this.alive) this.close(undefined, 'client-closed')              // RFC 6120 §4.4
  }

  fault(fault: XmlFault): void {
    const application = fault.application === undefined ? undefined : { name: fault.application, ns: NS_ERRORS }
    this.#fail(new StreamError(fault.condition, fault.message, application))
  }

  drained(): void {
    this.consumer?.drained()
  }

  gone(error: Error | undefined): void {
    if (this.alive) this.#finish(this.#handshaking ? 'tls-failed' : reasonOfBreak(error), error?.message)
    this.#state = { kind: 'closed' }
  }

  check(now: number): number {
    if (now < this.#deadline) return this.#deadline
    if (this.alive) this.#timeOut()
    return Infinity
  }

  // ---- what features and the session do

  send(text: string): void {
    if (this.alive) this.#transport.send(text)
  }

  write(first: string, inside: Buffer, last: string): boolean {
    if (!this.alive) return true
    this.#sent++
    return inside.length === 0 ? this.#transport.send(first) : this.#transport.send(first, inside, last)
  }

  hold(why: Hold): void {
    if (this.#holds === 0) this.#transport.pause()
    this.#holds |= why
  }

  release(why: Hold): void {
    if ((this.#holds & why) === 0) return
    this.#holds &= ~why
    if (this.#holds === 0) this.#transport.resume()
  }

  secure(flags: readonly Flag[]): void {
    this.#handshaking = true
    this.#await()
    void this.#transport.startTls().then(
      () => {
        this.#handshaking = false
        this.raise(flags)
      },
      (error: unknown) => {                                             // RFC 6120 §5.4.3.2: no closing tag
        this.abort('tls-failed', error instanceof Error ? error.message : String(error))
      }
    )
  }

  authFailed(): boolean {
    return this.#transport.authFailed()
  }

  authenticated(identity: Identity): void {
    this.#identity = identity
    this.#transport.authenticated()
    this.#expect(this.clock.now() + this.#parts.profile.bindMs)
  }

  bound(jid: Jid, consumer: StanzaConsumer): void {
    this.#jid = jid
    this.#state = { kind: 'open', consumer }
    this.#expect(Infinity)
  }

  close(error: StreamError | undefined, reason: StreamClosedReason, detail = error?.message): void {
    if (!this.alive) return
    if (!this.#greeted) this.#greet(undefined)                          // RFC 6120 §4.9.1.2
    this.consumer?.closing()
    if (error !== undefined) this.#transport.send(streamErrorText(this.form, error))
    this.#finish(reason, detail, error?.condition)
    this.#transport.end()
    this.#wake()
  }

  abort(reason: StreamClosedReason, detail?: string): void {
    if (!this.alive) return
    this.#finish(reason, detail)
    this.#transport.destroy()
  }

  // ---- the machine

  // The features' own loop: whoever claims the element takes it, if the flags fit.
  #negotiate(element: RawElement): void {
    try {
      const feature = this.#alone ?? claimant(this.#parts.profile.features, element, this.#flags) ?? refuseUnexpected(element)
      const outcome = fits(feature, this.#flags) ? this.#negotiator(feature).take(element) : feature.misplaced(element, this)
      if (outcome instanceof Promise) void this.#wait(feature, outcome)
      else this.#settle(feature, outcome)
    } catch (error) {
      this.#fail(error)
    }
  }

  async #wait(feature: Feature, outcome: Promise<Outcome>): Promise<void> {
    this.hold(HOLD.negotiation)
    try {
      this.#settle(feature, await outcome)
    } catch (error) {
      this.#fail(error)
    }
    this.release(HOLD.negotiation)
  }

  #settle(feature: Feature, outcome: Outcome): void {
    this.#alone = outcome === 'mine' ? feature : undefined
    if (outcome !== 'done' || !this.alive) return
    this.raise(feature.sets)
    if (feature.restarts) {
      this.#await()
      this.#transport.restart()
    } else if (this.#flags.bound) this.#negotiators = undefined
  }

  #negotiator(feature: Feature): Negotiator {
    this.#negotiators ??= new Map()
    const known = this.#negotiators.get(feature)
    if (known !== undefined) return known
    const negotiator = feature.begin(this)
    this.#negotiators.set(feature, negotiator)
    return negotiator
  }

  #open(element: RawElement, consumer: StanzaConsumer): void {
    try {
      if (element.ns === NS_SM && isAcknowledging(element, consumer)) return
      const isClaimed = element.name === 'iq' && claimant(this.#parts.profile.features, element, this.#flags) !== undefined
      if (isClaimed || element.ns !== NS_CLIENT || !isStanza(element.name)) return this.#negotiate(element)
      this.#received++
      consumer.stanza(element)
    } catch (error) {
      this.#fail(error)
    }
  }

  // A new header is expected (§4.3.3): after TLS and after SASL.
  #await(): void {
    this.#state = { kind: 'opening' }
    this.#greeted = false
  }

  #greet(verdict: HeaderVerdict | undefined): void {
    this.#id = randomUUID().replaceAll('-', '')                         // §4.7.3: unpredictable, never twice
    this.#greeted = true
    const from = verdict?.domain ?? this.#domain
    const version = verdict === undefined ? '1.0' : verdict.version
    this.#transport.open({ from, to: verdict?.claimed?.toString(), id: this.#id, version, lang: 'en' })
  }

  #expect(at: number): void {
    this.#deadline = at
    this.#parts.deadlines.look(this, at)
  }

  #timeOut(): void {
    const silent = this.#id === '' || this.#handshaking
    if (silent) this.abort('timeout')
    else this.close(new StreamError('connection-timeout'), 'timeout')   // §4.6.3, §4.9.3.4
  }

  #fail(error: unknown): void {
    if (!this.alive) return
    if (error instanceof StreamError) this.close(error, 'stream-error')
    else if (error instanceof PeerError) this.close(undefined, 'stream-error', error.message)
    else {
      this.log.error({ stream: this.#id, err: error }, 'stream.failed')
      this.close(new StreamError('internal-server-error'), 'stream-error')
    }
  }

  // Once per stream, whoever ends it.
  #finish(reason: StreamClosedReason, detail: string | undefined, condition?: string): void {
    const { consumer } = this
    this.#state = { kind: 'closing' }
    this.#deadline = Infinity
    this.#parts.deadlines.forget(this)
    this.#negotiators = undefined
    this.#parts.over(this, reason)
    closingLine(this.log, {
      reason, condition, detail, stream: this.#id, jid: (this.#jid ?? this.#identity?.jid)?.toString(),
      seconds: Math.round((this.clock.now() - this.since) / 100) / 10, received: this.#received, sent: this.#sent
    })
    try {
      consumer?.ended(reason, this)
    } catch (error) {
      this.log.error({ stream: this.#id, err: error }, 'stream.failed')
    }
  }

  // The peer's closing tag should still be read; what comes before it is ignored.
  #wake(): void {
    if (this.#holds === 0) return
    this.#holds = 0
    this.#transport.resume()
  }
}
