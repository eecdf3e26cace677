/**
 * SCRAM, the server's side (RFC 5802, RFC 7677), with channel binding (§6) and the hash of what was offered (XEP-0474):
 * messages in, messages out, no state but what is passed along. Passwords come prepared (SASLprep), names go out as the
 * client wrote them.
 */
import { isUtf8 } from 'node:buffer'
import { createHmac, hash as hashOf, pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

export const SCRAM_HASHES = ['SHA-1', 'SHA-256', 'SHA-512'] as const
export type ScramHash = (typeof SCRAM_HASHES)[number]

/** What is stored of a password, for one hash (RFC 5802 §3). */
export interface ScramKeys {
  readonly hash: ScramHash
  readonly salt: Buffer
  readonly iterations: number
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/**
 * RFC 7677 §4 asks for 4096 at least; this is what the peers use. More would fall on the clients, which repeat
 * the work at each login, many of them on telephones.
 */
export const ITERATIONS = 10_000
export const SALT_BYTES = 16
/** A nonce of the usual libraries has 24 to 64 characters. */
const NONCE_MAX = 1024
const MESSAGE_MAX = 8192

/** `condition` is the SASL failure to send (RFC 6120 §6.5). */
export class ScramFault extends Error {
  constructor(readonly condition: 'malformed-request' | 'not-authorized', message: string) {
    super(message)
    this.name = 'ScramFault'
  }
}

/** The client's first message, understood. */
export interface ClientFirst {
  readonly username: string
  /** '' if none. */
  readonly authzid: string
  readonly nonce: string
  /** §6: `n` cannot bind, `y` could and saw no offer, `p` binds to the channel by `bindingType`. */
  readonly flag: 'n' | 'y' | 'p'
  /** '' unless `p`. */
  readonly bindingType: string
  /** As sent, for `c=` and for the signature. */
  readonly gs2Header: string
  readonly bare: string
}

/** §7: `cb-name`. */
const BINDING_FLAG = /^p=([A-Za-z0-9.-]{1,64})$/
/** Header, flag, authorization identity; the bare message, name, nonce. Groups without names: those with cost a map for each login. */
const CLIENT_FIRST = /^(([^,]*),(?:a=([^,]+))?,)(n=([^,]+),r=([!-+\--~]+)(?:,[A-Za-z]=[^,]+)*)$/

/** RFC 5802 §7, `client-first-message`. Throws `ScramFault`. */
export function parseClientFirst(message: Buffer): ClientFirst {
  const [, header, flag, authzid, bare, name, nonce] = CLIENT_FIRST.exec(textOf(message)) ?? []
  if (header === undefined || bare === undefined || name === undefined || nonce === undefined) {
    throw new ScramFault('malformed-request', 'not a client-first-message')
  }
  if (nonce.length > NONCE_MAX) throw new ScramFault('malformed-request', 'a nonce that is too long')
  const bindingType = BINDING_FLAG.exec(flag ?? '')?.[1] ?? ''
  const seen = bindingType === '' ? flag : 'p'
  if (seen !== 'n' && seen !== 'y' && seen !== 'p') throw new ScramFault('malformed-request', 'another channel-binding flag')
  return { username: unescapeName(name), authzid: unescapeName(authzid ?? ''), nonce, flag: seen, bindingType, gs2Header: header, bare }
}

/**
 * §6: does the flag fit the mechanism and what was offered? Throws `ScramFault`.
 * @param plus whether the mechanism is one of those with -PLUS
 * @param offered whether the peer was offered any of these
 */
export function judgeBinding({ flag }: ClientFirst, plus: boolean, offered: boolean): void {
  if (plus !== (flag === 'p')) throw new ScramFault('malformed-request', 'a channel-binding flag that does not fit the mechanism')
  if (flag === 'y' && offered) throw new ScramFault('not-authorized', 'somebody has hidden the offer of channel binding from the client')
}

/**
 * XEP-0474 §5.1: what stands in `h=`, so that a client sees when somebody has changed the lists on their way.
 * @param bindings channel-binding types as told by XEP-0440; none if it was not
 */
export function offerHash(hash: ScramHash, mechanisms: readonly string[], bindings: readonly string[]): string {
  const lists = bindings.length === 0 ? [mechanisms] : [mechanisms, bindings]
  // The names are ASCII: sorting by code units is the collation i;octet.
  const text = lists.map((list) => [...list].sort((a, b) => (a < b ? -1 : 1)).join('\x1e')).join('\x1f')
  return hashOf(NODE_HASH[hash], text, 'base64')
}

function textOf(message: Buffer): string {
  if (message.length > MESSAGE_MAX) throw new ScramFault('malformed-request', 'a message that is too long')
  const text = isUtf8(message) ? message.toString('utf8') : '\0'
  if (!text.includes('\0')) return text
  throw new ScramFault('malformed-request', 'not text in UTF-8')
}

/** RFC 5802 §5.1: `=2C` is a comma, `=3D` an equals sign, no other `=` may stand there. */
function unescapeName(name: string): string {
  if (/=(?!2C|3D)/.test(name)) throw new ScramFault('malformed-request', 'a wrong escape in the name')
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=')
}

/** Between the two messages of the client. */
export interface Challenge {
  readonly keys: ScramKeys
  readonly first: ClientFirst
  readonly nonce: string
  /** What `c=` must hold (§5.1). */
  readonly bound: Buffer
  /** To send: the `server-first-message`. */
  readonly message: string
}

export interface Channel {
  /** Of the type that the client named; empty without channel binding. */
  readonly data: Buffer
  /** `offerHash` of what the peer was offered; '' leaves it out. */
  readonly offerHash: string
}

const UNBOUND: Channel = { data: Buffer.alloc(0), offerHash: '' }

/** @param serverNonce printable ASCII without commas, new for each exchange */
export function challenge(first: ClientFirst, keys: ScramKeys, serverNonce: string, channel = UNBOUND): Challenge {
  const nonce = first.nonce + serverNonce
  const bound = Buffer.concat([Buffer.from(first.gs2Header), channel.data])
  const told = channel.offerHash === '' ? '' : `,h=${channel.offerHash}`
  return { keys, first, nonce, bound, message: `r=${nonce},s=${keys.salt.toString('base64')},i=${keys.iterations}${told}` }
}

/** What is signed, channel binding, nonce, proof. */
const CLIENT_FINAL = /^(c=([A-Za-z0-9+/=]+),r=([!-+\--~]+)(?:,[A-Za-z]=[^,]+)*),p=([^,]+)$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Checks the `client-final-message`; returns the `server-final-message`. Throws `ScramFault`. */
export function finish({ keys, first, nonce, bound, message }: Challenge, final: Buffer): string {
  const [, unproved, binding, sent, proof] = CLIENT_FINAL.exec(textOf(final)) ?? []
  if (unproved === undefined || proof === undefined || binding === undefined || !BASE64.test(proof) || !BASE64.test(binding)) {
    throw new ScramFault('malformed-request', 'not a client-final-message')
  }
  if (!sameBytes(Buffer.from(binding, 'base64'), bound)) throw new ScramFault('not-authorized', 'another channel binding')
  if (sent === undefined || !sameBytes(Buffer.from(sent), Buffer.from(nonce))) throw new ScramFault('not-authorized', 'another nonce')
  const signed = `${first.bare},${message},${unproved}`
  if (!provesKey(keys, signed, Buffer.from(proof, 'base64'))) throw new ScramFault('not-authorized', 'a wrong proof')
  return `v=${hmac(keys.hash, keys.serverKey, signed).toString('base64')}`
}

/** RFC 5802 §3: ClientKey = ClientProof XOR ClientSignature, and H(ClientKey) must be StoredKey. */
function provesKey(keys: ScramKeys, signed: string, proof: Buffer): boolean {
  const signature = hmac(keys.hash, keys.storedKey, signed)
  if (proof.length !== signature.length) return false
  for (let i = 0; i < signature.length; i++) signature[i] = (signature[i] ?? 0) ^ (proof[i] ?? 0)       // the ClientKey
  return sameBytes(digest(keys.hash, signature), keys.storedKey)
}

function sameBytes(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

const deriveBits = promisify(pbkdf2)

/** Keys of a prepared password, off the event loop. */
export async function deriveKeys(password: string, hash: ScramHash, salt: Buffer, iterations = ITERATIONS): Promise<ScramKeys> {
  const salted = await deriveBits(password, salt, iterations, HASH_BYTES[hash], NODE_HASH[hash])
  return keysOfSalted({ hash, salt, iterations }, salted)
}

/** RFC 5802 §3, from the SaltedPassword, which has as many bytes as `hash` gives. */
export function keysOfSalted(salting: Pick<ScramKeys, 'hash' | 'salt' | 'iterations'>, salted: Buffer): ScramKeys {
  const { hash } = salting
  return { ...salting, storedKey: digest(hash, hmac(hash, salted, 'Client Key')), serverKey: hmac(hash, salted, 'Server Key') }
}

/** One set of keys for each hash, one after the other: a password being set takes one thread, not all. */
export async function deriveAllKeys(password: string, salt: Buffer, iterations = ITERATIONS): Promise<readonly ScramKeys[]> {
  const keys: ScramKeys[] = []
  for (const hash of SCRAM_HASHES) keys.push(await deriveKeys(password, hash, salt, iterations))
  return keys
}

/** For mechanisms that show the password: does this prepared password have these keys? */
export async function verifyPassword(keys: ScramKeys, password: string): Promise<boolean> {
  const { storedKey } = await deriveKeys(password, keys.hash, keys.salt, keys.iterations)
  return sameBytes(storedKey, keys.storedKey)
}

/**
 * Keys for a name that has no account, always the same for a name, so that nobody learns from the salt who exists.
 * No password has them.
 * @param secret the same on all nodes, or answers would differ between them
 */
export function inventedKeys(secret: Buffer, username: string, hash: ScramHash, iterations = ITERATIONS): ScramKeys {
  const invent = (what: string): Buffer => hmac(hash, secret, `${what}\0${hash}\0${username}`)
  return { hash, iterations, salt: invent('salt').subarray(0, SALT_BYTES), storedKey: invent('stored'), serverKey: invent('server') }
}

const NODE_HASH: Readonly<Record<ScramHash, string>> = { 'SHA-1': 'sha1', 'SHA-256': 'sha256', 'SHA-512': 'sha512' }
export const HASH_BYTES: Readonly<Record<ScramHash, number>> = { 'SHA-1': 20, 'SHA-256': 32, 'SHA-512': 64 }

const hmac = (hash: ScramHash, key: Buffer, data: string): Buffer => createHmac(NODE_HASH[hash], key).update(data).digest()
const digest = (hash: ScramHash, data: Buffer): Buffer => hashOf(NODE_HASH[hash], data, 'buffer')
