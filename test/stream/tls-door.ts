/** The rig's door behind real TLS sockets, and a client that logs in with SCRAM on its own feet: binds as its own TLS says. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { connect, createServer as createTlsServer, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { FREE_TICKET } from '../../src/transport/bounds.js'
import { SocketFacts } from '../../src/transport/channel-binding.js'
import { acceptTls, secureContextOf, type KeyPair } from '../../src/transport/tls.js'
import { TcpTransport } from '../../src/transport/tcp.js'
import { testRoom } from '../transport/support.js'
import { auth, base64, response, type Rig } from './rig.js'

export const HDR = "<?xml version='1.0'?><stream:stream to='im.test' version='1.0' xml:lang='en' xmlns='jabber:client' " +
  "xmlns:stream='http://etherx.jabber.org/streams'>"

const portOf = (server: Server): number => (server.address() as AddressInfo).port
const listening = (server: Server): Promise<number> =>
  new Promise((resolve) => { server.listen(0, '127.0.0.1', () => resolve(portOf(server))) })

/** Direct TLS in front of `rig`. `endAll` ends what was opened. */
export class TlsDoors {
  readonly #servers: Server[] = []
  readonly #room = testRoom()
  readonly #timers: NodeJS.Timeout[] = []

  /** Failures are paced by the rig's clock, which goes on by itself here. */
  async open(rig: Rig, pair: KeyPair, clientCa?: string): Promise<number> {
    const context = secureContextOf(pair, undefined, clientCa)
    this.#timers.push(setInterval(() => rig.clock.advance(50), 1))
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const how = { wheel: this.#room.wheel, handshakeMs: 10_000, alpn: ['xmpp-client'], requestCert: clientCa !== undefined }
      void acceptTls(socket, () => context, how).then((secure) => {
        const origin = { address: '127.0.0.1', port: 1, secure: true, tls: new SocketFacts(secure) }
        rig.door(new TcpTransport(this.#room, { socket: secure, origin, ticket: FREE_TICKET, startTlsWith: undefined }))
      }, () => {})
    })
    this.#servers.push(server)
    return listening(server)
  }

  /** Somebody in the middle with a certificate of his own, who may change what the server says. */
  async between(port: number, pair: KeyPair, change: (text: string) => string = (text) => text): Promise<number> {
    const server = createTlsServer({ cert: pair.certificate, key: pair.key }, (near) => {
      const far = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
      near.pipe(far)
      far.on('data', (data: Buffer) => near.write(change(data.toString())))
      far.on('error', () => near.destroy()).on('close', () => near.destroy())
      near.on('error', () => far.destroy()).on('close', () => far.destroy())
    })
    this.#servers.push(server)
    return listening(server)
  }

  endAll(): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
    for (const server of this.#servers.splice(0)) server.close()
  }
}

const HASHES: Readonly<Record<string, { readonly name: string; readonly bytes: number }>> = {
  'SHA-1': { name: 'sha1', bytes: 20 }, 'SHA-256': { name: 'sha256', bytes: 32 }, 'SHA-512': { name: 'sha512', bytes: 64 }
}

export interface TlsLogin {
  readonly mechanism: string
  /** `n`, `y` or `p=type`. */
  readonly flag: string
  /** What the client's own TLS says of `flag`; given to send something else. */
  readonly data?: Buffer
  readonly password?: string
}

export class TlsClient {
  readonly socket: TLSSocket
  #text = ''
  #wake: () => void = () => {}

  private constructor(socket: TLSSocket) {
    this.socket = socket
    socket.on('data', (data: Buffer) => {
      this.#text += data.toString()
      this.#wake()
    }).on('error', () => {}).on('close', () => {
      this.#text += '<!closed>'
      this.#wake()
    })
  }

  static async open(port: number, options: ConnectionOptions = {}): Promise<TlsClient> {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
    await new Promise<void>((resolve, reject) => { socket.once('secureConnect', resolve).once('error', reject) })
    return new TlsClient(socket)
  }

  /** Says `text` and takes what was answered once `pattern` is in it. */
  async ask(text: string, pattern: RegExp): Promise<string> {
    this.socket.write(text)
    while (!pattern.test(this.#text)) {
      if (this.#text.includes('<!closed>')) throw new Error(`closed: ${this.#text}`)
      await new Promise<void>((resolve) => { this.#wake = resolve })
    }
    const answer = this.#text
    this.#text = ''
    return answer
  }

  /** Mechanisms of the older profile and channel bindings as this client saw them. */
  async features(): Promise<Seen> {
    const text = await this.ask(HDR, /<\/stream:features>/)
    const offer = /<mechanisms.*<\/mechanisms>/.exec(text)?.[0] ?? ''
    return {
      mechanisms: [...offer.matchAll(/<mechanism>([^<]+)</g)].map(([, name = '']) => name),
      bindings: [...text.matchAll(/<channel-binding type='([^']+)'/g)].map(([, name = '']) => name)
    }
  }

  exporter(): Buffer {
    return this.socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
  }

  endPoint(hash = 'sha256'): Buffer {
    return createHash(hash).update(this.socket.getPeerCertificate().raw).digest()
  }

  /** Returns `h=` of the challenge and the last answer: success, or the failure's element. */
  async scram({ mechanism, flag, data = this.#bindingOf(flag), password = 'secret' }: TlsLogin) {
    const hash = HASHES[mechanism.replace(/^SCRAM-|-PLUS$/g, '')] ?? { name: 'sha1', bytes: 20 }
    const mac = (key: Buffer, text: string): Buffer => createHmac(hash.name, key).update(text).digest()
    const bare = 'n=alice,r=clientnonce'
    const answer = await this.ask(auth(mechanism, base64(`${flag},,${bare}`)), /<(challenge|failure)[^>]*>.*<\/\1>/)
    const challenge = Buffer.from(/<challenge[^>]*>([^<]*)</.exec(answer)?.[1] ?? '', 'base64').toString()
    const [, nonce = '', salt = '', count = '', told = ''] = /^r=([^,]+),s=([^,]+),i=(\d+),h=(.+)$/.exec(challenge) ?? []
    if (nonce === '') return { told, answer }
    const bound = Buffer.concat([Buffer.from(`${flag},,`), data]).toString('base64')
    const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(count), hash.bytes, hash.name)
    const clientKey = mac(salted, 'Client Key')
    const signature = mac(createHash(hash.name).update(clientKey).digest(), `${bare},${challenge},c=${bound},r=${nonce}`)
    const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0))).toString('base64')
    const last = await this.ask(response(base64(`c=${bound},r=${nonce},p=${proof}`)), /<(success|failure)[^>]*>.*<\/\1>/)
    return { told, answer: last }
  }

  #bindingOf(flag: string): Buffer {
    if (flag === 'p=tls-exporter') return this.exporter()
    return flag === 'p=tls-server-end-point' ? this.endPoint() : Buffer.alloc(0)
  }
}

export interface Seen {
  readonly mechanisms: readonly string[]
  readonly bindings: readonly string[]
}

/** XEP-0474 §5.2, written anew: what the client computes of what it saw. */
export function seenHash(hash: string, { mechanisms, bindings }: Seen): string {
  const bytes = (names: readonly string[]): string =>
    names.map((name) => Buffer.from(name)).sort(Buffer.compare).map((name) => name.toString('latin1')).join(String.fromCharCode(0x1e))
  const text = bindings.length === 0 ? bytes(mechanisms) : bytes(mechanisms) + String.fromCharCode(0x1f) + bytes(bindings)
  return createHash(hash).update(text, 'latin1').digest('base64')
}
