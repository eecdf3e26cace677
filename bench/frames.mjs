/**
 * Frames of the cluster's links, as an example cluster would send them: how many bytes. Also the devices that `sizes.mjs` fills the
 * directory with.
 */
import { AnswerWriter } from '../dist/cluster/answer-codec.js'
import { RouteWriter } from '../dist/cluster/envelope-codec.js'
import { FRAME, FrameWriter, LANE } from '../dist/cluster/frames.js'
import { encodeBound } from '../dist/cluster/link-frames.js'
import { encodeMessage } from '../dist/cluster/strategies/registry-codec.js'
import { ByteWriter } from '../dist/cluster/bytes.js'
import { HybridClock } from '../dist/xmpp/hlc.js'
import { Jid } from '../dist/xmpp/jid.js'
import { Stanza } from '../dist/xmpp/stanza.js'

export const NODE = { name: 'node2.example.com', incarnation: 1 }
export const OTHERS = { begin: false, end: false }
const AT = { ms: 1_700_000_000_000, count: 0 }
const CAPS = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.example.com' ver='q07IKJEyjvHSyhy//CH0CxmKi8w='/>"
const BODY = `<body>${'x'.repeat(100)}</body>`

/** 31 bytes, bare 24: `user00000001@example.com/a1B2c3`. */
export const jidOf = (i, resource = 'a1B2c3') => new Jid(`user${String(i).padStart(8, '0')}`, 'example.com', resource)
export const sessionOf = (i) => i.toString(16).padStart(32, '0')

const frames = new FrameWriter(new HybridClock(() => AT.ms))
const key = { osid: sessionOf(1), index: 1_000, k: 0 }
const addressee = (i, resource) => ({ ask: 1_000, address: jidOf(i, resource), audience: '', except: undefined, prev: 0, row: 0 })
const stanza = (kind, to, child, inside) => Stanza.ofBytes(
  { kind, to, from: jidOf(1), id: kind === 'message' ? 'a1b2c3d4' : undefined, type: kind === 'message' ? 'chat' : '', lang: 'en' },
  [child], Buffer.from(inside)
)
const envelope = (of, addressees) => (
  { key, hlc: AT, view: 16, addressees, stanza: of, state: of.kind === 'presence', readdress: false, again: false }
)
/** Of a frame with one envelope, behind others of the same kind to and from others: types and names are known, addresses are new. */
function route(of, addressees) {
  const writer = new RouteWriter()
  writer.add({ ...envelope(of.with({ to: of.to && jidOf(7), from: jidOf(8) }), [addressee(9, 'a1B2c3')]), key: { ...key, osid: sessionOf(8) } })
  writer.finish(frames)
  writer.add(envelope(of, addressees))
  return writer.finish(frames).length
}
/** Of one more envelope in the frame, all of whose texts are known. */
function more(of, addressees) {
  const sizes = [1, 2].map((count) => {
    const writer = new RouteWriter()
    for (let k = 0; k < count; k++) writer.add(envelope(of, addressees))
    return writer.finish(frames).length
  })
  return sizes[1] - sizes[0]
}
const chat = stanza('message', jidOf(2), { name: 'body', ns: 'jabber:client' }, BODY)
const presence = stanza('presence', undefined, { name: 'c', ns: 'http://jabber.org/protocol/caps' }, CAPS)
function answer(...verdicts) {
  const writer = new AnswerWriter()
  verdicts.forEach((kind, k) => writer.add(1_000 + 2 * k, { kind }))
  return writer.finish(frames).length
}
const reg = (changes) => {
  const out = frames.begin(FRAME.REG, LANE.control)
  out.raw(encodeMessage(new ByteWriter(), { kind: 'batch', ...OTHERS, changes }))
  return frames.finish().length
}
const ack = () => {
  const out = frames.begin(FRAME.ACK, LANE.none)
  out.u8(1)
  out.u48(1)
  out.u8(0)
  return frames.finish().length
}

/** A device as phones show themselves: presence with capabilities. */
export function record(i, shown) {
  const jid = jidOf(i)
  return {
    node: NODE, jid, session: sessionOf(i), hlc: AT, priority: shown ? 0 : undefined,
    presence: shown ? `<presence xmlns='jabber:client' from='${jid}' xml:lang='en'>${CAPS}</presence>` : undefined
  }
}

const put = (shown) => ({ kind: 'put', record: record(1, shown) })
const gone = { kind: 'delete', session: sessionOf(1) }
const another = (change) => reg([change, change]) - reg([change])

/** Bytes, without TLS and TCP. */
export const BYTES = {
  route: route(chat, [addressee(2, 'a1B2c3')]),
  presence: route(presence, [addressee(2, '')]),
  addressee: route(presence, [addressee(2, ''), addressee(3, '')]) - route(presence, [addressee(2, '')]),
  again: more(chat, [addressee(2, 'a1B2c3')]),
  answer: answer('accept'),
  none: answer('none', 'none') - answer('none'),
  ack: ack(),
  bound: encodeBound(frames, jidOf(2).toString(), AT).length,
  here: another(put(false)),
  shown: another(put(true)),
  gone: another(gone),
  reg: reg([])
}
