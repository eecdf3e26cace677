/**
 * Frames of the cluster link: numbers, lanes, header, and cutting a byte stream into frames. The layouts are written
 * down in `docs/link-protocol.md`, whose examples a test decodes. Bodies: `link-frames.ts`, `envelope-codec.ts`.
 */
import { compareHlc, type HybridClock, type Hlc } from '../xmpp/hlc.js'
import { ByteReader, ByteWriter, FrameFault, U48_MAX } from './bytes.js'

export const PROTOCOL_MIN = 1
export const PROTOCOL_MAX = 1

/** Bytes behind the length field. The reference limit for a link. */
export const FRAME_BYTES_MAX = 1_048_576
/** Before READY nothing bigger than a HELLO is expected; its fields together stay under this. */
export const HANDSHAKE_FRAME_BYTES_MAX = 4096

/** Lanes of a channel; 0 is the link itself, whose frames are neither numbered nor repeated. */
export const LANE = { none: 0, route: 1, answer: 2, control: 3, repl: 4 } as const
export type Lane = 1 | 2 | 3 | 4
export const LANES: readonly Lane[] = [1, 2, 3, 4]
export const LANE_NAMES = ['none', 'route', 'answer', 'control', 'repl'] as const
/** Where the lane's number stands in a frame. */
export const LANE_AT = 6

export const FRAME = {
  HELLO: 0x01, AUTH: 0x02, READY: 0x03, GOODBYE: 0x04, PING: 0x05, PONG: 0x06, ACK: 0x07, CREDIT: 0x08, PEERS: 0x09,
  ROUTE: 0x10, BOSH_REQUEST: 0x11, BOSH_ANSWER: 0x12,
  ANSWER: 0x20,
  REG: 0x30, BOUND: 0x31, FENCE: 0x3a, INVALIDATE: 0x3d
} as const

/** Numbers that are taken for what comes later; today they are unknown types like any other. */
export const RESERVED_FRAMES = {
  RELAY: 0x0a,
  CLAIM: 0x32, BUSY: 0x33, TRANSFER: 0x34, TRANSFER_OK: 0x35, TRANSFER_NO: 0x36, TRANSFER_DONE: 0x37,
  MOVE_QUERY: 0x38, MOVE_DROP: 0x39, FENCE_OK: 0x3b, NUDGE: 0x3c,
  ROOM_FIRST: 0x40, ROOM_LAST: 0x4f,
  REPL_OPEN: 0x50, REPL: 0x51, REPL_ACK: 0x52, REPL_FENCED: 0x53, SYNC_BEGIN: 0x54, SYNC_END: 0x55
} as const

/** Header flag: a receiver that does not know the type skips the frame instead of closing. */
export const FLAG_OPTIONAL = 0x01

const HEADER_BYTES = 15
const SEQ_BYTES = 6
const LENGTH_BYTES = 4
const SEQ_AT = HEADER_BYTES

export interface RawFrame {
  readonly type: number
  readonly optional: boolean
  readonly lane: 0 | Lane
  /** Number in its lane, from 1; 0 on lane 0. */
  readonly seq: number
  readonly hlc: Hlc
  /** A view on the received bytes, valid until the handler returns. */
  readonly body: Buffer
  /** Bytes of the whole frame, what credit counts. */
  readonly size: number
}

/** What should be sent does not fit into one frame. */
export class FrameTooBig extends Error {
  constructor(bytes: number) {
    super(`a frame of ${bytes} bytes`)
    this.name = 'FrameTooBig'
  }
}

/** Builds frames: `begin`, fields of the body by `out`, `finish`. One per life of a node. */
export class FrameWriter {
  readonly out = new ByteWriter()

  constructor(private readonly clock: HybridClock) {}

  begin(type: number, lane: 0 | Lane, flags = 0): ByteWriter {
    const out = this.out
    out.reset()
    out.u32(0)
    out.u8(type)
    out.u8(flags)
    out.u8(lane)
    writeHlc(out, this.clock.next())
    if (lane !== 0) out.u48(0)
    return out
  }

  /** @throws FrameTooBig */
  finish(): Buffer {
    const length = this.out.length - LENGTH_BYTES
    if (length > FRAME_BYTES_MAX) throw new FrameTooBig(length)
    this.out.setU32(length, 0)
    return this.out.finish()
  }
}

/** The number is written when the frame is first sent: what waits has none. */
export function setSeq(frame: Buffer, seq: number): void {
  frame.writeUIntBE(seq, SEQ_AT, SEQ_BYTES)
}

export function writeHlc(out: ByteWriter, hlc: Hlc): void {
  out.u48(hlc.ms)
  out.u16(hlc.count)
}

export function readHlc(body: ByteReader): Hlc {
  return { ms: body.u48(), count: body.u16() }
}

/** Cuts what arrives into frames. Pull: the link decides when the next one is looked at. */
export class FrameReader {
  #chunks: Buffer[] = []
  #size = 0
  #needed = LENGTH_BYTES

  /** Bytes fed and not yet returned. */
  get pendingBytes(): number {
    return this.#size
  }

  feed(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#size += chunk.length
  }

  /** @throws FrameFault; the connection cannot be used after it */
  next(bytesMax: number): RawFrame | undefined {
    if (this.#size < this.#needed) return undefined
    const bytes = this.#merged()
    const length = bytes.readUInt32BE(0)
    if (length > bytesMax) throw new FrameFault(`frame of ${length} bytes`)
    if (length < HEADER_BYTES - LENGTH_BYTES) throw new FrameFault(`frame of ${length} bytes has no header`)
    const size = LENGTH_BYTES + length
    if (this.#size < size) {
      this.#needed = size
      return undefined
    }
    this.#chunks = bytes.length === size ? [] : [bytes.subarray(size)]
    this.#size -= size
    this.#needed = LENGTH_BYTES
    return parseFrame(bytes.subarray(0, size))
  }

  #merged(): Buffer {
    const first = this.#chunks[0]
    if (first !== undefined && this.#chunks.length === 1) return first
    const whole = Buffer.concat(this.#chunks, this.#size)
    this.#chunks = [whole]
    return whole
  }
}

/** One whole frame, length field included. */
export function parseFrame(bytes: Buffer): RawFrame {
  const reader = new ByteReader(bytes, LENGTH_BYTES)
  const type = reader.u8()
  const optional = (reader.u8() & FLAG_OPTIONAL) !== 0
  const lane = laneOf(reader.u8())
  const hlc = readHlc(reader)
  const seq = lane === 0 ? 0 : reader.u48()
  if (lane !== 0 && seq === 0) throw new FrameFault('numbers of a lane start with 1')
  return { type, optional, lane, seq, hlc, body: bytes.subarray(bytes.length - reader.left), size: bytes.length }
}

function laneOf(value: number): 0 | Lane {
  switch (value) {
    case 0: case 1: case 2: case 3: case 4: return value
    default: throw new FrameFault(`no lane ${value}`)
  }
}

/** A clock value that cannot be written again would stop every frame of ours. */
export function usableHlc(hlc: Hlc): boolean {
  return compareHlc(hlc, { ms: U48_MAX - 1, count: 0 }) < 0
}
