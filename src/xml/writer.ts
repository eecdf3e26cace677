/**
 * The one serializer. Writes elements so that they stand alone inside an element of a known namespace: a declaration
 * where the namespace changes, values in single quotes, everything escaped.
 */
import type { Element } from '@xmpp/xml'
import { escapeAttribute, escapeText } from './escape.js'
import { tooBig } from './faults.js'
import type { Node } from './tree.js'

/** Trees are made by us and by plugins; a name with such a character would be a hole. */
const IMPOSSIBLE = /[\0-\x20<>&'"=/\x7f]/

/** The namespace that an element's `xmlns`, or that of the nearest element around it, declares. */
export function namespaceAround(element: Element): string | undefined {
  for (let e: Element | null = element; e !== null; e = e.parent) {
    const ns = e.attrs['xmlns'] as unknown
    if (typeof ns === 'string') return ns
  }
  return undefined
}

/**
 * @param outerNs the default namespace around the nodes
 * @param max characters allowed; a small input may grow much, because prefixes are written out as declarations
 */
export function write(nodes: readonly Node[], outerNs: string, max = Number.POSITIVE_INFINITY): string {
  let out = ''
  for (const node of nodes) {
    if (typeof node === 'string') out += escapeText(node)
    else out += writeElement(node, namespaceAround(node) ?? outerNs, outerNs, max - out.length)
    if (out.length > max) throw tooBig(max)
  }
  return out
}

function writeElement(element: Element, ns: string, outerNs: string, max: number): string {
  let out = `<${checked(element.name)}`
  if (ns !== outerNs) out += ` xmlns='${escapeAttribute(ns)}'`
  out += attributes(element)
  if (element.children.length === 0) return `${out}/>`
  out += '>'
  for (const child of element.children as readonly unknown[]) {
    if (isElement(child)) out += writeElement(child, ownNamespace(child) ?? ns, ns, max - out.length)
    else if (child !== undefined && child !== null) out += escapeText(String(child))
    if (out.length > max) throw tooBig(max)
  }
  return `${out}</${element.name}>`
}

function attributes(element: Element): string {
  let out = ''
  for (const name of Object.keys(element.attrs)) {
    const value = element.attrs[name] as unknown
    if (name === 'xmlns' || value === undefined || value === null) continue
    out += ` ${checked(name)}='${escapeAttribute(String(value))}'`
  }
  return out
}

function isElement(node: unknown): node is Element {
  return typeof node === 'object' && node !== null && 'children' in node
}

function ownNamespace(element: Element): string | undefined {
  const ns = element.attrs['xmlns'] as unknown
  return typeof ns === 'string' ? ns : undefined
}

function checked(name: string): string {
  if (name === '' || IMPOSSIBLE.test(name)) throw new Error(`not a name for an element or attribute: ${JSON.stringify(name)}`)
  return name
}
