/**
 * The one engine of mutations: bytes in, bytes out, nothing but the random numbers decides. Flips, splices, doublings,
 * words of the language at hand, broken UTF-8, cuts, nesting, numbers at the edges.
 */
import type { Random } from './random.js'

/** What a target's inputs are made of. */
export interface Material {
  /** Inputs to begin with and to splice from. */
  readonly pool: readonly Buffer[]
  /** Words that mean something to the reader. */
  readonly tokens: readonly Buffer[]
}

export const CHANGES_MAX = 4
const NEST_MAX = 80
const SPLICE_MAX = 48

export const tokensOf = (...words: readonly string[]): readonly Buffer[] => words.map((word) => Buffer.from(word, 'utf8'))

/** Cut off, overlong, surrogates, beyond U+10FFFF, C1, non-characters, byte order marks, a lone continuation. */
const BROKEN: readonly Buffer[] = [
  'c3', 'e2 82', 'f0 9f 98', 'c0 80', 'c1 bf', 'e0 80 af', 'f0 80 80 af', 'ed a0 80', 'ed b0 80', 'ed a0 bd ed b8 80', 'f4 90 80 80',
  'f5 80 80 80', 'f8 88 80 80 80', 'fe', 'ff', '80', 'bf', 'c2 85', 'c2 80', 'c2 a0', 'ef bf be', 'ef bf bf', 'ef bf bd', 'ef bb bf',
    'ff fe',
  'fe ff', 'ef b7 90', 'f0 9f bf bf', 'f3 a0 80 81', 'e2 80 ae', 'e2 80 8d', 'cc 80', '00', '01', '7f', '0b', '1b'
].map((digits) => Buffer.from(digits.replace(/ /g, ''), 'hex'))

const NUMBERS: readonly Buffer[] = [
  '0', '-1', '1', '00', '007', '255', '256', '65535', '65536', '2147483647', '2147483648', '4294967295', '4294967296', '9007199254740991',
  '9007199254740992', '18446744073709551615', '1e9', '0x10', '1.5', '+1', '٣', '99999999999999999999999'
].map((text) => Buffer.from(text))

/** One to four changes, most of them behind `from`. */
export function mutant(seed: Buffer, material: Material, random: Random, from = 0): Buffer {
  let bytes = seed
  for (let left = random.once(2) ? 1 : 1 + random.below(CHANGES_MAX); left > 0; left--) {
    const first = random.once(8) ? 0 : Math.min(from, bytes.length)
    bytes = change(bytes, first + random.below(bytes.length - first + 1), material, random)
  }
  return bytes
}

function change(bytes: Buffer, at: number, { pool, tokens }: Material, random: Random): Buffer {
  const short = 1 + random.below(9)
  switch (random.below(16)) {
    case 0: return flipped(bytes, at, random)
    case 1: return put(bytes, at, at + 1, Buffer.of(random.below(256)))
    case 2: return put(bytes, at, at + short, EMPTY)
    case 3: return put(bytes, at, at, bytes.subarray(at, at + random.below(SPLICE_MAX)))
    case 4: return put(bytes, at, at, slice(bytes, random))
    case 5: return put(bytes, at, at, slice(random.pick(pool), random))
    case 6: return put(bytes, at, at + short, slice(random.pick(pool), random))
    case 7: return put(bytes, at, at, random.pick(BROKEN))
    case 8: return random.once(2) ? bytes.subarray(0, at) : put(bytes, at, at + random.below(SPLICE_MAX), EMPTY)
    case 9: return nested(bytes, at, random.pick(tokens), random)
    case 10: return renumbered(bytes, at, random)
    case 11: return put(bytes, at, at + short, random.pick(tokens))
    default: return put(bytes, at, at, random.pick(tokens))
  }
}

const EMPTY = Buffer.alloc(0)

function put(bytes: Buffer, from: number, to: number, what: Buffer): Buffer {
  const rest = Math.min(to, bytes.length)
  const made = Buffer.allocUnsafe(bytes.length - (rest - from) + what.length)
  bytes.copy(made, 0, 0, from)
  what.copy(made, from)
  bytes.copy(made, from + what.length, rest)
  return made
}

function slice(bytes: Buffer, random: Random): Buffer {
  const at = random.below(bytes.length)
  return bytes.subarray(at, at + 1 + random.below(SPLICE_MAX))
}

function flipped(bytes: Buffer, at: number, random: Random): Buffer {
  if (at >= bytes.length) return bytes
  return put(bytes, at, at + 1, Buffer.of((bytes[at] as number) ^ (1 << random.below(8))))
}

/** The same many times; what opens is perhaps closed again. */
function nested(bytes: Buffer, at: number, token: Buffer, random: Random): Buffer {
  const times = 1 + random.below(random.once(8) ? NEST_MAX : 6)
  const text = token.toString('latin1')
  const name = /^<([\w:]+)[^/]*>$/.exec(text)?.[1]
  const close = name === undefined || random.once(3) ? '' : `</${name}>`
  return put(bytes, at, at, Buffer.from(text.repeat(times) + close.repeat(times), 'latin1'))
}

/** The number at or behind a place becomes another one. */
function renumbered(bytes: Buffer, at: number, random: Random): Buffer {
  let from = at
  while (from < bytes.length && !isDigit(bytes[from])) from++
  if (from === bytes.length) return put(bytes, at, at, random.pick(NUMBERS))
  let to = from
  while (isDigit(bytes[to])) to++
  return put(bytes, from, to, random.pick(NUMBERS))
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39
