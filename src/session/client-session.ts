/**
 * The session of one client: a bound device that outlives its stream when stream management may resume it (XEP-0198). Owns
 * JID, presence, priority, slots, and which stream it has, if any; what comes in and what goes out have files of their own.
 */
import { HOLD, type Enabled, type EnableWish, type OpenStream, type StanzaConsumer } from '../stream/open-stream.js'
import type { Timed } from '../stream/deadlines.js'
import type { Resumed, ResumeWish } from '../stream/features/bind.js'
import type { AccountRef } from '../storage/store.js'
import type { Log } from '../telemetry/log.js'
import type { StreamClosedReason } from '../telemetry/reasons.js'
import type { RawElement } from '../xml/raw.js'
import { topicOf } from '../rules/client-state.js'
import { StanzaError, StreamError } from '../xmpp/errors.js'
import type { Hlc } from '../xmpp/hlc.js'
import type { Jid } from '../xmpp/jid.js'
import type { Stanza } from '../xmpp/stanza.js'
import { HeldBack } from './held-back.js'
import { Incoming, type IncomingParts } from './incoming.js'
import { Outgoing, type OutgoingOwner, type OutgoingParts } from './outgoing.js'
import type { Resumptions } from './resumptions.js'
import type { LocalSession } from './sessions.js'
import type { Slot } from './slot.js'
import type { OriginKey } from './stable-log.js'
import { Entry, type Fork } from './unacked.js'

/** What sessions count. */
export type SessionMetrics = IncomingParts['metrics'] & OutgoingParts['metrics']

export interface SessionParts extends IncomingParts, OutgoingParts {
  readonly metrics: SessionMetrics
  readonly log: Log
  readonly resumptions: Resumptions
  /** Stanzas that may wait while a client is inactive. */
  readonly csiHeld: number
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

const EMPTY: unknown[] = []
Object.freeze(EMPTY)
/** The client may come back: it has not said good-bye and has done nothing wrong. */
const MAY_RESUME: ReadonlySet<StreamClosedReason> = new Set(['connection-lost', 'slow-reader', 'timeout', 'isolated', 'replaced'])

export class ClientSession implements LocalSession, StanzaConsumer, OutgoingOwner, Timed {
  readonly jid: Jid
  readonly account: AccountRef
  readonly session: string
  readonly bound: Hlc
  watermarks: LocalSession['watermarks']
  readonly #parts: SessionParts
  readonly #incoming: Incoming
  readonly #outgoing: Outgoing
  /** Slots and what is in them, in turn: there are few. */
  #slots = EMPTY
  /** Nobody looks at the client. */
  #heldBack: HeldBack | undefined
  #stream: OpenStream | undefined
  #secure: boolean
  #address: string
  #presence: Stanza | undefined
  #priority: number | undefined
  #gateOpen = true
  #managed = false
  /** How long it may be without a stream; 0: not at all. */
  #resumeMs = 0
  #expiresAt = Infinity
  #over = false

  constructor(facts: DeviceFacts, stream: OpenStream, parts: SessionParts) {
    this.jid = facts.jid
    this.account = facts.account
    this.session = facts.session
    this.bound = facts.bound
    this.#stream = stream
    this.#secure = stream.peer.secure
    this.#address = stream.peer.address
    this.#parts = parts
    this.#incoming = new Incoming(this, parts)
    this.#outgoing = new Outgoing(this, parts)
  }

  get secure(): boolean {
    return this.#secure
  }

  get address(): string {
    return this.#address
  }

  get presence(): Stanza | undefined {
    return this.#presence
  }

  get priority(): number | undefined {
    return this.#priority
  }

  get detached(): boolean {
    return this.#stream === undefined
  }

  get unacked(): number {
    return this.#outgoing.unacked
  }

  /** How many of the client's stanzas are dealt with, without a gap: `h` of XEP-0198. */
  get h(): number {
    return this.#incoming.handled.h
  }

  get<T>(slot: Slot<T>): T {
    const at = this.#slots.indexOf(slot)
    return at < 0 ? slot.initial : this.#slots[at + 1] as T
  }

  set<T>(slot: Slot<T>, value: T): void {
    const at = this.#slots.indexOf(slot)
    if (at < 0) this.#slots = this.#slots.concat(slot, value)
    else this.#slots[at + 1] = value
  }

  setPresence(presence: Stanza | undefined, priority: number | undefined): void {
    presence?.pack()                                                    // it stays for long
    this.#presence = presence
    this.#priority = priority
  }

  // ---- from and to the client

  stanza(element: RawElement): void {
    this.#incoming.stanza(element)
  }

  handled(index: number): void {
    this.#incoming.dealtWith(index)
  }

  deliver(stanza: Stanza, to?: Jid, key?: OriginKey, fork?: Fork): true | Promise<void> {
    if (this.#over) return true
    if (this.#heldBack === undefined) return this.#outgoing.deliver(stanza, to, key, fork)
    return this.#deliverUnseen(this.#heldBack, new Entry(stanza, to, key, fork))
  }

  // XEP-0352 §5.1: nothing that waits is overtaken.
  #deliverUnseen(heldBack: HeldBack, entry: Entry): true | Promise<void> {
    const topic = topicOf(entry.stanza)
    if (topic !== undefined) return heldBack.hold(topic, entry)
    heldBack.release()
    return this.#letGo(entry)
  }

  #letGo({ stanza, to, key, fork }: Entry): true | Promise<void> {
    return this.#over || this.#outgoing.deliver(stanza, to, key, fork)
  }

  look(active: boolean): void {
    const { stableLog, csiHeld: most } = this.#parts
    if (active) {
      this.#heldBack?.release()
      this.#heldBack = undefined
    } else if (most > 0) {
      const log = this.#resumeMs > 0 ? stableLog : undefined
      this.#heldBack ??= new HeldBack({ session: this.session, most, log, deliver: (entry) => this.#letGo(entry) })
    }
  }

  room(): Promise<void> | undefined {
    return this.#over ? undefined : this.#outgoing.room()
  }

  asked(): void {
    if (this.#managed) this.#incoming.asked()
  }

  acknowledged(h: number): void {
    if (!this.#outgoing.acknowledged(h)) this.#wentBack(h)
  }

  closing(): void {
    this.#incoming.answer()
  }

  drained(): void {
    this.#outgoing.drained()
  }

  /** The isolation rule: while shut nothing is read and nothing written. */
  gate(open: boolean): void {
    if (open === this.#gateOpen || this.#over) return
    this.#gateOpen = open
    this.#outgoing.gate(open)
    if (open) this.#incoming.release(HOLD.gate)
    else this.#incoming.hold(HOLD.gate)
  }

  // ---- streams come and go

  /** The client knows its address on `stream`. */
  begin(stream: OpenStream): void {
    if (this.#stream !== stream) return
    this.#incoming.attach(stream)
    this.#outgoing.attach(stream)
  }

  enable({ resume, max = Infinity }: EnableWish): Enabled {
    if (this.#managed || this.#over) throw new StanzaError('cancel', 'unexpected-request')
    const inactive = this.#heldBack !== undefined
    this.look(true)                                                     // uncounted, if anything waits
    const { resumptions } = this.#parts
    const seconds = resume ? Math.min(max, resumptions.secondsMax) : 0
    this.#managed = true
    this.#resumeMs = seconds * 1000
    this.#incoming.enable(resumptions.start)
    this.#outgoing.enable(seconds > 0, resumptions.start)
    if (inactive) this.look(false)
    return seconds > 0 ? resumptions.add(this, seconds) : {}
  }

  /** The old stream, if there is one, ends; what has been accepted stays so (traps 14, 15, 33). */
  async resume(stream: OpenStream, { previd, h: theirs }: ResumeWish): Promise<Resumed> {
    if (!this.#outgoing.resume(theirs)) this.#wentBack(theirs)
    const older = this.#swap(stream)
    this.look(true)                                                     // XEP-0352 §5.2
    const h = this.#incoming.resume()
    if (older !== undefined) this.#closeStream(older, new StreamError('conflict', 'Resumed on another connection'), 'replaced')
    const stable = this.#parts.stableLog.append({ type: 'IN', session: this.session, h })
    if (stable !== true) await stable
    const inPlace = older !== undefined
    this.#parts.resumptions.resumed(inPlace)
    this.#parts.log.info({ jid: this.jid.toString(), inPlace, again: this.unacked, h }, 'session.resumed')
    return {
      jid: this.jid, consumer: this, previd, h,
      enable: (wish) => this.enable(wish),
      begin: () => this.begin(stream)
    }
  }

  close(error: StreamError | undefined, reason: StreamClosedReason): void {
    if (this.#stream === undefined) this.#end(reason)
    else this.#closeStream(this.#stream, error, reason)
  }

  ended(reason: StreamClosedReason, stream: OpenStream): void {
    if (this.#over || stream !== this.#stream) return
    if (this.#resumeMs > 0 && MAY_RESUME.has(reason)) this.#detach(reason)
    else this.#end(reason)
  }

  /** Nobody has come back. */
  check(now: number): number {
    if (now < this.#expiresAt) return this.#expiresAt
    this.#end('timeout')
    return Infinity
  }

  tooSlow(why: string): void {
    this.close(new StreamError('resource-constraint', why), 'slow-reader')
  }

  overflow(): void {
    if (this.#stream === undefined) this.#end('slow-reader')
    else this.#stream.abort(this.#gateOpen ? 'slow-reader' : 'isolated')
  }

  silent(): void {
    this.#stream?.abort('timeout')
  }

  probe(): void {
    this.#outgoing.probe()
  }

  #swap(stream: OpenStream): OpenStream | undefined {
    const older = this.#stream
    this.#leave()
    this.#stream = stream
    this.#secure = stream.peer.secure
    this.#address = stream.peer.address
    this.#slots = surviving(this.#slots)
    return older
  }

  #detach(reason: StreamClosedReason): void {
    const { clock, deadlines, log } = this.#parts
    this.#leave()
    this.#expiresAt = clock.now() + this.#resumeMs
    deadlines.look(this, this.#expiresAt)
    log.info({ jid: this.jid.toString(), reason, unacked: this.unacked, seconds: this.#resumeMs / 1000 }, 'session.detached')
  }

  #leave(): void {
    this.#stream = undefined
    this.#incoming.detach()
    this.#outgoing.detach()
    this.#expiresAt = Infinity
    this.#parts.deadlines.forget(this)
  }

  #end(reason: StreamClosedReason): void {
    if (this.#over) return
    const { log, resumptions, remove, handler } = this.#parts
    const wasDetached = this.#stream === undefined
    this.#over = true
    this.#leave()
    const left = this.#outgoing.end()
    this.#heldBack = undefined                                          // news for nobody
    if (wasDetached) log.info({ jid: this.jid.toString(), reason, unacked: left.length }, 'session.expired')
    if (this.#resumeMs > 0) resumptions.ended(this, this.#incoming.handled)
    remove(this)
    handler.ended(this, reason, left)
  }

  #closeStream(stream: OpenStream, error: StreamError | undefined, reason: StreamClosedReason): void {
    if (this.#gateOpen) stream.close(error, reason)
    else stream.abort(reason)
  }

  #wentBack(h: number): void {
    this.#parts.log.warn({ jid: this.jid.toString(), h }, 'session.acknowledged-less')
  }
}

function surviving(slots: readonly unknown[]): unknown[] {
  return slots.filter((_, index) => (slots[index & ~1] as Slot<unknown>).survives !== 'stream')
}
