/**
 * What was made for one other node in this turn of the event loop: envelopes that leave as one ROUTE, answers that leave as
 * one ANSWER. Owns what is not a frame yet. Envelopes are split when they are too big for a frame, and answered in the
 * node's place when they cannot leave: then nobody has taken them.
 */
import type { Envelope, Verdict } from '../router/envelope.js'
import { ANSWERS_MAX, AnswerWriter } from './answer-codec.js'
import { QUEUE_MAX_BYTES, QUEUE_PAUSE_BYTES, type Channel } from './channel.js'
import { RouteWriter } from './envelope-codec.js'
import { FrameTooBig, type FrameWriter } from './frames.js'

const FULL: Verdict = { kind: 'reject', why: 'error', type: 'wait', condition: 'resource-constraint' }
const LATE: Verdict = { kind: 'reject', why: 'error', type: 'wait', condition: 'remote-server-timeout' }
const TOO_BIG: Verdict = { kind: 'reject', why: 'error', type: 'modify', condition: 'policy-violation' }
/** An envelope that could not leave for this long is answered with an error. */
const CUT_WAIT_MS = 30_000
/** Answers that wait for company: nobody hears of the stanza any sooner by them, and alone each would cost a write. */
const ANSWERS_HELD = 64
/** A frame of more than this gains nothing, and is acknowledged as a whole. */
const FRAME_ENOUGH_BYTES = 32 * 1024

export interface TurnParts {
  readonly frames: FrameWriter
  /** Carries the questions of each ROUTE. */
  readonly channel: Channel<readonly number[]>
  /** These questions never left. */
  refused(ask: number, verdict: Verdict): void
  /** The lane is full: the questions will be asked again. */
  answersLost(): void
}

export class Turn {
  readonly #routes = new RouteWriter()
  readonly #answers = new AnswerWriter()
  #asks: number[] = []

  constructor(private readonly parts: TurnParts) {}

  get empty(): boolean {
    return this.#routes.count === 0 && this.#answers.count === 0
  }

  /** False: senders should pause. */
  route(envelope: Envelope): boolean {
    const { channel } = this.parts
    if (this.#waitingBytes >= QUEUE_MAX_BYTES) {
      this.#refuse(asksOf(envelope), FULL)
      return false
    }
    try {
      this.#routes.add(envelope)
    } catch (error) {
      if (error instanceof FrameTooBig) return this.#tooBig(envelope)
      if (!(error instanceof RangeError)) throw error
      this.#refuse(asksOf(envelope), TOO_BIG)          // a type, a language or a namespace that its field cannot hold
      return true
    }
    for (const { ask } of envelope.addressees) this.#asks.push(ask)
    if (this.#routes.bytes >= FRAME_ENOUGH_BYTES || !channel.attached) this.#sendRoutes()
    return this.#waitingBytes < QUEUE_PAUSE_BYTES
  }

  /** True: send it in this turn; otherwise with the next write, or soon. */
  answer(ask: number, verdict: Verdict): boolean {
    this.#answers.add(ask, verdict)
    const { bytes, count } = this.#answers
    if (bytes >= FRAME_ENOUGH_BYTES || count === ANSWERS_MAX || !this.parts.channel.attached) this.#sendAnswers()
    return verdict.kind === 'reject' || count >= ANSWERS_HELD
  }

  /** The turn is over. */
  flush(): void {
    this.#sendRoutes()
    this.#sendAnswers()
  }

  /** Gives up what has waited for a link for too long. */
  expire(now: number): void {
    for (const asks of this.parts.channel.expire(1, now - CUT_WAIT_MS)) this.#refuse(asks, LATE)
  }

  get #waitingBytes(): number {
    return this.parts.channel.waitingBytes(1) + this.#routes.bytes
  }

  #sendRoutes(): void {
    if (this.#routes.count === 0) return
    const { channel, frames } = this.parts
    const asks = this.#asks
    this.#asks = []
    const taken = channel.send(1, this.#routes.finish(frames), asks)
    if (!taken) this.#refuse(asks, FULL)
    if (!taken || channel.waitingBytes(1) > 0) this.#routes.forget()     // it may be given up, and its words with it
  }

  #sendAnswers(): void {
    if (this.#answers.count === 0) return
    if (!this.parts.channel.send(2, this.#answers.finish(this.parts.frames))) this.parts.answersLost()
  }

  /** For this frame, or for any: halves of the addressees, and at last a refusal. */
  #tooBig(envelope: Envelope): boolean {
    if (this.#routes.count > 0) {
      this.#sendRoutes()
      return this.route(envelope)
    }
    const { addressees } = envelope
    if (addressees.length <= 1) {
      this.#refuse(asksOf(envelope), TOO_BIG)
      return true
    }
    const half = addressees.length >> 1
    const first = this.route({ ...envelope, addressees: addressees.slice(0, half) })
    return this.route({ ...envelope, addressees: addressees.slice(half) }) && first
  }

  /** Never while the router is still in `route`. */
  #refuse(asks: readonly number[], verdict: Verdict): void {
    queueMicrotask(() => {
      for (const ask of asks) this.parts.refused(ask, verdict)
    })
  }
}

function asksOf({ addressees }: Envelope): readonly number[] {
  return addressees.map(({ ask }) => ask)
}
