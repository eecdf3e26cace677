/** Frames of the lanes, to whom they concern. Bodies are decoded here; what does not fit closes the link. */
import type { Envelope, MeshHandlers, Verdict } from '../router/envelope.js'
import type { NodeRef } from '../router/strategy.js'
import type { Log } from '../telemetry/log.js'
import type { BoshExchange } from './bosh.js'
import type { TreeCount } from '../xmpp/stanza.js'
import { FrameFault } from './bytes.js'
import { decodeAnswer, decodeRoute, encodeAnswer, linkJid, type UnreadableRoute } from './envelope-codec.js'
import { FRAME, type FrameWriter, type RawFrame } from './frames.js'
import { decodeBound, decodeFence, decodeInvalidate } from './link-frames.js'
import type { Peer } from './peer.js'

export interface DispatchParts {
  readonly handlers: MeshHandlers
  readonly frames: FrameWriter
  readonly log: Log
  readonly bosh: BoshExchange
  readonly contents: TreeCount
  registration(from: NodeRef, message: Buffer): void
  /** An envelope was sent under this view number. */
  view(viewNo: number): void
  /** Another node says that this life was fenced. */
  fence(node: NodeRef): void
}

/** Which lane each type belongs to: elsewhere it would overtake what it must follow. */
const LANE_OF: Readonly<Record<number, number>> = {
  [FRAME.ROUTE]: 1, [FRAME.BOSH_REQUEST]: 1, [FRAME.BOSH_ANSWER]: 1,
  [FRAME.ANSWER]: 2,
  [FRAME.REG]: 3, [FRAME.BOUND]: 3, [FRAME.FENCE]: 3, [FRAME.INVALIDATE]: 3
}

/** @throws FrameFault; any other fault is one of ours, said once, and the link lives */
export function dispatch(peer: Peer, frame: RawFrame, parts: DispatchParts): void {
  try {
    dispatchFrame(peer, frame, parts)
  } catch (error) {
    if (error instanceof FrameFault) throw error
    const stack = error instanceof Error ? error.stack : String(error)
    parts.log.error({ node: peer.node.name, type: frame.type, error: stack }, 'cluster.handler.failed')
    if (frame.type === FRAME.ROUTE) refuse(peer, decodeRoute(frame.body), parts, BUG)
  }
}

function dispatchFrame(peer: Peer, frame: RawFrame, parts: DispatchParts): void {
  const lane = LANE_OF[frame.type]
  if (lane === undefined && frame.optional) return
  if (lane !== frame.lane) throw new FrameFault(`frame type ${frame.type} in lane ${frame.lane}`)
  const { handlers } = parts
  switch (frame.type) {
    case FRAME.ROUTE: { route(peer, frame, parts); return }
    case FRAME.ANSWER: {
      const { key, answers } = decodeAnswer(frame.body)
      handlers.answers(peer.node, key, answers); return
    }
    case FRAME.BOUND: {
      const { jid, hlc } = decodeBound(frame.body)
      handlers.bound(peer.node, linkJid(jid), hlc); return
    }
    case FRAME.INVALIDATE: {
      const { cache, key } = decodeInvalidate(frame.body)
      handlers.invalidate(cache, key); return
    }
    case FRAME.REG:
      if (peer.floods(frame.seq)) throw new FrameFault('a second REG before the first was acknowledged')
      { parts.registration(peer.node, Buffer.from(frame.body)); return }
    case FRAME.FENCE: { parts.fence(decodeFence(frame.body)); return }
    case FRAME.BOSH_REQUEST: { parts.bosh.request(peer, frame.body); return }
    case FRAME.BOSH_ANSWER: { parts.bosh.answer(peer, frame.body); return }
    default: throw new FrameFault(`frame type ${frame.type} is not known`)
  }
}

/** A stanza that cannot be read is refused, so that its sender hears of it; the link stays. */
function route(peer: Peer, frame: RawFrame, parts: DispatchParts): void {
  const envelope = decodeRoute(frame.body, parts.contents)
  if ('stanza' in envelope) {
    parts.view(envelope.view)
    parts.handlers.envelope(peer.node, envelope); return
  }
  parts.log.error({ node: peer.node.name, why: envelope.why }, 'cluster.route.unreadable')
  refuse(peer, envelope, parts, UNREADABLE)
}

function refuse(peer: Peer, envelope: Envelope | UnreadableRoute, parts: DispatchParts, verdict: Verdict): void {
  const asks = 'stanza' in envelope ? envelope.addressees.map(({ ask }) => ask) : envelope.asks
  peer.channel.send(2, encodeAnswer(parts.frames, envelope.key, asks.map((ask) => ({ ask, verdict }))))
}

const UNREADABLE: Verdict = { kind: 'reject', why: 'error', type: 'modify', condition: 'bad-request' }
const BUG: Verdict = { kind: 'reject', why: 'error', type: 'cancel', condition: 'internal-server-error' }
