/**
 * A bare XMPP client for tests: says exactly what it is told, keeps what arrives, and proves silence by a ping's round
 * trip. TCP, STARTTLS or direct TLS; SCRAM-SHA-1 or PLAIN. Parses with ltx, not with the server's parser.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Parser } from '@xmpp/xml'
import type { Element } from 'ltx'

export interface Login {
  readonly host?: string
  readonly port: number
  readonly user: string
  readonly domain?: string
  readonly password?: string
  readonly resource?: string
  readonly tls?: 'none' | 'starttls' | 'direct'
  readonly mechanism?: 'SCRAM-SHA-1' | 'PLAIN'
  /** Send initial presence after binding; default yes. */
  readonly available?: boolean
}

type Wants = (element: Element) => boolean

const NS_SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
/** Longer than any answer takes on a busy two-core machine, shorter than a test's own limit. */
const PATIENCE_MS = 12_000

export class TestClient {
  /** Everything that arrived and was not taken by `next`, oldest first. */
  readonly inbox: Element[] = []
  jid = ''
  /** Stanzas that arrived, as stream management counts them; set to 0 when it is enabled. */
  stanzas = 0
  closed = false
  streamError: string | undefined
  #socket: Socket
  #parser: Parser
  #waiting: { wants: Wants, found: (e: Element) => void, failed: (e: Error) => void } | undefined
  #ids = 0
  readonly #gone: Promise<void>

  constructor(socket: Socket) {
    this.#socket = socket
    this.#parser = this.#newParser()
    this.#gone = new Promise((done) => { this.#onGone = done })
    this.#read(socket)
  }

  #onGone: () => void = () => {}

  static async open(port: number, host = '127.0.0.1', tls: 'none' | 'direct' = 'none'): Promise<TestClient> {
    const socket = tls === 'direct'
      ? connectTls({ host, port, servername: 'localhost', rejectUnauthorized: false })
      : connectTcp({ host, port })
    await new Promise<void>((done, failed) => {
      socket.once(tls === 'direct' ? 'secureConnect' : 'connect', () => { done() })
      socket.once('error', failed)
    })
    return new TestClient(socket)
  }

  static async login(login: Login): Promise<TestClient> {
    const { port, host = '127.0.0.1', domain = 'localhost', tls = 'none' } = login
    const client = await TestClient.open(port, host, tls === 'direct' ? 'direct' : 'none')
    await client.openStream(domain)
    if (tls === 'starttls') await client.startTls(domain)
    await client.authenticate(login)
    await client.openStream(domain)
    await client.bind(login.resource)
    if (login.available ?? true) await client.becomeAvailable()
    return client
  }

  async openStream(domain: string): Promise<Element> {
    this.#parser = this.#newParser()
    this.write(`<?xml version='1.0'?><stream:stream to='${domain}' version='1.0' xml:lang='en' xmlns='jabber:client' `
      + `xmlns:stream='http://etherx.jabber.org/streams'>`)
    return this.next((e) => e.is('features'))
  }

  async startTls(domain: string): Promise<void> {
    this.write(`<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`)
    await this.next((e) => e.is('proceed'))
    this.#socket.removeAllListeners('data')
    const secure = connectTls({ socket: this.#socket, servername: domain, rejectUnauthorized: false })
    await new Promise<void>((done, failed) => {
      secure.once('secureConnect', () => { done() })
      secure.once('error', failed)
    })
    this.#socket = secure
    this.#read(secure)
    await this.openStream(domain)
  }

  async authenticate({ user, password = 'secret', mechanism = 'SCRAM-SHA-1' }: Login): Promise<void> {
    const answer = mechanism === 'PLAIN' ? await this.#plain(user, password) : await this.#scram(user, password)
    if (!answer.is('success')) throw new Error(`login refused: ${answer.toString()}`)
  }

  async bind(resource?: string): Promise<void> {
    const wish = resource === undefined ? '' : `<resource>${resource}</resource>`
    const answer = await this.iq('set', '', `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>${wish}</bind>`)
    this.jid = answer.getChild('bind')?.getChildText('jid') ?? ''
    if (this.jid === '') throw new Error(`bind refused: ${answer.toString()}`)
  }

  /** Sends initial presence and waits until the server has dealt with it. */
  async becomeAvailable(inside = ''): Promise<void> {
    this.write(`<presence>${inside}</presence>`)
    await this.next((e) => e.is('presence') && e.attrs['from'] === this.jid && e.attrs['type'] === undefined)
  }

  write(text: string | Buffer): void {
    this.#socket.write(text)
  }

  newId(): string {
    return `t${++this.#ids}-${randomBytes(3).toString('hex')}`
  }

  /** Sends an IQ and returns its answer, result or error. */
  async iq(type: 'get' | 'set', to: string, payload: string): Promise<Element> {
    const id = this.newId()
    this.write(`<iq type='${type}' id='${id}'${to === '' ? '' : ` to='${to}'`}>${payload}</iq>`)
    return this.next((e) => e.is('iq') && e.attrs['id'] === id && /^(result|error)$/.test(String(e.attrs['type'])))
  }

  /** A round trip through the server: all that was on its way to this client before is in the inbox afterwards. */
  async ping(): Promise<void> {
    await this.iq('get', '', `<ping xmlns='urn:xmpp:ping'/>`)
  }

  /** The first element, old or new, that `wants` accepts; it is taken out of the inbox, the others stay. */
  async next(wants: Wants, patienceMs = PATIENCE_MS): Promise<Element> {
    const index = this.inbox.findIndex(wants)
    if (index >= 0) return this.inbox.splice(index, 1)[0] as Element
    if (this.closed) throw new Error(`closed${this.streamError === undefined ? '' : ` with ${this.streamError}`}`)
    return new Promise((resolve, reject) => {
      const what = new Error(`${this.jid}: nothing such arrived within ${patienceMs} ms; the inbox has ${this.inbox.join(' ')}`)
      const timer = setTimeout(() => { this.#waiting?.failed(what) }, patienceMs)
      const settle = (): void => {
        clearTimeout(timer)
        this.#waiting = undefined
      }
      this.#waiting = {
        wants,
        found: (element) => { settle(); resolve(element) },
        failed: (error) => { settle(); reject(error) }
      }
    })
  }

  message(body: string, patienceMs?: number): Promise<Element> {
    return this.next((e) => e.is('message') && e.getChildText('body') === body, patienceMs)
  }

  presence(from: string, type?: string, patienceMs?: number): Promise<Element> {
    return this.next((e) => e.is('presence') && String(e.attrs['from']).startsWith(from) && e.attrs['type'] === type, patienceMs)
  }

  /** Bodies of the messages in the inbox, taken out in order. */
  takeBodies(): string[] {
    const bodies: string[] = []
    for (let i = 0; i < this.inbox.length;) {
      const body = this.inbox[i]?.is('message') === true ? this.inbox[i]?.getChildText('body') : undefined
      if (body === null || body === undefined) i++
      else { bodies.push(body); this.inbox.splice(i, 1) }
    }
    return bodies
  }

  get socket(): Socket {
    return this.#socket
  }

  /** Resolves when the connection is over. */
  gone(): Promise<void> {
    return this.#gone
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.write('</stream:stream>')
    this.#socket.end()
    const late = setTimeout(() => { this.#socket.destroy() }, 2_000)
    await this.#gone
    clearTimeout(late)
  }

  /** Cuts the connection without a word. */
  cut(): void {
    this.#socket.resetAndDestroy()
  }

  async #plain(user: string, password: string): Promise<Element> {
    this.write(`<auth xmlns='${NS_SASL}' mechanism='PLAIN'>${Buffer.from(`\0${user}\0${password}`).toString('base64')}</auth>`)
    return this.next((e) => e.getNS() === NS_SASL)
  }

  async #scram(user: string, password: string): Promise<Element> {
    const first = `n=${user},r=${randomBytes(12).toString('hex')}`
    this.write(`<auth xmlns='${NS_SASL}' mechanism='SCRAM-SHA-1'>${Buffer.from(`n,,${first}`).toString('base64')}</auth>`)
    const challenge = await this.next((e) => e.getNS() === NS_SASL)
    if (!challenge.is('challenge')) return challenge
    const text = Buffer.from(challenge.text(), 'base64').toString()
    const parts = new Map(text.split(',').map((p) => [p[0], p.slice(2)]))
    const salted = pbkdf2Sync(password, Buffer.from(parts.get('s') ?? '', 'base64'), Number(parts.get('i')), 20, 'sha1')
    const hmac = (key: Buffer, data: string): Buffer => createHmac('sha1', key).update(data).digest()
    const clientKey = hmac(salted, 'Client Key')
    const bare = `c=biws,r=${parts.get('r')}`
    const signature = hmac(createHash('sha1').update(clientKey).digest(), `${first},${text},${bare}`)
    const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0))).toString('base64')
    this.write(`<response xmlns='${NS_SASL}'>${Buffer.from(`${bare},p=${proof}`).toString('base64')}</response>`)
    return this.next((e) => e.getNS() === NS_SASL)
  }

  #newParser(): Parser {
    const parser = new Parser()
    parser.on('element', (element: Element) => { this.#arrived(element) })
    parser.on('end', () => {})
    parser.on('error', () => {})
    return parser
  }

  #arrived(element: Element): void {
    if (element.is('error') && element.getNS() === 'http://etherx.jabber.org/streams') {
      this.streamError = element.getChildElements()[0]?.name
    }
    if (element.is('message') || element.is('presence') || element.is('iq')) this.stanzas++
    if (this.#waiting?.wants(element) === true) this.#waiting.found(element)
    else this.inbox.push(element)
  }

  #read(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => { this.#parser.write(chunk.toString('utf8')) })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
      this.#waiting?.failed(new Error(`closed${this.streamError === undefined ? '' : ` with ${this.streamError}`}`))
      this.#onGone()
    })
  }
}
