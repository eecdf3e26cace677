/**
 * One XMPP stream over TCP (RFC 6120): plain with STARTTLS, or inside a TLS socket from the start. Owns the socket,
 * the parser of its bytes and what waits to be written.
 */
import type { Socket } from 'node:net'
import { XmlFault } from '../xml/raw.js'
import type { RawElement, StreamHeader } from '../xml/raw.js'
import { StreamParser } from '../xml/stream-parser.js'
import type { ParserSink } from '../xml/stream-parser.js'
import { END_MS } from './bounds.js'
import type { Origin, Ticket, TransportRoom } from './bounds.js'
import { SocketFacts } from './channel-binding.js'
import { messageOf, TransportFailure } from './failure.js'
import { paceOf } from './pace.js'
import type { Pace } from './pace.js'
import { STREAM_CLOSE, streamOpen } from './stream-tags.js'
import { acceptTls, XMPP_ALPN } from './tls.js'
import type { ContextOf } from './tls.js'
import type { Flushable } from './turn-end.js'
import type { OpenReply, PeerFacts, Transport, TransportSink } from './transport.js'
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

export class TcpTransport implements Transport, Timed, Flushable {
  readonly kind = 'tcp'
  readonly form = 'stream'
  readonly #room: TransportRoom
  readonly #ticket: Ticket
  readonly #queue: WriteQueue
  readonly #parser: StreamParser
  readonly #startTlsWith: ContextOf | undefined
  readonly #requestCert: boolean
  #socket: Socket
  #peer: PeerFacts
  /** Of the last header. */
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
  readonly #onData = (chunk: Buffer): void => this.#data(chunk)
  readonly #onEnd = (): void => this.#finished()
  readonly #onError = (error: Error): void => { this.#failure ??= error }
  readonly #onClose = (): void => this.#over()

  constructor(room: TransportRoom, parts: TcpParts) {
    this.#room = room
    this.#ticket = parts.ticket
    this.#socket = parts.socket
    this.#startTlsWith = parts.startTlsWith
    this.#requestCert = parts.requestCert ?? false
    const canStartTls = parts.startTlsWith !== undefined && !parts.origin.secure
    this.#heardAt = room.wheel.now()
    this.#peer = { ...parts.origin, canStartTls, heardAt: () => this.#heardAt }
    this.#queue = new WriteQueue(room.turn, room.bounds, this.#queueOwner())
    this.#queue.use(parts.socket)
    this.#parser = new StreamParser(room.bounds.before, this.#parserSink())
    this.#headerBy = room.wheel.now() + room.bounds.headerMs
    room.wheel.look(this, this.#headerBy)
  }

  get peer(): PeerFacts { return this.#peer }
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
    let free = this.#queue.push(first)
    if (inside !== undefined) free = this.#queue.push(inside)
    if (last !== undefined) free = this.#queue.push(last)
    return free
  }

  restart(): void {
    this.#parser.restart()
  }

  authenticated(): void {
    if (this.#isAuthenticated) return
    this.#isAuthenticated = true
    this.#parser.setLimits(this.#room.bounds.after)
    this.#ticket.authenticated()
    this.#pace = paceOf(this.#room, this.#ticket, { rest: () => this.#rest(), goOn: () => this.#goOn() })
  }

  authFailed(): boolean {
    return this.#ticket.failed()
  }

  async startTls(): Promise<void> {
    const contextOf = this.#startTlsWith
    if (contextOf === undefined || this.#peer.secure) throw new TransportFailure('tls-failed', 'TLS cannot be started here')
    const plain = this.#socket
    this.#upgrading = true                             // the parser holds what follows <starttls/> in its chunk
    plain.off('data', this.#onData).pause()
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
    if (this.#paused && this.#endBy === Infinity) this.#stop()
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

  #rest(): void {
    this.#resting = true
    this.#stop()
  }

  #goOn(): void {
    this.#resting = false
    this.#readOn()
  }

  #readOn(): void {
    if (!this.#mayRead()) return
    if (this.#held && !this.#parsing) {
      this.#held = false
      this.#parse(() => this.#parser.release())
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
    if (this.#paused) {                                // in the turn in which it was paused
      this.#stop()
      this.#socket.unshift(chunk)
      return
    }
    this.#received += chunk.length
    this.#heardAt = this.#room.wheel.coarseNow
    this.#pace?.bytes(chunk.length)
    if (!this.#isAuthenticated && this.#received > this.#room.bounds.beforeBytes) {
      this.#fault(new XmlFault('policy-violation', 'too many bytes before authentication')); return
    }
    this.#parse(() => this.#parser.feed(chunk))
  }

  #parse(step: () => void): void {
    this.#parsing = true
    step()
    this.#parsing = false
    if (!this.#parser.midElement) this.#stanzaBy = Infinity
    else if (this.#stanzaBy === Infinity) {
      this.#stanzaBy = this.#room.wheel.now() + this.#room.bounds.stanzaMs
      this.#room.wheel.look(this, this.#stanzaBy)
    }
  }

  #tooSlowStanza(): void {
    this.#stanzaBy = Infinity
    this.#fault(new XmlFault('policy-violation', 'one stanza took too long'))
  }

  #fault(fault: XmlFault): void {
    if (this.#deaf) return
    this.#deaf = true
    this.#sink?.fault(fault)
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
    plain.off('end', this.#onEnd).off('close', this.#onClose)
    try {
      const how = { wheel, handshakeMs: bounds.handshakeMs, alpn: XMPP_ALPN, domain: this.#domain, requestCert: this.#requestCert }
      const secure = await acceptTls(plain, contextOf, how)
      plain.off('error', this.#onError)
      this.#socket = secure
      this.#peer = { ...this.#peer, secure: true, canStartTls: false, tls: new SocketFacts(secure) }
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
    socket.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose)
    this.#stopped = this.#paused
    if (this.#paused) socket.pause()
    else socket.resume()                               // a PROXY header leaves the socket paused
    if (socket.destroyed) queueMicrotask(this.#onClose)
  }

  #queueOwner(): QueueOwner {
    return {
      drained: () => this.#sink?.drained(),
      watch: (at) => this.#room.wheel.look(this, at),
      now: () => this.#room.wheel.now()
    }
  }

  #parserSink(): ParserSink {
    return {
      header: (header: StreamHeader) => {
        this.#headerBy = Infinity
        this.#domain = header.attrs['to']
        if (!this.#deaf) this.#sink?.header(header)
        return this.#mayGoOn()
      },
      element: (element: RawElement) => {
        this.#pace?.stanza(element.name)
        if (!this.#deaf) this.#sink?.element(element)
        return this.#mayGoOn()
      },
      blank: () => { if (!this.#deaf) this.#sink?.blank?.() },
      end: () => { if (!this.#deaf) this.#sink?.closed() },
      fault: (fault) => this.#fault(fault)
    }
  }

  #mayRead(): boolean {
    return !this.#paused && !this.#resting && !this.#upgrading
  }

  #mayGoOn(): boolean {
    this.#held = !this.#mayRead() || this.#deaf
    return !this.#held
  }
}
