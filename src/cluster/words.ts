/**
 * Words: texts that come again and again on a lane (addresses, sessions, namespaces), known to both ends by number. A frame
 * opens with those that are new in it. The two ends agree because a lane loses nothing; where a frame may be given up
 * before it was sent, the writer forgets, and the next frame begins anew.
 */
import type { Jid } from '../xmpp/jid.js'
import { FrameFault, type ByteReader, ByteWriter } from './bytes.js'

/** Those of two thousand conversations; when they are more, the table begins anew. About 1 MB on each side. */
export const WORDS_MAX = 8192
/** Longer ones are rare and stand where they are used. UTF-16 units. */
const WORD_LENGTH_MAX = 255
const WORD_BYTES_MAX = 3 * WORD_LENGTH_MAX
/** Instead of a number: no text, or the text itself follows. */
const EMPTY = 0
const LITERAL = 1
const FIRST = 2
const FLAG_ANEW = 1

export class WordWriter {
  readonly #numbers = new Map<string, number>()
  readonly #fresh = new ByteWriter()
  #freshCount = 0
  #anew = true

  /** Bytes that the words which are new take in the frame. */
  get length(): number {
    return this.#fresh.length
  }

  /** @throws RangeError for more than 65,535 bytes */
  write(out: ByteWriter, text: string): void {
    if (text === '') {
      out.u8(EMPTY)
      return
    }
    const number = this.#numbers.get(text) ?? this.#define(text)
    out.varint(number)
    if (number === LITERAL) out.text16(text)
  }

  /** Opens a frame. */
  section(out: ByteWriter): void {
    out.u8(this.#anew ? FLAG_ANEW : 0)
    out.varint(this.#freshCount)
    out.raw(this.#fresh.written)
    this.#anew = false
    this.#freshCount = 0
    this.#fresh.reset()
    if (this.#numbers.size >= WORDS_MAX) this.forget()
  }

  /** Between two frames: the one before may never arrive. */
  forget(): void {
    this.#anew = true
    this.#freshCount = 0
    this.#fresh.reset()
    this.#numbers.clear()
  }

  #define(text: string): number {
    const { size } = this.#numbers
    if (size >= WORDS_MAX || text.length > WORD_LENGTH_MAX) return LITERAL
    this.#fresh.text16(text)
    this.#freshCount++
    this.#numbers.set(text, FIRST + size)
    return FIRST + size
  }
}

interface Word {
  readonly text: string
  /** Once it was asked for. */
  jid: Jid | undefined
}

export class WordReader {
  #words: Word[] = []

  /** @param parse of addresses, once for each word; throws FrameFault */
  constructor(private readonly parse: (text: string) => Jid) {}

  /** The section that opens a frame. @throws FrameFault */
  section(body: ByteReader): void {
    if ((body.u8() & FLAG_ANEW) !== 0) this.#words = []
    for (let left = body.varint(); left > 0; left--) {
      if (this.#words.length === WORDS_MAX) throw new FrameFault('too many words')
      this.#words.push({ text: body.text16(WORD_BYTES_MAX), jid: undefined })
    }
  }

  text(body: ByteReader): string {
    const number = body.varint()
    if (number < FIRST) return number === EMPTY ? '' : body.text16()
    return this.#word(number).text
  }

  /** `undefined` for no text. */
  jid(body: ByteReader): Jid | undefined {
    const number = body.varint()
    if (number < FIRST) return number === EMPTY ? undefined : this.parse(body.text16())
    const word = this.#word(number)
    word.jid ??= this.parse(word.text)
    return word.jid
  }

  #word(number: number): Word {
    const word = this.#words[number - FIRST]
    if (word === undefined) throw new FrameFault(`no word ${number}`)
    return word
  }
}
