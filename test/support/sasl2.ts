/**
 * The client's side of SASL2 (XEP-0388), Bind 2 (XEP-0386) and FAST (XEP-0484), written from the specifications: texts to send,
 * proofs to compute, nothing of the server's own code.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'

export const SASL2 = 'urn:xmpp:sasl:2'
export const BIND2 = 'urn:xmpp:bind:0'
export const FAST = 'urn:xmpp:fast:0'
/** XEP-0388's own example of a client's id. */
export const AGENT = 'd4565fa7-4d72-4749-b3d3-740edbf87770'

export const base64 = (data: string | Buffer): string => Buffer.from(data as string).toString('base64')
export const unbase64 = (text: string): string => Buffer.from(text, 'base64').toString('utf8')

export function userAgent(id = AGENT): string {
  return `<user-agent id='${id}'><software>Balcony</software><device>Juliet's phone</device></user-agent>`
}

export function bind2(inside = '', tag = 'Balcony'): string {
  return `<bind xmlns='${BIND2}'>${tag === '' ? '' : `<tag>${tag}</tag>`}${inside}</bind>`
}

/** @param initial base 64; `undefined` for none */
export function authenticate(mechanism: string, initial?: string, inside = ''): string {
  const first = initial === undefined ? '' : `<initial-response>${initial}</initial-response>`
  return `<authenticate xmlns='${SASL2}' mechanism='${mechanism}'>${first}${inside}</authenticate>`
}

export function plain(username: string, password = 'secret', authzid = ''): string {
  return base64(`${authzid}\0${username}\0${password}`)
}

export function response(data: string): string {
  return `<response xmlns='${SASL2}'>${data}</response>`
}

export const ABORT = `<abort xmlns='${SASL2}'/>`

/** What a failure looks like (XEP-0388 §2.6.2). */
export function failure(condition: string): string {
  return `<failure xmlns='${SASL2}'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>`
}

const HASHES: Readonly<Record<string, { readonly name: string; readonly bytes: number }>> = {
  'SHA-1': { name: 'sha1', bytes: 20 }, 'SHA-256': { name: 'sha256', bytes: 32 }, 'SHA-512': { name: 'sha512', bytes: 64 }
}

/** RFC 5802 §3. */
export class Scram {
  readonly #hash: { readonly name: string; readonly bytes: number }
  readonly #bare: string
  #serverSignature = ''

  constructor(mechanism: string, username: string, readonly password = 'secret', readonly gs2 = 'n,,', readonly binding: Buffer = Buffer.alloc(0)) {
    const found = HASHES[mechanism.replace(/^SCRAM-/, '').replace(/-PLUS$/, '')]
    if (found === undefined) throw new Error(`no hash for ${mechanism}`)
    this.#hash = found
    this.#bare = `n=${username},r=${randomBytes(12).toString('hex')}`
  }

  /** The initial response. */
  get first(): string {
    return base64(this.gs2 + this.#bare)
  }

  /** Answers the challenge, all in base 64. */
  final(challenge: string): string {
    const { name } = this.#hash
    const message = unbase64(challenge)
    const mac = (key: Buffer, data: string): Buffer => createHmac(name, key).update(data).digest()
    const parts = new Map(message.split(',').map((part) => [part[0], part.slice(2)]))
    const salted = saltedPassword(name, this.password, parts.get('s') ?? '', Number(parts.get('i')))
    const clientKey = mac(salted, 'Client Key')
    const unproved = `c=${Buffer.concat([Buffer.from(this.gs2), this.binding]).toString('base64')},r=${parts.get('r')}`
    const signed = `${this.#bare},${message},${unproved}`
    const signature = mac(createHash(name).update(clientKey).digest(), signed)
    this.#serverSignature = `v=${mac(mac(salted, 'Server Key'), signed).toString('base64')}`
    return base64(`${unproved},p=${Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0))).toString('base64')}`)
  }

  /** What the server must say to show that it knows the password too; in base 64. */
  get expected(): string {
    return base64(this.#serverSignature)
  }
}

export function saltedPassword(hash: string, password: string, salt: string, iterations: number): Buffer {
  const bytes = Object.values(HASHES).find(({ name }) => name === hash)?.bytes ?? 0
  return pbkdf2Sync(password, Buffer.from(salt, 'base64'), iterations, bytes, hash)
}

/** HT-SHA-256-* (draft-schmaus-kitten-sasl-ht-09 §3): what the client shows, and what the server must show, in base 64. */
export function hashedToken(username: string, token: string, binding: Buffer = Buffer.alloc(0)) {
  const mac = (who: string): Buffer => createHmac('sha256', token).update(who).update(binding).digest()
  return { first: base64(Buffer.concat([Buffer.from(`${username}\0`), mac('Initiator')])), expected: base64(mac('Responder')) }
}
