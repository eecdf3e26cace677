/**
 * One connection between two nodes: TLS 1.3 both ways or, on loopback, none. Owns the socket: cuts frames out of it,
 * collects what is written in one turn into one write, waits while the socket is full, runs the handshake.
 */
import { constants } from 'node:crypto'
import { connect as netConnect, type Socket } from 'node:net'
import { connect as tlsConnect, createSecureContext, TLSSocket } from 'node:tls'
import type { Clock } from '../telemetry/clock.js'
import { FULL_READ_BYTES } from '../transport/bounds.js'
import { FrameFault } from './bytes.js'
import { pinOf, type LinkCertificate } from './certificate.js'
import { FRAME, FRAME_BYTES_MAX, FrameReader, HANDSHAKE_FRAME_BYTES_MAX, LANE_AT, type RawFrame } from './frames.js'
import { EXPORTER_BYTES, EXPORTER_LABEL, type HandshakeIo } from './handshake.js'

/** From the first byte to READY; the reference limit. */
export const HANDSHAKE_MS = 5000
/** What may lie unread before READY: a HELLO, an AUTH, a READY and the first frames behind it. */
const HANDSHAKE_PENDING_BYTES = 65_536
/** One write carries about this much, so that what is urgent never waits behind more. */
const WRITE_BYTES = 256 * 1024
/** No tickets: nothing of a link outlives its connection. */
const SECURE = {
  minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', rejectUnauthorized: false, secureOptions: constants.SSL_OP_NO_TICKET
} as const
const BEFORE_READY: readonly number[] = [FRAME.HELLO, FRAME.AUTH, FRAME.READY, FRAME.GOODBYE]

export interface LinkHandler {
  frame(frame: RawFrame): void
  /** Just before a write: what else should go with it. */
  flushing(): void
  closed(why: string): void
}

interface Waiter {
  resolve(frame: RawFrame): void
  reject(error: Error): void
}

export class Link implements HandshakeIo {
  readonly #reader = new FrameReader()
  #exporter: Buffer = Buffer.alloc(EXPORTER_BYTES)
  /** Bounded by what the channel may have in flight: the rest waits there. */
  #out: Buffer[] = []
  /** Of the link itself: before all others, or a slow line would look like a dead one. */
  #urgent: Buffer[] = []
  /** The socket has said no: the next write waits for its `drain`. */
  #full = false
  #flushing: NodeJS.Immediate | undefined
  #handler: LinkHandler | undefined
  #waiter: Waiter | undefined
  #closed: string | undefined

  /**
   * @param socket connected, secured if it is to be
   * @param pin SHA-256 of the other end's certificate, `undefined` without TLS
   */
  private constructor(
    private readonly socket: Socket, readonly role: 'dialler' | 'acceptor', readonly pin: string | undefined
  ) {
    if (socket instanceof TLSSocket) {
      this.#exporter = socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0))
    }
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#feed(chunk))
    socket.on('error', (error) => this.destroy(error.message))
    socket.on('drain', () => this.#drained())
    socket.on('end', () => this.destroy('the other side has closed'))
    socket.on('close', () => this.destroy('closed'))
  }

  /** Connects and secures. Rejects when that fails. */
  static async dial(address: { host: string; port: number }, certificate: LinkCertificate | undefined, clock: Clock): Promise<Link> {
    const socket = certificate === undefined
      ? netConnect(address)
      : tlsConnect({ ...address, ...SECURE, cert: certificate.cert, key: certificate.key })
    const pin = await secured(socket, certificate === undefined ? 'connect' : 'secureConnect', clock)
    return new Link(socket, 'dialler', pin)
  }

  /** Takes a connection that came in. Rejects when TLS fails or the other side shows no certificate. */
  static async accept(raw: Socket, certificate: LinkCertificate | undefined, clock: Clock): Promise<Link> {
    if (certificate === undefined) return new Link(raw, 'acceptor', undefined)
    const secureContext = createSecureContext({ ...SECURE, cert: certificate.cert, key: certificate.key })
    const socket = new TLSSocket(raw, { isServer: true, requestCert: true, rejectUnauthorized: false, secureContext })
    return new Link(socket, 'acceptor', await secured(socket, 'secure', clock))
  }

  get exporter(): Buffer {
    return this.#exporter
  }

  get address(): string {
    return `${this.socket.remoteAddress ?? ''}:${this.socket.remotePort ?? 0}`
  }

  /** So far; what grows is alive. */
  get bytesRead(): number {
    return this.socket.bytesRead
  }

  get closed(): boolean {
    return this.#closed !== undefined
  }

  /** Written with everything else of this turn, or as soon as the socket takes more. */
  write(frame: Buffer): void {
    if (frame[LANE_AT] === 0) this.#urgent.push(frame)
    else this.#out.push(frame)
    this.wake()
  }

  send(frame: Buffer): void {
    this.write(frame)
  }

  /** Something is due: acknowledgements ride with the next write. */
  wake(): void {
    if (!this.#full) this.#flushing ??= setImmediate(() => this.#flush())
  }

  receive(): Promise<RawFrame> {
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
      this.#serveWaiter()
    })
  }

  /** The handshake is over: frames go to `handler` from now on. */
  open(handler: LinkHandler): void {
    this.#handler = handler
    if (this.#closed !== undefined) { handler.closed(this.#closed); return }
    this.socket.resume()
    this.#drain(handler)
  }

  /** Says why, then closes. */
  end(goodbye: Buffer, why: string): void {
    if (this.#closed !== undefined) return
    this.#handler?.flushing()
    this.socket.end(Buffer.concat([...this.#urgent, ...this.#out, goodbye]))
    this.#close(why)
    const stop = setTimeout(() => this.socket.destroy(), 1000).unref()
    this.socket.once('close', () => clearTimeout(stop))
  }

  destroy(why: string): void {
    this.socket.destroy()
    this.#close(why)
  }

  #feed(chunk: Buffer): void {
    if (this.#closed !== undefined) return
    this.#reader.feed(chunk)
    if (this.#handler !== undefined) {
      this.#drain(this.#handler)
      if (chunk.length >= FULL_READ_BYTES) this.#breathe()
      return
    }
    if (this.#reader.pendingBytes > HANDSHAKE_PENDING_BYTES) this.socket.pause()
    this.#serveWaiter()
  }

  /** The clients have their turn before what else lies in the socket. */
  #breathe(): void {
    this.socket.pause()
    setImmediate(() => { this.socket.resume() })
  }

  #drain(handler: LinkHandler): void {
    try {
      while (this.#closed === undefined) {
        const frame = this.#reader.next(FRAME_BYTES_MAX)
        if (frame === undefined) return
        handler.frame(frame)
      }
    } catch (error) {
      if (!(error instanceof FrameFault)) throw error
      this.destroy(`protocol: ${error.message}`)
    }
  }

  #serveWaiter(): void {
    const waiter = this.#waiter
    if (waiter === undefined) return
    try {
      if (this.#closed !== undefined) throw new Error(this.#closed)
      const frame = this.#reader.next(HANDSHAKE_FRAME_BYTES_MAX)
      if (frame === undefined) return
      if (!BEFORE_READY.includes(frame.type)) throw new FrameFault(`frame ${frame.type} before READY`)
      this.#waiter = undefined
      waiter.resolve(frame)
    } catch (error) {
      this.#waiter = undefined
      waiter.reject(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #flush(): void {
    clearImmediate(this.#flushing)
    this.#flushing = undefined
    if (this.#closed !== undefined) return
    this.#handler?.flushing()
    clearImmediate(this.#flushing) // what `flushing` wrote goes now
    this.#flushing = undefined
    const frames = this.#take()
    if (frames.length === 0) return
    this.#full = !this.socket.write(frames.length === 1 && frames[0] !== undefined ? frames[0] : Buffer.concat(frames))
    if (this.#out.length > 0) this.wake()
  }

  /** All that is urgent, and of the rest as much as one write should carry. */
  #take(): readonly Buffer[] {
    const frames = this.#urgent
    this.#urgent = []
    let bytes = 0
    let count = 0
    for (; bytes < WRITE_BYTES && count < this.#out.length; count++) bytes += this.#out[count]?.length ?? 0
    if (count < this.#out.length) return frames.concat(this.#out.splice(0, count))
    const rest = this.#out
    this.#out = []
    return frames.length === 0 ? rest : frames.concat(rest)
  }

  #drained(): void {
    this.#full = false
    this.#flush()
  }

  #close(why: string): void {
    if (this.#closed !== undefined) return
    this.#closed = why
    clearImmediate(this.#flushing)
    this.#out = []
    this.#urgent = []
    this.#serveWaiter()
    this.#handler?.closed(why)
  }
}

function secured(socket: Socket, event: 'connect' | 'secureConnect' | 'secure', clock: Clock): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(HANDSHAKE_MS, () => fail(new Error('no connection in time')))
    const fail = (error: Error): void => {
      cancel()
      socket.destroy()
      reject(error)
    }
    const closed = (): void => fail(new Error('closed while connecting'))
    socket.on('error', () => {}) // errors may follow the first one
    socket.once('error', fail)
    socket.once('close', closed)
    socket.once(event, () => {
      cancel()
      socket.off('error', fail)
      socket.off('close', closed)
      const pin = socket instanceof TLSSocket ? peerPin(socket) : undefined
      if (socket instanceof TLSSocket && pin === undefined) { fail(new Error('no certificate')); return }
      resolve(pin)
    })
  })
}

/**
 * Asked once: on the dialling side Node 20 gives the certificate a single time. A resumed session would show the
 * dialler no certificate: without one there is no link.
 */
function peerPin(socket: TLSSocket): string | undefined {
  const raw = socket.isSessionReused() ? undefined : socket.getPeerX509Certificate()?.raw
  return raw === undefined ? undefined : pinOf(raw)
}
