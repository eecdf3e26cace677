/**
 * The strict parser for whole documents: a WebSocket message (RFC 7395 §3.3.3) and a BOSH body (XEP-0124 §6, XEP-0206).
 */
import { Assembly } from './assembly.js'
import { BANG, GT, LT, QUESTION, SLASH } from './characters.js'
import { malformed, tooBig } from './faults.js'
import { NS_CLIENT, NS_XML } from './namespaces.js'
import { refuseMarkup, refuseText, skipBlank } from './outside.js'
import { checkEncoding, skipDeclaration } from './prolog.js'
import { XmlFault } from './raw.js'
import type { Attributes, RawElement, XmlLimits } from './raw.js'

const NS_HTTPBIND = 'http://jabber.org/protocol/httpbind'
/** Attributes of a body that are in these namespaces get these prefixes, whatever the client calls them (XEP-0206 §3). */
const BODY_PREFIXES = { [NS_XML]: 'xml', 'urn:xmpp:xbosh': 'xbosh' } as const

export interface Body {
  /** Also `xbosh:version`, `xbosh:restart`, `xbosh:restartlogic` and `xml:lang`. */
  readonly attrs: Attributes
  readonly elements: readonly RawElement[]
}

/** Nothing but white space: such a WebSocket message is passed over, not parsed. */
export function isBlank(bytes: Buffer | string): boolean {
  return typeof bytes === 'string' ? !/[^ \t\r\n]/.test(bytes) : skipBlank(bytes, 0, bytes.length) === bytes.length
}

/**
 * Exactly one element, with an XML declaration and white space around it if need be.
 * @throws XmlFault
 */
export function parseDocument(bytes: Buffer | string, limits: XmlLimits): RawElement {
  const d = bufferOf(bytes)
  if (d.length > limits.stanzaBytes) throw tooBig(limits.stanzaBytes)
  const assembly = new Assembly(limits)
  const from = prolog(d)
  const [element, end] = elementAt(assembly, d, from)
  epilog(d, end)
  return element
}

/**
 * A BOSH body and the elements in it. Elements that inherit its namespace count as `jabber:client` (XEP-0206 §2).
 * @param limits for the start tag of the body and for each element in it
 * @throws XmlFault
 */
export function parseBody(bytes: Buffer | string, limits: XmlLimits): Body {
  const d = bufferOf(bytes)
  const assembly = new Assembly(limits, BODY_PREFIXES)
  const { scanner } = assembly
  const from = prolog(d)
  assembly.beginHeader()
  const inside = scanner.startOnly(d, from, Math.min(d.length, from + limits.stanzaBytes))
  if (inside === from) throw incomplete(d.length - from, limits)
  const { name, ns, contentNs, attrs } = assembly.header()
  if (name !== 'body') throw new XmlFault('bad-format', 'a document that is no body')
  if (ns !== NS_HTTPBIND) throw new XmlFault('invalid-namespace', 'a body of another namespace')
  if (scanner.tag.empty) {
    epilog(d, inside)
    return { attrs, elements: [] }
  }
  const rootName = scanner.rootName(d, from)
  assembly.enterStream(contentNs === NS_HTTPBIND ? NS_CLIENT : contentNs, scanner.prefixes.last)
  return { attrs, elements: elementsIn(assembly, d, inside, rootName) }
}

function bufferOf(bytes: Buffer | string): Buffer {
  return typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes
}

/** Position of the root's `<`. */
function prolog(d: Buffer): number {
  checkEncoding(d, 0)
  let at = skipBlank(d, 0, d.length)
  if (d[at] === LT && d[at + 1] === QUESTION) {
    const next = skipDeclaration(d, at, d.length)
    if (next === at) throw malformed('an XML declaration that does not end')
    at = skipBlank(d, next, d.length)
  }
  checkTagAt(d, at)
  return at
}

/** A tag must begin here. */
function checkTagAt(d: Buffer, at: number): void {
  if (at + 1 >= d.length) throw malformed('a document that ends too early')
  if (d[at] !== LT) refuseText(d, at, 'not-well-formed')
  const byte = d[at + 1]
  if (byte !== BANG && byte !== QUESTION) return
  refuseMarkup(d, at, d.length, 'not-well-formed')
  throw malformed('a document that ends too early')
}

function elementAt(assembly: Assembly, d: Buffer, from: number): readonly [RawElement, number] {
  const { scanner } = assembly
  scanner.begin()
  const end = scanner.run(d, from, from, Math.min(d.length, from + scanner.limits.stanzaBytes))
  if (scanner.depth > 0 || end === from) throw incomplete(d.length - from, scanner.limits)
  return [assembly.element(d, from, end), end]
}

function incomplete(size: number, limits: XmlLimits): XmlFault {
  return size > limits.stanzaBytes ? tooBig(limits.stanzaBytes) : malformed('an element that is not complete')
}

function epilog(d: Buffer, from: number): void {
  const at = skipBlank(d, from, d.length)
  if (at === d.length) return
  checkTagAt(d, at)
  throw malformed('a second root')
}

function elementsIn(assembly: Assembly, d: Buffer, from: number, rootName: Buffer): readonly RawElement[] {
  const elements: RawElement[] = []
  let at = skipBlank(d, from, d.length)
  for (;;) {
    checkTagAt(d, at)
    if (d[at + 1] === SLASH) break
    const [element, end] = elementAt(assembly, d, at)
    elements.push(element)
    at = skipBlank(d, end, d.length)
  }
  const nameEnd = at + 2 + rootName.length
  if (!d.subarray(at + 2, nameEnd).equals(rootName)) throw malformed('an end tag of another name')
  const end = skipBlank(d, nameEnd, d.length)
  if (d[end] !== GT) throw malformed('an end tag of another name')
  epilog(d, end + 1)
  return elements
}
