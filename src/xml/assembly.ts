/**
 * Puts together what is yielded of an element whose bytes the scanner has passed. Boring insides are copied, odd ones
 * rewritten, so that no receiver meets a construct that its parser might read differently.
 */
import { badPrefix, tooBig } from './faults.js'
import { XML_ONLY, attributesOf } from './head.js'
import type { PrefixNames } from './head.js'
import { NS_CLIENT, NS_COMPONENT, NS_SERVER, checkStreamPrefix } from './namespaces.js'
import type { Binding } from './namespaces.js'
import type { Attributes, RawElement, StreamHeader, XmlLimits } from './raw.js'
import { Scanner } from './scanner.js'
import type { StartTag } from './tag.js'
import { TreeBuilder } from './tree.js'
import { write } from './writer.js'

const EMPTY = Buffer.alloc(0)
const NO_ATTRIBUTES: Attributes = Object.freeze(Object.create(null) as Record<string, string>)

/** Namespaces of stanzas: their elements come without prefix (RFC 6120 §4.8.5). */
function isContent(ns: string): boolean {
  return ns === NS_CLIENT || ns === NS_SERVER || ns === NS_COMPONENT
}

function nothing(): void {
  // The first pass has read the root.
}

/** A scanner and the head of the element that it is in. */
export class Assembly {
  readonly scanner: Scanner
  #name = ''
  #ns = ''
  #attrs = NO_ATTRIBUTES

  readonly #headerNames: PrefixNames
  /** The root read next is a document's own start tag, of which others judge. */
  #atHeader = false

  /** @param headerNames what to call attributes of a header that are in these namespaces */
  constructor(limits: XmlLimits, headerNames = XML_ONLY) {
    this.#headerNames = headerNames
    this.scanner = new Scanner(limits, (d, tag, ns) => this.#root(d, tag, ns))
  }

  /** Expects a header. */
  beginHeader(): void {
    this.#atHeader = true
    this.scanner.begin()
  }

  /** The start tag that the scanner has just read, as a stream header. */
  header(): StreamHeader {
    const attrs = this.#attrs
    this.#attrs = NO_ATTRIBUTES
    return { name: this.#name, ns: this.#ns, contentNs: this.scanner.innerNs, attrs }
  }

  /** What follows stands inside of a tag where `ns` is the default and these declarations hold. */
  enterStream(ns: string, declared: Binding | undefined): void {
    this.#atHeader = false
    this.scanner.outerNs = ns
    this.scanner.prefixes.last = declared
    this.scanner.begin()
  }

  /** The element whose bytes run from `base` to `end`; the scanner has just closed it. */
  element(d: Buffer, base: number, end: number): RawElement {
    const { scanner } = this
    const attrs = this.#attrs
    this.#attrs = NO_ATTRIBUTES
    const children = scanner.takeChildren()
    // RFC 6120 §8.4: what would confuse a receiver's stream is not handed on, whoever forgets to look at the flag.
    if (scanner.reserved) {
      return { name: this.#name, ns: this.#ns, attrs, children: [], inside: EMPTY, boring: true, size: end - base, reserved: true }
    }
    const from = base + scanner.insideFrom
    const to = base + scanner.insideTo
    const boring = scanner.boring || from === to
    const inside = boring ? copy(d, from, to) : this.#rewrite(d, base, end)
    return { name: this.#name, ns: this.#ns, attrs, children, inside, boring, size: end - base }
  }

  #root(d: Buffer, tag: StartTag, ns: string): void {
    if (tag.nameColon !== 0 && !this.#atHeader) {
      checkStreamPrefix(tag.prefix(d), ns)
      if (isContent(ns)) throw badPrefix('a stanza with a prefix')   // RFC 6120 §4.8.5, X48
    }
    this.#name = tag.localName(d)
    this.#ns = ns
    this.#attrs = attributesOf(d, tag, this.scanner.prefixes, this.#atHeader ? this.#headerNames : XML_ONLY)
  }

  /** Once more over the same bytes, this time into a tree. */
  #rewrite(d: Buffer, base: number, end: number): Buffer {
    const builder = new TreeBuilder()
    const { limits, outerNs, prefixes } = this.scanner
    const scanner = new Scanner(limits, nothing, builder, prefixes)
    scanner.begin()
    scanner.outerNs = outerNs
    scanner.run(d, base, base, end)
    const root = builder.nodes[0]
    if (root === undefined || typeof root === 'string') throw new Error('an element that was scanned has no tree')
    const max = limits.stanzaBytes
    const bytes = Buffer.from(write(root.children as (typeof root | string)[], this.#ns, max), 'utf8')
    if (bytes.length > max) throw tooBig(max)
    return bytes
  }
}

/** Small copies share a slab of Node's pool; none is a view on a chunk. */
function copy(d: Buffer, from: number, to: number): Buffer {
  if (from === to) return EMPTY
  const inside = Buffer.allocUnsafe(to - from)
  d.copy(inside, 0, from, to)
  return inside
}
