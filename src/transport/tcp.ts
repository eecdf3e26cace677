/**
 * One XMPP stream over TCP (RFC 6120): plain with STARTTLS, or inside a TLS socket from the start. Owns the socket,
 * the parser of its bytes and what waits to be written.
 */
import type { Socket } from 'node:net'
import { XmlFault } from '../xml/raw.js'
import type { RawElement, StreamHeader } from '../xml/raw.js'
import { StreamParser } from '../xml/stream-parser.js'
import type { ParserSink } from '../xml/stream-parser.js'
import { END_MS, FULL_READ_BYTES } from './bounds.js'
import type { Origin, Ticket, TransportRoom } from './bounds.js'
import { SocketFacts } from './channel-binding.js'
import { ignoreError, messageOf, TransportFailure } from './failure.js'
import { paceOf } from './pace.js'
import type { Pace, Reader } from './pace.js'
import { shareReads } from './shared-reads.js'
import { STREAM_CLOSE, streamOpen } from './stream-tags.js'
import { acceptTls, XMPP_ALPN } from './tls.js'
import type { ContextOf } from './tls.js'
import type { OpenReply, PeerFacts, TlsFacts, Transport, TransportSink } from './transport.js'
import type { Flushable } from './turn-end.js'
import type { Timed } from './wheel.js'
import { WriteQueue } from './write-queue.js'
import type { QueueOwner } from './write-queue.js'

export interface TcpParts {
  readonly socket: Socket
  readonly origin: Origin
  readonly ticket: Ticket
  /** What STARTTLS uses; `undefined` where it is not offered. Asked at the moment of use, so a renewed one counts. */
  readonly startTlsWith: ContextOf | undefined
  /** Asks for the client's certificate. */
  readonly requestCert?: boolean
}

/** The transport stands at its socket, so that all sockets share their listeners. */
const OWNER = Symbol('transport')

type Owned = Socket & { [OWNER]: TcpTransport }

// One object for one client: it is also what its parser, its queue and its pace talk to, and says who is there.
export class TcpTransport implements Transport, Timed, Flushable, PeerFacts, ParserSink, QueueOwner, Reader {
  readonly kind = 'tcp'
  readonly form = 'stream'
  readonly address: string
  readonly port: number
  readonly #room: TransportRoom
  readonly #ticket: Ticket
  readonly #queue: WriteQueue
  readonly #parser: StreamParser
  readonly #requestCert: boolean
  /** Gone when TLS is there. */
  #startTlsWith: ContextOf | undefined
  #socket: Socket
  #secure: boolean
  #tls: TlsFacts | undefined
  /** Of the last header, while it is not authenticated. */
  #domain: string | undefined
  #sink: TransportSink | undefined
  #opened = false
  #paused = false
  /** What is resumed in the turn in which it was paused costs the socket nothing. */
  #pausing = false
  #stopped = false
  /** The peer has half-closed while it was paused: what came before counts first. */
  #ended = false
  /** Too much came too fast. */
  #resting = false
  #pace: Pace | undefined
  #upgrading = false
  #held = false
  #parsing = false
  #deaf = false
  #gone = false
  #received = 0
  #heardAt: number
  #isAuthenticated = false
  #headerBy: number
  #stanzaBy = Infinity
  #endBy = Infinity
  #failure: Error | undefined

  constructor(room: TransportRoom, { socket, origin, ticket, startTlsWith, requestCert = false }: TcpParts) {
    this.#room = room
    this.#ticket = ticket
    this.#socket = socket
    this.address = origin.address
    this.port = origin.port
    this.#secure = origin.secure
    this.#tls = origin.tls
    this.#startTlsWith = origin.secure ? undefined : startTlsWith
    this.#requestCert = requestCert
    this.#heardAt = room.wheel.coarseNow
    this.#queue = new WriteQueue(room.turn, room.bounds, this)
    this.#queue.use(socket)
    this.#parser = new StreamParser(room.bounds.before, this, room.desks)
    this.#headerBy = room.wheel.now() + room.bounds.headerMs
    room.wheel.look(this, this.#headerBy)
  }

  get peer(): PeerFacts { return this }
  get secure(): boolean { return this.#secure }
  get canStartTls(): boolean { return this.#startTlsWith !== undefined }
  get tls(): TlsFacts | undefined { return this.#tls }
  heardAt(): number { return this.#heardAt }
  get pendingBytes(): number { return this.#queue.pendingBytes }

  attach(sink: TransportSink): void {
    this.#sink = sink
    this.#listen(this.#socket)
  }

  open(reply: OpenReply): void {
    this.#opened = true
    this.#queue.push(streamOpen(reply))
  }

  send(first: string, inside?: Buffer, last?: string): boolean {
    return this.#queue.push(first, inside, last)
  }

  restart(): void {
    this.#parser.restart()
  }

  authenticated(): void {
    if (this.#isAuthenticated) return
    this.#isAuthenticated = true
    this.#parser.setLimits(this.#room.bounds.after)
    this.#ticket.authenticated()
    this.#domain = undefined
    this.#pace = paceOf(this.#room, this.#ticket, this)
  }

  authFailed(): boolean {
    return this.#ticket.failed()
  }

  async startTls(): Promise<void> {
    const contextOf = this.#startTlsWith
    if (contextOf === undefined) throw new TransportFailure('tls-failed', 'TLS cannot be started here')
    const plain = this.#socket
    this.#upgrading = true                             // the parser holds what follows <starttls/> in its chunk
    plain.off('data', TcpTransport.#onData).pause()
    await this.#queue.empty()
    // RFC 6120 §5.4.3.3: nothing may follow <starttls/> in the clear; whoever smuggles something in is cut off
    const smuggled = this.#parser.heldBytes > 0 || plain.readableLength > 0
    this.#parser.discard()
    this.#parser.release()
    if (smuggled) throw this.#break(new TransportFailure('tls-failed', 'bytes followed <starttls/> before TLS'))
    await this.#takeUpTls(plain, contextOf)
    this.#upgrading = false
  }

  pause(): void {
    this.#paused = true
    if (this.#pausing) return
    this.#pausing = true
    this.#room.turn.add(this)
  }

  flush(): void {
    this.#pausing = false
    if (!this.#paused) this.#readOn()
    else if (this.#endBy === Infinity) this.#stop()
  }

  /** The others have their turn before what else lies in the socket. */
  #breathe(): void {
    if (this.#deaf || !this.#mayRead()) return
    this.#stop()
    if (this.#pausing) return
    this.#pausing = true
    this.#room.turn.add(this)
  }

  #stop(): void {
    this.#stopped = true
    this.#socket.pause()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#readOn()
  }

  // ---- what its pace says

  rest(): void {
    this.#resting = true
    this.#stop()
  }

  goOn(): void {
    this.#resting = false
    this.#readOn()
  }

  // ---- what its queue asks

  drained(): void {
    this.#sink?.drained()
  }

  watch(at: number): void {
    this.#room.wheel.look(this, at)
  }

  now(): number {
    return this.#room.wheel.now()
  }

  // ---- what its parser finds

  header(header: StreamHeader): boolean {
    this.#headerBy = Infinity
    if (!this.#isAuthenticated) this.#domain = header.attrs['to']
    if (!this.#deaf) this.#sink?.header(header)
    return this.#mayGoOn()
  }

  element(element: RawElement): boolean {
    this.#pace?.stanza(element.name)
    if (!this.#deaf) this.#sink?.element(element)
    return this.#mayGoOn()
  }

  blank(): void {
    if (!this.#deaf) this.#sink?.blank?.()
  }

  closed(): void {
    if (!this.#deaf) this.#sink?.closed()
  }

  fault(fault: XmlFault): void {
    if (this.#deaf) return
    this.#deaf = true
    this.#sink?.fault(fault)
  }

  #readOn(): void {
    if (!this.#mayRead()) return
    if (this.#held && !this.#parsing) {
      this.#held = false
      this.#parse()
    }
    if (!this.#mayRead()) return
    if (this.#ended) this.#finished()
    else if (this.#stopped) this.#socket.resume()
    this.#stopped = false
  }

  end(): void {
    if (this.#endBy !== Infinity) return
    this.#deaf = true
    if (this.#opened) this.#queue.push(STREAM_CLOSE)
    this.#queue.end()
    this.#socket.resume()                              // reads on, so that the peer's own end is seen
    this.#endBy = this.#room.wheel.now() + END_MS
    this.#room.wheel.look(this, this.#endBy)
  }

  destroy(): void {
    this.#deaf = true
    this.#queue.drop()
    this.#socket.destroy()
  }

  check(now: number): number {
    if (this.#gone) return Infinity
    if (now >= this.#endBy) this.destroy()
    else if (now >= this.#queue.slowAt()) this.#break(new TransportFailure('slow-reader', 'the peer does not read'))
    else if (now >= this.#headerBy) this.#break(new TransportFailure('timeout', 'no stream header in time'))
    else if (now >= this.#stanzaBy) this.#tooSlowStanza()
    return Math.min(this.#endBy, this.#queue.slowAt(), this.#headerBy, this.#stanzaBy)
  }

  #data(chunk: Buffer): void {
    if (this.#deaf) return
    this.#received += chunk.length
    this.#heardAt = this.#room.wheel.coarseNow
    this.#pace?.bytes(chunk.length)
    if (!this.#isAuthenticated && this.#received > this.#room.bounds.beforeBytes) {
      this.fault(new XmlFault('policy-violation', 'too many bytes before authentication')); return
    }
    if (this.#paused) {                                // in the turn in which it was paused
      this.#stop()
      this.#parser.keep(chunk)
      this.#held = true
      return
    }
    this.#parse(chunk)
    if (chunk.length >= FULL_READ_BYTES) this.#breathe()
  }

  /** A piece, or what is held. */
  #parse(chunk?: Buffer): void {
    this.#parsing = true
    if (chunk === undefined) this.#parser.release()
    else this.#parser.feed(chunk)
    this.#parsing = false
    if (!this.#parser.midElement) this.#stanzaBy = Infinity
    else if (this.#stanzaBy === Infinity) {
      this.#stanzaBy = this.#room.wheel.now() + this.#room.bounds.stanzaMs
      this.#room.wheel.look(this, this.#stanzaBy)
    }
  }

  #tooSlowStanza(): void {
    this.#stanzaBy = Infinity
    this.fault(new XmlFault('policy-violation', 'one stanza took too long'))
  }

  /** The peer has half-closed. */
  #finished(): void {
    this.#ended = this.#paused && this.#endBy === Infinity
    if (this.#ended) return
    this.#deaf = true
    if (this.#endBy === Infinity) this.end()
  }

  #break(error: Error): Error {
    this.#failure ??= error
    this.destroy()
    return error
  }

  #over(): void {
    if (this.#gone) return
    this.#gone = true
    this.#deaf = true
    this.#room.wheel.forget(this)
    this.#pace?.stop()
    this.#queue.drop()
    this.#parser.discard()
    this.#ticket.release()
    this.#sink?.gone(this.#failure)
  }

  async #takeUpTls(plain: Socket, contextOf: ContextOf): Promise<void> {
    const { wheel, bounds } = this.#room
    plain.off('end', TcpTransport.#onEnd).off('close', TcpTransport.#onClose)
    try {
      const how = { wheel, handshakeMs: bounds.handshakeMs, alpn: XMPP_ALPN, domain: this.#domain, requestCert: this.#requestCert }
      const secure = await acceptTls(plain, contextOf, how)
      plain.off('error', TcpTransport.#onError)
      this.#socket = secure
      this.#secure = true
      this.#startTlsWith = undefined
      this.#tls = new SocketFacts(secure)
    } catch (error) {
      this.#break(error instanceof Error ? error : new Error(messageOf(error)))
      this.#over()
      throw error
    }
    this.#queue.use(this.#socket)
    this.#headerBy = wheel.now() + bounds.headerMs
    wheel.look(this, this.#headerBy)
    this.#listen(this.#socket)
  }

  #listen(socket: Socket): void {
    Object.assign(socket, { [OWNER]: this })
    socket.off('error', ignoreError).on('error', TcpTransport.#onError)
    socket.on('data', TcpTransport.#onData).on('end', TcpTransport.#onEnd).on('close', TcpTransport.#onClose)
    shareReads(socket, TcpTransport.#onRead)           // what has come before is still `data`
    this.#stopped = this.#paused
    if (this.#paused) socket.pause()
    else socket.resume()                               // a PROXY header leaves the socket paused
    if (socket.destroyed) queueMicrotask(() => this.#over())
  }

  static readonly #onData = function (this: Owned, chunk: Buffer): void { this[OWNER].#data(chunk) }
  static readonly #onRead = function (this: Socket, length: number, buffer: Buffer): void {
    (this as Owned)[OWNER].#data(buffer.subarray(0, length))
  }
  static readonly #onEnd = function (this: Owned): void { this[OWNER].#finished() }
  static readonly #onClose = function (this: Owned): void { this[OWNER].#over() }
  static readonly #onError = function (this: Owned, error: Error): void { this[OWNER].#failure ??= error }

  #mayRead(): boolean {
    return !this.#paused && !this.#resting && !this.#upgrading
  }

  #mayGoOn(): boolean {
    this.#held = !this.#mayRead() || this.#deaf
    return !this.#held
  }
}
