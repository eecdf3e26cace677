/** Frames of the lanes, to whom they concern. Bodies are decoded here; what does not fit closes the link. */
import type { Envelope, MeshHandlers, Verdict } from '../router/envelope.js'
import type { NodeRef } from '../router/strategy.js'
import type { Log } from '../telemetry/log.js'
import type { BoshExchange } from './bosh.js'
import { FrameFault } from './bytes.js'
import { readAnswers } from './answer-codec.js'
import { linkJid, type UnreadableRoute } from './envelope-codec.js'
import { FRAME, type RawFrame } from './frames.js'
import { decodeBound, decodeFence, decodeInvalidate } from './link-frames.js'
import type { Peer } from './peer.js'

export interface DispatchParts {
  readonly handlers: MeshHandlers
  readonly log: Log
  readonly bosh: BoshExchange
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
    failed(peer, frame, error, parts)
  }
}

function dispatchFrame(peer: Peer, frame: RawFrame, parts: DispatchParts): void {
  const lane = LANE_OF[frame.type]
  if (lane === undefined && frame.optional) return
  if (lane !== frame.lane) throw new FrameFault(`frame type ${frame.type} in lane ${frame.lane}`)
  const { handlers } = parts
  switch (frame.type) {
    case FRAME.ROUTE: { routes(peer, frame, parts); return }
    case FRAME.ANSWER: {
      readAnswers(frame.body, (first, count, verdict) => { handlers.answers(peer.node, first, count, verdict) }); return
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

/** A stanza that cannot be read is refused, so that its sender hears of it; the link stays, and so do the others of its frame. */
function routes(peer: Peer, frame: RawFrame, parts: DispatchParts): void {
  peer.routes.begin(frame.body)
  for (let next = peer.routes.next(); next !== undefined; next = peer.routes.next()) {
    if ('stanza' in next) serve(peer, frame, next, parts)
    else {
      parts.log.error({ node: peer.node.name, why: next.why }, 'cluster.route.unreadable')
      refuse(peer, next, UNREADABLE)
    }
  }
}

function serve(peer: Peer, frame: RawFrame, envelope: Envelope, parts: DispatchParts): void {
  try {
    parts.view(envelope.view)
    parts.handlers.envelope(peer.node, envelope)
  } catch (error) {
    failed(peer, frame, error, parts)
    refuse(peer, { asks: envelope.addressees.map(({ ask }) => ask) }, BUG)
  }
}

function failed(peer: Peer, frame: RawFrame, error: unknown, parts: DispatchParts): void {
  const stack = error instanceof Error ? error.stack : String(error)
  parts.log.error({ node: peer.node.name, type: frame.type, error: stack }, 'cluster.handler.failed')
}

function refuse(peer: Peer, { asks }: Pick<UnreadableRoute, 'asks'>, verdict: Verdict): void {
  for (const ask of asks) peer.answer(ask, verdict)
}

const UNREADABLE: Verdict = { kind: 'reject', why: 'error', type: 'modify', condition: 'bad-request' }
const BUG: Verdict = { kind: 'reject', why: 'error', type: 'cancel', condition: 'internal-server-error' }
