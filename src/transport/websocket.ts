/**
 * One XMPP stream over WebSocket (RFC 7395). `ws` receives and answers control frames; this owns the order of messages,
 * what waits to be written, pings and time-outs.
 */
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { XmlFault } from '../xml/raw.js'
import { END_MS, FULL_READ_BYTES } from './bounds.js'
import type { Origin, Ticket, TransportRoom } from './bounds.js'
import { TransportFailure } from './failure.js'
import { Framing } from './framing.js'
import { paceOf } from './pace.js'
import type { Pace } from './pace.js'
import { FRAMED_CLOSE, framedOpen } from './stream-tags.js'
import type { OpenReply, PeerFacts, Transport, TransportSink } from './transport.js'
import { textFrame } from './websocket-frame.js'
import type { Timed } from './wheel.js'
import { WriteQueue } from './write-queue.js'

export interface WebSocketParts {
  readonly ws: WebSocket
  readonly socket: Duplex
  readonly origin: Origin
  readonly ticket: Ticket
  readonly pingMs: number
  readonly pongsPerSecond: number
}

/** RFC 6455 §7.4.1. */
const NORMAL = 1000
const BINARY_REFUSED = 1003
const POLICY = 1008
const TOO_BIG = 1009
/** This many times the pings that are answered in one second are a flood. */
const PING_FLOOD_FACTOR = 10
/** Pings of ours that may stay unanswered. */
const UNANSWERED_MAX = 2
/** After the peer's `<close/>` its Close frame has this long to come (RFC 7395 §3.6); a second is left for ours. */
const PEER_CLOSE_MS = END_MS - 1_000

export class WebSocketTransport implements Transport, Timed {
  readonly kind = 'websocket'
  readonly form = 'framed'
  readonly peer: PeerFacts
  readonly #room: TransportRoom
  readonly #parts: WebSocketParts
  readonly #queue: WriteQueue
  readonly #framing = new Framing()
  #sink: TransportSink | undefined
  /** Messages that came in one chunk, and after `pause`. */
  #inbox: Buffer[] = []
  #paused = false
  /** Too much came too fast. */
  #resting = false
  #pace: Pace | undefined
  #delivering = false
  #deaf = false
  #gone = false
  #received = 0
  #isAuthenticated = false
  #peerClosed = false
  #closeCode = NORMAL
  #headerBy: number
  #pingAt: number
  #closeAt = Infinity
  #endBy = Infinity
  #heardAt: number
  #unanswered = 0
  #pings = 0
  #pingsSince = 0
  #failure: Error | undefined

  constructor(room: TransportRoom, parts: WebSocketParts) {
    this.#room = room
    this.#parts = parts
    this.peer = { ...parts.origin, canStartTls: false, heardAt: () => this.#heardAt }
    const now = room.wheel.now()
    this.#heardAt = now
    this.#headerBy = now + room.bounds.headerMs
    this.#pingAt = now + parts.pingMs
    this.#queue = new WriteQueue(room.turn, room.bounds, {
      drained: () => this.#sink?.drained(),
      watch: (at) => room.wheel.look(this, at),
      now: () => room.wheel.now()
    })
    this.#queue.use(parts.socket)
    room.wheel.look(this, Math.min(this.#headerBy, this.#pingAt))
  }

  get pendingBytes(): number { return this.#queue.pendingBytes }

  attach(sink: TransportSink): void {
    this.#sink = sink
    const { ws, socket } = this.#parts
    socket.on('data', (chunk: Buffer) => { if (chunk.length >= FULL_READ_BYTES) this.#breathe() })
    ws.on('message', (data, isBinary) => this.#message(data as Buffer, isBinary))
    ws.on('ping', (data) => this.#pinged(data))
    ws.on('pong', () => this.#heard())
    ws.on('error', (error) => { this.#failure ??= error })
    ws.on('close', () => this.#over())
  }

  open(reply: OpenReply): void {
    this.#queue.push(textFrame(framedOpen(reply)))
  }

  send(first: string, inside?: Buffer, last?: string): boolean {
    return this.#queue.push(textFrame(first, inside, last))
  }

  restart(): void {
    this.#framing.restart()
  }

  authenticated(): void {
    if (this.#isAuthenticated) return
    this.#isAuthenticated = true
    this.#parts.ticket.authenticated()
    this.#pace = paceOf(this.#room, this.#parts.ticket, { rest: () => this.#rest(), goOn: () => this.#goOn() })
  }

  authFailed(): boolean {
    return this.#parts.ticket.failed()
  }

  startTls(): Promise<void> {
    return Promise.reject(new TransportFailure('tls-failed', 'WebSocket has no STARTTLS'))   // RFC 7395 §3.9
  }

  pause(): void {
    this.#paused = true
    this.#parts.ws.pause()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#readOn()
  }

  #rest(): void {
    this.#resting = true
    this.#parts.ws.pause()
  }

  #goOn(): void {
    this.#resting = false
    this.#readOn()
  }

  /** The others have their turn before what else lies in the socket; what came is delivered. */
  #breathe(): void {
    if (!this.#mayRead()) return
    this.#parts.ws.pause()
    setImmediate(() => { if (this.#mayRead()) this.#parts.ws.resume() })
  }

  #readOn(): void {
    this.#deliver()
    if (this.#mayRead()) this.#parts.ws.resume()
  }

  end(): void {
    if (this.#endBy !== Infinity) return
    const now = this.#room.wheel.now()
    this.#deaf = true
    this.#parts.ws.resume()                            // reads on, so that the peer's Close frame is seen
    this.#queue.push(textFrame(FRAMED_CLOSE))
    this.#endBy = now + END_MS
    this.#closeAt = this.#peerClosed ? now + PEER_CLOSE_MS : Infinity
    if (this.#peerClosed) this.#queue.flush()          // its Close frame may be in the same chunk: nothing follows ours (RFC 6455 §5.5.1)
    else void this.#queue.empty().then(() => this.#parts.ws.close(this.#closeCode))
    this.#room.wheel.look(this, Math.min(this.#endBy, this.#closeAt))
  }

  destroy(): void {
    this.#deaf = true
    this.#queue.drop()
    this.#parts.ws.terminate()
  }

  check(now: number): number {
    if (this.#gone) return Infinity
    if (now >= this.#endBy) this.destroy()
    else if (now >= this.#queue.slowAt()) this.#break(new TransportFailure('slow-reader', 'the peer does not read'))
    else if (now >= this.#headerBy) this.#refuse(POLICY, new TransportFailure('timeout', 'no <open/> in time'))
    else if (now >= this.#closeAt) this.#closeNow()
    else if (now >= this.#pingAt) this.#ping(now)
    return Math.min(this.#endBy, this.#queue.slowAt(), this.#headerBy, this.#closeAt, this.#pingAt)
  }

  #message(data: Buffer, isBinary: boolean): void {
    if (this.#deaf) return
    if (isBinary) { this.#refuse(BINARY_REFUSED, new Error('a binary message')); return }   // RFC 7395 §3.2
    this.#heard()                                      // its pongs stand behind what is not read yet
    this.#pace?.bytes(data.length)
    this.#inbox.push(data)
    this.#deliver()
  }

  #heard(): void {
    this.#unanswered = 0
    this.#heardAt = this.#room.wheel.coarseNow
  }

  #deliver(): void {
    if (this.#delivering || this.#sink === undefined) return
    this.#delivering = true
    while (this.#mayRead() && !this.#deaf) {
      const next = this.#inbox.shift()
      if (next === undefined) break
      this.#one(next, this.#sink)
    }
    this.#delivering = false
  }

  #one(message: Buffer, sink: TransportSink): void {
    const { bounds } = this.#room
    this.#received += message.length
    try {
      if (!this.#isAuthenticated && this.#received > bounds.beforeBytes) {
        throw new XmlFault('policy-violation', 'too many bytes before authentication')
      }
      const limits = this.#isAuthenticated ? bounds.after : bounds.before
      if (this.#framing.deliver(message, limits, sink, this.#pace)) this.#closedByPeer(sink)
    } catch (error) {
      if (!(error instanceof XmlFault)) throw error
      this.#deaf = true
      if (error.application === 'stanza-too-big') this.#closeCode = TOO_BIG
      sink.fault(error)
    } finally {
      if (!this.#framing.awaitsOpen) this.#headerBy = Infinity
    }
  }

  #mayRead(): boolean {
    return !this.#paused && !this.#resting
  }

  #closedByPeer(sink: TransportSink): void {
    this.#peerClosed = true
    this.#deaf = true
    sink.closed()
  }

  #pinged(data: Buffer): void {
    const now = this.#room.wheel.now()
    if (now - this.#pingsSince >= 1_000) {
      this.#pingsSince = now
      this.#pings = 0
    }
    this.#pings++
    const { ws, pongsPerSecond } = this.#parts
    if (this.#pings <= pongsPerSecond) ws.pong(data)
    else if (this.#pings > pongsPerSecond * PING_FLOOD_FACTOR) this.#refuse(POLICY, new Error('a flood of pings'))
  }

  #ping(now: number): void {
    if (this.#unanswered >= UNANSWERED_MAX) { this.#break(new TransportFailure('timeout', 'pings stay unanswered')); return }
    this.#unanswered++
    this.#pingAt = now + this.#parts.pingMs
    if (this.#endBy === Infinity) this.#parts.ws.ping()
  }

  #closeNow(): void {
    this.#closeAt = Infinity
    this.#parts.ws.close(NORMAL)
  }

  /** Closes with a code and without a word of XMPP. */
  #refuse(code: number, error: Error): void {
    this.#failure ??= error
    this.#deaf = true
    this.#headerBy = Infinity
    this.#endBy = Math.min(this.#endBy, this.#room.wheel.now() + END_MS)
    this.#room.wheel.look(this, this.#endBy)
    this.#parts.ws.close(code)
  }

  #break(error: Error): void {
    this.#failure ??= error
    this.destroy()
  }

  #over(): void {
    if (this.#gone) return
    this.#gone = true
    this.#deaf = true
    this.#room.wheel.forget(this)
    this.#pace?.stop()
    this.#queue.drop()
    this.#parts.ticket.release()
    this.#sink?.gone(this.#failure)
  }
}
