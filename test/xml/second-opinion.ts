/**
 * The second parser (saxes, namespaces on) and what the tests ask of it: whether it takes a document as a stream too,
 * and with which elements. Elements are compared as texts in which characters that no document may have stand between.
 */
import { SaxesParser } from 'saxes'
import type { SaxesTagNS } from 'saxes'
import type { Element } from '../../src/xml/element.js'
import { HDR, NS_STREAMS } from './stage.js'

/** A first-level element. */
export interface Told {
  readonly ns: string
  readonly name: string
  /** Attributes without namespace, and `xml:lang`. */
  readonly attrs: string
  /** Names of the children. */
  children: string
  /** What is inside, text and all. */
  inside: string
  /** The same without text that stands directly in the root. */
  trees: string
}

export interface Opinion {
  /** The document is well-formed up to the end of its root, and keeps to UTF-8. */
  readonly wellFormed: boolean
  /** It has something that XMPP forbids in well-formed documents. */
  readonly forbidden: boolean
  /** It goes beyond a limit of ours. */
  readonly excessive: boolean
  /** A namespace has blanks around its name, which saxes takes away, so that it is another one to it. */
  readonly blanks: boolean
  /** First-level elements that are complete. */
  readonly elements: readonly Told[]
  readonly root: { readonly ns: string, readonly name: string } | undefined
}

/** What may follow in a name but not begin one; saxes lets it begin the part behind a colon (XML Names §4 does not). */
const NO_START = /^(?:[-.0-9\u00b7\u203f\u2040]|[\u0300-\u036f])/
const NS_XML = 'http://www.w3.org/XML/1998/namespace'
const NS_XMLNS = 'http://www.w3.org/2000/xmlns/'
const LIMIT = { attributes: 64, depth: 64, namespaces: 32, nameBytes: 1_024 } as const
const CONTENT: readonly string[] = ['jabber:client', 'jabber:server', 'jabber:component:accept']
/** A reference, or a declaration of XML itself, or white space in an end tag that is far too long. */
const EXCESS = /&[^;]{64}|<\?xml[^>]{500}|[ \t\r\n]{480}/

/** The text up to the first byte that is no UTF-8; then something that is no XML. */
function decodable(document: Buffer): string {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  try {
    return decoder.decode(document)
  } catch {
    let [good, bad] = [0, document.length + 1]
    while (bad - good > 1) {
      const to = (good + bad) >> 1
      if (begins(document, to)) good = to
      else bad = to
    }
    return `${document.toString('utf8', 0, wholeCharacters(document, good))}\0`
  }
}

/** These bytes are UTF-8, perhaps with a last character that is not complete. */
function begins(document: Buffer, to: number): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(document.subarray(0, to), { stream: true })
    return true
  } catch {
    return false
  }
}

function wholeCharacters(document: Buffer, to: number): number {
  let at = to
  while (at > 0 && ((document[at - 1] as number) & 0xc0) === 0x80) at--
  const lead = document[at - 1] ?? 0
  if (lead < 0xc0) return to
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
  return at - 1 + length <= to ? to : at - 1
}

class Listener {
  readonly elements: Told[] = []
  forbidden = false
  excessive = false
  blanks = false
  closed = false
  #depth = 0
  root: { readonly ns: string, readonly name: string } | undefined
  #told: Told | undefined

  /** @param level how deep the elements stand that are told: 1 in a stream, 0 when the document is the element */
  constructor(text: string, private readonly level: number, private readonly whole: boolean) {
    this.forbidden = text.startsWith('\ufeff')
    this.excessive = EXCESS.test(text)
  }

  forbid(): void {
    if (!this.closed || this.whole) this.forbidden = true
  }

  declaration({ version, encoding }: { readonly version?: string | undefined, readonly encoding?: string | undefined }): void {
    if (version !== '1.0' || (encoding ?? 'utf-8').toLowerCase() !== 'utf-8') this.forbid()
  }

  open(tag: SaxesTagNS): void {
    const attrs = this.#attributes(tag, this.#depth === this.level)
    this.#judge(tag)
    const depth = this.#depth++ - this.level + 1
    this.root ??= { ns: tag.uri, name: tag.local }
    if (depth === 1) this.#told = { ns: tag.uri, name: tag.local, attrs, children: '', inside: '', trees: '' }
    else if (depth > 1) this.#add(`\u0003${tag.uri}\u0001${tag.local}\u0002${attrs}\u0004`)
    if (depth === 2 && this.#told !== undefined) this.#told.children += `${tag.uri}\u0001${tag.local}\u0002`
  }

  close(): void {
    const depth = --this.#depth - this.level + 1
    if (depth > 1) this.#add('\u0005')
    if (depth === 1 && this.#told !== undefined) this.elements.push(this.#told)
    if (this.#depth === 0) this.closed = true
  }

  /** @param source the document up to the end of the text: blanks between elements are no references (RFC 6120 §11.7) */
  text(data: string, source = ''): void {
    const depth = this.#depth - this.level + 1
    if (depth === 1 && (/[^ \t\r\n]/.test(data) || source.includes('&', source.lastIndexOf('>')))) this.forbid()
    if (depth === 2 && this.#told !== undefined) this.#told.inside += data
    else if (depth > 2) this.#add(data)
  }

  cdata(data: string): void {
    if (this.#depth === this.level) this.forbid()
    this.text(data)
  }

  #add(text: string): void {
    if (this.#told === undefined) return
    this.#told.inside += text
    this.#told.trees += text
  }

  #attributes({ attributes }: SaxesTagNS, root: boolean): string {
    const list: string[] = []
    let declared = 0
    let all = 0
    for (const key in attributes) {
      const attribute = attributes[key]
      if (attribute === undefined) continue
      const { uri, local, value, name } = attribute
      all++
      if (name.length > LIMIT.nameBytes / 4) this.excessive = true
      if (NO_START.test(local)) this.forbid()
      if (uri === NS_XMLNS || name === 'xmlns') {
        declared++
        if (value.trim() !== value) this.blanks = true
      } else if (!root || uri === '' || (uri === NS_XML && local === 'lang')) list.push(`${uri}\u0001${local}\u0006${value}`)
    }
    if (all > LIMIT.attributes || declared > LIMIT.namespaces) this.excessive = true
    return list.length < 2 ? list.join('') : list.sort().join('\u0002')
  }

  #judge(tag: SaxesTagNS): void {
    if (this.#depth > LIMIT.depth || tag.name.length > LIMIT.nameBytes / 4) this.excessive = true
    if (NO_START.test(tag.local)) this.forbid()
    // XML Names §3 lets elements have it; nothing can declare it elsewhere.
    if (tag.prefix === 'xml') this.forbid()
    if (tag.prefix === 'stream' && tag.uri !== NS_STREAMS && this.#depth >= this.level) this.forbid()
    if (this.#depth === this.level && tag.prefix !== '' && CONTENT.includes(tag.uri)) this.forbid()   // RFC 6120 §4.8.5
  }
}

/**
 * What saxes says of a stream of elements: of its first-level elements, with their text.
 * @param level 0: the document itself is the element
 * @param whole nothing may follow the root
 */
export function secondOpinion(document: Buffer, level = 1, whole = level === 0): Opinion {
  const text = decodable(document)
  const listener = new Listener(text, level, whole)
  const parser = new SaxesParser({ xmlns: true })
  parser.on('error', (error) => { throw error })
  parser.on('xmldecl', (declaration) => { listener.declaration(declaration) })
  parser.on('comment', () => { listener.forbid() })
  parser.on('processinginstruction', () => { listener.forbid() })
  parser.on('doctype', () => { listener.forbid() })
  parser.on('opentag', (tag) => { listener.open(tag) })
  parser.on('closetag', () => { listener.close() })
  parser.on('text', (data) => { listener.text(data, text.slice(0, parser.position)) })
  parser.on('cdata', (data) => { listener.cdata(data) })
  const wellFormed = wellFormedBy(parser, text, listener, whole)
  const { forbidden, excessive, blanks, elements, root } = listener
  return { wellFormed, forbidden, excessive, blanks, elements, root }
}

function wellFormedBy(parser: SaxesParser<{ xmlns: true }>, text: string, listener: Listener, whole: boolean): boolean {
  try {
    parser.write(text).close()
    return true
  } catch (error) {
    // The end tag of the root is reported before it is compared with the start tag.
    return !whole && listener.closed && !String(error).includes('unexpected close tag')
  }
}

/** An element of ours as the second parser would tell it, inside an element of namespace `outerNs`. */
export function told(element: Element, outerNs: string): string {
  const ns = typeof element.attrs['xmlns'] === 'string' ? element.attrs['xmlns'] : outerNs
  const attrs: string[] = []
  for (const name of Object.keys(element.attrs)) {
    if (name === 'xmlns' || name.startsWith('xmlns:')) continue
    const colon = name.indexOf(':')
    const prefix = colon < 0 ? '' : name.slice(0, colon)
    attrs.push(`${uriOf(element, prefix)}\u0001${name.slice(colon + 1)}\u0006${String(element.attrs[name])}`)
  }
  let out = `\u0003${ns.trim()}\u0001${element.name}\u0002${attrs.sort().join('\u0002')}\u0004`   // saxes trims the names of namespaces
  for (const child of element.children) out += typeof child === 'string' ? child : told(child as Element, ns)
  return `${out}\u0005`
}

function uriOf(element: Element, prefix: string): string {
  if (prefix === '') return ''
  return prefix === 'xml' ? NS_XML : String(element.attrs[`xmlns:${prefix}`]).trim()
}

export const CORPUS: readonly string[] = [
  "<message to='a@b' type='chat'><body>a &amp; b &lt; &#x1F600; é漢𐍈</body><active xmlns='urn:active'/></message>",
  "<iq type='get' id='1'><query xmlns='jabber:iq:roster' ver=''/></iq><presence/>",
  "<message><x xmlns='urn:a' xmlns:b='urn:b' b:c='1' c='2' xml:lang='de'><b:d/><e xmlns=''><f/></e></x></message>",
  '<message id="&quot;&apos;&#9;\n\r\n"><![CDATA[<a>&]]]]><![CDATA[>]]>\r\ntext > "\'</message>',
  "<p:x xmlns:p='urn:p'><p:y p:z=''/><y/></p:x><x xmlns='urn:x'>a<b/>c<b/>d</x>",
  "<h:x h:a='1' a='1'/><presence><é ü='ö'/><__proto__ __proto__='1'/></presence>",
  "<message><x xmlns:stream='urn:x' stream:a=''/></message>\n <iq/>\u0085"
]
export const OPEN = HDR.replace(' to=', " xmlns:h='urn:h' to=")
export const CLOSE = '</stream:stream>'
