/**
 * A client that logs in by SASL2 over direct TLS and keeps what went over the line, as it went: how many writes it made, how many
 * pieces came back, and the text of both. Built on the texts of `sasl2.ts` alone.
 */
import { randomBytes } from 'node:crypto'
import { connect, type TLSSocket } from 'node:tls'
import { authenticate } from './sasl2.js'

export interface Asked {
  readonly mechanism: string
  readonly initial: string | undefined
  /** Elements inside `<authenticate/>`. */
  readonly inside?: string
  readonly from?: string
}

const PATIENCE_MS = 15_000
const FEATURES = /<\/stream:features>/

export class LoginClient {
  /** Pieces in their order; the client's begin with `C: `, the server's with `S: `. */
  readonly line: string[] = []
  #heard = ''
  #writes = 0
  #pieces = 0
  #changed: () => void = () => {}

  private constructor(readonly socket: TLSSocket, readonly domain: string) {
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => {
      this.#pieces++
      this.#heard += text
      this.line.push(`S: ${text}`)
      this.#changed()
    })
    socket.on('error', () => {})
  }

  static async open(port: number, domain = 'localhost'): Promise<LoginClient> {
    const socket = connect({ host: '127.0.0.1', port, servername: domain, rejectUnauthorized: false, minVersion: 'TLSv1.3' })
    await new Promise<void>((done, failed) => {
      socket.once('secureConnect', () => { done() })
      socket.once('error', failed)
    })
    return new LoginClient(socket, domain)
  }

  /** Since TLS was taken up. */
  get packets(): { readonly sent: number; readonly heard: number } {
    return { sent: this.#writes, heard: this.#pieces }
  }

  get exporter(): Buffer {
    return this.socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
  }

  write(text: string): void {
    this.#writes++
    this.line.push(`C: ${text}`)
    this.socket.write(text)
  }

  /** What has come since the last call, once `pattern` is in it. */
  async until(pattern: RegExp): Promise<string> {
    const late = AbortSignal.timeout(PATIENCE_MS)
    while (!pattern.test(this.#heard)) {
      if (late.aborted) throw new Error(`nothing like ${pattern} in ${this.#heard}`)
      await new Promise<void>((done) => {
        this.#changed = done
        late.addEventListener('abort', () => { done() }, { once: true })
      })
    }
    const heard = this.#heard
    this.#heard = ''
    return heard
  }

  header(from?: string): string {
    const who = from === undefined ? '' : ` from='${from}'`
    return `<?xml version='1.0'?><stream:stream${who} to='${this.domain}' version='1.0' xml:lang='en' xmlns='jabber:client' ` +
      `xmlns:stream='http://etherx.jabber.org/streams'>`
  }

  /** Header and login in one write, without waiting for anything. */
  async login({ mechanism, initial, inside = '', from }: Asked): Promise<string> {
    this.write(this.header(from) + authenticate(mechanism, initial, inside))
    return this.until(/<\/success>(?:<stream:features>.*<\/stream:features>)|<resumed .*<\/success>|<\/failure>|<\/stream:stream>/s)
  }

  /** The features, for who wants to see them first. */
  async features(from?: string): Promise<string> {
    this.write(this.header(from))
    return this.until(FEATURES)
  }

  async ping(): Promise<string> {
    const id = randomBytes(4).toString('hex')
    this.write(`<iq type='get' id='${id}' to='${this.domain}'><ping xmlns='urn:xmpp:ping'/></iq>`)
    return this.until(new RegExp(`id='${id}'`))
  }

  end(): void {
    this.socket.destroy()
  }
}
