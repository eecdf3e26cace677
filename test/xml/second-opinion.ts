/**
 * The second parser (saxes, namespaces on) and what the tests ask of it: whether it takes a document as a stream too,
 * and with which elements. Plus a corpus, and mutations of it that follow from a list of numbers.
 */
import { SaxesParser } from 'saxes'
import type { Element } from '../../src/xml/element.js'
import { treesOf } from '../../src/xml/inside.js'
import { HDR, NS_STREAMS, bytes, eventsOf } from './stage.js'
import type { Recorder } from './stage.js'

/** An element by expanded names: [ns, name, sorted attributes, children]. */
export type Tree = readonly [string, string, readonly string[], readonly (Tree | string)[]]

export interface Opinion {
  /** The document is well-formed up to the end of its root, and keeps to UTF-8. */
  readonly wellFormed: boolean
  /** It has something that XMPP forbids in well-formed documents. */
  readonly forbidden: boolean
  readonly trees: readonly Tree[]
}

/** What may follow in a name but not begin one; saxes lets it begin the part behind a colon (XML Names §4 does not). */
const NO_START = /^(?:[-.0-9\u00b7\u203f\u2040]|[\u0300-\u036f])/

type Building = [string, string, string[], (Building | string)[]]

function addText(nodes: (Building | string)[], text: string): void {
  const last = nodes.at(-1)
  if (typeof last === 'string') nodes[nodes.length - 1] = last + text
  else if (text !== '') nodes.push(text)
}

/** The text up to the first byte that is no UTF-8; then something that is no XML. */
function decodable(document: Buffer): string {
  const decode = (to: number): string =>
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(document.subarray(0, to), { stream: to < document.length })
  let [good, bad] = [0, document.length + 1]
  while (bad - good > 1) {
    const to = (good + bad) >> 1
    try {
      decode(to)
      good = to
    } catch {
      bad = to
    }
  }
  return bad > document.length ? decode(good) : `${decode(good)}\0`
}

/** What saxes says of a stream of elements: of its first-level elements, with their text. */
export function secondOpinion(document: Buffer): Opinion {
  const text = decodable(document)
  const trees: Building[] = []
  const open: Building[] = []
  let forbidden = text.startsWith('\ufeff')
  let closed = false
  const forbid = (): void => { if (!closed) forbidden = true }
  const parser = new SaxesParser({ xmlns: true })
  parser.on('error', (error) => { throw error })
  parser.on('xmldecl', ({ version, encoding }) => {
    if (version !== '1.0' || (encoding ?? 'utf-8').toLowerCase() !== 'utf-8') forbid()
  })
  parser.on('comment', forbid)
  parser.on('processinginstruction', forbid)
  parser.on('doctype', forbid)
  parser.on('opentag', (tag) => {
    const attrs = Object.values(tag.attributes)
      .filter(({ uri, name }) => uri !== 'http://www.w3.org/2000/xmlns/' && name !== 'xmlns')
      .map(({ uri, local, value }) => JSON.stringify([uri, local, value])).sort()
    const element: Building = [tag.uri, tag.local, attrs, []]
    if (open.length === 1) trees.push(element)
    else open.at(-1)?.[3].push(element)
    open.push(element)
    if ([tag, ...Object.values(tag.attributes)].some(({ local }) => NO_START.test(local))) forbid()
    if (tag.prefix === 'xml' || (tag.prefix === 'stream' && tag.uri !== NS_STREAMS && open.length > 1)) forbid()
    if (open.length === 2 && tag.prefix !== '' && tag.uri.startsWith('jabber:')) forbid()
  })
  parser.on('closetag', () => {
    open.pop()
    if (open.length === 0) closed = true
  })
  const characters = (data: string): void => {
    if (open.length === 1 && /[^ \t\r\n]/.test(data)) forbid()
    if (open.length > 1) addText(open.at(-1)?.[3] ?? [], data)
  }
  parser.on('text', characters)
  parser.on('cdata', (data) => {
    if (open.length === 1) forbid()
    characters(data)
  })
  try {
    parser.write(text).close()
  } catch (error) {
    // The end tag of the root is reported before it is compared with the start tag.
    return { wellFormed: closed && !String(error).includes('unexpected close tag'), forbidden, trees }
  }
  return { wellFormed: true, forbidden, trees }
}

/** A tree of ours in the same form. */
export function treeOf(element: Element, outerNs: string): Tree {
  const ns = typeof element.attrs['xmlns'] === 'string' ? element.attrs['xmlns'] : outerNs
  const attrs = Object.entries(element.attrs).filter(([name]) => !/^xmlns(:|$)/.test(name)).map(([name, value]) => {
    const [prefix, local] = name.includes(':') ? name.split(':') : ['', name]
    return JSON.stringify([uriOf(element, prefix ?? ''), local, value])
  }).sort()
  const children = element.children.map((child) => (typeof child === 'string' ? child : treeOf(child as Element, ns)))
  return [ns.trim(), element.name, attrs, children]   // saxes trims the names of namespaces
}

function uriOf(element: Element, prefix: string): unknown {
  if (prefix === '') return ''
  return prefix === 'xml' ? 'http://www.w3.org/XML/1998/namespace' : String(element.attrs[`xmlns:${prefix}`]).trim()
}

/** Without text that stands directly in the roots, which `treesOf` passes over. */
function elementsIn(tree: Tree): readonly Tree[] {
  return tree[3].filter((child): child is Tree => typeof child !== 'string')
}

/** What is inside a root, as saxes reads the bytes that we yield, alone. */
function insideAsRead(inside: Buffer, ns: string): readonly (Tree | string)[] {
  const escaped = ns.replace(/[&<"\t\n\r]/g, (c) => `&#${c.charCodeAt(0)};`)
  const { wellFormed, trees } = secondOpinion(Buffer.concat([bytes(`<s><r xmlns="${escaped}">`), inside, bytes('</r></s>')]))
  if (!wellFormed || trees[0] === undefined) throw new Error(`not well-formed: ${inside.toString()}`)
  return trees[0][3]
}

/**
 * Holds the two against each other; throws when they differ.
 * @returns whether both took the document
 */
export function compare(document: Buffer): boolean {
  try {
    return agree(document, eventsOf(document))
  } catch (error) {
    const shown = document.toString('latin1').replace(/[^ -~]/g, (c) => `{${c.charCodeAt(0).toString(16)}}`)
    throw new Error(`${String(error)}\nin ${shown}`, { cause: error })
  }
}

function agree(document: Buffer, ours: Recorder): boolean {
  const { wellFormed, forbidden, trees } = secondOpinion(document)
  const condition = ours.fault_?.condition
  if (condition === undefined && ours.ended) {
    if (!wellFormed) throw new Error('we took what the other refuses')
    if (forbidden) throw new Error('we took what XMPP forbids')
    sameTrees(ours, trees)
    return true
  }
  const ownRule = condition === 'bad-format' || condition === 'policy-violation'
  if (wellFormed && !forbidden && !ownRule) throw new Error(`we refuse what the other takes: ${ours.fault_?.message ?? 'no end'}`)
  return false
}

function sameTrees(ours: Recorder, trees: readonly Tree[]): void {
  if (ours.elements.length !== trees.length) throw new Error('not the same number of elements')
  ours.elements.forEach((element, index) => {
    const [ns, name, , nodes] = trees[index] as Tree
    same([element.ns.trim(), element.name], [ns, name], 'the roots')
    if (element.reserved) return
    same(insideAsRead(element.inside, ns), nodes, 'what the other reads in our bytes')
    const built = treesOf(element.inside, ns)
    same(built.map((child) => treeOf(child, ns)), elementsIn(trees[index] as Tree), 'our trees')
    same(element.children.map((child) => [child.ns.trim(), child.name]), built.map((child) => treeOf(child, ns).slice(0, 2)), 'names')
  })
}

function same(left: unknown, right: unknown, what: string): void {
  const [a, b] = [JSON.stringify(left), JSON.stringify(right)]
  if (a !== b) throw new Error(`${what} differ:\n${a}\n${b}`)
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
const TOKENS: readonly string[] = [
  '<', '>', '/', '/>', '</', "'", '"', '=', '&', ';', '&#', '&#x', '&lt;', '&#60;', '&#0;', '&x;', '<![CDATA[', ']]>', ']', '<!--', '-->',
  '<?', '?>', "<?xml version='1.0'?>", '<!DOCTYPE x>', ' ', '\t', '\n', '\r', ':', 'a', 'xml', 'xmlns', 'xmlns:', "xmlns='urn:n'",
  " xmlns:p='urn:p'", " xmlns:p=''", " xmlns=''", ' p:a=""', '<a>', '</a>', '<a/>', '<p:a/>', '<xml:a/>', " xml:lang=''", ' a="1" a="2"',
  'é', '\u00b7', '\u0300', '\u0085', '\u007f', '\ufffe', '\ufeff', '\u0000', '\u001f', '-', '.', '7', '</stream:stream>', '<stream:x/>',
  '<message>', '</message>'
]

/** One change, made of three numbers. */
export function mutate(document: Buffer, kind: number, where: number, what: number): Buffer {
  const at = where % (document.length + 1)
  const to = Math.min(document.length, at + what % 9)
  const cut = (from: number, until: number, put: Buffer): Buffer =>
    Buffer.concat([document.subarray(0, from), put, document.subarray(until)])
  switch (kind % 6) {
    case 0: return cut(at, to, Buffer.alloc(0))
    case 1: return cut(at, at, document.subarray(at, at + what % 40))
    case 2: return cut(at, Math.min(at + 1, document.length), Buffer.from([what % 256]))
    case 3: return cut(at, at, document.subarray(what % document.length, what % document.length + 12))
    default: return cut(at, at, bytes(TOKENS[what % TOKENS.length] ?? ''))
  }
}
