/**
 * The stream parser: of one opinion with a second strict one, whatever the bytes and however they are cut; and what it
 * yields can be copied and written so that others read the same.
 */
import { bytesOf, checkInside, treesOf } from '../../src/xml/inside.js'
import type { RawElement, StreamHeader, XmlFault, XmlLimits } from '../../src/xml/raw.js'
import { StreamParser, type ParserSink } from '../../src/xml/stream-parser.js'
import { Stanza, type StanzaKind } from '../../src/xmpp/stanza.js'
import { secondOpinion, told, type Opinion } from '../xml/second-opinion.js'
import { mutant } from './mutate.js'
import type { Random } from './random.js'
import { same, type Target } from './run.js'
import { validBody } from './valid-xml.js'
import { BODIES, FRAMES, WHOLE, XML_MATERIAL } from './xml-material.js'

export const LIMITS: XmlLimits = { stanzaBytes: 262_144, elements: 5_000, depth: 64, attributes: 64, namespaces: 32, nameBytes: 1_024 }
const KINDS: readonly string[] = ['message', 'presence', 'iq'] satisfies readonly StanzaKind[]
/** One in so many documents that were taken is cut in two at each of its bytes; all are fed byte by byte. */
const EVERY_CUT = 100
const REFUSED_BYTEWISE = 8
/** The first tag is the same in most of them. */
const HEADER_BYTEWISE = 4
const GT = 0x3e

/** What a parser tells. */
export class Heard implements ParserSink {
  head: StreamHeader | undefined
  readonly elements: RawElement[] = []
  fault_: XmlFault | undefined
  ended = false
  readonly parser = new StreamParser(LIMITS, this)

  header(header: StreamHeader): boolean {
    this.head = header
    return true
  }

  element(element: RawElement): boolean {
    this.elements.push(element)
    return true
  }

  closed(): void {
    this.ended = true
  }

  fault(fault: XmlFault): void {
    this.fault_ = fault
  }

  get taken(): boolean {
    return this.ended && this.fault_ === undefined
  }
}

/** All of a document, in pieces whose sizes a function says. Each is in a buffer that is used again at once, as a socket's may be. */
function heard(document: Buffer, sizeOf: (at: number) => number): Heard {
  const record = new Heard()
  const { parser } = record
  for (let at = 0; at < document.length;) {
    const size = Math.min(document.length - at, sizeOf(at))
    document.copy(SCRATCH, 0, at, at + size)
    parser.feed(SCRATCH.subarray(0, size))
    SCRATCH.fill(STALE, 0, size)
    at += size
  }
  return record
}

/** Byte by byte, from `start` on. */
function heardBytewise(document: Buffer, start: number): Heard {
  const record = new Heard()
  const { parser } = record
  if (start > 0) parser.feed(Buffer.from(document.subarray(0, start)))
  for (let at = start; at < document.length; at++) {
    SCRATCH[0] = document[at] as number
    parser.feed(ONE)
    SCRATCH[0] = STALE
  }
  return record
}

const SCRATCH = Buffer.allocUnsafeSlow(1 << 20)
const ONE = SCRATCH.subarray(0, 1)
const STALE = 0x2a
const NEXT_TAG = Buffer.from('<')

export function checkDocument(document: Buffer, random: Random): boolean {
  const whole = heard(document, () => document.length)
  agree(whole, secondOpinion(document))
  sameEvents(heard(document, () => 1 + random.below(40)), whole)
  if (whole.taken || random.once(REFUSED_BYTEWISE)) {
    sameEvents(heardBytewise(document, random.once(HEADER_BYTEWISE) ? 0 : document.indexOf(GT) + 1), whole)
  }
  if (whole.taken && random.once(EVERY_CUT)) everyCut(document, whole)
  for (const element of whole.elements) if (element.reserved !== true) copyable(element)
  return whole.taken
}

/** In two pieces, at each place. */
export function everyCut(document: Buffer, whole: Heard): void {
  for (let cut = 1; cut < document.length; cut++) sameEvents(heard(document, (at) => (at === 0 ? cut : document.length)), whole)
}

/** Why a document was not taken. */
function whyRefused(document: Buffer): string {
  const { fault_ } = heard(document, () => document.length)
  return fault_ === undefined ? 'no end' : `${fault_.condition}, ${fault_.message}`
}

function agree(ours: Heard, { wellFormed, forbidden, excessive, blanks, elements }: Opinion): void {
  if (ours.taken) {
    if (!wellFormed) throw new Error('we took what the other refuses')
    if (forbidden && !blanks) throw new Error('we took what XMPP forbids')
    same(ours.elements.length, elements.length, 'numbers of elements')
  } else if (wellFormed && !forbidden) {
    const { condition, message } = ours.fault_ ?? {}
    const reason = condition === 'policy-violation' ? excessive : condition === 'bad-namespace-prefix' && blanks
    if (!reason) throw new Error(`we refuse what the other takes: ${condition} ${message}`)
  }
  ours.elements.forEach((element, index) => { sameElement(element, elements[index]) })
}

/** What we yield before a fault stands too. */
export function sameElement(element: RawElement, other: Opinion['elements'][number] | undefined): void {
  if (other === undefined) throw new Error('we yield an element that the other does not')
  const { ns } = other
  same(element.ns.trim(), ns, 'namespaces')                       // saxes trims them
  same(element.name, other.name, 'names')
  same(attributesText(element), other.attrs, 'attributes')
  if (element.reserved === true) return
  if (element.inside.length === 0) return same('', other.inside, 'what is inside')
  same(element.children.map((child) => `${child.ns.trim()}\u0001${child.name}\u0002`).join(''), other.children, 'names of children')
  same(insideAsRead(element.inside, element.ns), other.inside, 'what the other reads in our bytes')
  same(treesOf(element.inside, element.ns).map((child) => told(child, element.ns)).join(''), other.trees, 'our trees')
}

function attributesText({ attrs }: RawElement): string {
  const list: string[] = []
  for (const name in attrs) {
    const [uri, local] = name === 'xml:lang' ? ['http://www.w3.org/XML/1998/namespace', 'lang'] : ['', name]
    list.push(`${uri}\u0001${local}\u0006${attrs[name]}`)
  }
  return list.length < 2 ? list.join('') : list.sort().join('\u0002')
}

/** What is inside a root, as saxes reads the bytes that we yield, alone. */
function insideAsRead(inside: Buffer, ns: string): string {
  const escaped = ns.replace(/[&<"\t\n\r]/g, (c) => `&#${c.charCodeAt(0)};`)
  const { wellFormed, elements } = secondOpinion(Buffer.concat([Buffer.from(`<s><r xmlns="${escaped}">`), inside, Buffer.from('</r></s>')]))
  if (!wellFormed || elements[0] === undefined) throw new Error('the inside that we yield is not well-formed')
  return elements[0].inside
}

function sameEvents(pieces: Heard, whole: Heard): void {
  // A tag that is not complete after many bytes is looked at again when it ends, at the latest with the next one.
  if (pieces.fault_ === undefined && whole.fault_ !== undefined && !pieces.ended) pieces.parser.feed(NEXT_TAG)
  same(pieces.fault_?.condition, whole.fault_?.condition, 'faults')
  same(pieces.fault_?.application, whole.fault_?.application, 'applications of faults')
  same(pieces.ended, whole.ended, 'ends')
  same(headText(pieces), headText(whole), 'headers')
  same(pieces.elements.length, whole.elements.length, 'numbers of elements')
  pieces.elements.forEach((element, index) => { sameRaw(element, whole.elements[index] as RawElement) })
}

function headText({ head }: Heard): string {
  if (head === undefined) return ''
  return `${head.ns}\u0001${head.name}\u0001${head.contentNs}\u0001${JSON.stringify(head.attrs)}`
}

/** Field by field. */
export function sameRaw(a: RawElement, b: RawElement): void {
  same(a.name, b.name, 'names')
  same(a.ns, b.ns, 'namespaces')
  same(a.size, b.size, 'sizes')
  same(a.boring, b.boring, 'ways')
  same(a.reserved, b.reserved, 'reservations')
  same(attributesText(a), attributesText(b), 'attributes')
  if (!a.inside.equals(b.inside)) same(a.inside.toString(), b.inside.toString(), 'insides')
  same(namesText(a), namesText(b), 'names of children')
}

const namesText = ({ children }: RawElement): string => children.map(({ name, ns }) => `${ns}\u0001${name}`).join('\u0002')

/** What we yield is copied into streams of others: written by `Stanza`, it reads the same, and so do its trees. */
function copyable(element: RawElement): void {
  if (element.ns !== 'jabber:client') return
  const { name, inside, children, attrs } = element
  same(checkInside(inside, LIMITS).map((child) => `${child.ns}\u0001${child.name}`).join('\u0002'), namesText(element), 'names checked')
  const once = bytesOf(treesOf(inside, 'jabber:client'))
  if (!bytesOf(treesOf(once, 'jabber:client')).equals(once)) throw new Error('a tree that is written reads otherwise')
  if (!KINDS.includes(name)) return
  const stanza = Stanza.ofBytes({ kind: name as StanzaKind, to: undefined, from: undefined, id: attrs['id'], type: attrs['type'] ?? '',
    lang: attrs['xml:lang'] }, children, inside)
  const record = new Heard()
  const { parser } = record
  parser.feed(SHORT.header)
  parser.feed(Buffer.concat([Buffer.from(stanza.open('stream')), inside, Buffer.from(stanza.close)]))
  const [again] = record.elements
  if (again === undefined) throw new Error(`what we write is refused: ${record.fault_?.message ?? 'not complete'}`)
  if (!again.inside.equals(inside)) throw new Error('what we copied is not copied again')
  for (const key of ['id', 'type', 'xml:lang']) same(again.attrs[key] ?? '', attrs[key] ?? '', key)
  same(namesText(again), namesText(element), 'names of children')
}

/** Sends it the other way: content that says nothing and is not boring. */
const DETOUR = Buffer.from('<![CDATA[]]>')

/**
 * Whether the content of a stanza is copied or rewritten, a receiver reads the same. Of a document that is good; returns how
 * many of its elements would be copied.
 */
export function bothWays(document: Buffer): number {
  let boring = 0
  for (const copied of heard(document, () => document.length).elements) {
    if (!copied.boring || copied.reserved === true || copied.ns !== 'jabber:client') continue
    boring++
    const rewritten = heardOf(copied.name, Buffer.concat([copied.inside, DETOUR]))
    same(rewritten.boring, false, 'ways')
    same(insideAsRead(rewritten.inside, rewritten.ns), insideAsRead(copied.inside, copied.ns), 'what is read of copied and rewritten bytes')
    same(namesText(rewritten), namesText(copied), 'names of children')
  }
  return boring
}

/** An element of these bytes inside, as a stream yields it. */
function heardOf(name: string, inside: Buffer): RawElement {
  const record = new Heard()
  record.parser.feed(SHORT.header)
  record.parser.feed(Buffer.concat([Buffer.from(`<${name}>`), inside, Buffer.from(`</${name}>`)]))
  const [element] = record.elements
  if (element === undefined) throw new Error(`refused: ${record.fault_?.message ?? 'not complete'}`)
  return element
}

const [SHORT, LONG] = FRAMES

export const PARSER: Target = {
  name: 'parser', variable: 'XML_FUZZ_CASES', short: 6_000, long: 1_000_000,
  make(random) {
    if (random.once(16)) return mutant(random.pick(WHOLE), XML_MATERIAL, random)
    const { header, end } = random.once(8) ? LONG : SHORT
    const bodies = random.once(3) ? [random.pick(BODIES), random.pick(BODIES)] : [random.pick(BODIES)]
    return mutant(Buffer.concat([header, ...bodies, end]), XML_MATERIAL, random, header.length)
  },
  check: checkDocument
}

export const VALID: Target = {
  name: 'valid stanzas', shrinks: false, variable: 'XML_VALID_CASES', short: 2_000, long: 1_000_000,
  make(random) {
    const { header, end } = random.pick(FRAMES)
    return Buffer.concat([header, Buffer.from(validBody(random)), end])
  },
  check(document, random) {
    if (!checkDocument(document, random)) throw new Error(`a good document is refused: ${whyRefused(document)}`)
    bothWays(document)
    return true
  }
}
