/**
 * A stanza (RFC 6120 §8): immutable head, inside as bytes, a tree only when somebody asks. `with()` copies the head
 * and shares the rest.
 */
import type { Element } from '../xml/element.js'
import { escapeAttribute } from '../xml/escape.js'
import { bytesOf, namesOf, treesOf } from '../xml/inside.js'
import type { ChildName } from '../xml/raw.js'
import type { Jid } from './jid.js'

export type StanzaKind = 'message' | 'presence' | 'iq'

/** Fields of the root tag. `undefined` means: the attribute is absent. */
export interface StanzaHead {
  readonly kind: StanzaKind
  readonly to: Jid | undefined
  readonly from: Jid | undefined
  readonly id: string | undefined
  /** As sent; '' when absent. */
  readonly type: string
  readonly lang: string | undefined
}

/** What is between the root tags. */
interface Content {
  readonly children: readonly ChildName[]
  inside: Buffer
  trees: readonly Element[] | undefined
  readonly count: TreeCount | undefined
}

/** Told of each tree that is built of bytes. */
export interface TreeCount {
  tree: number
}

/** A buffer may be this many times larger than what is kept of it. */
const WASTE_MAX = 2
const NOTHING: Content = { children: [], inside: Buffer.alloc(0), trees: [], count: undefined }
export const NS_CLIENT = 'jabber:client'

export class Stanza implements StanzaHead {
  readonly kind: StanzaKind
  readonly to: Jid | undefined
  readonly from: Jid | undefined
  readonly id: string | undefined
  readonly type: string
  readonly lang: string | undefined
  readonly #content: Content

  private constructor(head: StanzaHead, content: Content) {
    this.kind = head.kind
    this.to = head.to
    this.from = head.from
    this.id = head.id
    this.type = head.type
    this.lang = head.lang
    this.#content = content
  }

  /** From parsed bytes: `inside` is safe UTF-8 whose default namespace is `jabber:client`. */
  static ofBytes(head: StanzaHead, children: readonly ChildName[], inside: Buffer, count?: TreeCount): Stanza {
    return new Stanza(head, inside.length === 0 ? NOTHING : { children, inside, trees: undefined, count })
  }

  /** One that we make ourselves. */
  static of(head: Partial<StanzaHead> & Pick<StanzaHead, 'kind'>, ...children: readonly Element[]): Stanza {
    const full: StanzaHead = { to: undefined, from: undefined, id: undefined, type: '', lang: undefined, ...head }
    return new Stanza(full, contentOf(children))
  }

  /** Names of the child elements, in order. */
  get children(): readonly ChildName[] {
    return this.#content.children
  }

  /** Safe UTF-8 bytes between the root tags. */
  get inside(): Buffer {
    return this.#content.inside
  }

  has(name: string, ns: string): boolean {
    return this.children.some((child) => child.name === name && child.ns === ns)
  }

  /** The first child of that name as a tree, built at the first call and kept. Not to be changed. */
  child(name: string, ns: string): Element | undefined {
    const index = this.children.findIndex((child) => child.name === name && child.ns === ns)
    return index < 0 ? undefined : this.elements()[index]
  }

  /** All children as trees, in the order of `children`. Not to be changed. */
  elements(): readonly Element[] {
    const content = this.#content
    if (content.trees === undefined) {
      content.trees = treesOf(content.inside, NS_CLIENT)
      if (content.count !== undefined && content.trees.length > 0) content.count.tree++
    }
    return content.trees
  }

  /** A copy with other fields in the head; the content is shared. */
  with(change: Partial<StanzaHead>): Stanza {
    // field by field: on the hot path an object spread costs several times as much
    const head: StanzaHead = {
      kind: change.kind ?? this.kind,
      to: 'to' in change ? change.to : this.to,
      from: 'from' in change ? change.from : this.from,
      id: 'id' in change ? change.id : this.id,
      type: change.type ?? this.type,
      lang: 'lang' in change ? change.lang : this.lang
    }
    return new Stanza(head, this.#content)
  }

  /** A copy with other children. */
  withChildren(children: readonly Element[]): Stanza {
    return new Stanza(this, contentOf(children))
  }

  /**
   * The start tag, ready to write: complete (`<message …/>`) when nothing is inside.
   * @param form `stream`: `jabber:client` is declared outside; `framed`: declared here (RFC 7395 §3.3.3)
   * @param to replaces the address, for pushes
   */
  open(form: 'stream' | 'framed', to: Jid | undefined = this.to): string {
    let tag = form === 'framed' ? `<${this.kind} xmlns='${NS_CLIENT}'` : `<${this.kind}`
    if (to !== undefined) tag += ` to='${escapeAttribute(to.toString())}'`
    if (this.from !== undefined) tag += ` from='${escapeAttribute(this.from.toString())}'`
    if (this.id !== undefined) tag += ` id='${escapeAttribute(this.id)}'`
    if (this.type !== '') tag += ` type='${escapeAttribute(this.type)}'`
    if (this.lang !== undefined) tag += ` xml:lang='${escapeAttribute(this.lang)}'`
    return this.inside.length === 0 ? `${tag}/>` : `${tag}>`
  }

  /** The end tag, '' when `open()` was complete. */
  get close(): string {
    return this.inside.length === 0 ? '' : `</${this.kind}>`
  }

  /** For whoever keeps it for long: lets go of trees, and of a larger buffer that the bytes are a part of. */
  pack(): void {
    const content = this.#content
    const { inside } = content
    if (inside.length === 0) return
    content.trees = undefined
    if (inside.buffer.byteLength <= inside.length * WASTE_MAX) return
    content.inside = Buffer.allocUnsafeSlow(inside.length)
    inside.copy(content.inside)
  }

  /** The whole stanza as text that stands alone, for storing. */
  toString(): string {
    return this.open('framed') + this.inside.toString('utf8') + this.close
  }
}

function contentOf(children: readonly Element[]): Content {
  if (children.length === 0) return NOTHING
  return { children: namesOf(children), inside: bytesOf(children), trees: children, count: undefined }
}

