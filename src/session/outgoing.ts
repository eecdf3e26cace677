/**
 * What a client gets, in order. Without stream management it is written, or held while it may not be; with it (XEP-0198)
 * everything goes through the queue of what is not acknowledged, of which as much is written as the line takes.
 */
import { COUNTS } from '../stream/features/sm.js'
import { NS_SM } from '../stream/namespaces.js'
import type { OpenStream } from '../stream/open-stream.js'
import type { Metrics } from '../telemetry/metrics.js'
import { bytesOf } from '../xml/inside.js'
import { delay, isDelayed, NS_DELAY } from '../xmpp/delay.js'
import { StreamError } from '../xmpp/errors.js'
import { Jid } from '../xmpp/jid.js'
import { Stanza } from '../xmpp/stanza.js'
import { AckRequests, type AckBounds } from './ack-requests.js'
import type { Clock } from '../telemetry/clock.js'
import type { Deadlines } from '../stream/deadlines.js'
import { pingTo } from './silence.js'
import { HARD_FACTOR, SlowReader, type SlowBounds, type Watched } from './slow-reader.js'
import type { OriginKey, StableLog } from './stable-log.js'
import { Entry, type Fork, Unacked } from './unacked.js'

export interface OutgoingParts {
  readonly metrics: Pick<Metrics, 'stanzasOut'>
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly slow: SlowBounds
  readonly stableLog: StableLog
  readonly queue: QueueBounds
}

/** Of stanzas that the client has not acknowledged. */
export interface QueueBounds extends AckBounds {
  readonly stanzasMax: number
  readonly bytesMax: number
}

/** A client that is there may be that many times behind: people with thousands of contacts get them all in one turn. */
const BURST_STANZAS = 10
const BURST_BYTES = 2

const NOTHING: Entry[] = []
Object.freeze(NOTHING)

/** The session, as far as it is told of trouble. */
export interface OutgoingOwner {
  readonly session: string
  readonly jid: Jid
  /** The client does not take its bytes. */
  tooSlow(why: string): void
  /** More waits than may. */
  overflow(): void
  /** The client does not answer. */
  silent(): void
}

/** How long a sender waits for a client that has much to take: long enough for an acknowledgement; no longer, for it may never come. */
const ROOM_MS = 1000

export class Outgoing implements Watched {
  readonly #owner: OutgoingOwner
  readonly #parts: OutgoingParts
  /** Since much waited for the first time. */
  #slow: SlowReader | undefined
  #stream: OpenStream | undefined
  #gateOpen = true
  /** Without stream management: waits until the client knows its address, and while the gate is shut. */
  #held = NOTHING
  #heldBytes = 0
  /** With it. */
  #queue: Unacked | undefined
  #requests: AckRequests | undefined
  #resumable = false
  /** The line said no; it will say when it has room. */
  #full = false
  /** How many were waiting when the connection was lost: the bound is on what comes after. */
  #left = 0
  #leftBytes = 0
  /** What has been accepted up to this number is delayed when it is written. */
  #lateTo = 0
  /** Entries up to this number are in the log; all when nothing is pending. */
  #stableTo = Infinity
  #pending: Promise<void> | undefined
  /** Senders that wait until the client has taken some of it. */
  #waiting: (() => void)[] | undefined

  constructor(owner: OutgoingOwner, parts: OutgoingParts) {
    this.#owner = owner
    this.#parts = parts
  }

  get pendingBytes(): number {
    return this.#stream?.pendingBytes ?? 0
  }

  tooSlow(why: string): void {
    this.#owner.tooSlow(why)
  }

  /** Stanzas that are not acknowledged. */
  get unacked(): number {
    return this.#queue?.size ?? 0
  }

  /**
   * Accepts a stanza. What comes back resolves when it is stable (I1). Whatever is to be held back from the client for a
   * while must be held back before this: a stanza gets its number here (I4).
   */
  deliver(stanza: Stanza, to: Jid | undefined, key: OriginKey | undefined, fork: Fork | undefined): true | Promise<void> {
    if (this.#queue !== undefined) return this.#keep(this.#queue, new Entry(stanza, to, key, fork))
    if (!this.#flows) this.#hold(new Entry(stanza, to, key, fork))
    else {
      if (fork !== undefined) fork.done = true
      this.#write(stanza, to)
    }
    return true
  }

  /** Resolves when the client has taken some of what waits, or after a while; nothing when little waits. */
  room(): Promise<void> | undefined {
    if (!this.#crowded) return undefined
    return new Promise((go) => {
      this.#waiting ??= []
      if (this.#waiting.push(go) === 1) this.#parts.clock.after(ROOM_MS, () => this.#letGo())
    })
  }

  /** @param start what is counted from; 0 but in tests */
  enable(resumable: boolean, start = 0): void {
    const { clock, deadlines, queue } = this.#parts
    this.#queue = new Unacked(start)
    this.#resumable = resumable
    const client = {
      ask: (idle: boolean) => this.#ask(idle),
      lost: () => this.#owner.silent(),
      heardAt: () => this.#stream?.peer.heardAt?.() ?? -Infinity
    }
    this.#requests = new AckRequests(client, queue, { clock, deadlines })
    for (const entry of this.#takeHeld()) void this.#keep(this.#queue, entry)
  }

  /** The client knows its address on `stream`: what waits is written. */
  attach(stream: OpenStream): void {
    this.#stream = stream
    this.#left = 0
    this.#leftBytes = 0
    this.#full = false
    this.#flow()
  }

  detach(): void {
    this.#stream = undefined
    this.#left = this.#queue?.size ?? 0
    this.#leftBytes = this.#queue?.bytes ?? 0
    this.#slow?.stop()
    this.#requests?.stop()
    this.#queue?.pack()
    this.#letGo()
  }

  gate(open: boolean): void {
    this.#gateOpen = open
    if (open) this.#flow()
  }

  drained(): void {
    this.#full = false
    this.#flow()
    if (!this.#crowded) this.#letGo()
  }

  /** Asks the client for a sign of life. */
  probe(): void {
    if (this.#requests === undefined) void this.deliver(pingTo(this.#owner.jid), this.#owner.jid, undefined, undefined)
    else this.#requests.probe()
  }

  /** `<a/>`. False: the client has said more before. */
  acknowledged(h: number): boolean {
    const queue = this.#queue
    if (queue === undefined) return true
    const { sent } = queue
    const result = queue.acknowledge(h)
    if (result === 'too-high') throw tooHigh(h, sent)
    this.#requests?.answered(queue.size)
    if (!this.#crowded) this.#letGo()
    if (result === 'old') return false
    if (this.#resumable) void this.#parts.stableLog.append({ type: 'TRIM', session: this.#owner.session, h })
    return true
  }

  /** The client comes back on another stream, where the rest is written again. @throws StreamError */
  resume(h: number): boolean {
    const isNew = this.acknowledged(h)
    this.#requests?.stop()
    this.#queue?.rewind()
    this.#lateTo = this.#queue?.accepted ?? 0
    return isNew
  }

  /** Nothing more is written. Returns what the client has not acknowledged. */
  end(): readonly Entry[] {
    this.detach()
    this.#takeHeld()
    return this.#queue?.drain() ?? []
  }

  get #flows(): boolean {
    return this.#stream !== undefined && this.#gateOpen
  }

  /** Half of what would be too much. */
  get #crowded(): boolean {
    const { queue: { stanzasMax, bytesMax }, slow } = this.#parts
    if (this.#queue !== undefined) return this.#queue.size > stanzasMax / 2 || this.#queue.bytes > bytesMax / 2
    return this.pendingBytes > slow.slowBytes
  }

  #letGo(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting !== undefined) for (const go of waiting) go()
  }

  #flow(): void {
    if (this.#queue !== undefined) this.#pump(this.#queue)
    else if (this.#flows) for (const { stanza, to, key, fork } of this.#takeHeld()) void this.deliver(stanza, to, key, fork)
  }

  #hold(entry: Entry): void {
    if (this.#held === NOTHING) this.#held = [entry]
    else this.#held.push(entry)
    this.#heldBytes += entry.bytes
    if (this.#heldBytes > this.#parts.slow.slowBytes * HARD_FACTOR) this.#owner.overflow()
  }

  #takeHeld(): readonly Entry[] {
    const held = this.#held
    this.#held = NOTHING
    this.#heldBytes = 0
    return held
  }

  #keep(queue: Unacked, entry: Entry): true | Promise<void> {
    const { queue: { stanzasMax, bytesMax }, clock, stableLog } = this.#parts
    entry.session = this.#owner.session
    entry.at = clock.wall()
    queue.push(entry)
    entry.outNo = queue.accepted
    if (this.#stream === undefined) entry.stanza.pack()
    const [stanzas, bytes] = this.#stream === undefined ? [stanzasMax, bytesMax] : [stanzasMax * BURST_STANZAS, bytesMax * BURST_BYTES]
    const stable = this.#resumable ? stableLog.append(entry) : true     // trap 3
    const result = stable === true && this.#pending === undefined ? true : this.#whenStable(queue, entry.outNo, stable)
    if (queue.size > stanzas + this.#left || queue.bytes > bytes + this.#leftBytes) this.#owner.overflow()
    else if (result === true) this.#pump(queue)
    return result
  }

  #whenStable(queue: Unacked, outNo: number, stable: true | Promise<void>): Promise<void> {
    if (this.#pending === undefined) this.#stableTo = outNo - 1
    const all = Promise.all([this.#pending, stable]).then(() => {
      if (this.#pending === all) this.#pending = undefined
      this.#stableTo = this.#pending === undefined ? Infinity : outNo
      this.#pump(queue)
    })
    this.#pending = all
    all.catch(() => undefined)                                          // this life is fenced: nothing is written any more
    return all
  }

  #pump(queue: Unacked): void {
    while (this.#flows && !this.#full && queue.written < this.#stableTo) {
      const entry = queue.next()
      if (entry === undefined) return
      const stanza = entry.outNo <= this.#lateTo ? delayed(entry, this.#owner.jid.domain) : entry.stanza
      if (!this.#write(stanza, entry.to)) this.#full = true
      this.#requests?.wrote()
    }
  }

  #ask(idle: boolean): void {
    if (idle) this.#queue?.pack()
    this.#stream?.send(`<r xmlns='${NS_SM}'/>`)
  }

  /** False: the line is full. */
  #write(stanza: Stanza, to: Jid | undefined): boolean {
    const stream = this.#stream
    if (stream === undefined) return false
    const { inside } = stanza
    const ready = stream.write(stanza.open(stream.form, to ?? stanza.to), inside, stanza.close)
    this.#parts.metrics.stanzasOut.add(stanza.kind)
    const { slow } = this.#parts
    if (stream.pendingBytes <= slow.slowBytes) return ready
    this.#slow ??= new SlowReader(this, slow, this.#parts)
    this.#slow.wrote(inside.length)
    return ready
  }
}

/** XEP-0198 §6. */
function tooHigh(h: number, sent: number): StreamError {
  const attrs = { 'h': String(h), 'send-count': String(sent % COUNTS) }
  const text = `${h} stanzas acknowledged, ${sent} were sent`
  return new StreamError('undefined-condition', text, { name: 'handled-count-too-high', ns: NS_SM, attrs })
}

/** With the time when it was accepted (XEP-0203), once. An IQ has no room for it. */
export function delayed({ stanza, at }: Entry, domain: string): Stanza {
  if (stanza.kind === 'iq' || isDelayed(stanza, domain)) return stanza
  const inside = Buffer.concat([stanza.inside, bytesOf([delay(new Jid('', domain, ''), at)])])
  return Stanza.ofBytes(stanza, [...stanza.children, { name: 'delay', ns: NS_DELAY }], inside)
}
