/** References in text and attribute values: the five entities and characters by number (XML 1.0 §4.1, §4.6). */
import { HASH, isXmlCharacter, NAME, SEMICOLON } from './characters.js'
import { malformed, restricted, tooMuch } from './faults.js'

/** Bytes of one reference: nobody writes so many leading zeros, and a partial one is read again with each chunk. */
const LENGTH_MAX = 64
const LOWER_X = 0x78
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', apos: "'", quot: '"' }

/** Position after the reference whose `&` stands at `at`; `at` itself when its end has not come yet. */
export function skipReference(d: Buffer, at: number, end: number): number {
  let i = at + 1
  while (i < end && d[i] !== SEMICOLON) {
    if (i - at > LENGTH_MAX) throw tooMuch('a reference of excessive length')
    checkByte(d, at, i)
    i++
  }
  if (i >= end) return at
  check(d.toString('latin1', at + 1, i))
  return i + 1
}

/** Is this byte possible at `i`, in the reference that begins at `at`? What can never become one is refused at once. */
function checkByte(d: Buffer, at: number, i: number): void {
  const byte = d[i] as number
  const fits = byte === HASH ? i === at + 1 : NAME[byte] !== 0
  if (!fits) throw malformed('an ampersand that begins no reference')
}

/** True for a reference by number: correct, but not boring. */
export function isNumeric(d: Buffer, at: number): boolean {
  return d[at + 1] === HASH
}

function check(reference: string): void {
  if (!reference.startsWith('#')) {
    if (Object.hasOwn(ENTITIES, reference)) return
    if (/^[A-Za-z_\x80-\xff]/.test(reference)) throw restricted('an entity other than the five of XML')   // RFC 6120 §11.1
    throw malformed('an ampersand that begins no reference')
  }
  const hex = reference.charCodeAt(1) === LOWER_X
  if (!(hex ? /^#x[0-9A-Fa-f]+$/ : /^#[0-9]+$/).test(reference)) throw malformed('a character reference without number')
  const code = hex ? Number.parseInt(reference.slice(2), 16) : Number.parseInt(reference.slice(1), 10)
  if (!isXmlCharacter(code)) throw malformed('a reference to something that is no XML character')   // XML 1.0 §4.1
}

function characterOf(reference: string): string {
  if (!reference.startsWith('#')) return ENTITIES[reference] ?? ''
  const hex = reference.charCodeAt(1) === LOWER_X
  return String.fromCodePoint(hex ? Number.parseInt(reference.slice(2), 16) : Number.parseInt(reference.slice(1), 10))
}

/** Replaces references that have passed `skipReference`. */
export function expand(text: string): string {
  let out = ''
  let from = 0
  for (let at = text.indexOf('&'); at >= 0; at = text.indexOf('&', from)) {
    const end = text.indexOf(';', at)
    out += text.slice(from, at) + characterOf(text.slice(at + 1, end))
    from = end + 1
  }
  return from === 0 ? text : out + text.slice(from)
}

/** Line ends by XML 1.0 §2.11; references are expanded afterwards, so that `&#13;` stays. */
export function textValue(raw: string): string {
  return expand(plainValue(raw))
}

/** The same for CDATA sections, where an ampersand is one. */
export function plainValue(raw: string): string {
  return raw.includes('\r') ? raw.replace(/\r\n?/g, '\n') : raw
}

/** Attribute values by XML 1.0 §3.3.3: line ends and tabs become spaces, except those given by number. */
export function attributeValue(raw: string): string {
  return expand(raw.replace(/\r\n|[\t\r\n]/g, ' '))
}
