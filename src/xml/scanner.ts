/**
 * One element after the other, scanned on the bytes: everything is checked, little is built. Can stop anywhere and go
 * on when more bytes are there, as long as the bytes of the element that is open stay where they are from `base` on.
 * XML 1.0, Namespaces in XML 1.0, RFC 6120 §11.
 */
import {
  AMP, APOS, BANG, BLANK, C2, CDATA, CLOSE_BRACKET, CR, DEL, GT, LT, NAME, OPEN_BRACKET, QUESTION, QUOTE, SLASH, TEXT
} from './characters.js'
import { badPrefix, malformed, restricted, tooMuch } from './faults.js'
import { Prefixes, checkDefault, isReserved, checkStreamPrefix } from './namespaces.js'
import type { ChildName, XmlLimits } from './raw.js'
import { isNumeric, skipReference } from './reference.js'
import { StartTag } from './tag.js'
import { sequence } from './utf8.js'

/** Receives everything, when a tree is wanted. Text comes in pieces. */
export interface TreeSink {
  open(d: Buffer, tag: StartTag, ns: string, prefixes: Prefixes): void
  text(d: Buffer, from: number, to: number): void
  cdata(d: Buffer, from: number, to: number): void
  close(): void
}

/** Told about the root's start tag, while the tag's places are fresh. */
export type RootSink = (d: Buffer, tag: StartTag, ns: string) => void

/** A tag that is not complete is read anew with every chunk up to this size; beyond it one looks for its end first. */
const REREAD_BYTES = 512
/** Most have one child or none: a list is made with the first, as long as that. */
const NOBODY: ChildName[] = []
Object.freeze(NOBODY)
const CDATA_START = Buffer.from('<![CDATA[', 'latin1')

export class Scanner {
  readonly tag: StartTag
  readonly prefixes: Prefixes
  /** The default namespace outside of the root. */
  outerNs = ''
  /** Elements that are open. */
  depth = 0
  /** Names of the root's children. */
  children = NOBODY
  /** Where the root's start tag ends and its end tag begins, counted from `base`. */
  insideFrom = 0
  insideTo = 0
  /** What is inside the root keeps to the boring grammar. */
  boring = true
  /** An element of the stream's own namespaces stands inside the root. */
  reserved = false
  readonly #onRoot: RootSink
  readonly #tree: TreeSink | undefined
  #base = 0
  #elements = 0
  #inCdata = false
  /** No more bytes will come. */
  #complete = false
  /** How far one has looked for the end of a long tag, from `base`; 0: not looking. */
  #looked = 0
  #quote = 0
  /** By depth: where names stand, default namespaces, numbers of prefixes. Made as short as most stanzas need. */
  readonly #nameFrom = [0, 0, 0, 0]
  readonly #nameTo = [0, 0, 0, 0]
  readonly #spaces = ['', '', '', '']
  readonly #marks = [0, 0, 0, 0]

  constructor(limits: XmlLimits, onRoot: RootSink, tree?: TreeSink, prefixes = new Prefixes()) {
    this.prefixes = prefixes
    this.tag = new StartTag(limits)
    this.#onRoot = onRoot
    this.#tree = tree
  }

  /** In a CDATA section: not a place to end. */
  get unfinished(): boolean {
    return this.#inCdata
  }

  get limits(): XmlLimits {
    return this.tag.limits
  }

  /** The names of the root's children, let go. */
  takeChildren(): readonly ChildName[] {
    const { children } = this
    this.children = NOBODY
    return children
  }

  /** Expects a root. */
  begin(): void {
    this.depth = 0
    this.children = NOBODY
    this.insideFrom = this.insideTo = 0
    this.boring = true
    this.reserved = false
    this.#elements = 0
    this.#inCdata = false
    this.#looked = 0
  }

  /** Expects what stands inside an element of namespace `ns`, all of it at hand. */
  beginInside(ns: string): void {
    this.begin()
    this.outerNs = ns
    this.depth = 1
    this.#complete = true
    this.#spaces[0] = ns
    this.#marks[0] = this.prefixes.size
    this.#nameFrom[0] = this.#nameTo[0] = 0
  }

  /** The default namespace inside the root that is open. */
  get innerNs(): string {
    return this.#spaces[0] ?? ''
  }

  /** The raw name of the root, where it stands. */
  rootName(d: Buffer, base: number): Buffer {
    return d.subarray(base + (this.#nameFrom[0] as number), base + (this.#nameTo[0] as number))
  }

  /** Takes the root's start tag alone, at `base`. Position after it, or `base` when it is not complete. */
  startOnly(d: Buffer, base: number, end: number): number {
    this.#base = base
    return this.#tag(d, base, end)
  }

  /**
   * Goes on at `at` until the root is closed (`depth` is 0) or the bytes are used up. Returns the position to go on at:
   * what stands before it is done with, what follows is not complete.
   */
  run(d: Buffer, base: number, at: number, end: number): number {
    this.#base = base
    let i = at
    while (i < end) {
      const next = this.#token(d, i, end)
      if (next === i) break
      i = next
      if (this.depth === 0) break
    }
    return i
  }

  #token(d: Buffer, at: number, end: number): number {
    if (this.#inCdata) return this.#cdata(d, at, end)
    return d[at] === LT ? this.#markup(d, at, end) : this.#text(d, at, end)
  }

  #text(d: Buffer, at: number, end: number): number {
    let i = at
    for (;;) {
      while (i < end && TEXT[d[i] as number] === 0) i++
      if (i >= end || d[i] === LT) break
      const next = this.#special(d, i, end)
      if (next === i) break
      i = next
    }
    if (this.#tree !== undefined && i > at) this.#tree.text(d, at, i)
    return i
  }

  /** A character of text that is not quite ordinary; `at` when it is not complete. */
  #special(d: Buffer, at: number, end: number): number {
    const byte = d[at] as number
    if (byte >= 0x80) {
      const length = sequence(d, at, end)
      if (length === 2 && byte === C2 && (d[at + 1] as number) < 0xa0) this.boring = false
      return at + length
    }
    if (byte === AMP) {
      const next = skipReference(d, at, end)
      if (next !== at && isNumeric(d, at)) this.boring = false   // what stands behind `end` is not ours to read
      return next
    }
    if (byte === CLOSE_BRACKET) return this.#bracket(d, at, end)
    if (byte !== CR && byte !== DEL) throw malformed('a control character')   // XML 1.0 §2.2
    this.boring = false
    return at + 1
  }

  /** XML 1.0 §2.4: `]]>` is not for text. */
  #bracket(d: Buffer, at: number, end: number): number {
    if (at + 1 < end && d[at + 1] !== CLOSE_BRACKET) return at + 1
    if (at + 2 < end && d[at + 2] === GT) throw malformed('the end of a CDATA section in text')   // X41
    return at + 2 < end || this.#complete ? at + 1 : at
  }

  #cdata(d: Buffer, at: number, end: number): number {
    let i = at
    for (;;) {
      while (i < end && CDATA[d[i] as number] === 0) i++
      if (i >= end) break
      const next = this.#specialCdata(d, i, end)
      if (next === i || !this.#inCdata) {
        this.#tree?.cdata(d, at, i)
        return next
      }
      i = next
    }
    this.#tree?.cdata(d, at, i)
    return i
  }

  #specialCdata(d: Buffer, at: number, end: number): number {
    const byte = d[at] as number
    if (byte >= 0x80) return at + sequence(d, at, end)
    if (byte === DEL) return at + 1
    if (byte !== CLOSE_BRACKET) throw malformed('a control character')
    if (at + 1 < end && d[at + 1] !== CLOSE_BRACKET) return at + 1
    if (at + 2 >= end) return at
    if (d[at + 2] !== GT) return at + 1
    this.#inCdata = false
    return at + 3
  }

  #markup(d: Buffer, at: number, end: number): number {
    if (at + 1 >= end) return at
    const byte = d[at + 1] as number
    if (byte === BANG) return this.#declaration(d, at, end)
    if (byte === QUESTION) return refuseInstruction(d, at, end)
    return this.#tag(d, at, end)
  }

  /** What begins with `<!`: a CDATA section, or something that RFC 6120 §11.1 forbids. */
  #declaration(d: Buffer, at: number, end: number): number {
    if (at + 2 < end && d[at + 2] !== OPEN_BRACKET) throw restricted('a comment or a document type')
    for (let k = 2; k < CDATA_START.length; k++) {
      if (at + k >= end) return at
      if (d[at + k] !== CDATA_START[k]) throw malformed('markup of no known kind')
    }
    this.boring = false
    this.#inCdata = true
    return at + CDATA_START.length
  }

  /** A start or end tag, complete or not at all. */
  #tag(d: Buffer, at: number, end: number): number {
    if (at + 1 >= end) return at
    if (this.#looked > 0 && !this.#tagEnds(d, end)) return at
    const next = d[at + 1] === SLASH ? this.#endTag(d, at, end) : this.#startTag(d, at, end)
    if (next !== at) {
      this.#looked = 0
    } else if (this.#looked === 0 && end - at > REREAD_BYTES) {
      this.#looked = at + 1 - this.#base
      this.#quote = 0
      this.#tagEnds(d, end)
    }
    return next
  }

  /** Looks for the end of a long tag, each byte once. A `<` ends it too: reading it anew will say what is wrong. */
  #tagEnds(d: Buffer, end: number): boolean {
    let i = this.#base + this.#looked
    for (; i < end; i++) {
      const byte = d[i] as number
      if (byte === LT || (byte === GT && this.#quote === 0)) break
      if (byte === this.#quote) this.#quote = 0
      else if (this.#quote === 0 && (byte === QUOTE || byte === APOS)) this.#quote = byte
    }
    this.#looked = i - this.#base
    return i < end
  }

  #endTag(d: Buffer, at: number, end: number): number {
    const top = this.depth - 1
    if (top < 0) throw malformed('an end tag without start tag')
    const from = this.#base + (this.#nameFrom[top] as number)
    const length = (this.#nameTo[top] as number) - (this.#nameFrom[top] as number)
    if (length === 0) throw malformed('an end tag without start tag')
    let i = at + 2
    for (let k = 0; k < length; k++, i++) {
      if (i >= end) return at
      if (d[i] !== d[from + k]) throw malformed('an end tag of another name')   // XML 1.0 §3
    }
    if (d[i] !== GT) i = this.#blankBeforeEnd(d, i, end)
    if (i >= end) return at
    this.#close(at)
    return i + 1
  }

  #blankBeforeEnd(d: Buffer, at: number, end: number): number {
    let i = at
    while (i < end && BLANK[d[i] as number] === 1) i++
    if (i < end && d[i] !== GT) throw malformed('an end tag of another name')
    if (i < end && this.depth > 1) this.boring = false
    return i
  }

  #startTag(d: Buffer, at: number, end: number): number {
    const { tag } = this
    const next = tag.read(d, at, end)
    if (next === 0) return at
    const top = this.depth
    if (top >= tag.limits.depth) throw tooMuch(`elements nested more than ${tag.limits.depth} deep`)
    if (++this.#elements > tag.limits.elements) throw tooMuch(`more than ${tag.limits.elements} elements`)
    this.#nameFrom[top] = tag.nameFrom - this.#base
    this.#nameTo[top] = tag.nameTo - this.#base
    this.#marks[top] = this.prefixes.size
    const ns = this.#enter(d, top)
    this.depth = top + 1
    if (top === 0) this.#openRoot(d, next, ns)
    else this.#openChild(d, top, ns)
    this.#tree?.open(d, tag, ns, this.prefixes)
    if (tag.empty) this.#close(next)
    return next
  }

  /** Takes a tag's declarations into scope; the namespace of its element (XML Names §6). */
  #enter(d: Buffer, top: number): string {
    const { tag } = this
    let ns = top === 0 ? this.outerNs : this.#spaces[top - 1] as string
    const declared = tag.defaultNs < 0 ? undefined : tag.places[tag.defaultNs]
    if (declared !== undefined) {
      ns = tag.value(d, declared)
      checkDefault(ns)
    }
    this.#spaces[top] = ns
    if (!tag.prefixed) return ns
    this.prefixes.enter(d, tag, tag.limits)
    const prefix = tag.prefix(d)
    if (prefix === '') return ns
    if (prefix === 'xml') throw badPrefix('an element with the prefix xml')   // well-formed, but no declaration can repeat it
    const own = this.prefixes.resolve(prefix)
    if (top > 0) checkStreamPrefix(prefix, own)   // X38; of roots the assembly judges
    return own
  }

  #openRoot(d: Buffer, next: number, ns: string): void {
    this.insideFrom = this.insideTo = next - this.#base
    // Children inherit the default namespace, which is the root's only if the root has no prefix.
    this.boring = this.tag.nameColon === 0
    this.#onRoot(d, this.tag, ns)
  }

  #openChild(d: Buffer, top: number, ns: string): void {
    if (this.tag.odd) this.boring = false
    if (isReserved(ns)) this.reserved = true
    if (top !== 1) return
    const child = { name: this.tag.localName(d), ns }
    if (this.children === NOBODY) this.children = [child]
    else this.children.push(child)
  }

  #close(at: number): void {
    const top = --this.depth
    this.prefixes.cut(this.#marks[top] as number)
    if (top === 0) this.insideTo = at - this.#base
    this.#tree?.close()
  }
}

/** RFC 6120 §11.1; an XML declaration that is not at the beginning is not even well-formed (XML 1.0 §2.6, §2.8). */
export function refuseInstruction(d: Buffer, at: number, end: number): number {
  const target = d.toString('latin1', at + 2, Math.min(at + 5, end))
  if (target.length < 3 && /^[xX]?[mM]?$/.test(target)) return at
  if (!/^xml$/i.test(target)) throw restricted('a processing instruction')
  if (at + 5 >= end) return at
  if (NAME[d[at + 5] as number] === 0) throw malformed('an XML declaration that is not at the beginning')   // X40
  throw restricted('a processing instruction')
}
