/** Good stanzas of every shape that XML and its namespaces allow: what is made here must be taken. */
import type { Random } from './random.js'

const NAMES = ['body', 'x', 'query', 'item', 'a', '_', 'a-b.c', 'é', '漢字', 'x·', '𐀀', '__proto__', 'constructor', 'Body', 'xm',
  'streams', 'message']
const SPACES = ['urn:a', 'urn:b', 'jabber:x:data', 'jabber:client', 'jabber:server', 'urn:é', 'a&amp;b', 'http://x/?a=1',
  'urn:&#x41;', 'urn:&lt;>']
const PREFIXES = ['p', 'q', 'ns0', 'é', '_']
const TEXTS = ['hello', ' ', '\n', '\t', '\r\n', '\r', '>', ']', ']]', '] ]>', '"', "'", '&amp;', '&lt;', '&gt;', '&quot;', '&apos;',
  '&#65;', '&#x1F600;',
  '&#9;', '&#10;', '&#13;', '&#x85;', '&#0065;', 'é', '漢', '😀', '\u0085', '\u007f', '\u00a0', '\u2028', '\ufeff', '\ufffd',
    '\u{10ffff}', '\ud7ff', '\ue000']
const CDATA = ['', 'x', '<a>', '&amp;', ']', ']]', '>', ']] >', '\r\n', '\u0085', '\u007f', '😀', '<![CDATA[']
const BLANKS = [' ', ' ', ' ', '  ', '\n', '\t', '\r\n']
const ROOTS = ['message', 'presence', 'iq', 'message', 'x', 'r']
const DEPTH_MAX = 4
const CHILDREN_MAX = 3

/** Names in scope. */
interface Scope {
  readonly prefixes: Readonly<Record<string, string>>
  readonly depth: number
}

/** Some elements of a stream, with white space in between. */
export function validBody(random: Random): string {
  let out = ''
  for (let left = 1 + random.below(2); left > 0; left--) out += root(random) + (random.once(4) ? random.pick(BLANKS) : '')
  return out
}

function root(random: Random): string {
  if (random.once(8)) {   // of a namespace of its own
    return `<p:${random.pick(NAMES)} xmlns:p='urn:p'${attributes(random, { p: 'urn:p' })}/>`
  }
  return element(random, { prefixes: {}, depth: 0 }, random.pick(ROOTS))
}

function element(random: Random, scope: Scope, local: string): string {
  const { text, prefixes } = declarations(random, scope)
  const known = Object.keys(prefixes)
  const prefix = scope.depth > 0 && known.length > 0 && random.once(3) ? `${random.pick(known)}:` : ''
  const name = prefix + local
  const open = `<${name}${text}${attributes(random, prefixes)}${random.once(6) ? random.pick(BLANKS) : ''}`
  if (random.once(3)) return `${open}/>`
  return `${open}>${content(random, { prefixes, depth: scope.depth + 1 })}</${name}${random.once(8) ? random.pick(BLANKS) : ''}>`
}

function declarations(random: Random, { prefixes, depth }: Scope): { readonly text: string, readonly prefixes: Scope['prefixes'] } {
  let text = ''
  if (depth > 0 && random.once(3)) text += `${random.pick(BLANKS)}xmlns=${quoted(random, random.once(6) ? '' : random.pick(SPACES))}`
  if (!random.once(4)) return { text, prefixes }
  const prefix = random.pick(PREFIXES)
  const ns = random.pick(SPACES)
  return { text: `${text} xmlns:${prefix}=${quoted(random, ns)}`, prefixes: { ...prefixes, [prefix]: ns } }
}

function quoted(random: Random, value: string): string {
  const quote = random.once(2) ? '"' : "'"
  return `${quote}${value.replaceAll(quote, quote === '"' ? '&quot;' : '&apos;')}${quote}`
}

function attributes(random: Random, prefixes: Scope['prefixes']): string {
  const used = new Set<string>()
  let out = ''
  for (let left = random.below(4); left > 0; left--) {
    const prefix = Object.keys(prefixes).find(() => random.once(4))
    const local = random.once(5) ? 'id' : random.pick(NAMES)
    // Two prefixes may mean one namespace: a local name stands once with a prefix and once without.
    const key = `${prefix === undefined ? '' : ':'}${local}`
    if (used.has(key)) continue
    used.add(key)
    const equals = random.once(8) ? `${random.pick(BLANKS)}=${random.pick(BLANKS)}` : '='
    out += `${random.pick(BLANKS)}${prefix === undefined ? '' : `${prefix}:`}${local}${equals}${quoted(random, value(random))}`
  }
  if (random.once(8)) out += ` xml:lang=${quoted(random, random.pick(['', 'de', 'en-US']))}`
  return out
}

const value = (random: Random): string => random.list(3, () => random.pick(TEXTS)).join('').replaceAll(']]>', '')

function content(random: Random, scope: Scope): string {
  let out = ''
  for (let left = random.below(CHILDREN_MAX + 1); left > 0; left--) {
    const kind = random.below(scope.depth < DEPTH_MAX ? 6 : 3)
    if (kind < 2) out += (out.endsWith(']') ? ' ' : '') + random.pick(TEXTS)   // no `]]>` by chance
    else if (kind === 2) out += `<![CDATA[${random.pick(CDATA)}]]>`
    else out += element(random, scope, random.pick(NAMES))
  }
  return out
}
