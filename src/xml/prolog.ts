/** What may stand before the root: an XML declaration (XML 1.0 §2.8, RFC 6120 §11.5 and §11.6), and in which encoding. */
import { BLANK, LT, QUESTION } from './characters.js'
import { badEncoding, malformed, tooMuch } from './faults.js'
import { refuseInstruction } from './scanner.js'

/** Bytes of an XML declaration; a correct one needs about 60. */
const DECLARATION_MAX = 512
const START = Buffer.from('<?xml', 'latin1')
const S = '[ \\t\\r\\n]'
const quoted = (value: string): string => `${S}*=${S}*(?:'(${value})'|"(${value})")`
const DECLARATION = new RegExp(
  `^<\\?xml${S}+version${quoted('[^\'"]*')}(?:${S}+encoding${quoted('[^\'"]*')})?(?:${S}+standalone${quoted('yes|no')})?${S}*\\?>$`
)

/** Refuses UTF-16 and UTF-32 by their first two bytes, with byte order mark or without (X27). */
export function checkEncoding(d: Buffer, at: number): void {
  const first = d[at]
  const second = d[at + 1]
  const marked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
  const bare = (first === LT && second === 0) || (first === 0 && second === LT)
  if (marked || bare) throw badEncoding('a document that is not in UTF-8')
}

/** Position after an XML declaration at `at`, where `<?` stands; `at` when its end has not come yet. */
export function skipDeclaration(d: Buffer, at: number, end: number): number {
  for (let k = 2; k < START.length; k++) {
    if (at + k < end && d[at + k] !== START[k]) return refuseInstruction(d, at, end)
  }
  if (at + START.length >= end) return at
  if (BLANK[d[at + START.length] as number] !== 1) return refuseInstruction(d, at, end)
  const close = d.indexOf('?>', at + START.length, 'latin1')
  const to = close < 0 || close + 2 > end ? end : close + 2
  if (to - at > DECLARATION_MAX) throw tooMuch('an XML declaration of excessive length')
  if (to === end && !(d[end - 2] === QUESTION && d[end - 1] === 0x3e)) return at
  check(d.toString('latin1', at, to))
  return to
}

function check(text: string): void {
  const match = DECLARATION.exec(text)
  if (match === null) throw malformed('an XML declaration of another form')
  const version = match[1] ?? match[2]
  const encoding = match[3] ?? match[4]
  if (version !== '1.0') throw malformed('an XML version other than 1.0')   // RFC 6120 §11.8, X29
  if (encoding !== undefined && encoding.toLowerCase() !== 'utf-8') throw badEncoding('an encoding other than UTF-8')   // X28
}
