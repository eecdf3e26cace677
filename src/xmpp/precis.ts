/**
 * PRECIS: preparation and comparison of internationalized strings (RFC 8264) with the profiles that addresses use,
 * UsernameCaseMapped and OpaqueString (RFC 8265). Pure; the derived property comes from Unicode properties.
 */
import { directionOf, JOINS_AFTER, JOINS_BEFORE, MAY_RUN_LEFT, set, TRANSPARENT, VIRAMA } from './unicode.js'

export class PrecisError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'PrecisError'
  }
}

/** RFC 8264 §7: a mapping that is not stable after this many more rounds has no canonical form. */
const EXTRA_ROUNDS = 3

/** RFC 8265 §3.3: user names and localparts. Without characters that fail, in one canonical form. */
export function usernameCaseMapped(text: string): string {
  return untilStable(text, enforceUsername)
}

/** RFC 8265 §4.2: passwords and resourceparts. */
export function opaqueString(text: string): string {
  return untilStable(text, enforceOpaque)
}

function untilStable(text: string, enforce: (text: string) => string): string {
  let mapped = enforce(text)
  for (let round = 0; round < EXTRA_ROUNDS; round++) {
    const again = enforce(mapped)
    if (again === mapped) return mapped
    mapped = again
  }
  throw new PrecisError('no stable form')
}

function enforceUsername(text: string): string {
  const narrow = mapWidth(text)                       // RFC 8265 §3.3.2
  checkClass(narrow, 'identifier')
  let lower = ''
  for (const char of narrow) lower += char.toLowerCase() // by code point: the final sigma stays apart (RFC 7622 §3.5)
  const normal = lower.normalize('NFC')
  if (normal === '') throw new PrecisError('empty')
  if (!obeysBidiRule(normal)) throw new PrecisError('mixes writing directions')
  return normal
}

const OTHER_SPACES = /[^\P{Zs} ]/gu

function enforceOpaque(text: string): string {
  checkClass(text, 'freeform')                        // RFC 8265 §4.2.1
  const normal = text.replace(OTHER_SPACES, ' ').normalize('NFC')
  if (normal === '') throw new PrecisError('empty')
  return normal
}

/** Full-width and half-width forms, by Decomposition_Type wide and narrow: one block and the ideographic space. */
const WIDTH_FORMS = /[\u3000\uFF01-\uFFEE]/gu

function mapWidth(text: string): string {
  return text.replace(WIDTH_FORMS, (char) => char.normalize('NFKC'))
}

export type StringClass = 'identifier' | 'freeform'

/** Every code point is allowed in the class, also by its context (RFC 8264 §4). */
export function checkClass(text: string, allowed: StringClass): void {
  const chars = Array.from(text)
  const compatible = text.normalize('NFKC') !== text
  chars.forEach((char, index) => {
    const property = propertyOf(char, compatible)
    if (property === 'valid' || (property === 'free' && allowed === 'freeform')) return
    if (property === 'context' && fitsContext(chars, index)) return
    throw new PrecisError(`U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')} is not allowed here`)
  })
}

type Property = 'valid' | 'free' | 'context' | 'disallowed'

/** RFC 5892 §2.6. */
const EXCEPTION_VALID = /[\u00DF\u03C2\u06FD\u06FE\u0F0B\u3007]/u
const EXCEPTION_CONTEXT = /[\u00B7\u0375\u05F3\u05F4\u30FB\u0660-\u0669\u06F0-\u06F9]/u
const EXCEPTION_DISALLOWED = set('0640 07FA 302E-302F 3031-3035 303B')
const JOIN_CONTROL = /[\u200C\u200D]/u
/** RFC 5892 §2.9: Hangul_Syllable_Type L, V and T. */
const OLD_HANGUL_JAMO = set('1100-11FF A960-A97C D7B0-D7C6 D7CB-D7FB')
const NEVER = /[\p{Cn}\p{Cc}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]/u
const SPECIAL = new RegExp([EXCEPTION_VALID, EXCEPTION_CONTEXT, EXCEPTION_DISALLOWED, JOIN_CONTROL, OLD_HANGUL_JAMO, NEVER]
  .map((chars) => chars.source).join('|'), 'u')
const LETTER_DIGIT = /[\p{Ll}\p{Lu}\p{Lo}\p{Nd}\p{Lm}\p{Mn}\p{Mc}]/u
const FREE = /[\p{Lt}\p{Nl}\p{No}\p{Me}\p{Zs}\p{Sm}\p{Sc}\p{Sk}\p{So}\p{P}]/u

/**
 * The derived property, in the order that RFC 8264 §8 prescribes; unassigned counts as disallowed.
 * @param compatible false: the character has no compatibility form (§9.17), which is known of the whole text at once
 */
function propertyOf(char: string, compatible: boolean): Property {
  if (SPECIAL.test(char)) return specialPropertyOf(char)
  if (char >= '!' && char <= '~') return 'valid'
  if (compatible && char.normalize('NFKC') !== char) return 'free'
  if (LETTER_DIGIT.test(char)) return 'valid'
  return FREE.test(char) ? 'free' : 'disallowed'
}

function specialPropertyOf(char: string): Property {
  if (EXCEPTION_VALID.test(char)) return 'valid'
  if (EXCEPTION_CONTEXT.test(char)) return 'context'
  if (EXCEPTION_DISALLOWED.test(char)) return 'disallowed'
  return JOIN_CONTROL.test(char) ? 'context' : 'disallowed'
}

/** RFC 5892 Appendix A; inconclusive is no. */
function fitsContext(chars: readonly string[], index: number): boolean {
  const before = chars[index - 1] ?? ''
  const after = chars[index + 1] ?? ''
  switch (chars[index]) {
    case '\u200C': return VIRAMA.test(before) || breaksJoin(chars, index)       // A.1
    case '\u200D': return VIRAMA.test(before)                                   // A.2
    case '\u00B7': return before === 'l' && after === 'l'                       // A.3
    case '\u0375': return /\p{Script=Greek}/u.test(after)                       // A.4
    case '\u05F3': case '\u05F4': return /\p{Script=Hebrew}/u.test(before)      // A.5, A.6
    case '\u30FB': return chars.some((c) => /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u.test(c)) // A.7
    default: return !(chars.some((c) => /[\u0660-\u0669]/u.test(c)) && chars.some((c) => /[\u06F0-\u06F9]/u.test(c))) // A.8, A.9
  }
}

function breaksJoin(chars: readonly string[], index: number): boolean {
  let left = index - 1
  while (TRANSPARENT.test(chars[left] ?? '')) left--
  let right = index + 1
  while (TRANSPARENT.test(chars[right] ?? '')) right++
  return JOINS_AFTER.test(chars[left] ?? '') && JOINS_BEFORE.test(chars[right] ?? '')
}

/** RFC 5893 §2, for strings that contain right-to-left code points; others pass. */
export function obeysBidiRule(text: string): boolean {
  if (!MAY_RUN_LEFT.test(text)) return true
  const directions = Array.from(text, directionOf)
  const european = directions.includes('european-number')
  const arabic = directions.includes('arabic-number')
  if (!arabic && !directions.includes('right')) return true
  if (directions[0] !== 'right' || directions.includes('left')) return false // conditions 1, 2, 5
  const last = directions.findLast((direction) => direction !== 'mark')
  return last !== 'neutral' && !(european && arabic)                          // conditions 3, 4
}
