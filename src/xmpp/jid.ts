/**
 * Addresses (RFC 7622). A `Jid` is immutable and already prepared; equality is equality of its parts. Text from outside
 * becomes a `Jid` by `parseJid` only.
 */
import { LRUCache } from 'lru-cache'
import { canonicalDomain } from './domain.js'
import { opaqueString, PrecisError, usernameCaseMapped } from './precis.js'

/** RFC 7622 §3.2-3.4: bytes of each part after mapping. */
export const PART_BYTES_MAX = 1023
/** UTF-16 units of a part before mapping: composing makes one character of up to three. Longer ones are not looked at. */
const PART_LENGTH_MAX = 3 * PART_BYTES_MAX
const TEXT_LENGTH_MAX = 3 * PART_LENGTH_MAX + 2
/** Lower case may save bytes, but never half of them; so this much is refused before the costly checks. */
const COMPOSED_BYTES_MAX = 2 * PART_BYTES_MAX

export class JidError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'JidError'
  }
}

export class Jid {
  #text: string | undefined
  #bare: Jid | undefined

  /** Parts must be prepared already; use `parseJid` or `withResource` for anything from outside. */
  constructor(readonly local: string, readonly domain: string, readonly resource: string, text?: string) {
    this.#text = text
  }

  get bare(): Jid {
    if (this.resource === '') return this
    this.#bare ??= new Jid(this.local, this.domain, '')
    return this.#bare
  }

  get isBare(): boolean {
    return this.resource === ''
  }

  /** A full address of the same account; throws `JidError`. */
  withResource(resource: string): Jid {
    const full = new Jid(this.local, this.domain, prepareResource(resource))
    full.#bare = this.bare
    return full
  }

  equals(other: Jid | undefined): boolean {
    return other === this || (other !== undefined && this.resource === other.resource && this.sameBare(other))
  }

  /** The same account or domain, whatever the resources. */
  sameBare(other: Jid): boolean {
    return this.local === other.local && this.domain === other.domain
  }

  toString(): string {
    if (this.#text === undefined) {
      const bare = this.local === '' ? this.domain : `${this.local}@${this.domain}`
      this.#text = this.resource === '' ? bare : `${bare}/${this.resource}`
    }
    return this.#text
  }
}

/** Throws `JidError`. */
export function parseJid(text: string): Jid {
  if (text.length > TEXT_LENGTH_MAX) throw new JidError('too long')
  const slash = text.indexOf('/')                  // RFC 7622 §3.2: split first, map later
  const end = slash < 0 ? text.length : slash
  const found = text.indexOf('@')
  const at = found < end ? found : -1
  if (at === 0 || slash === text.length - 1) throw new JidError('an empty part')
  const local = at < 0 ? '' : text.slice(0, at)
  const domain = at < 0 && slash < 0 ? text : text.slice(at + 1, end)
  const resource = slash < 0 ? '' : text.slice(slash + 1)
  if (isPlainLocal(local) && isPlainDomain(domain) && isPlainResource(resource)) return new Jid(local, domain, resource, text)
  return new Jid(local && prepareLocal(local), prepareDomain(domain), resource && prepareResource(resource))
}

const code = (char: string): number => char.charCodeAt(0)
const PLAIN_LOCAL = tableOf('abcdefghijklmnopqrstuvwxyz0123456789!#$%()*+,-.;=?[\\]^_`{|}~')
const PLAIN_NAME = tableOf('abcdefghijklmnopqrstuvwxyz0123456789-.')
const DOT = code('.')
const HYPHEN = code('-')
const SPACE = code(' ')
const TILDE = code('~')

function tableOf(chars: string): Uint8Array {
  const table = new Uint8Array(128)
  for (const char of chars) table[code(char)] = 1
  return table
}

/** ASCII that maps to itself. */
function isPlainLocal(text: string): boolean {
  if (text.length > PART_BYTES_MAX) return false
  for (let i = 0; i < text.length; i++) if (PLAIN_LOCAL[text.charCodeAt(i)] !== 1) return false
  return true
}

/** Short labels of letters, digits and single hyphens, beginning with a letter: nothing that needs the slow way. */
function isPlainDomain(text: string): boolean {
  if (text.length === 0 || text.length > 63) return false
  let previous = DOT
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (PLAIN_NAME[char] !== 1) return false
    if (previous === DOT ? char < 0x61 : char <= DOT && previous === HYPHEN) return false
    previous = char
  }
  return previous > DOT
}

function isPlainResource(text: string): boolean {
  if (text.length > PART_BYTES_MAX) return false
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char < SPACE || char > TILDE) return false
  }
  return true
}

/** RFC 7622 §3.3.1: beyond what the profile forbids. */
const FORBIDDEN_IN_LOCAL = /["&'/:<>@]/

/** RFC 7622 §3.3. Throws `JidError`. */
export function prepareLocal(text: string): string {
  if (text !== '' && isPlainLocal(text)) return text
  const local = mapped(text, usernameCaseMapped)
  if (FORBIDDEN_IN_LOCAL.test(local)) throw new JidError('a character that a localpart may not have')
  return local
}

/** RFC 7622 §3.4. Throws `JidError`. */
export function prepareResource(text: string): string {
  if (text !== '' && isPlainResource(text)) return text
  return mapped(text, opaqueString)
}

/** RFC 7622 §3.2. Throws `JidError`. */
export function prepareDomain(text: string): string {
  if (text.length > PART_BYTES_MAX) throw new JidError('a domain that is too long')
  const domain = canonicalDomain(text)
  if (domain === undefined || Buffer.byteLength(domain) > PART_BYTES_MAX) throw new JidError('not a domain name')
  return domain
}

function mapped(text: string, profile: (text: string) => string): string {
  if (text.length > PART_LENGTH_MAX) throw new JidError('a part that is too long')
  if (text.length > PART_BYTES_MAX && Buffer.byteLength(text.normalize('NFKC')) > COMPOSED_BYTES_MAX) {
    throw new JidError('a part that is too long')
  }
  try {
    const part = profile(text)
    if (Buffer.byteLength(part) <= PART_BYTES_MAX) return part
  } catch (error) {
    if (error instanceof PrecisError) throw new JidError(error.message)
    throw error
  }
  throw new JidError('a part of more than 1023 bytes')
}

/** Remembers what texts parsed to; bounded, owned by whoever makes it. Failures are not kept. */
export class JidCache {
  readonly #known: LRUCache<string, Jid>

  constructor(max: number) {
    this.#known = new LRUCache({ max })
  }

  /** Throws `JidError`. */
  parse(text: string): Jid {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const jid = parseJid(text)
    this.#known.set(text, jid)
    return jid
  }
}
