/** The other end of a link, played by the test: says what it is told over real TLS. */
import { connect as connectTcp } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { makeCertificate, type LinkCertificate } from '../../src/cluster/certificate.js'
import { FRAME, FRAME_BYTES_MAX, FrameReader, FrameWriter, type RawFrame } from '../../src/cluster/frames.js'
import { dialHandshake, type HandshakeFacts, type HandshakeIo } from '../../src/cluster/handshake.js'
import { decodeGoodbye, encodeHello, type Hello } from '../../src/cluster/link-frames.js'
import { HybridClock } from '../../src/xmpp/hlc.js'
import type { MemoryTables } from './memory-tables.js'

export const frames = new FrameWriter(new HybridClock(() => Date.now()))

export class RawLink implements HandshakeIo {
  readonly #reader = new FrameReader()
  readonly #frames: RawFrame[] = []
  readonly #waiting: ((frame: RawFrame | undefined) => void)[] = []
  closed = false
  pin: string | undefined
  exporter: Buffer

  private constructor(readonly socket: TLSSocket) {
    this.exporter = socket.exportKeyingMaterial(32, 'EXPORTER-starling-link', Buffer.alloc(0))
    socket.on('data', (chunk: Buffer) => {
      this.#reader.feed(chunk)
      for (let frame = this.#reader.next(FRAME_BYTES_MAX); frame !== undefined; frame = this.#reader.next(FRAME_BYTES_MAX)) {
        this.#frames.push({ ...frame, body: Buffer.from(frame.body) })
      }
      this.#serve()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
      this.#serve()
    })
  }

  /** @param localAddress of 127.0.0.0/8, to be told apart from other strangers */
  static async dial(port: number, certificate: LinkCertificate | undefined, localAddress = '127.0.0.1'): Promise<RawLink> {
    const shown = certificate && { cert: certificate.cert, key: certificate.key }
    const plain = connectTcp({ host: '127.0.0.1', port, localAddress })
    const socket = connect({ socket: plain, rejectUnauthorized: false, ...shown })
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', () => resolve())
      socket.once('error', reject)
    })
    return new RawLink(socket)
  }

  send(frame: Buffer): void {
    this.socket.write(frame)
  }

  async receive(): Promise<RawFrame> {
    const frame = await this.next()
    if (frame === undefined) throw new Error('closed')
    return frame
  }

  /** The next frame; nothing when the connection ended. */
  next(): Promise<RawFrame | undefined> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#serve()
    })
  }

  /** The reason of the GOODBYE that comes, `closed` without one. */
  async goodbye(): Promise<string> {
    for (;;) {
      const frame = await this.next()
      if (frame === undefined) return 'closed'
      if (frame.type === FRAME.GOODBYE) return decodeGoodbye(frame.body)
    }
  }

  #serve(): void {
    while (this.#waiting.length > 0 && (this.#frames.length > 0 || this.closed)) this.#waiting.shift()?.(this.#frames.shift())
  }
}

/** A node that is in the table and otherwise played by the test. */
export class Impostor {
  private constructor(readonly hello: Hello, readonly facts: HandshakeFacts, readonly certificate: LinkCertificate) {}

  /** @param change of what it says in HELLO */
  static async in(tables: MemoryTables, name = 'z.example', change: Partial<Hello> = {}): Promise<Impostor> {
    const certificate = await makeCertificate(name)
    const claimed = await tables.claim({
      hostname: name, secondary: undefined, password: 'z-password', port: 1, cpuUsage: 0, memUsage: 0, clusterName: 'test', bootNonce: 'z',
      advertise: '127.0.0.1:1', hostId: 'h', strategy: 'broadcast', certSha256: certificate.sha256,
      protocolMin: 1, protocolMax: 1, version: '1'
    })
    if (claimed.outcome !== 'claimed') throw new Error(claimed.outcome)
    const { incarnation } = claimed.life
    const hello: Hello = {
      protocolMin: 1, protocolMax: 1, clusterName: 'test', name, incarnation, nonce: Buffer.alloc(32, Math.floor(Math.random() * 256)),
      keySource: 'rows', strategy: 'broadcast', advertise: '127.0.0.1:1', ...change
    }
    const facts: HandshakeFacts = {
      frames, self: { name, incarnation, advertise: '127.0.0.1:1' }, clusterName: 'test', strategy: 'broadcast',
      password: 'z-password', secrets: [],
      row: async (other) => tables.byName.get(other), seen: () => undefined, replayed: () => false,
      positions: () => ({ received: [0, 0, 0, 0], granted: { route: 8_388_608, repl: 8_388_608 } })
    }
    return new Impostor(hello, facts, certificate)
  }

  /** Says HELLO with the right certificate and hears the answer. */
  async greet(port: number): Promise<RawLink> {
    const link = await RawLink.dial(port, this.certificate)
    link.send(encodeHello(frames, this.hello))
    return link
  }

  /** A whole handshake: READY at the end. */
  async link(port: number): Promise<RawLink> {
    const link = await RawLink.dial(port, this.certificate)
    await dialHandshake(link, this.facts)
    return link
  }
}
