/**
 * Between the bytes inside an element and trees: built only when a handler asks (`treesOf`), written by the one
 * serializer (`bytesOf`).
 */
import type { Element } from './element.js'
import { malformed, tooBig } from './faults.js'
import { NS_CLIENT } from './namespaces.js'
import { XmlFault } from './raw.js'
import type { ChildName, XmlLimits } from './raw.js'
import { Scanner } from './scanner.js'
import { TreeBuilder } from './tree.js'
import { namespaceAround, write } from './writer.js'

const EMPTY = Buffer.alloc(0)
const NO_LIMITS: XmlLimits = {
  stanzaBytes: Infinity, elements: Infinity, depth: Infinity, attributes: Infinity, namespaces: Infinity, nameBytes: Infinity
}

function nothing(): void {
  // The root of an inside is not at hand.
}

function scanInside(scanner: Scanner, inside: Buffer, ns: string): void {
  scanner.beginInside(ns)
  const at = scanner.run(inside, 0, 0, inside.length)
  if (at < inside.length || scanner.depth !== 1 || scanner.unfinished) throw malformed('content that ends too early')
}

/** Trees of the child elements in `inside`, whose default namespace outside is `ns`. The bytes have passed the strict parser. */
export function treesOf(inside: Buffer, ns: string): readonly Element[] {
  if (inside.length === 0) return []
  const builder = new TreeBuilder()
  scanInside(new Scanner(NO_LIMITS, nothing, builder), inside, ns)
  return builder.nodes.filter((node): node is Element => typeof node !== 'string')
}

/** Safe, self-contained UTF-8 for elements that stand in an element of namespace `jabber:client`. */
export function bytesOf(elements: readonly Element[]): Buffer {
  return elements.length === 0 ? EMPTY : Buffer.from(write(elements, NS_CLIENT), 'utf8')
}

export function namesOf(elements: readonly Element[]): readonly ChildName[] {
  return elements.map((element) => ({ name: element.getName(), ns: nameSpaceOf(element) }))
}

function nameSpaceOf(element: Element): string {
  if (element.name.includes(':')) return element.getNS() ?? ''
  return namespaceAround(element) ?? NS_CLIENT
}

/**
 * Verifies bytes that somebody claims to stand inside a stanza (links), and names the children.
 * @throws XmlFault
 */
export function checkInside(inside: Buffer, limits: XmlLimits): readonly ChildName[] {
  if (inside.length === 0) return []
  if (inside.length > limits.stanzaBytes) throw tooBig(limits.stanzaBytes)
  const scanner = new Scanner(limits, nothing)
  scanInside(scanner, inside, NS_CLIENT)
  if (scanner.reserved) throw new XmlFault('bad-format', 'an element of the stream inside a stanza')
  return scanner.children
}
