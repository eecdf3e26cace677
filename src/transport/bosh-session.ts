/**
 * One XMPP stream over BOSH (XEP-0124, XEP-0206): requests come in, each gets its one answer. Owns the order of requests,
 * which of them are held, what waits to be sent, and the times; knows nothing of HTTP.
 */
import { XmlFault } from '../xml/raw.js'
import type { RawElement, StreamHeader } from '../xml/raw.js'
import { terminated, writeBody } from './bosh-body.js'
import type { AnswerParts, BoshAnswer, BoshCondition, BoshRequest } from './bosh-body.js'
import { BoshOutbox } from './bosh-outbox.js'
import { greetingOf, headerOf } from './bosh-terms.js'
import type { AnswerAttributes, BoshTerms } from './bosh-terms.js'
import { RidWindow } from './bosh-window.js'
import { END_MS } from './bounds.js'
import type { Origin, Ticket, TransportRoom } from './bounds.js'
import { TransportFailure } from './failure.js'
import { paceOf } from './pace.js'
import type { Pace } from './pace.js'
import type { OpenReply, PeerFacts, Transport, TransportSink } from './transport.js'
import type { Flushable } from './turn-end.js'
import type { Timed } from './wheel.js'

/** The one answer to one HTTP request. */
export interface Exchange {
  answer(answer: BoshAnswer): void
}

export interface BoshSessionParts {
  readonly origin: Origin
  readonly ticket: Ticket
  /** The session takes no more requests. */
  readonly onGone: () => void
}

/** Repeats of one request that a session bears while the request is open (XEP-0124 §14.3). */
const REPEATS_MAX = 20

interface Open {
  readonly request: BoshRequest
  exchange: Exchange | undefined
  readonly arrivedAt: number
  repeats: number
  /** Elements handed to the stream. */
  delivered: number
  headed: boolean
  done: boolean
}

export class BoshSession implements Transport, Timed, Flushable {
  readonly kind = 'bosh'
  readonly form = 'framed'
  readonly peer: PeerFacts
  readonly terms: BoshTerms
  readonly #room: TransportRoom
  readonly #ticket: Ticket
  readonly #onGone: () => void
  readonly #window: RidWindow<Open, BoshAnswer>
  readonly #outbox: BoshOutbox
  #pauseAnswer: { readonly rid: number, readonly answer: BoshAnswer } | undefined
  #inbox: Open[] = []
  #sink: TransportSink | undefined
  #opened: OpenReply | undefined
  #greeted = false
  #awaitsHeader = true
  #working = false
  #paused = false
  /** Too much came too fast. */
  #resting = false
  #pace: Pace | undefined
  #deaf = false
  #over = false
  #planned = false
  #isAuthenticated = false
  #received = 0
  #peerTerminated = false
  #lastNewAt = -Infinity
  /** Id of the latest new request if it was empty and its answer, so far, carried nothing (§12). */
  #idlePoll: number | undefined
  #idleBy: number
  #headerBy: number
  #endBy = Infinity

  constructor(room: TransportRoom, terms: BoshTerms, parts: BoshSessionParts) {
    this.#room = room
    this.terms = terms
    this.peer = { ...parts.origin, canStartTls: false, heardAt: () => this.#lastNewAt }
    this.#ticket = parts.ticket
    this.#onGone = parts.onGone
    this.#window = new RidWindow(terms.firstRid, terms.requests)
    this.#outbox = new BoshOutbox(room.bounds, { watch: (at) => room.wheel.look(this, at), now: () => room.wheel.now() })
    const now = room.wheel.now()
    this.#idleBy = now + terms.inactivityMs
    this.#headerBy = now + room.bounds.headerMs
    room.wheel.look(this, Math.min(this.#idleBy, this.#headerBy))
  }

  get pendingBytes(): number { return this.#outbox.pendingBytes }

  attach(sink: TransportSink): void {
    this.#sink = sink
    this.#work()
  }

  open(reply: OpenReply): void {
    this.#opened = reply
    this.#plan()
  }

  send(first: string, inside?: Buffer, last?: string): boolean {
    const free = this.#outbox.push(first, inside, last)
    this.#plan()
    return free
  }

  restart(): void {
    this.#awaitsHeader = true
  }

  authenticated(): void {
    if (this.#isAuthenticated) return
    this.#isAuthenticated = true
    this.#ticket.authenticated()
    this.#pace = paceOf(this.#room, this.#ticket, { rest: () => { this.#resting = true }, goOn: () => this.#goOn() })
  }

  authFailed(): boolean {
    return this.#ticket.failed()
  }

  startTls(): Promise<void> {
    return Promise.reject(new TransportFailure('tls-failed', 'BOSH has no STARTTLS'))   // XEP-0206 §2
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#work()
  }

  #goOn(): void {
    this.#resting = false
    this.#work()
  }

  end(): void {
    if (this.#endBy !== Infinity) return
    this.#deaf = true
    this.#endBy = this.#room.wheel.now() + END_MS
    this.#room.wheel.look(this, this.#endBy)
    this.#plan()
  }

  destroy(): void {
    this.#finish('remote-stream-error', undefined)
  }

  /** One request of the client; the exchange gets exactly one answer, now or later. */
  receive(request: BoshRequest, exchange: Exchange): void {
    if (this.#over) { exchange.answer(this.#terminate('item-not-found')); return }
    const { rid } = request
    if (this.#pauseAnswer?.rid === rid) { exchange.answer(this.#pauseAnswer.answer); return }
    switch (this.#window.kindOf(rid)) {
      case 'answered': { exchange.answer(this.#window.answerOf(rid) ?? this.#terminate('item-not-found')); return }
      case 'open': { this.#repeated(this.#window.openAt(rid), exchange); return }
      case 'outside': { this.#violated('item-not-found', `request ${rid}, though ${this.#window.last} was the last`, exchange); return }
      case 'new': { this.#new(request, exchange); return }
    }
  }

  /** The HTTP connection of an exchange closed before its answer: what it would have said waits in the buffer. */
  lost(exchange: Exchange): void {
    for (const open of this.#window.opened()) if (open.exchange === exchange) open.exchange = undefined
    this.#watchIdle()
  }

  flush(): void {
    this.#planned = false
    if (this.#over) return
    if (this.#endBy !== Infinity) { this.#sayGoodbye(); return }
    this.#answerWhatIsDue()
    this.#watchIdle()
    if (this.#outbox.recovered()) this.#sink?.drained()
  }

  check(now: number): number {
    if (this.#over) return Infinity
    if (now >= this.#endBy) this.#finish('remote-stream-error', undefined)
    else if (now >= this.#idleBy) this.#finish('item-not-found', new TransportFailure('timeout', 'no request for too long'))
    else if (now >= this.#headerBy) this.#finish('policy-violation', new TransportFailure('timeout', 'the stream was not opened in time'))
    else if (now >= this.#outbox.slowAt()) this.#finish('policy-violation', new TransportFailure('slow-reader', 'the peer does not fetch'))
    else if (now >= this.#waitBy()) this.flush()
    return this.#nextLook()
  }

  #nextLook(): number {
    if (this.#over) return Infinity
    return Math.min(this.#endBy, this.#idleBy, this.#headerBy, this.#outbox.slowAt(), this.#waitBy())
  }

  #new(request: BoshRequest, exchange: Exchange): void {
    const now = this.#room.wheel.now()
    if (this.#isOveractive(request, now)) { this.#violated('policy-violation', 'too many requests, or too soon', exchange); return }
    if (request.pauseSeconds !== undefined && request.pauseSeconds * 1_000 > this.terms.pauseMaxMs) {
      this.#violated('policy-violation', `a pause of ${request.pauseSeconds} s`, exchange); return          // XEP-0124 §10
    }
    this.#lastNewAt = now
    this.#idlePoll = request.empty && request.rid !== this.terms.firstRid ? request.rid : undefined
    this.#window.add(request.rid, { request, exchange, arrivedAt: now, repeats: 0, delivered: 0, headed: false, done: false })
    this.#room.wheel.look(this, now + this.terms.waitMs)
    for (let next = this.#window.takeNext(); next !== undefined; next = this.#window.takeNext()) this.#inbox.push(next)
    if (this.#hadItsTurn(request)) this.#idleBy = Infinity
    this.#work()
    this.#plan()
  }

  /** XEP-0124 §11 and, for polling sessions, §12. */
  #isOveractive(request: BoshRequest, now: number): boolean {
    if (request.pauseSeconds !== undefined || request.terminate) return false
    const open = this.#window.openCount + 1
    if (open > this.terms.requests) return true
    // Empty, and the last of them: one that a later request has overtaken on another connection was not sent in haste
    if (!request.empty || request.rid < this.#window.highest) return false
    const soon = now - this.#lastNewAt < this.terms.pollingMs
    if (this.terms.hold === 0) return soon && this.#idlePoll !== undefined
    return soon && open === this.terms.requests
  }

  #repeated(open: Open | undefined, exchange: Exchange): void {
    if (open === undefined) { this.#violated('item-not-found', 'a request that is not open', exchange); return }
    if (++open.repeats >= REPEATS_MAX) { this.#violated('policy-violation', 'one request again and again', exchange); return }
    open.exchange?.answer(this.#answer({ type: 'error' }))         // §14.3: the old one is let go, the new one waits
    open.exchange = exchange
    if (this.#hadItsTurn(open.request)) this.#idleBy = Infinity
  }

  #work(): void {
    if (this.#working || this.#sink === undefined) return
    this.#working = true
    while (!this.#paused && !this.#resting && !this.#over) {
      const next = this.#inbox[0]
      if (next === undefined) break
      if (this.#step(next, this.#sink)) this.#inbox.shift()
    }
    this.#working = false
    this.#plan()
  }

  /** Hands on one thing of a request; true when nothing of it is left. */
  #step(open: Open, sink: TransportSink): boolean {
    const { request } = open
    const header = this.#headerIn(open)
    const element = request.elements[open.delivered]
    if (header !== undefined) {
      open.headed = true
      open.delivered = request.elements.length         // XEP-0206 §5: payloads of a restart request are ignored
      this.#headerBy = Infinity
      this.#awaitsHeader = false
      sink.header(header)
    } else if (!this.#deaf && element !== undefined) {
      open.delivered++
      this.#element(element, sink)
    } else if (request.terminate && !this.#deaf) this.#closedByPeer(sink)
    open.done = this.#deaf || (open.delivered >= request.elements.length && !request.terminate)
    return open.done
  }

  /** What stands for a stream header in this request, if one is due. */
  #headerIn({ request, headed }: Open): StreamHeader | undefined {
    if (headed || this.#deaf) return undefined
    if (request.rid === this.terms.firstRid || request.restart) return headerOf(request, this.terms.version)
    const [first] = request.elements
    if (!this.#awaitsHeader || first === undefined) return undefined
    return { name: first.name, ns: first.ns, contentNs: 'jabber:client', attrs: first.attrs }   // the stream refuses it
  }

  #element(element: RawElement, sink: TransportSink): void {
    const { before, beforeBytes } = this.#room.bounds
    this.#received += element.size
    this.#pace?.bytes(element.size)
    this.#pace?.stanza(element.name)
    if (this.#isAuthenticated || (element.size <= before.stanzaBytes && this.#received <= beforeBytes)) { sink.element(element); return }
    this.#deaf = true
    sink.fault(new XmlFault('policy-violation', 'too many bytes before authentication', 'stanza-too-big'))
  }

  #closedByPeer(sink: TransportSink): void {
    this.#peerTerminated = true
    this.#deaf = true
    sink.closed()
  }

  #plan(): void {
    if (this.#planned || this.#over) return
    this.#planned = true
    this.#room.turn.add(this)
  }

  #answerWhatIsDue(): void {
    if (this.#opened === undefined) return             // the first answer tells the stream's id
    for (const open of this.#ready()) {
      if (open.request.pauseSeconds !== undefined) { this.#answerPause(open.request.pauseSeconds); return }
    }
    const { hold } = this.terms
    for (let ready = this.#ready(); ready.length > 0; ready = this.#ready()) {
      const [oldest] = ready
      const due = !this.#greeted || this.#outbox.pendingBytes > 0 || ready.length > hold || this.#waitBy() <= this.#room.wheel.now()
      if (oldest === undefined || !due) return
      this.#answerOne(oldest, this.#outbox.pendingBytes > 0)
    }
  }

  /** Open requests whose elements have all been handed on, up to the first that is not so far. */
  #ready(): readonly Open[] {
    const opened = this.#window.opened()
    const notYet = opened.findIndex((open) => !open.done)
    return notYet < 0 ? opened : opened.slice(0, notYet)
  }

  #answerOne(open: Open, withPayload: boolean, attrs: AnswerAttributes = {}): void {
    const taken = withPayload ? this.#outbox.take() : { payload: [], streams: false }
    if (withPayload && this.#idlePoll === open.request.rid) this.#idlePoll = undefined
    const greeting: AnswerAttributes = this.#greeted ? {} : greetingOf(this.terms, this.#opened)
    this.#greeted = true
    const ack = this.terms.acks && this.#window.last > open.request.rid ? this.#window.last : undefined
    const answer = this.#answer({ ...greeting, ack: greeting['ack'] ?? ack, ...attrs }, taken)
    if (open.request.pauseSeconds === undefined) this.#window.answered(open.request.rid, answer)
    else {
      this.#window.released(open.request.rid)          // §14.3: answers to pauses have no place in the buffer
      this.#pauseAnswer = { rid: open.request.rid, answer }
    }
    open.exchange?.answer(answer)
    open.exchange = undefined
  }

  /** XEP-0124 §10: all at once and without payload. */
  #answerPause(seconds: number): void {
    for (const open of this.#ready()) this.#answerOne(open, false)
    this.#idleBy = this.#room.wheel.now() + seconds * 1_000
    this.#room.wheel.look(this, this.#idleBy)
  }

  /** XEP-0124 §13: the oldest request carries the end, others get an empty answer. */
  #sayGoodbye(): void {
    for (const waiting of this.#inbox.splice(0)) waiting.done = true
    const [oldest, ...others] = this.#ready()
    if (oldest === undefined) return                   // the next request gets it, if it comes in time
    const condition = this.#outbox.hasStreamError ? 'remote-stream-error' : undefined
    this.#answerOne(oldest, this.#outbox.pendingBytes > 0, { type: 'terminate', condition: this.#peerTerminated ? undefined : condition })
    for (const open of others) this.#answerOne(open, false)
    this.#finish('item-not-found', undefined)
  }

  /** The client broke the rules: that request is told, others learn that it was another's fault. */
  #violated(condition: BoshCondition, why: string, exchange: Exchange): void {
    exchange.answer(this.#terminate(condition))
    this.#finish('other-request', new TransportFailure('stream-error', `BOSH ${condition}: ${why}`))
  }

  #finish(condition: BoshCondition, error: Error | undefined): void {
    if (this.#over) return
    this.#over = true
    this.#deaf = true
    for (const open of this.#window.opened()) open.exchange?.answer(this.#terminate(condition))
    this.#outbox.drop()
    this.#room.wheel.forget(this)
    this.#pace?.stop()
    this.#ticket.release()
    this.#onGone()
    setImmediate(() => this.#sink?.gone(error))
  }

  #terminate(condition: BoshCondition): BoshAnswer {
    return terminated(condition, this.terms.ver === undefined, this.terms.contentType)
  }

  #answer(attrs: AnswerAttributes, rest: Omit<AnswerParts, 'attrs'> = {}): BoshAnswer {
    return { status: 200, contentType: this.terms.contentType, body: writeBody({ attrs, ...rest }) }
  }

  /** When the oldest open request has waited long enough. */
  #waitBy(): number {
    const [oldest] = this.#ready()
    return oldest === undefined ? Infinity : oldest.arrivedAt + this.terms.waitMs
  }

  /** XEP-0124 §14.2: an early request waits for one that may never come, so it keeps no session alive. */
  #hadItsTurn({ rid }: BoshRequest): boolean {
    return rid <= this.#window.last
  }

  #watchIdle(): void {
    if (this.#over || this.#idleBy !== Infinity) return
    if (this.#window.opened().some((open) => open.exchange !== undefined && this.#hadItsTurn(open.request))) return
    this.#idleBy = this.#room.wheel.now() + this.terms.inactivityMs
    this.#room.wheel.look(this, this.#idleBy)
  }
}
