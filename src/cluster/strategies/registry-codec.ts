/** What the caching strategy's nodes say to each other, inside REG frames. Layouts: `docs/link-protocol.md`. */
import type { DeviceRecord, NodeRef } from '../../router/strategy.js'
import { ByteReader, ByteWriter, FrameFault } from '../bytes.js'
import { linkJid } from '../envelope-codec.js'
import { readHlc, writeHlc } from '../frames.js'

const SESSION_BYTES = 16
const PRESENCE_BYTES_MAX = 1_048_576
const JID_BYTES_MAX = 3071

/** A device came or changed, or it went. */
export type Change =
  | { readonly kind: 'put'; readonly record: DeviceRecord }
  | { readonly kind: 'delete'; readonly session: string }

/** Sums over all records, in any order. */
export interface Digest {
  readonly count: number
  readonly sum: number
}

export type RegistryMessage =
  /** `begin`: what follows, up to the batch with `end`, is everything there is. */
  | { readonly kind: 'batch'; readonly begin: boolean; readonly end: boolean; readonly changes: readonly Change[] }
  | { readonly kind: 'digest'; readonly digest: Digest }
  /** The digests differ: send everything. */
  | { readonly kind: 'pull' }

/** Bytes that one change takes at most in a batch, roughly; presence makes the difference. */
export function sizeOf(change: Change): number {
  if (change.kind === 'delete') return SESSION_BYTES + 1
  const { jid, presence } = change.record
  return jid.toString().length * 3 + (presence?.length ?? 0) * 3 + 64
}

export function encodeMessage(out: ByteWriter, message: RegistryMessage): Buffer {
  out.reset()
  switch (message.kind) {
    case 'batch':
      out.u8(1)
      out.u8((message.begin ? 1 : 0) | (message.end ? 2 : 0))
      out.u16(message.changes.length)
      for (const change of message.changes) writeChange(out, change)
      break
    case 'digest':
      out.u8(2)
      out.u32(message.digest.count)
      out.u32(message.digest.sum)
      break
    case 'pull':
      out.u8(3)
      break
    default:
      message satisfies never
  }
  return out.finish()
}

/** @param node who says it: a node speaks for its own devices only. @throws FrameFault */
export function decodeMessage(bytes: Uint8Array, node: NodeRef): RegistryMessage {
  const reader = new ByteReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  const kind = reader.u8()
  const message = readMessage(kind, reader, node)
  reader.end()
  return message
}

function readMessage(kind: number, reader: ByteReader, node: NodeRef): RegistryMessage {
  switch (kind) {
    case 1: {
      const flags = reader.u8()
      const count = reader.u16()
      const changes = Array.from({ length: count }, () => readChange(reader, node))
      return { kind: 'batch', begin: (flags & 1) !== 0, end: (flags & 2) !== 0, changes }
    }
    case 2: return { kind: 'digest', digest: { count: reader.u32(), sum: reader.u32() } }
    case 3: return { kind: 'pull' }
    default: throw new FrameFault(`no registry message ${kind}`)
  }
}

function writeChange(out: ByteWriter, change: Change): void {
  if (change.kind === 'delete') {
    out.u8(0)
    out.hex(change.session, SESSION_BYTES); return
  }
  const { session, jid, hlc, priority, presence } = change.record
  const shown = priority !== undefined && presence !== undefined
  out.u8(shown ? 2 : 1)
  out.hex(session, SESSION_BYTES)
  out.text16(jid.toString())
  writeHlc(out, hlc)
  if (!shown) return
  out.u8(priority + 128)
  out.bytes32(Buffer.from(presence, 'utf8'))
}

function readChange(reader: ByteReader, node: NodeRef): Change {
  const kind = reader.u8()
  const session = reader.hex(SESSION_BYTES)
  if (kind === 0) return { kind: 'delete', session }
  if (kind > 2) throw new FrameFault(`no registry change ${kind}`)
  const jid = linkJid(reader.text16(JID_BYTES_MAX))
  const hlc = readHlc(reader)
  const priority = kind === 2 ? reader.u8() - 128 : undefined
  const presence = kind === 2 ? reader.bytes32(PRESENCE_BYTES_MAX).toString('utf8') : undefined
  return { kind: 'put', record: { node, jid, session, hlc, priority, presence } }
}

/** 32 bits over what both sides must agree on (FNV-1a). */
export function hashOf(record: DeviceRecord): number {
  const { session, jid, hlc, priority, presence } = record
  return fnv(fnv(0x811c9dc5, `${session}${jid.toString()} ${hlc.ms} ${hlc.count} ${priority ?? ''} `), presence ?? '')
}

function fnv(start: number, text: string): number {
  let hash = start
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash >>> 0
}

/** A digest that follows changes one by one. */
export class RunningDigest {
  #count = 0
  #sum = 0

  get value(): Digest {
    return { count: this.#count, sum: this.#sum }
  }

  add(record: DeviceRecord): void {
    this.#count++
    this.#sum = (this.#sum + hashOf(record)) >>> 0
  }

  remove(record: DeviceRecord): void {
    this.#count--
    this.#sum = (this.#sum - hashOf(record)) >>> 0
  }

  equals(other: Digest): boolean {
    return this.#count === other.count && this.#sum === other.sum
  }
}
