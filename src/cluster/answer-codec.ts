/**
 * ANSWER: what this node says to the questions of one peer in one turn, as runs of questions with the same answer. On the
 * hot path. Layout: `docs/link-protocol.md`.
 */
import type { Verdict } from '../router/envelope.js'
import { STANZA_CONDITIONS, type StanzaErrorType } from '../xmpp/errors.js'
import { ByteReader, ByteWriter, FrameFault } from './bytes.js'
import { FRAME, LANE, type FrameWriter } from './frames.js'

const ERROR_TYPES: readonly StanzaErrorType[] = ['auth', 'cancel', 'continue', 'modify', 'wait']
/** By the number of the verdict; with an error, `ERROR`. */
const PLAIN: readonly Verdict[] = [{ kind: 'accept' }, { kind: 'none' }, { kind: 'reject', why: 'gap' }]
const ERROR = 3
/** Questions of one run: nobody has as many open, and a frame must not make us count for long. */
const RUN_MAX = 65_536

/** Answers for one peer, until they become a frame. */
export class AnswerWriter {
  readonly #out = new ByteWriter()
  #runs = 0
  #first = 0
  #count = 0
  #code = 0

  get empty(): boolean {
    return this.#runs === 0 && this.#count === 0
  }

  get bytes(): number {
    return this.#out.length
  }

  add(ask: number, verdict: Verdict): void {
    const code = codeOf(verdict)
    if (ask === this.#first + this.#count && code === this.#code && this.#count > 0 && this.#count < RUN_MAX) {
      this.#count++
      return
    }
    this.#close()
    this.#first = ask
    this.#count = 1
    this.#code = code
    if (verdict.kind !== 'reject' || verdict.why !== 'error') return
    this.#close()
    this.#out.text8(verdict.type)
    this.#out.text8(verdict.condition)
  }

  finish(frames: FrameWriter): Buffer {
    this.#close()
    const out = frames.begin(FRAME.ANSWER, LANE.answer)
    out.varint(this.#runs)
    out.raw(this.#out.written)
    this.#out.reset()
    this.#runs = 0
    return frames.finish()
  }

  #close(): void {
    if (this.#count === 0) return
    this.#out.varint(this.#first)
    this.#out.varint(this.#count)
    this.#out.u8(this.#code)
    this.#runs++
    this.#count = 0
  }
}

/** @param run gets each run: `count` questions from `first` on. @throws FrameFault */
export function readAnswers(body: Buffer, run: (first: number, count: number, verdict: Verdict) => void): void {
  const reader = new ByteReader(body)
  const runs = reader.varint()
  if (runs === 0) reader.end()
  for (let left = runs; left > 0; left--) {
    const first = reader.varint()
    const count = reader.varint()
    const verdict = readVerdict(reader)
    if (count > RUN_MAX) throw new FrameFault(`${count} answers in a run`)
    if (left === 1) reader.end()
    run(first, count, verdict)
  }
}

function codeOf(verdict: Verdict): number {
  switch (verdict.kind) {
    case 'accept': return 0
    case 'none': return 1
    case 'reject': return verdict.why === 'gap' ? 2 : ERROR
    default: return verdict satisfies never
  }
}

function readVerdict(reader: ByteReader): Verdict {
  const code = reader.u8()
  const plain = PLAIN[code]
  if (plain !== undefined) return plain
  if (code !== ERROR) throw new FrameFault(`no verdict ${code}`)
  const named = { type: reader.text8(), condition: reader.text8() }
  const type = ERROR_TYPES.find((known) => known === named.type) ?? 'cancel'
  const condition = STANZA_CONDITIONS.find((known) => known === named.condition) ?? 'undefined-condition'
  return { kind: 'reject', why: 'error', type, condition }
}
