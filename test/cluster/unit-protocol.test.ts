/** The page `docs/link-protocol.md` says what is true: each example is decoded, and encoded again. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { decodeBoshAnswer, decodeBoshRequest, encodeBoshAnswer, encodeRequest } from '../../src/cluster/bosh.js'
import { FrameFault } from '../../src/cluster/bytes.js'
import { RouteReader, RouteWriter } from '../../src/cluster/envelope-codec.js'
import {
  FRAME, FRAME_BYTES_MAX, FrameReader, FrameWriter, LANE, parseFrame, RESERVED_FRAMES, setSeq, type RawFrame
} from '../../src/cluster/frames.js'
import * as bodies from '../../src/cluster/link-frames.js'
import { decodeMessage } from '../../src/cluster/strategies/registry-codec.js'
import { WORDS_MAX } from '../../src/cluster/words.js'
import { LINK_REFUSED } from '../../src/telemetry/reasons.js'
import type { HybridClock } from '../../src/xmpp/hlc.js'
import { Stanza } from '../../src/xmpp/stanza.js'
import { decodeAnswers, decodeRoutes, encodeAnswers, encodeRoutes } from './codecs.js'
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
  ROUTE: codec(decodeRoutes, (v) => encodeRoutes(frames, ...v.filter((one) => 'stanza' in one)), [5, 6].map((index) =>
    expect.objectContaining({
      key: { osid, index, k: 0 }, view: 33, state: false, readdress: false, again: false,
      addressees: [expect.objectContaining({ ask: index + 7, prev: index === 5 ? 4 * 256 : 5 * 256 })]
    }))),
  ANSWER: codec(decodeAnswers, (v) => encodeAnswers(frames, v), [
    { ask: 12, verdict: { kind: 'accept' } },
    { ask: 13, verdict: { kind: 'accept' } },
    { ask: 14, verdict: { kind: 'none' } },
    { ask: 300, verdict: { kind: 'reject', why: 'gap' } },
    { ask: 301, verdict: { kind: 'reject', why: 'error', type: 'wait', condition: 'resource-constraint' } }
  ]),
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
      expect(attempt).toThrow(FrameFault)
    }
  })

  test('K20 a stanza with a bad head is unreadable, its questions are not', () => {
    const body = bodyOf(encodeRoutes(frames, envelope(3, juliet), { ...envelope(4, juliet), stanza: Stanza.of({ kind: 'iq' }) }))
    const at = body.indexOf('romeo@im.test/orchard')
    body.write('<', at)
    expect(decodeRoutes(body)).toMatchObject([{ asks: [3], why: 'an address that is none' }, { key: { index: 4 } }])
  })

  test('K20 an inside that is not marked as copyable is refused', () => {
    const body = bodyOf(encodeRoutes(frames, envelope(3, juliet)))
    const flags = body.indexOf('jabber:client') + 'jabber:client'.length + 1 + 4 + 1 + 1 + 1 + 1
    expect(body[flags]).toBe(4)
    body[flags] = 0
    expect(decodeRoutes(body)).toMatchObject([{ asks: [3] }])
  })

  test('§5 a word stands in the first frame that has it, and the frames behind name its number', () => {
    const writer = new RouteWriter()
    const reader = new RouteReader()
    const sizes = [1, 2].map((index) => {
      writer.add(envelope(index, juliet))
      const body = bodyOf(writer.finish(frames))
      expect(decodeRoutes(body, reader)).toMatchObject([{ key: { index }, addressees: [{ address: { local: 'juliet' } }] }])
      return body.length
    })
    expect(sizes[1]).toBeLessThan(60)
    writer.forget()                                        // the next one may be the first that arrives
    writer.add(envelope(3, juliet))
    expect(decodeRoutes(bodyOf(writer.finish(frames)), new RouteReader())).toMatchObject([{ key: { index: 3 } }])
  })

  test('§5 a number that is no word is a fault, and too many words are', () => {
    const writer = new RouteWriter()
    writer.add(envelope(1, juliet))
    writer.finish(frames)
    writer.add(envelope(2, juliet))
    expect(() => decodeRoutes(bodyOf(writer.finish(frames)))).toThrow(FrameFault)
    const out = frames.begin(FRAME.ROUTE, LANE.route)
    out.u8(1)
    out.varint(WORDS_MAX + 1)
    for (let i = 0; i <= WORDS_MAX; i++) out.text16(String(i))
    out.varint(0)
    expect(() => decodeRoutes(bodyOf(frames.finish()))).toThrow(FrameFault)
  })

  test('§5 when there are too many words, the table begins anew, and nobody is mistaken for another', () => {
    const writer = new RouteWriter()
    const reader = new RouteReader()
    for (let index = 1; index < WORDS_MAX * 2; index++) {
      const name = `u${index}@im.test`
      writer.add(envelope(index, name))
      if (index % 500 !== 0) continue
      const read = decodeRoutes(bodyOf(writer.finish(frames)), reader)
      const named = read.map((one) => ('stanza' in one ? String(one.addressees[0]?.address) : one.why))
      expect(named).toEqual(Array.from({ length: 500 }, (_, i) => `u${index - 499 + i}@im.test`))
    }
  })

  test('§5 a text that no word can be stands where it is used', () => {
    const one = envelope(1, `${'j'.repeat(400)}@im.test`)
    expect(decodeRoutes(bodyOf(encodeRoutes(frames, one)))).toMatchObject([{ addressees: [{ address: { local: 'j'.repeat(400) } }] }])
  })

  test('§5 a run of answers that nobody can have asked for is refused', () => {
    const out = frames.begin(FRAME.ANSWER, LANE.answer)
    for (const number of [1, 1, 2 ** 40]) out.varint(number)
    out.u8(0)
    expect(() => decodeAnswers(bodyOf(frames.finish()))).toThrow(FrameFault)
  })
})

function bodyOf(frame: Buffer): Buffer {
  setSeq(frame, 1)
  return parseFrame(frame).body
}
