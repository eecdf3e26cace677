/**
 * Bodies of the small frames: handshake, keeping a link, acknowledgements, control. Layouts: `docs/link-protocol.md`.
 */
import { LINK_REFUSED } from '../telemetry/reasons.js'
import type { Hlc } from '../xmpp/hlc.js'
import type { NodeRef } from '../router/strategy.js'
import { ByteReader, FrameFault, type ByteWriter } from './bytes.js'
import { FRAME, LANE, readHlc, writeHlc, type FrameWriter, type Lane } from './frames.js'

export const NONCE_BYTES = 32
export const MAC_BYTES = 32
const NAME_BYTES_MAX = 255
const SHORT_BYTES_MAX = 64
const ADVERTISE_BYTES_MAX = 300
const JID_BYTES_MAX = 3071
/** As many nodes as PEERS may name; far more than a full mesh can have. */
const PEERS_MAX = 1000
const KEYS_MAX = 2

/** Whose secret makes the key: the passwords of both rows, or the operator's `--cluster-secret`. */
export type KeySource = 'rows' | 'secret'

export interface Hello {
  readonly protocolMin: number
  readonly protocolMax: number
  readonly clusterName: string
  readonly name: string
  readonly incarnation: number
  readonly nonce: Buffer
  readonly keySource: KeySource
  readonly strategy: string
  /** `host:port` that others dial. */
  readonly advertise: string
}

/** Where the lanes of a channel stand: what a READY tells the other side. */
export interface Positions {
  /** Last number received in each lane, by `LANES`. */
  readonly received: readonly number[]
  /** Bytes granted since the channel began, for route and repl. */
  readonly granted: { readonly route: number; readonly repl: number }
}

export interface PeerAddress extends NodeRef {
  readonly advertise: string
}

export const GOODBYE_REASONS = [...LINK_REFUSED, 'left', 'fenced', 'duplicate', 'silent'] as const
export type GoodbyeReason = (typeof GOODBYE_REASONS)[number]

export function encodeHello(frames: FrameWriter, hello: Hello): Buffer {
  const out = frames.begin(FRAME.HELLO, LANE.none)
  out.u16(hello.protocolMin)
  out.u16(hello.protocolMax)
  out.text8(hello.clusterName)
  out.text16(hello.name)
  out.u48(hello.incarnation)
  out.raw(hello.nonce)
  out.u8(hello.keySource === 'rows' ? 0 : 1)
  out.text8(hello.strategy)
  out.text16(hello.advertise)
  return frames.finish()
}

/** Fields that later versions append are not looked at, so that a version can be refused by its range. */
export function decodeHello(body: Buffer): Hello {
  const reader = new ByteReader(body)
  return {
    protocolMin: reader.u16(),
    protocolMax: reader.u16(),
    clusterName: reader.text8(SHORT_BYTES_MAX),
    name: reader.text16(NAME_BYTES_MAX),
    incarnation: reader.u48(),
    nonce: reader.raw(NONCE_BYTES),
    keySource: reader.u8() === 0 ? 'rows' : 'secret',
    strategy: reader.text8(SHORT_BYTES_MAX),
    advertise: reader.text16(ADVERTISE_BYTES_MAX)
  }
}

export function encodeAuth(frames: FrameWriter, macs: readonly Buffer[]): Buffer {
  const out = frames.begin(FRAME.AUTH, LANE.none)
  out.u8(macs.length)
  for (const mac of macs) out.raw(mac)
  return frames.finish()
}

export function decodeAuth(body: Buffer): readonly Buffer[] {
  const reader = new ByteReader(body)
  const count = reader.u8()
  if (count < 1 || count > KEYS_MAX) throw new FrameFault(`${count} codes in AUTH`)
  const macs = Array.from({ length: count }, () => reader.raw(MAC_BYTES))
  reader.end()
  return macs
}

export function encodeReady(frames: FrameWriter, positions: Positions): Buffer {
  const out = frames.begin(FRAME.READY, LANE.none)
  for (const seq of positions.received) out.u48(seq)
  out.u48(positions.granted.route)
  out.u48(positions.granted.repl)
  return frames.finish()
}

export function decodeReady(body: Buffer): Positions {
  const reader = new ByteReader(body)
  const received = [reader.u48(), reader.u48(), reader.u48(), reader.u48()]
  const granted = { route: reader.u48(), repl: reader.u48() }
  reader.end()
  return { received, granted }
}

export function encodeGoodbye(frames: FrameWriter, reason: GoodbyeReason): Buffer {
  frames.begin(FRAME.GOODBYE, LANE.none).text8(reason)
  return frames.finish()
}

/** A reason of a later version reads as `protocol`. */
export function decodeGoodbye(body: Buffer): GoodbyeReason {
  const text = new ByteReader(body).text8(SHORT_BYTES_MAX)
  return GOODBYE_REASONS.find((reason) => reason === text) ?? 'protocol'
}

/** PING and PONG carry the same number back. */
export function encodePing(frames: FrameWriter, type: typeof FRAME.PING | typeof FRAME.PONG, token: number): Buffer {
  frames.begin(type, LANE.none).u48(token)
  return frames.finish()
}

export function decodePing(body: Buffer): number {
  const reader = new ByteReader(body)
  const token = reader.u48()
  reader.end()
  return token
}

/** `again`: a frame is missing behind `seq`; everything after it is to be sent once more. */
export interface Ack {
  readonly lane: Lane
  readonly seq: number
  readonly again: boolean
}

export function encodeAck(frames: FrameWriter, ack: Ack): Buffer {
  const out = frames.begin(FRAME.ACK, LANE.none)
  out.u8(ack.lane)
  out.u48(ack.seq)
  out.u8(ack.again ? 1 : 0)
  return frames.finish()
}

export function decodeAck(body: Buffer): Ack {
  const reader = new ByteReader(body)
  const ack = { lane: numbered(reader.u8()), seq: reader.u48(), again: reader.u8() === 1 }
  reader.end()
  return ack
}

/** `bytes`: granted in all since the channel began, so that a lost or repeated frame does no harm. */
export interface Credit {
  readonly lane: Lane
  readonly bytes: number
}

export function encodeCredit(frames: FrameWriter, credit: Credit): Buffer {
  const out = frames.begin(FRAME.CREDIT, LANE.none)
  out.u8(credit.lane)
  out.u48(credit.bytes)
  return frames.finish()
}

export function decodeCredit(body: Buffer): Credit {
  const reader = new ByteReader(body)
  const credit = { lane: numbered(reader.u8()), bytes: reader.u48() }
  reader.end()
  return credit
}

export function encodePeers(frames: FrameWriter, peers: readonly PeerAddress[]): Buffer {
  const out = frames.begin(FRAME.PEERS, LANE.none)
  const few = peers.slice(0, PEERS_MAX)
  out.u16(few.length)
  for (const peer of few) {
    writeNode(out, peer)
    out.text16(peer.advertise)
  }
  return frames.finish()
}

export function decodePeers(body: Buffer): readonly PeerAddress[] {
  const reader = new ByteReader(body)
  const count = reader.u16()
  if (count > PEERS_MAX) throw new FrameFault(`${count} peers`)
  const peers = Array.from({ length: count }, () => ({ ...readNode(reader), advertise: reader.text16(ADVERTISE_BYTES_MAX) }))
  reader.end()
  return peers
}

export function encodeFence(frames: FrameWriter, node: NodeRef): Buffer {
  writeNode(frames.begin(FRAME.FENCE, LANE.control), node)
  return frames.finish()
}

export function decodeFence(body: Buffer): NodeRef {
  const reader = new ByteReader(body)
  const node = readNode(reader)
  reader.end()
  return node
}

export function encodeBound(frames: FrameWriter, jid: string, hlc: Hlc): Buffer {
  const out = frames.begin(FRAME.BOUND, LANE.control)
  out.text16(jid)
  writeHlc(out, hlc)
  return frames.finish()
}

export function decodeBound(body: Buffer): { readonly jid: string; readonly hlc: Hlc } {
  const reader = new ByteReader(body)
  const bound = { jid: reader.text16(JID_BYTES_MAX), hlc: readHlc(reader) }
  reader.end()
  return bound
}

export function encodeInvalidate(frames: FrameWriter, cache: string, key: string): Buffer {
  const out = frames.begin(FRAME.INVALIDATE, LANE.control)
  out.text8(cache)
  out.text16(key)
  return frames.finish()
}

export function decodeInvalidate(body: Buffer): { readonly cache: string; readonly key: string } {
  const reader = new ByteReader(body)
  const named = { cache: reader.text8(), key: reader.text16() }
  reader.end()
  return named
}

/** The strategy's own bytes fill the frame. */
export function encodeReg(frames: FrameWriter, message: Uint8Array): Buffer {
  frames.begin(FRAME.REG, LANE.control).raw(message)
  return frames.finish()
}

function writeNode(out: ByteWriter, node: NodeRef): void {
  out.text16(node.name)
  out.u48(node.incarnation)
}

function readNode(reader: ByteReader): NodeRef {
  return { name: reader.text16(NAME_BYTES_MAX), incarnation: reader.u48() }
}

function numbered(lane: number): Lane {
  if (lane === 1 || lane === 2 || lane === 3 || lane === 4) return lane
  throw new FrameFault(`no lane ${lane}`)
}
