/**
 * The strict parser for byte streams (TCP): one document that stays open, first-level elements as they complete.
 * RFC 6120 §4, §11.
 */
import { Assembly } from './assembly.js'
import { BytesHeld } from './bytes-held.js'
import { BANG, GT, LT, QUESTION, SLASH } from './characters.js'
import { malformed, tooBig, tooMuch } from './faults.js'
import { refuseMarkup, refuseText, skipBlank } from './outside.js'
import { checkEncoding, skipDeclaration } from './prolog.js'
import { XmlFault } from './raw.js'
import type { RawElement, StreamHeader, XmlLimits } from './raw.js'

/** Receives what a stream parser finds. Returning `false` from `element` or `header` holds the parser until `release()`. */
export interface ParserSink {
  header(header: StreamHeader): boolean
  element(element: RawElement): boolean
  /** White space between elements. */
  blank?(): void
  /** The closing tag of the stream. */
  end(): void
  /** The parser is dead after this. */
  fault(fault: XmlFault): void
}

/** White space in the end tag of a stream, which is read again with each chunk. */
const BLANK_MAX = 512

/**
 * `start`: nothing of a document has come. `prolog`: white space or a declaration has. `open`: between the elements of
 * an open stream. `inside`: in one of them. `ended`: the stream is closed. `dead`: after a fault.
 */
type State = 'start' | 'prolog' | 'open' | 'inside' | 'ended' | 'dead'

export class StreamParser {
  readonly #sink: ParserSink
  readonly #assembly: Assembly
  readonly #held = new BytesHeld()
  #state: State = 'start'
  /** In `inside`: where the scanner goes on, counted from `#held.from`. */
  #scanned = 0
  /** The name of the stream's tag as it was written, for its end tag. */
  #rootName: Buffer | undefined
  /** The next document follows another one: white space that belonged to the old one may come before its declaration. */
  #restarted = false
  #paused = false
  /** `release` was called during a callback. */
  #released = false
  #busy = false

  constructor(limits: XmlLimits, sink: ParserSink) {
    this.#sink = sink
    this.#assembly = new Assembly(limits)
  }

  /** Takes bytes; the chunk may be reused after the call. */
  feed(chunk: Buffer): void {
    if (this.#state === 'dead' || this.#state === 'ended') return
    this.#held.add(chunk)
    this.#run()
  }

  /** Goes on after a callback returned false. */
  release(): void {
    this.#paused = false
    this.#released = true
    this.#run()
  }

  /** Expects a new document next (RFC 6120 §6.4.6); bytes that came are kept. */
  restart(): void {
    if (this.#state === 'dead') return
    this.#state = 'start'
    this.#restarted = true
    this.#scanned = 0
    this.#rootName = undefined
    this.#assembly.reset()
  }

  /** Throws away what came and expects a new document (RFC 6120 §5.4.3.3). */
  discard(): void {
    this.#held.clear()
    this.restart()
    this.#restarted = false
  }

  /** Other limits from now on, for an element that has begun too. */
  setLimits(limits: XmlLimits): void {
    this.#assembly.scanner.tag.limits = limits
  }

  /** Bytes kept in memory. */
  get heldBytes(): number {
    return this.#held.size
  }

  /** An element of the stream has begun and is not complete. */
  get midElement(): boolean {
    return this.#state === 'inside'
  }

  #run(): void {
    if (this.#busy) return
    this.#busy = true
    try {
      while (!this.#paused && this.#held.size > 0 && this.#step()) { /* once more */ }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#busy = false
      this.#held.keep()
    }
  }

  #fail(error: unknown): void {
    this.#state = 'dead'
    this.#held.clear()
    if (!(error instanceof XmlFault)) throw error
    this.#sink.fault(error)
  }

  /** Gets on by one piece; false when there is nothing to get on with. */
  #step(): boolean {
    switch (this.#state) {
      case 'start': return this.#start()
      case 'prolog': return this.#prolog()
      case 'open': return this.#between()
      case 'inside': return this.#inside()
      case 'ended': case 'dead': return this.#ignore()
    }
  }

  #ignore(): boolean {
    this.#held.clear()
    return false
  }

  /** The first bytes of a document: encoding and declaration. */
  #start(): boolean {
    const held = this.#held
    if (this.#restarted) this.#skipBlank()
    if (held.size === 0) return false
    if (held.size < 2) return !mayNeedMore(held.data[held.from] as number) && this.#become('prolog')
    checkEncoding(held.data, held.from)
    if (held.data[held.from] !== LT || held.data[held.from + 1] !== QUESTION) return this.#become('prolog')
    const at = skipDeclaration(held.data, held.from, held.end)
    if (at === held.from) return false
    held.from = at
    return this.#become('prolog')
  }

  #become(state: State): true {
    this.#state = state
    return true
  }

  /** White space, then the stream's start tag. */
  #prolog(): boolean {
    this.#skipBlank()
    const { data, from, end, size } = this.#held
    if (size === 0) return false
    if (data[from] !== LT) refuseText(data, from, 'not-well-formed')   // BOM: X26; HTTP: S11
    if (size < 2) return false
    if (data[from + 1] === SLASH) throw malformed('an end tag without start tag')
    if (isSpecial(data[from + 1] as number)) {
      refuseMarkup(data, from, end, 'not-well-formed')
      return false
    }
    const { scanner } = this.#assembly
    if (this.#scanned === 0) this.#assembly.beginHeader()
    this.#scanned = 1
    const next = scanner.startOnly(data, from, this.#boundedEnd())
    if (next === from) return this.#checkSize()
    return this.#opened(next)
  }

  #opened(next: number): boolean {
    const held = this.#held
    const header = this.#assembly.header()
    const { scanner } = this.#assembly
    const empty = scanner.tag.empty
    this.#rootName = scanner.rootName(held.data, held.from)
    held.from = next
    this.#scanned = 0
    this.#assembly.enterStream(this.#assembly.scanner.innerNs)
    this.#state = empty ? 'ended' : 'open'
    this.#released = false
    this.#pauseUnless(this.#sink.header(header))
    if (empty) this.#sink.end()
    return true
  }

  /** Between elements: white space (RFC 6120 §4.6.1), an element, or the end of the stream. */
  #between(): boolean {
    if (this.#skipBlank()) this.#sink.blank?.()
    const { data, from, end, size } = this.#held
    if (size === 0) return false
    if (data[from] !== LT) refuseText(data, from, 'bad-format')   // RFC 6120 §4.9.3.1, S24
    if (size < 2) return false
    if (data[from + 1] === SLASH) return this.#endTag()
    if (isSpecial(data[from + 1] as number)) {
      refuseMarkup(data, from, end, 'bad-format')
      return false
    }
    this.#assembly.scanner.begin()
    this.#scanned = 0
    return this.#become('inside')
  }

  #inside(): boolean {
    const held = this.#held
    const { scanner } = this.#assembly
    const end = this.#boundedEnd()
    const at = scanner.run(held.data, held.from, held.from + this.#scanned, end)
    this.#scanned = at - held.from
    if (scanner.depth > 0 || this.#scanned === 0) return this.#checkSize()
    const element = this.#assembly.element(held.data, held.from, at)
    held.from = at
    this.#state = 'open'
    this.#released = false
    this.#pauseUnless(this.#sink.element(element))
    return true
  }

  /** Where the element that is open must have ended. */
  #boundedEnd(): number {
    return Math.min(this.#held.end, this.#held.from + this.#assembly.scanner.limits.stanzaBytes)
  }

  /** RFC 6120 §13.12. Nothing more can be done now: false. */
  #checkSize(): false {
    const { stanzaBytes } = this.#assembly.scanner.limits
    if (this.#held.size > stanzaBytes) throw tooBig(stanzaBytes)
    return false
  }

  /** A sink's answer. It may have called `release` before it answered. */
  #pauseUnless(more: boolean): void {
    this.#paused = !more && !this.#released
  }

  #endTag(): boolean {
    const { data, from, end } = this.#held
    const name = this.#rootName as Buffer
    for (let k = 0; k < name.length; k++) {
      if (from + 2 + k >= end) return false
      if (data[from + 2 + k] !== name[k]) throw malformed('an end tag of another name')
    }
    const at = skipBlank(data, from + 2 + name.length, end)
    if (at - from > name.length + BLANK_MAX) throw tooMuch('an end tag of excessive length')
    if (at >= end) return false
    if (data[at] !== GT) throw malformed('an end tag of another name')
    this.#state = 'ended'
    this.#held.from = at + 1
    this.#sink.end()
    return true
  }

  /** White space is passed over in constant memory. True if there was some. */
  #skipBlank(): boolean {
    const held = this.#held
    const { from } = held
    held.from = skipBlank(held.data, from, held.end)
    return held.from > from
  }
}

/** One byte alone that leaves open how a document begins. */
function mayNeedMore(byte: number): boolean {
  return byte === LT || byte === 0 || byte >= 0xfe
}

function isSpecial(byte: number): boolean {
  return byte === BANG || byte === QUESTION
}
