/**
 * Frames of the cluster link: what is written reads the same; what is cut short, lies about lengths or was changed is
 * refused with `FrameFault` and nothing else, however it is cut on its way.
 */
import { isDeepStrictEqual } from 'node:util'
import { decodeBoshAnswer, decodeBoshRequest, encodeBoshAnswer, encodeRequest } from '../../src/cluster/bosh.js'
import { ByteWriter, FrameFault, U48_MAX } from '../../src/cluster/bytes.js'
import { linkJid } from '../../src/cluster/envelope-codec.js'
import { FRAME, FRAME_BYTES_MAX, FrameReader, FrameWriter, LANES, parseFrame, setSeq, type RawFrame } from '../../src/cluster/frames.js'
import * as small from '../../src/cluster/link-frames.js'
import { decodeMessage, encodeMessage, type Change, type RegistryMessage } from '../../src/cluster/strategies/registry-codec.js'
import type { Addressee, Envelope, StanzaKey, Verdict } from '../../src/router/envelope.js'
import { STANZA_CONDITIONS } from '../../src/xmpp/errors.js'
import type { HybridClock } from '../../src/xmpp/hlc.js'
import type { Jid } from '../../src/xmpp/jid.js'
import { Stanza } from '../../src/xmpp/stanza.js'
import { decodeAnswers, decodeRoutes, encodeAnswers, encodeRoutes, type Answer } from '../cluster/codecs.js'
import { mutant, tokensOf, type Material } from './mutate.js'
import { Random } from './random.js'
import { same, type Target } from './run.js'

const frames = new FrameWriter({ next: () => ({ ms: 1_700_000_000_000, count: 1 }) } as HybridClock)
const out = new ByteWriter()
const NODE = { name: 'a.example', incarnation: 7 }
const NAMES = ['a', 'node1.example', 'ü', '', '漢'.repeat(60), 'x'.repeat(255)] as const
const ADDRESSES = ['a@im.test', 'a@im.test/phone', 'im.test', 'ü@münchen.de/ r', '[::1]',
  `${'a'.repeat(1023)}@x/${'r'.repeat(1023)}`] as const
const TEXTS = ['', 'x', 'é', '\0', '&<>"\'', 'x'.repeat(300)] as const
const BODIES = [Buffer.alloc(0), Buffer.from('<body>x</body>'), Buffer.alloc(200, 0x61)] as const

const number = (random: Random): number => random.pick([0, 1, 255, 65_536, 2 ** 32, U48_MAX, random.next()])
const jid = (random: Random): Jid => linkJid(random.pick(ADDRESSES))
const hlc = (random: Random) => ({ ms: number(random), count: random.below(65_536) })
const node = (random: Random) => ({ name: random.pick(NAMES), incarnation: number(random) })
const some = <T>(random: Random, make: () => T): T | undefined => (random.once(3) ? undefined : make())
const key = (random: Random): StanzaKey => ({ osid: random.hex(16), index: number(random), k: random.below(256) })
const lane = (random: Random) => random.pick(LANES)

const addressee = (random: Random): Addressee => ({
  ask: number(random), address: jid(random), audience: random.pick(['', 'carbons']), except: some(random, () => jid(random)),
  prev: number(random), row: number(random)
})

function stanza(random: Random): Stanza {
  const text = (): string => random.pick(TEXTS)
  const head = {
    kind: random.pick(['message', 'presence', 'iq'] as const), to: some(random, () => jid(random)), from: some(random, () => jid(random)),
    id: some(random, text), type: text(), lang: some(random, text)
  }
  return Stanza.ofBytes(head, random.list(3, () => ({ name: text(), ns: text() })), random.pick(BODIES))
}

const envelope = (random: Random): Envelope => ({
  key: key(random), view: number(random), addressees: random.list(4, () => addressee(random)), stanza: stanza(random),
  state: random.once(2), readdress: random.once(2), again: random.once(2)
})

function verdict(random: Random): Verdict {
  switch (random.below(4)) {
    case 0: return { kind: 'accept' }
    case 1: return { kind: 'none' }
    case 2: return { kind: 'reject', why: 'gap' }
    default: return { kind: 'reject', why: 'error', type: random.pick(['auth', 'cancel', 'continue', 'modify', 'wait'] as const),
      condition: random.pick(STANZA_CONDITIONS) }
  }
}

const answer = (random: Random): Answer => ({ ask: number(random), verdict: verdict(random) })

function change(random: Random): Change {
  if (random.once(3)) return { kind: 'delete', session: random.hex(16) }
  const shown = random.once(2)
  return { kind: 'put', record: { node: NODE, jid: jid(random), session: random.hex(16), hlc: hlc(random),
    priority: shown ? random.below(256) - 128 : undefined, presence: shown ? random.pick(['', '<presence/>', '😀']) : undefined } }
}

function registry(random: Random): RegistryMessage {
  switch (random.below(3)) {
    case 0: return { kind: 'batch', begin: random.once(2), end: random.once(2), changes: random.list(4, () => change(random)) }
    case 1: return { kind: 'digest', digest: { count: random.next(), sum: random.next() } }
    default: return { kind: 'pull' }
  }
}

/** One type of frame, its values and both ways. */
interface Codec {
  readonly type: number
  /** A value and its frame. */
  make(random: Random): readonly [unknown, Buffer]
  decode(body: Buffer): unknown
  /** Fields may follow that later versions know. */
  readonly open?: true
}

const codec = <T>(type: number, [value, encode, decode]: readonly [(random: Random) => T, (value: T) => Buffer, (body: Buffer) => unknown],
  more: { readonly open?: true } = {}): Codec => ({
  type, decode, ...more,
  make(random) {
    const made = value(random)
    return [made, encode(made)]
  }
})

export const CODECS: readonly Codec[] = [
  codec(FRAME.HELLO, [(r) => ({
    protocolMin: r.below(65_536), protocolMax: r.below(65_536), clusterName: r.pick(['', 'starling', 'é']), name: r.pick(NAMES),
      incarnation: number(r),
    nonce: r.bytes(32), keySource: r.pick(['rows', 'secret'] as const), strategy: r.pick(['', 'broadcast']), advertise: r.pick(NAMES)
  }), (v) => small.encodeHello(frames, v), small.decodeHello], { open: true }),
  codec(FRAME.AUTH, [(r) => [r.bytes(32), ...r.list(1, () => r.bytes(32))], (v) => small.encodeAuth(frames, v), small.decodeAuth]),
  codec(FRAME.READY, [(r) => ({ received: LANES.map(() => number(r)), granted: { route: number(r), repl: number(r) } }),
    (v) => small.encodeReady(frames, v), small.decodeReady]),
  codec(FRAME.GOODBYE, [(r) => r.pick(small.GOODBYE_REASONS), (v) => small.encodeGoodbye(frames, v), small.decodeGoodbye], { open: true }),
  codec(FRAME.PING, [number, (v) => small.encodePing(frames, FRAME.PING, v), small.decodePing]),
  codec(FRAME.ACK, [(r) => ({ lane: lane(r), seq: number(r), again: r.once(2) }), (v) => small.encodeAck(frames, v), small.decodeAck]),
  codec(FRAME.CREDIT, [(r) => ({ lane: lane(r), bytes: number(r) }), (v) => small.encodeCredit(frames, v), small.decodeCredit]),
  codec(FRAME.PEERS, [(r) => r.list(5, () => ({ ...node(r), advertise: r.pick(NAMES) })), (v) => small.encodePeers(frames, v),
    small.decodePeers]),
  codec(FRAME.FENCE, [node, (v) => small.encodeFence(frames, v), small.decodeFence]),
  codec(FRAME.BOUND, [(r) => ({ jid: r.pick(ADDRESSES), hlc: hlc(r) }), (v) => small.encodeBound(frames, v.jid, v.hlc), small.decodeBound]),
  codec(FRAME.INVALIDATE, [(r) => ({ cache: r.pick(['', 'blocks']), key: r.pick(TEXTS) }), (v) => small.encodeInvalidate(frames,
    v.cache, v.key),
    small.decodeInvalidate]),
  codec(FRAME.REG, [registry, (v) => small.encodeReg(frames, encodeMessage(out, v)), (body) => decodeMessage(body, NODE)]),
  codec(FRAME.ROUTE, [(r) => r.list(3, () => envelope(r)), (v) => encodeRoutes(frames, ...v), (body) => decodeRoutes(body)]),
  codec(FRAME.ANSWER, [(r) => r.list(4, () => answer(r)), (v) => encodeAnswers(frames, v), decodeAnswers]),
  codec(FRAME.BOSH_REQUEST, [(r) => ({ id: number(r), request: { sid: r.pick(['', 's1']), address: '::1', secure: r.once(2),
    body: r.pick(BODIES) } }),
    (v) => encodeRequest(frames, v.id, v.request), decodeBoshRequest]),
  codec(FRAME.BOSH_ANSWER, [(r) => ({ id: number(r), answer: { status: r.pick([0, 200, 404]), contentType: 'text/xml',
    body: r.pick(BODIES) } }),
    (v) => encodeBoshAnswer(frames, v.id, v.answer), decodeBoshAnswer])
]
const BY_TYPE: ReadonlyMap<number, Codec> = new Map(CODECS.map((one) => [one.type, one]))

/** Stanzas keep their content to themselves. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || !('stanza' in value)) return value
  const shown = value.stanza as Stanza
  return { ...value, stanza: [{ ...shown }, shown.children, shown.inside] }
}

function refusedOr<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof FrameFault) return undefined
    throw error
  }
}

/** A frame that a link would write now: numbered, in its lane. */
export function numbered(frame: Buffer): Buffer {
  if (frame[6] !== 0) setSeq(frame, 1)
  return frame
}

/** Good values, there and back; and each frame cut short at every byte of its body. */
export const VALUES: Target = {
  name: 'link frames of good values', variable: 'LINK_FUZZ_CASES', shrinks: false, short: 1_000, long: 50_000,
  make: (random) => Buffer.from(String(random.next())),
  check(_input, random) {
    const one = random.pick(CODECS)
    const [value, frame] = one.make(random)
    const { type, body } = parseFrame(numbered(frame))
    same(type, one.type, 'types')
    if (!isDeepStrictEqual(plain(one.decode(body)), plain(value))) throw new Error(`what was written of type ${type} reads otherwise`)
    for (let length = 0; length < body.length; length++) {
      const short = refusedOr(() => one.decode(Buffer.from(body.subarray(0, length))))
      const answered = one.open === true || (typeof short === 'object' && short !== null && 'why' in short)
      if (short !== undefined && !answered) throw new Error(`${length} of ${body.length} bytes of type ${type} are read`)
    }
    const long = refusedOr(() => one.decode(Buffer.concat([body, Buffer.of(0)])))
    if (long !== undefined && one.open !== true && !(typeof long === 'object' && long !== null && 'why' in long)) {
      throw new Error(`a byte too many of type ${type} is read`)
    }
    return true
  }
}

export const LINK_MATERIAL: Material = {
  pool: CODECS.map((one, seed) => numbered(one.make(new Random(seed))[1])),
  tokens: [...tokensOf('a@b', '@', '/', '<', '\0', 'é'), ...['00', 'ff', 'ffff', 'ffffffff', '00000000', '7fffffff', '0000000b',
    '00100001', 'ffffffffffff']
    .map((digits) => Buffer.from(digits, 'hex'))]
}

/** Changed frames, one or more behind each other. */
export const LINK: Target = {
  name: 'link frames', variable: 'LINK_FUZZ_CASES', short: 4_000, long: 500_000,
  make(random) {
    const several = [random.pick(CODECS), ...random.list(2, () => random.pick(CODECS))].map((one) => numbered(one.make(random)[1]))
    return mutant(Buffer.concat(several), LINK_MATERIAL, random)
  },
  check(bytes, random) {
    const whole = read(bytes, () => bytes.length)
    const pieces = read(bytes, () => 1 + random.below(20))
    if (!isDeepStrictEqual(pieces, whole)) throw new Error('cut otherwise, other frames come')
    let good = false
    for (const frame of whole) if (judged(frame)) good = true
    return good
  }
}

/** Frames until the first fault. */
function read(bytes: Buffer, sizeOf: () => number): readonly RawFrame[] {
  const reader = new FrameReader()
  const found: RawFrame[] = []
  for (let at = 0; at < bytes.length;) {
    const to = Math.min(bytes.length, at + sizeOf())
    reader.feed(bytes.subarray(at, to))
    at = to
    try {
      for (let frame = reader.next(FRAME_BYTES_MAX); frame !== undefined; frame = reader.next(FRAME_BYTES_MAX)) found.push(frame)
    } catch (error) {
      if (error instanceof FrameFault) return found
      throw error
    }
  }
  return found
}

/** Reads it or refuses it; what it reads can be written and read again. */
function judged({ type, body }: RawFrame): boolean {
  const one = BY_TYPE.get(type)
  if (one === undefined) return false
  const value = refusedOr(() => one.decode(Buffer.from(body)))
  if (value === undefined) return false
  if (one.type === FRAME.ROUTE) for (const each of value as readonly Envelope[]) if ('stanza' in each) writable(each.stanza)
  return true
}

const TAG = /^<(message|presence|iq)(?: [a-z:]+='[^'<>&\p{Cc}]*(?:&[#a-z0-9]+;[^'<>&\p{Cc}]*)*')*\/?>$/u

/** The root tag is written anew, so whatever a peer says of it, a tag comes out. */
function writable(stanza: Stanza): void {
  const tag = stanza.open('framed')
  if (!TAG.test(tag)) throw new Error(`a tag ${tag}`)
}
