/** The page `docs/link-protocol.md` says what is true: each example is decoded, and encoded again. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { decodeBoshAnswer, decodeBoshRequest, encodeBoshAnswer, encodeRequest } from '../../src/cluster/bosh.js'
import { decodeAnswer, decodeRoute, encodeAnswer, encodeRoute } from '../../src/cluster/envelope-codec.js'
import { FrameFault } from '../../src/cluster/bytes.js'
import {
  FRAME, FRAME_BYTES_MAX, FrameReader, FrameWriter, LANE, parseFrame, RESERVED_FRAMES, setSeq, type RawFrame
} from '../../src/cluster/frames.js'
import * as bodies from '../../src/cluster/link-frames.js'
import { decodeMessage } from '../../src/cluster/strategies/registry-codec.js'
import { LINK_REFUSED } from '../../src/telemetry/reasons.js'
import type { HybridClock } from '../../src/xmpp/hlc.js'
import { envelope } from './meshes.js'

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'link-protocol.md'), 'utf8')
const examples = new Map([...page.matchAll(/```hex (\w+)\n([^`]+)```/g)].map(([, name = '', hex = '']) =>
  [name, Buffer.from(hex.replace(/\s/g, ''), 'hex')] as const))
const NOW = { ms: 1_700_000_000_000, count: 1 }
const frames = new FrameWriter({ next: () => NOW } as HybridClock)
const juliet = 'juliet@im.test'
const osid = '00112233445566778899aabbccddeeff'

interface Codec<T> {
  decode(body: Buffer): T
  encode(value: T): Buffer
  readonly means: unknown
}
const codec = <T>(decode: (body: Buffer) => T, encode: (value: T) => Buffer, means: unknown): Codec<unknown> =>
  ({ decode, encode: (value) => encode(value as T), means })

const codecs: Readonly<Record<string, Codec<unknown>>> = {
  HELLO: codec(bodies.decodeHello, (v) => bodies.encodeHello(frames, v), {
    protocolMin: 1, protocolMax: 1, clusterName: 'starling', name: 'a.example', incarnation: 7, nonce: Buffer.alloc(32, 0x11),
    keySource: 'rows', strategy: 'broadcast', advertise: 'a.example:5777'
  }),
  AUTH: codec(bodies.decodeAuth, (v) => bodies.encodeAuth(frames, v), [Buffer.alloc(32, 0x22)]),
  READY: codec(bodies.decodeReady, (v) => bodies.encodeReady(frames, v), {
    received: [3, 0, 2, 0], granted: { route: 8_388_608, repl: 8_388_608 }
  }),
  GOODBYE: codec(bodies.decodeGoodbye, (v) => bodies.encodeGoodbye(frames, v), 'wrong-pin'),
  PING: codec(bodies.decodePing, (v) => bodies.encodePing(frames, FRAME.PING, v), 9),
  PONG: codec(bodies.decodePing, (v) => bodies.encodePing(frames, FRAME.PONG, v), 9),
  ACK: codec(bodies.decodeAck, (v) => bodies.encodeAck(frames, v), { lane: 1, seq: 4, again: false }),
  CREDIT: codec(bodies.decodeCredit, (v) => bodies.encodeCredit(frames, v), { lane: 1, bytes: 9_437_184 }),
  PEERS: codec(bodies.decodePeers, (v) => bodies.encodePeers(frames, v), [
    { name: 'c.example', incarnation: 5, advertise: 'c.example:5777' }
  ]),
  ROUTE: codec(decodeRoute, (v) => encodeRoute(frames, 'stanza' in v ? v : envelope(1, juliet)), expect.objectContaining({
    key: { osid, index: 5, k: 0 }, hlc: { ms: NOW.ms, count: 0 }, view: 33, state: false, readdress: false
  })),
  ANSWER: codec(decodeAnswer, (v) => encodeAnswer(frames, v.key, v.answers), {
    key: { osid, index: 5, k: 0 },
    answers: [
      { ask: 12, verdict: { kind: 'accept', sessions: ['ffeeddccbbaa99887766554433221100'] } },
      { ask: 13, verdict: { kind: 'none' } },
      { ask: 14, verdict: { kind: 'reject', why: 'gap' } },
      { ask: 15, verdict: { kind: 'reject', why: 'error', type: 'wait', condition: 'resource-constraint' } }
    ]
  }),
  BOSH_REQUEST: codec(decodeBoshRequest, (v) => encodeRequest(frames, v.id, v.request), {
    id: 3, request: { sid: 's1', address: '192.0.2.7', secure: true, body: Buffer.from('<body/>') }
  }),
  BOSH_ANSWER: codec(decodeBoshAnswer, (v) => encodeBoshAnswer(frames, v.id, v.answer), {
    id: 3, answer: { status: 200, contentType: 'text/xml', body: Buffer.from('<body/>') }
  }),
  REG: codec((body) => Buffer.from(body), (v) => bodies.encodeReg(frames, v), Buffer.from([3])),
  BOUND: codec(bodies.decodeBound, (v) => bodies.encodeBound(frames, v.jid, v.hlc), {
    jid: 'juliet@im.test/balcony', hlc: { ms: NOW.ms, count: 0 }
  }),
  FENCE: codec(bodies.decodeFence, (v) => bodies.encodeFence(frames, v), { name: 'b.example', incarnation: 6 }),
  INVALIDATE: codec(bodies.decodeInvalidate, (v) => bodies.encodeInvalidate(frames, v.cache, v.key), { cache: 'blocks', key: juliet })
}

describe('docs/link-protocol.md', () => {
  test('has an example of every frame', () => {
    expect([...examples.keys()].sort()).toEqual(Object.keys(FRAME).sort())
  })

  test.each(Object.keys(FRAME) as (keyof typeof FRAME)[])('§2-6 the example of %s reads as it says, and is written the same', (name) => {
    const bytes = examples.get(name) ?? Buffer.alloc(0)
    const frame = parseFrame(bytes)
    const { decode, encode, means } = codecs[name] ?? { decode: () => undefined, encode: () => bytes, means: 'a codec' }
    expect(frame).toMatchObject({ type: FRAME[name], hlc: NOW, optional: false, size: bytes.length })
    const value = decode(frame.body)
    expect(value).toEqual(means)
    const again = encode(value)
    if (frame.lane !== LANE.none) setSeq(again, frame.seq)
    expect(again.toString('hex')).toBe(bytes.toString('hex'))
  })

  test('§6 the example of REG asks for everything', () => {
    const frame = parseFrame(examples.get('REG') ?? Buffer.alloc(0))
    expect(decodeMessage(frame.body, { name: 'a', incarnation: 1 })).toEqual({ kind: 'pull' })
  })

  test('§3 names every refusal, and every type number', () => {
    for (const reason of LINK_REFUSED) expect(page).toContain(`\`${reason}\``)
    const numbers = [...Object.values(FRAME), ...Object.values(RESERVED_FRAMES)]
    for (const number of numbers) expect(page).toContain(`\`0x${number.toString(16).padStart(2, '0')}\``)
    expect(new Set(numbers).size).toBe(numbers.length)
  })
})

describe('frames', () => {
  const read = (bytes: Buffer, cut: number): readonly RawFrame[] => {
    const reader = new FrameReader()
    const found: RawFrame[] = []
    for (let at = 0; at < bytes.length; at += cut) {
      reader.feed(bytes.subarray(at, at + cut))
      for (let frame = reader.next(FRAME_BYTES_MAX); frame !== undefined; frame = reader.next(FRAME_BYTES_MAX)) found.push(frame)
    }
    return found
  }

  test.each([1, 3, 16, 100, 10_000])('§2 are cut out of a stream that comes in pieces of %i bytes', (cut) => {
    const stream = Buffer.concat([...examples.values()])
    expect(read(stream, cut).map((frame) => frame.type)).toEqual([...examples.values()].map((bytes) => bytes[4]))
  })

  test.each([0, 10, FRAME_BYTES_MAX + 1, 2 ** 32 - 1])('K10 a length of %i is refused', (length) => {
    const bytes = Buffer.alloc(40)
    bytes.writeUInt32BE(length)
    expect(() => read(bytes, 40)).toThrow(FrameFault)
  })

  test.each([...examples])('K10 %s cut short anywhere is refused or stays an unfinished frame', (name, bytes) => {
    const decode = codecs[name]?.decode
    const { body } = parseFrame(bytes)
    if (name === 'REG' || name === 'GOODBYE') return // every length of their bodies is one
    for (let length = 0; length < body.length; length++) {
      const attempt = (): unknown => decode?.(body.subarray(0, length))
      if (name === 'ROUTE') expectUnreadable(attempt)
      else expect(attempt).toThrow(FrameFault)
    }
  })

  test('K20 a stanza with a bad head is unreadable, its questions are not', () => {
    const body = bodyOf(encodeRoute(frames, envelope(3, juliet)))
    const at = body.indexOf('romeo@im.test/orchard')
    body.write('<', at)
    expect(decodeRoute(body)).toMatchObject({ asks: [3], why: 'an address that is none' })
  })

  test('K20 an inside that is not marked as copyable is refused', () => {
    const body = bodyOf(encodeRoute(frames, envelope(3, juliet)))
    const flags = 16 + 6 + 1 + 8 + 6
    body[flags] = (body[flags] ?? 0) & ~4
    expect(decodeRoute(body)).toMatchObject({ asks: [3] })
  })
})

function bodyOf(frame: Buffer): Buffer {
  setSeq(frame, 1)
  return parseFrame(frame).body
}

/** Questions that could be read are answered; otherwise the frame is a fault. */
function expectUnreadable(attempt: () => unknown): void {
  try {
    expect(attempt()).toMatchObject({ asks: [12] })
  } catch (error) {
    expect(error).toBeInstanceOf(FrameFault)
  }
}
