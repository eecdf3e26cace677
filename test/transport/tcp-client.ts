/** A client of bytes over TCP or TLS, for tests: collects text and waits for a piece of it. */
import { connect } from 'node:net'
import { StringDecoder } from 'node:string_decoder'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'

export const HDR = "<?xml version='1.0'?><stream:stream to='im.test' version='1.0' xml:lang='en' xmlns='jabber:client' " +
  "xmlns:stream='http://etherx.jabber.org/streams'>"

const open = new Set<Socket>()

export class ByteClient {
  /** Ends what tests left open. */
  static cutAll(): void {
    for (const socket of open) socket.destroy()
    open.clear()
  }

  text = ''
  ended = false
  closed = false
  #socket: Socket
  #wake: (() => void)[] = []

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#listen(socket)
  }

  static async connect(port: number): Promise<ByteClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    await new Promise<void>((resolve, reject) => { socket.once('connect', resolve).once('error', reject) })
    return new ByteClient(socket)
  }

  static async connectTls(port: number, options: ConnectionOptions = {}): Promise<ByteClient> {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
    await new Promise<void>((resolve, reject) => { socket.once('secureConnect', resolve).once('error', reject) })
    return new ByteClient(socket)
  }

  get socket(): Socket { return this.#socket }

  write(data: string | Buffer): void { this.#socket.write(data) }
  end(): void { this.#socket.end() }
  cut(): void { this.#socket.destroy() }
  pause(): void { this.#socket.pause() }
  resume(): void { this.#socket.resume() }

  /** Resolves with everything up to and including `piece`, which is then taken away. */
  async until(piece: string): Promise<string> {
    for (;;) {
      const at = this.text.indexOf(piece)
      if (at >= 0) {
        const found = this.text.slice(0, at + piece.length)
        this.text = this.text.slice(at + piece.length)
        return found
      }
      if (this.ended || this.closed) throw new Error(`closed before ${piece}; had: ${this.text.slice(0, 200)}`)
      await this.#change()
    }
  }

  async untilEnd(): Promise<string> {
    while (!this.ended && !this.closed) await this.#change()
    return this.text
  }

  async untilClosed(): Promise<string> {
    while (!this.closed) await this.#change()
    return this.text
  }

  async startTls(): Promise<void> {
    const plain = this.#socket
    plain.removeAllListeners('data')
    plain.pause()
    const secure = connectTls({ socket: plain, rejectUnauthorized: false })
    this.#socket = secure
    this.#listen(secure)
    await new Promise<void>((resolve, reject) => { secure.once('secureConnect', () => resolve()).once('error', reject) })
  }

  #listen(socket: Socket): void {
    open.add(socket)
    const decoder = new StringDecoder('utf8')
    socket.on('data', (data: Buffer) => { this.text += decoder.write(data); this.#changed() })
    socket.on('end', () => { this.ended = true; this.#changed() })
    socket.on('error', () => {})
    socket.on('close', () => { this.closed = true; this.#changed() })
  }

  #change(): Promise<void> {
    return new Promise((resolve) => { this.#wake.push(resolve) })
  }

  #changed(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }
}
