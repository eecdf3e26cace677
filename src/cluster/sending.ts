/**
 * Envelopes to one other node: encoded, split when they are too big for a frame, answered in its place when it cannot.
 * An answer given here is for envelopes that never left, so nobody has taken them.
 */
import type { Envelope, MeshHandlers, Verdict } from '../router/envelope.js'
import type { NodeRef } from '../router/strategy.js'
import { encodeRoute } from './envelope-codec.js'
import { FrameTooBig, type FrameWriter } from './frames.js'
import type { Peer } from './peer.js'

const FULL: Verdict = { kind: 'reject', why: 'error', type: 'wait', condition: 'resource-constraint' }
const LATE: Verdict = { kind: 'reject', why: 'error', type: 'wait', condition: 'remote-server-timeout' }
const TOO_BIG: Verdict = { kind: 'reject', why: 'error', type: 'modify', condition: 'policy-violation' }
/** An envelope that could not leave for this long is answered with an error. */
const CUT_WAIT_MS = 30_000

export class Sending {
  constructor(private readonly frames: FrameWriter, private readonly answers: MeshHandlers['answers']) {}

  /** False: senders should pause. `peer` is `undefined` when that life is over. */
  route(peer: Peer | undefined, to: NodeRef, envelope: Envelope): boolean {
    if (peer === undefined) {
      this.#answer(to, envelope, { kind: 'none' }) // it holds nobody
      return true
    }
    try {
      return peer.route(encodeRoute(this.frames, envelope), envelope, (unsent) => this.#answer(to, unsent, FULL))
    } catch (error) {
      if (error instanceof FrameTooBig) return this.#split(peer, envelope)
      if (!(error instanceof RangeError)) throw error
      this.#answer(peer.node, envelope, TOO_BIG)       // a type, a language or a namespace that its field cannot hold
      return true
    }
  }

  /** Gives up what has waited for a link for too long. */
  expire(peer: Peer, now: number): void {
    for (const unsent of peer.channel.expire(1, now - CUT_WAIT_MS)) this.#answer(peer.node, unsent, LATE)
  }

  /** Halves of the addressees, and at last a refusal. */
  #split(peer: Peer, envelope: Envelope): boolean {
    const { addressees } = envelope
    if (addressees.length <= 1) {
      this.#answer(peer.node, envelope, TOO_BIG)
      return true
    }
    const half = addressees.length >> 1
    const first = this.route(peer, peer.node, { ...envelope, addressees: addressees.slice(0, half) })
    return this.route(peer, peer.node, { ...envelope, addressees: addressees.slice(half) }) && first
  }

  /** Never while the router is still in `route`. */
  #answer(from: NodeRef, envelope: Envelope, verdict: Verdict): void {
    const answers = envelope.addressees.map(({ ask }) => ({ ask, verdict }))
    queueMicrotask(() => this.answers(from, envelope.key, answers))
  }
}
