/**
 * The few DER forms that a certificate needs (ITU-T X.690). Pure.
 */
export type Der = Buffer

export function tagged(tag: number, ...parts: readonly Uint8Array[]): Der {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content])
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  const digits = length.toString(16)
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex')
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes])
}

export const sequence = (...parts: readonly Uint8Array[]): Der => tagged(0x30, ...parts)
export const setOf = (...parts: readonly Uint8Array[]): Der => tagged(0x31, ...parts)
export const octets = (content: Uint8Array): Der => tagged(0x04, content)
export const bits = (content: Uint8Array, unused = 0): Der => tagged(0x03, Buffer.from([unused]), content)
export const utf8 = (text: string): Der => tagged(0x0c, Buffer.from(text))
export const truth = (): Der => Buffer.from([0x01, 0x01, 0xff])
/** `[n]` around complete values. */
export const explicit = (n: number, ...parts: readonly Uint8Array[]): Der => tagged(0xa0 | n, ...parts)
/** `[n]` in place of a string's own tag. */
export const implicit = (n: number, content: Uint8Array): Der => tagged(0x80 | n, content)

/** A positive whole number, most significant byte first. */
export function integer(bytes: Uint8Array): Der {
  const first = bytes[0] ?? 0
  return tagged(0x02, first >= 0x80 ? Buffer.from([0]) : Buffer.alloc(0), bytes)
}

export function oid(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f]
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes.unshift((rest & 0x7f) | 0x80)
  return bytes
}

/** RFC 5280 §4.1.2.5: two digits of the year until 2049, four from 2050 on. */
export function time(ms: number): Der {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14)
  return Number(digits.slice(0, 4)) < 2050 ? tagged(0x17, Buffer.from(`${digits.slice(2)}Z`)) : tagged(0x18, Buffer.from(`${digits}Z`))
}
