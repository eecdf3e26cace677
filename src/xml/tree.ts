/**
 * Builds trees while the scanner walks: names without prefix, `xmlns` wherever an element's namespace is not its
 * parent's, prefixed attributes with prefixes of ours that the same element declares.
 */
import { Element } from '@xmpp/xml'
import { NS_XML } from './namespaces.js'
import type { Prefixes } from './namespaces.js'
import { plainValue, textValue } from './reference.js'
import type { TreeSink } from './scanner.js'
import { isDeclaration } from './tag.js'
import type { Place, StartTag } from './tag.js'
import { nameText } from './words.js'

export type Node = Element | string

export class TreeBuilder implements TreeSink {
  /** What stands outermost. */
  readonly nodes: Node[] = []
  /** Open elements and their namespaces, outermost first. */
  readonly #open: Element[] = []
  readonly #spaces: string[] = []

  open(d: Buffer, tag: StartTag, ns: string, prefixes: Prefixes): void {
    const parent = this.#open.at(-1)
    const element = new Element(tag.localName(d))
    if (parent === undefined || this.#spaces.at(-1) !== ns) element.attrs['xmlns'] = ns
    setAttributes(element, d, tag, prefixes)
    if (parent === undefined) {
      this.nodes.push(element)
    } else {
      parent.children.push(element)
      element.parent = parent
    }
    this.#open.push(element)
    this.#spaces.push(ns)
  }

  text(d: Buffer, from: number, to: number): void {
    this.#append(textValue(d.toString('utf8', from, to)))
  }

  cdata(d: Buffer, from: number, to: number): void {
    this.#append(plainValue(d.toString('utf8', from, to)))
  }

  close(): void {
    this.#open.pop()
    this.#spaces.pop()
  }

  /** Text and CDATA that stand side by side are one text. */
  #append(text: string): void {
    if (text === '') return
    const siblings: Node[] = this.#open.at(-1)?.children ?? this.nodes
    const last = siblings.at(-1)
    if (typeof last === 'string') siblings[siblings.length - 1] = last + text
    else siblings.push(text)
  }
}

function setAttributes(element: Element, d: Buffer, tag: StartTag, prefixes: Prefixes): void {
  let made = 0
  for (let k = 0; k < tag.count; k++) {
    const place = tag.places[k] as Place
    if (k === tag.defaultNs || isDeclaration(d, place)) continue
    if (place.colon === 0) {
      setAttribute(element, nameText(d, place.from, place.to), tag.value(d, place))
      continue
    }
    const ns = prefixes.resolve(nameText(d, place.from, place.colon))
    const prefix = ns === NS_XML ? 'xml' : `ns${made++}`
    if (ns !== NS_XML) setAttribute(element, `xmlns:${prefix}`, ns)
    setAttribute(element, `${prefix}:${nameText(d, place.colon + 1, place.to)}`, tag.value(d, place))
  }
}

/** `__proto__` is a name like any other. */
function setAttribute(element: Element, name: string, value: string): void {
  if (name !== '__proto__') element.attrs[name] = value
  else Object.defineProperty(element.attrs, name, { value, enumerable: true, configurable: true, writable: true })
}
