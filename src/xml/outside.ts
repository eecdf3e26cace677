/** What stands outside of elements and is no white space: always a fault; here one finds which. */
import { BLANK, OPEN_BRACKET, QUESTION, SPACE } from './characters.js'
import { malformed, restricted } from './faults.js'
import { XmlFault } from './raw.js'
import { refuseInstruction } from './scanner.js'
import { checkLead } from './utf8.js'

/** Position after white space. */
export function skipBlank(d: Buffer, at: number, end: number): number {
  let i = at
  while (i < end && BLANK[d[i] as number] === 1) i++
  return i
}

/**
 * Text where none may be, known by its first byte: `bad-format` in a stream that is open (RFC 6120 §4.9.3.1), not XML
 * at all before the root.
 */
export function refuseText(d: Buffer, at: number, condition: 'bad-format' | 'not-well-formed'): never {
  const byte = d[at] as number
  if (byte < SPACE) throw malformed('a control character')
  if (byte >= 0x80) checkLead(byte)
  throw new XmlFault(condition, 'text outside of all elements')
}

/** `<!` or `<?` outside of elements (RFC 6120 §11.1). Returns when the bytes do not tell yet. */
export function refuseMarkup(d: Buffer, at: number, end: number, condition: 'bad-format' | 'not-well-formed'): void {
  if (d[at + 1] === QUESTION) {
    refuseInstruction(d, at, end)
    return
  }
  if (at + 2 >= end) return
  if (d[at + 2] !== OPEN_BRACKET) throw restricted('a comment or a document type')
  throw new XmlFault(condition, 'text outside of all elements')
}
