/**
 * The strict parser for byte streams (TCP): one document that stays open, first-level elements as they complete.
 * RFC 6120 §4, §11.
 */
import { BANG, GT, LT, QUESTION, SLASH } from './characters.js'
import { Desks } from './desk.js'
import type { Desk } from './desk.js'
import { malformed, tooBig, tooMuch } from './faults.js'
import type { Binding } from './namespaces.js'
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
  closed(): void
  /** The parser is dead after this. */
  fault(fault: XmlFault): void
}

/** White space in the end tag of a stream, which is read again with each chunk. */
const BLANK_MAX = 512
/** What nearly every stream's tag is called. */
const USUAL_NAME = Buffer.from('stream:stream', 'latin1')

/**
 * `start`: nothing of a document has come. `prolog`: white space or a declaration has. `open`: between the elements of
 * an open stream. `inside`: in one of them. `ended`: the stream is closed. `dead`: after a fault.
 */
type State = 'start' | 'prolog' | 'open' | 'inside' | 'ended' | 'dead'

export class StreamParser {
  readonly #sink: ParserSink
  readonly #desks: Desks
  #limits: XmlLimits
  /** While there are bytes. */
  #desk: Desk | undefined
  #state: State = 'start'
  /** In `inside`: where the scanner goes on, counted from `#held.from`. */
  #scanned = 0
  /** The name of the stream's tag as it was written, for its end tag. */
  #rootName = USUAL_NAME
  /** What holds inside the stream's tag. */
  #ns = ''
  #declared: Binding | undefined
  /** The next document follows another one: white space that belonged to the old one may come before its declaration. */
  #restarted = false
  #paused = false
  /** `release` was called during a callback. */
  #released = false
  #busy = false

  constructor(limits: XmlLimits, sink: ParserSink, desks = new Desks()) {
    this.#limits = limits
    this.#sink = sink
    this.#desks = desks
  }

  /** Takes bytes; the chunk may be reused after the call. */
  feed(chunk: Buffer): void {
    if (this.#state === 'dead' || this.#state === 'ended') return
    const desk = this.#desk ?? this.#sit()
    desk.held.add(chunk)
    this.#run(desk)
  }

  /** Takes bytes, and looks at them with `release`. */
  keep(chunk: Buffer): void {
    if (this.#state === 'dead' || this.#state === 'ended') return
    const { held } = this.#desk ?? this.#sit()
    held.add(chunk)
    held.keep()
  }

  /** Goes on after a callback returned false. */
  release(): void {
    this.#paused = false
    this.#released = true
    if (this.#desk !== undefined) this.#run(this.#desk)
  }

  /** Expects a new document next (RFC 6120 §6.4.6); bytes that came are kept. */
  restart(): void {
    if (this.#state === 'dead') return
    this.#state = 'start'
    this.#restarted = true
    this.#scanned = 0
    this.#ns = ''
    this.#declared = undefined
    this.#desk?.assembly.enterStream('', undefined)
  }

  /** Throws away what came and expects a new document (RFC 6120 §5.4.3.3). */
  discard(): void {
    this.#desk?.held.clear()
    this.#rise()
    this.restart()
    this.#restarted = false
  }

  /** Other limits from now on, for an element that has begun too. */
  setLimits(limits: XmlLimits): void {
    this.#limits = limits
    if (this.#desk !== undefined) this.#desk.assembly.scanner.tag.limits = limits
  }

  /** Bytes kept in memory. */
  get heldBytes(): number {
    return this.#desk?.held.size ?? 0
  }

  /** An element of the stream has begun and is not complete. */
  get midElement(): boolean {
    return this.#state === 'inside'
  }

  #sit(): Desk {
    const desk = this.#desks.take(this.#limits)
    desk.assembly.enterStream(this.#ns, this.#declared)
    this.#desk = desk
    return desk
  }

  /** Leaves the desk when nothing lies on it. */
  #rise(): void {
    const desk = this.#desk
    if (desk === undefined || this.#busy || desk.held.size > 0) return
    this.#desk = undefined
    this.#desks.leave(desk)
  }

  #run(desk: Desk): void {
    if (this.#busy) return
    this.#busy = true
    try {
      while (!this.#paused && desk.held.size > 0 && this.#step(desk)) { /* once more */ }
    } catch (error) {
      this.#fail(error, desk)
    } finally {
      this.#busy = false
      desk.held.keep()
      this.#rise()
    }
  }

  #fail(error: unknown, { held }: Desk): void {
    this.#state = 'dead'
    held.clear()
    if (!(error instanceof XmlFault)) throw error
    this.#sink.fault(error)
  }

  /** Gets on by one piece; false when there is nothing to get on with. */
  #step(desk: Desk): boolean {
    switch (this.#state) {
      case 'start': return this.#start(desk)
      case 'prolog': return this.#prolog(desk)
      case 'open': return this.#between(desk)
      case 'inside': return this.#inside(desk)
      case 'ended': case 'dead': return ignore(desk)
    }
  }

  /** The first bytes of a document: encoding and declaration. */
  #start({ held }: Desk): boolean {
    if (this.#restarted) pastBlank(held)
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
  #prolog(desk: Desk): boolean {
    const { held, assembly } = desk
    pastBlank(held)
    const { data, from, end, size } = held
    if (size === 0) return false
    if (data[from] !== LT) refuseText(data, from, 'not-well-formed')   // BOM: X26; HTTP: S11
    if (size < 2) return false
    if (data[from + 1] === SLASH) throw malformed('an end tag without start tag')
    if (isSpecial(data[from + 1] as number)) {
      refuseMarkup(data, from, end, 'not-well-formed')
      return false
    }
    if (this.#scanned === 0) assembly.beginHeader()
    this.#scanned = 1
    const next = assembly.scanner.startOnly(data, from, boundedEnd(desk))
    if (next === from) return checkSize(desk)
    return this.#opened(desk, next)
  }

  #opened({ held, assembly }: Desk, next: number): boolean {
    const header = assembly.header()
    const { scanner } = assembly
    const empty = scanner.tag.empty
    const name = scanner.rootName(held.data, held.from)
    this.#rootName = name.equals(USUAL_NAME) ? USUAL_NAME : Buffer.from(name)
    held.from = next
    this.#scanned = 0
    this.#ns = scanner.innerNs
    this.#declared = scanner.prefixes.last
    assembly.enterStream(this.#ns, this.#declared)
    this.#state = empty ? 'ended' : 'open'
    this.#released = false
    this.#pauseUnless(this.#sink.header(header))
    if (empty) this.#sink.closed()
    return true
  }

  /** Between elements: white space (RFC 6120 §4.6.1), an element, or the end of the stream. */
  #between({ held, assembly }: Desk): boolean {
    if (pastBlank(held)) this.#sink.blank?.()
    const { data, from, end, size } = held
    if (size === 0) return false
    if (data[from] !== LT) refuseText(data, from, 'bad-format')   // RFC 6120 §4.9.3.1, S24
    if (size < 2) return false
    if (data[from + 1] === SLASH) return this.#endTag(held)
    if (isSpecial(data[from + 1] as number)) {
      refuseMarkup(data, from, end, 'bad-format')
      return false
    }
    assembly.scanner.begin()
    this.#scanned = 0
    return this.#become('inside')
  }

  #inside(desk: Desk): boolean {
    const { held, assembly } = desk
    const { scanner } = assembly
    const at = scanner.run(held.data, held.from, held.from + this.#scanned, boundedEnd(desk))
    this.#scanned = at - held.from
    if (scanner.depth > 0 || this.#scanned === 0) return checkSize(desk)
    const element = assembly.element(held.data, held.from, at)
    held.from = at
    this.#state = 'open'
    this.#released = false
    this.#pauseUnless(this.#sink.element(element))
    return true
  }

  /** A sink's answer. It may have called `release` before it answered. */
  #pauseUnless(more: boolean): void {
    this.#paused = !more && !this.#released
  }

  #endTag(held: Desk['held']): boolean {
    const { data, from, end } = held
    const name = this.#rootName
    for (let k = 0; k < name.length; k++) {
      if (from + 2 + k >= end) return false
      if (data[from + 2 + k] !== name[k]) throw malformed('an end tag of another name')
    }
    const at = skipBlank(data, from + 2 + name.length, end)
    if (at - from > name.length + BLANK_MAX) throw tooMuch('an end tag of excessive length')
    if (at >= end) return false
    if (data[at] !== GT) throw malformed('an end tag of another name')
    this.#state = 'ended'
    held.from = at + 1
    this.#sink.closed()
    return true
  }
}

/** Where the element that is open must have ended. */
function boundedEnd({ held, assembly }: Desk): number {
  return Math.min(held.end, held.from + assembly.scanner.limits.stanzaBytes)
}

/** RFC 6120 §13.12. Nothing more can be done now: false. */
function checkSize({ held, assembly }: Desk): false {
  const { stanzaBytes } = assembly.scanner.limits
  if (held.size > stanzaBytes) throw tooBig(stanzaBytes)
  return false
}

/** White space is passed over in constant memory. True if there was some. */
function pastBlank(held: Desk['held']): boolean {
  const { from } = held
  held.from = skipBlank(held.data, from, held.end)
  return held.from > from
}

function ignore({ held }: Desk): false {
  held.clear()
  return false
}

/** One byte alone that leaves open how a document begins. */
function mayNeedMore(byte: number): boolean {
  return byte === LT || byte === 0 || byte >= 0xfe
}

function isSpecial(byte: number): boolean {
  return byte === BANG || byte === QUESTION
}
