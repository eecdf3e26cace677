/**
 * A small XMPP client for `starling cluster test`: the way of any client through a client port - stream, STARTTLS,
 * SCRAM-SHA-256, bind, presence - and nothing more. It does not judge certificates: it asks whether the node serves.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { serializeElement, xml, type Element } from '../xml/element.js'
import { treesOf } from '../xml/inside.js'
import type { RawElement, XmlLimits } from '../xml/raw.js'
import { StreamParser } from '../xml/stream-parser.js'

const LIMITS: XmlLimits = { stanzaBytes: 262_144, elements: 5_000, depth: 64, attributes: 64, namespaces: 32, nameBytes: 1_024 }
const NS_SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
const NS_TLS = 'urn:ietf:params:xml:ns:xmpp-tls'
const NS_BIND = 'urn:ietf:params:xml:ns:xmpp-bind'

export interface ProbeAccount {
  readonly user: string
  readonly domain: string
  readonly password: string
}

export class ProbeClient {
  #socket: Socket
  #parser: StreamParser
  readonly #inbox: RawElement[] = []
  #waiting: { readonly wants: (e: RawElement) => boolean; readonly found: (e: RawElement) => void } | undefined
  #failed: ((error: Error) => void) | undefined
  #error: Error | undefined
  jid = ''

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#parser = this.#newParser()
    this.#read(socket)
  }

  /** Connects, logs in, binds and becomes available. Rejects with what went wrong, at the latest after `timeoutMs`. */
  static async login(host: string, port: number, account: ProbeAccount, timeoutMs: number): Promise<ProbeClient> {
    const socket = connectTcp({ host, port, noDelay: true })
    const client = new ProbeClient(socket)
    const timer = setTimeout(() => {
      client.#fail(new Error(`no answer from ${host}:${port} within ${timeoutMs} ms`))
    }, timeoutMs)
    try {
      await client.#negotiate(account)
      return client
    } catch (error) {
      client.close()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  send(element: Element): void {
    this.#socket.write(serializeElement(element, 'jabber:client'))
  }

  /** The next element that `wants` accepts; earlier ones are passed over. */
  async next(wants: (element: RawElement) => boolean, timeoutMs = 10_000): Promise<RawElement> {
    if (this.#error !== undefined) throw this.#error
    const index = this.#inbox.findIndex(wants)
    if (index >= 0) return this.#inbox.splice(0, index + 1)[index] as RawElement
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => { reject(new Error(`nothing arrived within ${timeoutMs} ms`)) }, timeoutMs)
      this.#failed = (error) => {
        clearTimeout(timer)
        reject(error)
      }
      this.#waiting = {
        wants,
        found: (element) => {
          clearTimeout(timer)
          resolve(element)
        }
      }
    })
  }

  close(): void {
    this.#socket.end('</stream:stream>')
    this.#socket.destroySoon()
  }

  async #negotiate(account: ProbeAccount): Promise<void> {
    const features = await this.#open(account.domain)
    if (childNamed(features, 'starttls') !== undefined) {
      this.send(xml('starttls', { xmlns: NS_TLS }))
      await this.next((e) => e.name === 'proceed')
      await this.#startTls(account.domain)
      await this.#open(account.domain)
    }
    await this.#authenticate(account)
    await this.#open(account.domain)
    this.send(xml('iq', { type: 'set', id: 'bind' }, xml('bind', { xmlns: NS_BIND })))
    const bound = await this.next((e) => e.name === 'iq' && e.attrs['id'] === 'bind')
    const jid = treesOf(bound.inside, bound.ns)[0]?.getChildText('jid')
    if (bound.attrs['type'] !== 'result' || (jid ?? '') === '') throw new Error('the node refused to bind a resource')
    this.jid = jid ?? ''
    this.send(xml('presence', {}))
  }

  async #open(domain: string): Promise<RawElement> {
    this.#parser = this.#newParser()
    this.#socket.write(`<?xml version='1.0'?><stream:stream to='${domain}' version='1.0' xmlns='jabber:client' `
      + `xmlns:stream='http://etherx.jabber.org/streams'>`)
    return this.next((e) => e.name === 'features')
  }

  async #startTls(servername: string): Promise<void> {
    const plain = this.#socket
    plain.removeAllListeners('data')
    const secure = connectTls({ socket: plain, servername, rejectUnauthorized: false })
    await new Promise<void>((resolve, reject) => {
      secure.once('secureConnect', resolve)
      secure.once('error', reject)
    })
    this.#socket = secure
    this.#read(secure)
  }

  // RFC 5802 §3, with SHA-256 (RFC 7677).
  async #authenticate({ user, password }: ProbeAccount): Promise<void> {
    const clientFirst = `n=${user},r=${randomBytes(18).toString('base64')}`
    this.send(xml('auth', { xmlns: NS_SASL, mechanism: 'SCRAM-SHA-256' }, base64(`n,,${clientFirst}`)))
    const challenge = await this.#saslAnswer('challenge')
    const parts = new Map(challenge.split(',').map((part) => [part[0], part.slice(2)]))
    const salted = pbkdf2Sync(password, Buffer.from(parts.get('s') ?? '', 'base64'), Number(parts.get('i')), 32, 'sha256')
    const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
    const clientKey = hmac(salted, 'Client Key')
    const withoutProof = `c=biws,r=${parts.get('r') ?? ''}`
    const signature = hmac(createHash('sha256').update(clientKey).digest(), `${clientFirst},${challenge},${withoutProof}`)
    const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0)))
    this.send(xml('response', { xmlns: NS_SASL }, base64(`${withoutProof},p=${proof.toString('base64')}`)))
    await this.#saslAnswer('success')
  }

  async #saslAnswer(expected: 'challenge' | 'success'): Promise<string> {
    const answer = await this.next((e) => e.ns === NS_SASL)
    if (answer.name !== expected) throw new Error(`login refused: ${answer.children[0]?.name ?? answer.name}`)
    return Buffer.from(answer.inside.toString('utf8'), 'base64').toString('utf8')
  }

  #newParser(): StreamParser {
    return new StreamParser(LIMITS, {
      header: () => true,
      element: (element) => {
        this.#arrived(element)
        return true
      },
      closed: () => { this.#fail(new Error('the node closed the stream')) },
      fault: (fault) => { this.#fail(fault) }
    })
  }

  #arrived(element: RawElement): void {
    if (element.name === 'error' && element.ns === 'http://etherx.jabber.org/streams') {
      this.#fail(new Error(`stream error ${element.children[0]?.name ?? ''}`))
    } else if (this.#waiting?.wants(element) === true) {
      const { found } = this.#waiting
      this.#waiting = undefined
      found(element)
    } else if (this.#waiting === undefined) {
      this.#inbox.push(element)
    }
  }

  #read(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => { this.#parser.feed(chunk) })
    socket.on('error', (error) => { this.#fail(error) })
    socket.on('close', () => { this.#fail(new Error('the connection was closed')) })
  }

  #fail(error: Error): void {
    this.#error ??= error
    this.#failed?.(error)
    this.#failed = undefined
    this.#waiting = undefined
  }
}

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64')

const childNamed = (element: RawElement, name: string): object | undefined => element.children.find((c) => c.name === name)
