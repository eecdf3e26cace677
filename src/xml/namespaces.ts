/** Prefixes in scope (Namespaces in XML 1.0 §3, §5, §6.3). Default namespaces are kept by the scanner, per element. */
import { badPrefix, malformed, tooMuch } from './faults.js'
import type { XmlLimits } from './raw.js'
import { isDeclaration } from './tag.js'
import type { Place, StartTag } from './tag.js'
import { nameText } from './words.js'

export const NS_XML = 'http://www.w3.org/XML/1998/namespace'
const NS_XMLNS = 'http://www.w3.org/2000/xmlns/'
const NS_STREAMS = 'http://etherx.jabber.org/streams'
const NS_FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing'
export const NS_CLIENT = 'jabber:client'
export const NS_SERVER = 'jabber:server'
export const NS_COMPONENT = 'jabber:component:accept'

/** Namespaces of the stream itself, which have no business inside a stanza (RFC 6120 §4.8.1, RFC 7395 §3.3.2). */
export function isReserved(ns: string): boolean {
  const name = ns.trim()   // as some receivers' parsers do
  return name === NS_STREAMS || name === NS_FRAMING
}

/** RFC 6120 §4.8.5: what receivers may take for granted about the prefix `stream`. */
export function checkStreamPrefix(prefix: string, ns: string): void {
  if (prefix === 'stream' && ns !== NS_STREAMS) throw badPrefix('the prefix stream for another namespace')
}

/** No element or attribute may be put into these two by a declaration (XML Names §3). */
export function checkDefault(ns: string): void {
  const name = ns.trim()
  if (name === NS_XML || name === NS_XMLNS) throw malformed('a reserved namespace made the default')
}

/** A declaration, inside of others. */
export interface Binding {
  readonly prefix: string
  readonly ns: string
  readonly outer: Binding | undefined
  /** Declarations down to here. */
  readonly size: number
}

/** What most streams declare, shared by them. */
const STREAM: Binding = Object.freeze({ prefix: 'stream', ns: NS_STREAMS, outer: undefined, size: 1 })

export class Prefixes {
  /** The declaration made last. */
  last: Binding | undefined

  get size(): number {
    return this.last?.size ?? 0
  }

  /** Forgets the declarations made since `size` had this value. */
  cut(size: number): void {
    while (this.size > size) this.last = this.last?.outer
  }

  /** The namespace of a prefix; refuses one that nobody declared. */
  resolve(prefix: string): string {
    if (prefix === 'xml') return NS_XML
    for (let binding = this.last; binding !== undefined; binding = binding.outer) {
      if (binding.prefix === prefix) return binding.ns
    }
    throw malformed('a prefix that is not declared')   // XML Names §5
  }

  /** Takes the `xmlns:` attributes of a tag into scope, then checks its other prefixed attributes. */
  enter(d: Buffer, tag: StartTag, limits: XmlLimits): void {
    let others = 0
    let declared = tag.defaultNs < 0 ? 0 : 1
    for (let k = 0; k < tag.count; k++) {
      const place = tag.places[k] as Place
      if (place.colon === 0) continue
      if (isDeclaration(d, place)) {
        this.#declare(nameText(d, place.colon + 1, place.to), tag.value(d, place))
        declared++
      } else {
        others++
      }
    }
    if (declared > limits.namespaces || this.size > limits.namespaces) {
      throw tooMuch(`more than ${limits.namespaces} namespace declarations`)
    }
    if (others > 0) this.#checkUnique(d, tag)
  }

  /** XML Names §3 on reserved prefixes, §2.2 on empty names. Blanks make no other name: to some receivers' parsers they do not count. */
  #declare(prefix: string, ns: string): void {
    const name = ns.trim()
    if (prefix === 'xmlns') throw malformed('a declaration of the prefix xmlns')
    if ((prefix === 'xml') !== (name === NS_XML)) throw malformed('a declaration that touches the prefix xml or its namespace')
    if (name === NS_XMLNS) throw malformed('a declaration of the namespace of declarations')
    if (name === '') throw malformed('a prefix declared to mean nothing')
    if (prefix === 'xml') return
    const { last } = this
    const isStream = last === undefined && prefix === STREAM.prefix && ns === STREAM.ns
    this.last = isStream ? STREAM : { prefix, ns, outer: last, size: this.size + 1 }
  }

  /** XML Names §6.3: no two attributes of one expanded name. */
  #checkUnique(d: Buffer, tag: StartTag): void {
    const seen: string[] = []
    for (let k = 0; k < tag.count; k++) {
      const place = tag.places[k] as Place
      if (place.colon === 0 || isDeclaration(d, place)) continue
      const ns = this.resolve(nameText(d, place.from, place.colon)).trim()   // to some receivers' parsers blanks make no other name
      const local = nameText(d, place.colon + 1, place.to)
      for (let s = 0; s < seen.length; s += 2) {
        if (seen[s] === local && seen[s + 1] === ns) throw malformed('an attribute given twice under two prefixes')   // X45
      }
      seen.push(local, ns)
    }
  }
}
