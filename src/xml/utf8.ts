/** Fatal UTF-8 (RFC 3629 §4), a character at a time and able to stop at the end of a chunk. RFC 6120 §11.6. */
import { badEncoding, malformed } from './faults.js'

/**
 * Length in bytes of the character at `at`, whose first byte is 0x80 or more; 0 when its last byte has not come yet.
 * Refuses overlong forms, surrogates, everything beyond U+10FFFF, and U+FFFE and U+FFFF (XML 1.0 §2.2).
 */
export function sequence(d: Buffer, at: number, end: number): number {
  const lead = d[at] as number
  const length = lengthOf(lead)
  for (let k = 1; k < length; k++) {
    if (at + k >= end) return 0
    const byte = d[at + k] as number
    if ((byte & 0xc0) !== 0x80) throw badEncoding('a UTF-8 sequence that is cut off')
    if (k === 1) checkSecond(lead, byte)
  }
  if (lead === 0xef && d[at + 1] === 0xbf && (d[at + 2] as number) >= 0xbe) throw malformed('U+FFFE or U+FFFF')
  return length
}

/** May this byte begin a character of several bytes? */
export function checkLead(lead: number): void {
  if (lead < 0xc2 || lead > 0xf4) throw badEncoding('a byte that begins no UTF-8 character')
}

function lengthOf(lead: number): number {
  checkLead(lead)
  if (lead < 0xe0) return 2
  return lead < 0xf0 ? 3 : 4
}

/** Overlong (E0, F0), surrogate (ED), beyond U+10FFFF (F4): RFC 3629 §4. */
function checkSecond(lead: number, second: number): void {
  const bad = (lead === 0xe0 && second < 0xa0) || (lead === 0xed && second > 0x9f) ||
    (lead === 0xf0 && second < 0x90) || (lead === 0xf4 && second > 0x8f)
  if (bad) throw badEncoding('a UTF-8 sequence that is overlong, a surrogate or beyond U+10FFFF')
}

/** The code point of a complete sequence. */
export function codePoint(d: Buffer, at: number, length: number): number {
  const lead = d[at] as number
  let code = lead & (0xff >> (length + 1))
  for (let k = 1; k < length; k++) code = (code << 6) | ((d[at + k] as number) & 0x3f)
  return code
}
