/**
 * One life of another node: its channel, the one connection under it, what is asked of it and not answered yet.
 */
import type { Envelope, Verdict } from '../router/envelope.js'
import type { NodeRef } from '../router/strategy.js'
import type { HybridClock } from '../xmpp/hlc.js'
import type { Cancel, Clock } from '../telemetry/clock.js'
import { FrameFault } from './bytes.js'
import { Channel } from './channel.js'
import { RouteReader } from './envelope-codec.js'
import { Fifo } from './fifo.js'
import { FRAME, LANE_AT, LANE_NAMES, usableHlc, type FrameWriter, type Lane, type RawFrame } from './frames.js'
import type { Link, LinkHandler } from './link.js'
import {
  decodeAck, decodeCredit, decodeGoodbye, decodePeers, decodePing, encodeAck, encodeCredit, encodeGoodbye, encodePing,
  encodeReg, type GoodbyeReason, type PeerAddress, type Positions
} from './link-frames.js'
import type { ClusterMetrics } from './settings.js'
import { Turn } from './turn.js'

export const PING_EVERY_MS = 5000
/** A PING unanswered and nothing else heard for this long: the connection is dead. The node is not fenced for it. */
const SILENT_MS = 15_000
/** A PING unanswered for this long, whatever else is heard: what we send does not get through. A slow line takes its time. */
const DEAF_MS = 60_000
/** The same while another connection of the pair wants its place. */
const PROBE_MS = 2000
/** Answers wait so long for something that goes the same way: what they speak of has been delivered already. */
const ANSWER_HOLD_MS = 1
/** Strategy messages that wait behind the one in flight. */
const REG_QUEUE_MAX = 1000

export interface PeerParts {
  readonly frames: FrameWriter
  readonly hlc: HybridClock
  readonly clock: Clock
  readonly metrics: ClusterMetrics
  /** Each frame of a lane, once, in order. */
  dispatch(peer: Peer, frame: RawFrame): void
  peers(peers: readonly PeerAddress[]): void
  /** An answer to a PING that was sent at `sentAt`. */
  ponged(sentAt: number): void
  linkClosed(peer: Peer, why: string): void
  goodbye(peer: Peer, reason: GoodbyeReason): void
  dropped(peer: Peer): void
  /** A question that never left. */
  refused(peer: Peer, ask: number, verdict: Verdict): void
  answersLost(peer: Peer): void
}

/** One link in the place of this peer, counted. */
class Connection {
  /** PINGs that wait for their PONG, oldest first. */
  readonly pings = new Fifo<{ readonly token: number; readonly sentAt: number }>()
  silentMs = SILENT_MS
  /** With the next write, also what nobody waits for. */
  ackAll = false
  /** When it was last seen that something had come in. */
  #heardAt: number
  #heardBytes = 0

  /**
   * @param dialler name of the node that dialled
   * @param provenAt when it was last known to work: READY, or the sending of the latest PING that was answered
   */
  constructor(readonly link: Link, readonly dialler: string, public provenAt: number, private readonly metrics: ClusterMetrics) {
    this.#heardAt = provenAt
  }

  isSilent(now: number): boolean {
    const { bytesRead } = this.link
    if (bytesRead !== this.#heardBytes) this.#heardAt = now
    this.#heardBytes = bytesRead
    const oldest = this.pings.peek()
    if (oldest === undefined) return false
    return now - Math.max(oldest.sentAt, this.#heardAt) >= this.silentMs || now - oldest.sentAt >= DEAF_MS
  }

  write(frame: Buffer): void {
    const lane = LANE_NAMES[frame[LANE_AT] ?? 0] ?? 'none'
    this.metrics.framesOut.add(lane)
    this.metrics.linkBytesOut.add(lane, frame.length)
    this.link.write(frame)
  }
}

interface Registration {
  readonly frame: Buffer
  resolve(): void
  reject(error: Error): void
}

export class Peer {
  readonly channel: Channel<readonly number[]>
  /** What it has sent, one frame at a time. */
  readonly routes: RouteReader
  readonly #turn: Turn
  /** Linked at least once: it takes part in the view even before its row says `up`. */
  linkedOnce = false
  roundTripMs: number | undefined
  #connection: Connection | undefined
  #over = false
  #token = 0
  #answering: Cancel | undefined
  /** Number of the last strategy message that came in. */
  #lastRegistration = 0
  #registering: Registration | undefined
  readonly #registrations = new Fifo<Registration>()
  /** What must be told when this life is over. */
  readonly #askers = new Set<() => void>()

  constructor(readonly node: NodeRef, public advertise: string, private readonly parts: PeerParts) {
    this.channel = new Channel((frame) => parts.dispatch(this, frame), () => parts.clock.now())
    this.routes = new RouteReader(parts.metrics.contents)
    this.#turn = new Turn({
      frames: parts.frames, channel: this.channel,
      refused: (ask, verdict) => parts.refused(this, ask, verdict),
      answersLost: () => parts.answersLost(this)
    })
  }

  get over(): boolean {
    return this.#over
  }

  get linked(): boolean {
    return this.#connection !== undefined
  }

  /** When the present link was last known to work; minus infinity without one. */
  get provenAt(): number {
    return this.#connection?.provenAt ?? Number.NEGATIVE_INFINITY
  }

  get dialler(): string | undefined {
    return this.#connection?.dialler
  }

  /** Takes a READY connection in place of the present one. */
  attach(link: Link, dialler: string, theirs: Positions): LinkHandler {
    const connection = new Connection(link, dialler, this.parts.clock.now(), this.parts.metrics)
    const former = this.#connection
    this.#connection = connection
    this.linkedOnce = true
    former?.link.end(encodeGoodbye(this.parts.frames, 'duplicate'), 'duplicate')
    this.channel.attach(connection, theirs)
    this.ping()
    return {
      frame: (frame) => this.#frame(connection, frame),
      flushing: () => this.#flushing(connection),
      closed: (why) => this.#closed(connection, why)
    }
  }

  /** The present connection may be dead without our knowing: find out soon. */
  probe(): void {
    if (this.#connection === undefined) return
    this.#connection.silentMs = PROBE_MS
    this.ping()
  }

  /** A frame of the link itself, lost when the connection is. */
  say(frame: Buffer): void {
    this.#connection?.write(frame)
  }

  ping(): void {
    const connection = this.#connection
    if (connection === undefined) return
    const token = ++this.#token
    connection.pings.push({ token, sentAt: this.parts.clock.now() })
    connection.write(encodePing(this.parts.frames, FRAME.PING, token))
  }

  /** Resets a connection whose other end has been silent for too long. */
  checkSilence(now: number): void {
    if (this.#connection?.isSilent(now) === true) this.#connection.link.destroy('silent')
  }

  /** Everything is acknowledged. */
  get idle(): boolean {
    return this.#turn.empty && this.channel.idle
  }

  /** False: senders should pause. */
  route(envelope: Envelope): boolean {
    const moves = this.#turn.route(envelope)
    this.#connection?.link.wake()
    return moves
  }

  answer(ask: number, verdict: Verdict): void {
    if (this.#turn.answer(ask, verdict)) this.#connection?.link.wake()
    else this.#answering ??= this.parts.clock.after(ANSWER_HOLD_MS, this.#answersDue)
  }

  readonly #answersDue = (): void => {
    this.#answering = undefined
    if (!this.#turn.empty) this.#connection?.link.wake()
  }

  /** A frame of a lane, behind what this turn has for it. False: the queue is full and the frame was not taken. */
  send(lane: Lane, frame: Buffer): boolean {
    this.#turn.flush()
    return this.channel.send(lane, frame)
  }

  /** Now and then: what waits too long is given up, acknowledgements that nothing took along go. */
  look(now: number): void {
    this.checkSilence(now)
    this.#turn.expire(now)
    if (this.#connection === undefined) return
    this.#connection.ackAll = true
    this.#connection.link.wake()
  }

  /** A control frame; resolves when it is acknowledged or this life is over. */
  async control(frame: Buffer): Promise<void> {
    if (this.#over) return
    await new Promise<void>((resolve, reject) => {
      const done = (): void => {
        this.#askers.delete(done)
        resolve()
      }
      this.#askers.add(done)
      if (this.channel.send(3, frame, undefined, done)) return
      this.#askers.delete(done)
      reject(new Error(`the control lane to ${this.node.name} is full`))
    })
  }

  /** A strategy's message: one in flight, in order. Rejects when this life is over. */
  register(message: Uint8Array): Promise<void> {
    if (this.#over) return Promise.reject(gone(this.node))
    if (this.#registrations.size >= REG_QUEUE_MAX) {
      return Promise.reject(new Error(`too many strategy messages wait for ${this.node.name}`))
    }
    const frame = encodeReg(this.parts.frames, message)
    return new Promise((resolve, reject) => {
      this.#registrations.push({ frame, resolve, reject })
      this.#registerNext()
    })
  }

  /** True for a strategy's message that comes before the last one was acknowledged: the other side ignores the rule. */
  floods(seq: number): boolean {
    const early = this.#lastRegistration > this.channel.told(3)
    this.#lastRegistration = seq
    return early
  }

  /** This life is over: nothing of it is heard any more (I8), whoever waits for it is told. */
  end(reason: GoodbyeReason): void {
    this.#over = true
    this.#answering?.()
    this.#turn.flush()
    const connection = this.#connection
    this.#connection = undefined // so that its closing is no news
    connection?.link.end(encodeGoodbye(this.parts.frames, reason), reason)
    const waiting = [this.#registering, ...this.#registrations]
    this.#registrations.clear()
    this.#registering = undefined
    for (const registration of waiting) registration?.reject(gone(this.node))
    for (const asker of [...this.#askers]) asker()
  }

  #frame(connection: Connection, frame: RawFrame): void {
    if (this.#over) { this.parts.dropped(this); return }
    if (!usableHlc(frame.hlc)) throw new FrameFault('a clock at its end')
    this.parts.hlc.seen(frame.hlc)
    const lane = LANE_NAMES[frame.lane]
    this.parts.metrics.framesIn.add(lane)
    this.parts.metrics.linkBytesIn.add(lane, frame.size)
    if (frame.lane === 0) { this.#linkFrame(connection, frame); return }
    if (this.channel.receive(frame)) this.#connection?.link.wake()
  }

  #linkFrame(connection: Connection, frame: RawFrame): void {
    switch (frame.type) {
      case FRAME.PING: {
        connection.ackAll = true
        connection.write(encodePing(this.parts.frames, FRAME.PONG, decodePing(frame.body))); return
      }
      case FRAME.PONG: { this.#pong(connection, decodePing(frame.body)); return }
      case FRAME.ACK: { this.channel.acked(decodeAck(frame.body)); return }
      case FRAME.CREDIT: { this.channel.credit(decodeCredit(frame.body)); return }
      case FRAME.PEERS: { this.parts.peers(decodePeers(frame.body)); return }
      case FRAME.GOODBYE: {
        const reason = decodeGoodbye(frame.body)
        connection.link.destroy(`goodbye: ${reason}`)
        this.parts.goodbye(this, reason); return
      }
      default: if (!frame.optional) throw new FrameFault(`frame type ${frame.type} is not known`)
    }
  }

  #pong(connection: Connection, token: number): void {
    for (let ping = connection.pings.peek(); ping !== undefined && ping.token <= token; ping = connection.pings.peek()) {
      connection.pings.shift()
      if (ping.token !== token) continue
      this.roundTripMs = this.parts.clock.now() - ping.sentAt
      connection.provenAt = Math.max(connection.provenAt, ping.sentAt)
      this.parts.ponged(ping.sentAt)
    }
    connection.silentMs = SILENT_MS
  }

  #flushing(connection: Connection): void {
    if (this.#connection !== connection) return
    this.#turn.flush()
    for (const ack of this.channel.dueAcks(connection.ackAll)) connection.write(encodeAck(this.parts.frames, ack))
    for (const credit of this.channel.dueCredit()) connection.write(encodeCredit(this.parts.frames, credit))
    connection.ackAll = false
  }

  #closed(connection: Connection, why: string): void {
    this.channel.detach(connection)
    if (!this.channel.attached) this.#turn.flush()
    if (this.#connection !== connection) return
    this.#connection = undefined
    this.parts.linkClosed(this, why)
  }

  #registerNext(): void {
    if (this.#registering !== undefined) return
    const next = this.#registrations.shift()
    if (next === undefined) return
    this.#registering = next
    const taken = this.channel.send(3, next.frame, undefined, () => {
      this.#registering = undefined
      next.resolve()
      this.#registerNext()
    })
    if (taken) return
    this.#registering = undefined
    next.reject(new Error(`the control lane to ${this.node.name} is full`))
    this.#registerNext()
  }
}

function gone(node: NodeRef): Error {
  return new Error(`node ${node.name} (life ${node.incarnation}) is gone`)
}
