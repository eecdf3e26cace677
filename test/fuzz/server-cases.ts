/** Cases for a whole server: one hostile connection each, at every port, before and after it has proved who it is. */
import { connect as connectTcp } from 'node:net'
import { FRAME } from '../../src/cluster/frames.js'
import { encodeHello } from '../../src/cluster/link-frames.js'
import { frames, RawLink } from '../cluster/raw-link.js'
import type { Form, State } from '../hostile/corpus/row.js'
import { framed, type Hostile, type Stage } from '../hostile/stage.js'
import type { Stranger } from '../hostile/stranger.js'
import { CODECS, LINK_MATERIAL, numbered } from './frames-target.js'
import { mutant, tokensOf, type Material } from './mutate.js'
import type { Random } from './random.js'
import { HOSTILE_ROWS, TRAFFIC, XML_MATERIAL, filled } from './xml-material.js'

export interface Field {
  readonly stage: Stage
  /** A member of the cluster that the fuzzer plays. */
  readonly stranger: Stranger
  /** An honest person's ping comes back: what was sent before it has most likely been looked at. */
  pinged(): Promise<void>
}

/** What a case hears, as far as it listens. */
export type Heard = string

const FORMS: readonly Form[] = ['tcp', 'tcp', 'tcp', 'tls', 'starttls', 'websocket', 'websocket', 'bosh', 'bosh']
const STATES: readonly State[] = ['RAW', 'PRE', 'PRE', 'AUTH', 'ON', 'ON', 'ON']
/** Many: sessions of BOSH stay for some seconds after their clients have gone, and an account may have only so many. */
export const ACCOUNTS: readonly string[] = Array.from({ length: 32 }, (_, n) => `alice${n}`)
const BYTES_MAX = 20_000
const SETTLE_MS = 3_000

export async function oneCase(field: Field, random: Random): Promise<Heard> {
  switch (random.below(16)) {
    case 0: case 1: return http(field, random)
    case 2: return linkBefore(field, random)
    case 3: return linkAfter(field, random)
    default: return stream(field, random)
  }
}

/** Nobody's account may go: honest logins follow. */
const BODIES: readonly string[] = [...TRAFFIC, ...HOSTILE_ROWS.flatMap(({ cases }) => cases)
  .map(({ send }) => filled(send, { ns: '{ns}', alice: '{alice}', bob: '{bob}', trap: '{trap}' }))
  .filter(({ length }) => length <= BYTES_MAX).map((bytes) => bytes.toString('latin1'))].filter((text) => !text.includes('iq:register'))

async function stream({ stage, pinged }: Field, random: Random): Promise<Heard> {
  const [form, state] = [random.pick(FORMS), random.pick(STATES)]
  const hostile = await stage.reach(form, state, random.pick(ACCOUNTS))
  const { wire } = hostile
  for (let left = 1 + random.below(3); left > 0 && wire.inbox.ending === undefined; left--) {
    const bytes = mutant(placed(random.pick(BODIES), stage, hostile), XML_MATERIAL, random)
    if (random.once(12)) await wire.drip(bytes.subarray(0, 400))
    else wire.send(bytes)
  }
  if (random.once(3)) wire.close()
  if (random.once(2)) await pinged()
  wire.cut()
  return wire.inbox.text
}

function placed(text: string, stage: Stage, { wire, jid }: Hostile): Buffer {
  const ns = framed(wire)
  const known = text.replaceAll('{ns}', ns).replaceAll('{alice}', jid).replaceAll('{bob}', stage.bob.jid).replaceAll('{trap}',
    String(stage.trap.port))
  return Buffer.from(ns === '' ? known : known.replace(/^<(message|presence|iq)(?! xmlns)/, `<$1${ns}`), 'latin1')
}

const BODY = "<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='im.test' ver='1.6' wait='1' hold='1'/>"
const UPGRADE = 'GET /xmpp-websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
  + 'Sec-WebSocket-Protocol: xmpp\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
const OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='im.test' version='1.0'/>"
const masked = (text: string): Buffer =>
  Buffer.concat([Buffer.of(0x81, 0x80 | text.length, 0, 0, 0, 0), Buffer.from(text)])
const HTTP: Material = {
  pool: [
    Buffer.from(`POST /http-bind HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`),
    Buffer.from('POST /http-bind HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
      + `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`),
    Buffer.from('OPTIONS /http-bind HTTP/1.1\r\nHost: x\r\nOrigin: http://y\r\n\r\n'), Buffer.from('GET / HTTP/1.0\r\n\r\n'),
    Buffer.concat([Buffer.from(UPGRADE), masked(OPEN), masked("<presence xmlns='jabber:client'/>"), Buffer.of(0x88, 0x80, 0, 0, 0, 0)]),
    Buffer.concat([Buffer.from(UPGRADE), masked(OPEN), Buffer.of(0x89, 0x82, 0, 0, 0, 0, 1, 2), Buffer.of(0x01, 0x81, 1, 2, 3, 4, 0x3d)])
  ],
  tokens: [...tokensOf('\r\n', '\r\n\r\n', ':', ' ', '\0', 'Content-Length: 5\r\n', 'Content-Length: -1\r\n',
    'Transfer-Encoding: chunked\r\n', 'X: y\r\n', '/../', '%00',
    'ffffffff\r\n', 'HTTP/9.9', 'Expect: 100-continue\r\n', 'Sec-WebSocket-Extensions: permessage-deflate\r\n',
      'Forwarded: for=1.2.3.4\r\n'),
  Buffer.of(0x81, 0xff), Buffer.of(0x82, 0x80), Buffer.of(0x83), Buffer.of(0xc1, 0x80), Buffer.of(0x81, 0xfe, 0xff, 0xff),
    Buffer.of(0x80, 0x80), Buffer.of(0x8a, 0xfe)]
}

const http = ({ stage }: Field, random: Random): Promise<Heard> => raw(stage.node.ports.http, mutant(random.pick(HTTP.pool), HTTP, random))

/** Bytes to a port; what comes until it closes, or half a second of it. */
function raw(port: number, bytes: Buffer): Promise<Heard> {
  return new Promise((resolve) => {
    let heard = ''
    const socket = connectTcp({ host: '127.0.0.1', port }, () => { socket.write(bytes) })
    const timer = setTimeout(() => { socket.destroy() }, 500)
    socket.on('data', (chunk) => { heard += chunk.toString('latin1') })
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(heard)
    })
  })
}

/** With a certificate or without, from bytes of nobody to a HELLO that is nearly right. */
async function linkBefore({ stage, stranger }: Field, random: Random): Promise<Heard> {
  const { cluster } = stage.node.ports
  const hello = encodeHello(frames, { ...stranger.hello, nonce: random.bytes(32) })
  const bytes = mutant(random.once(2) ? hello : random.pick(LINK_MATERIAL.pool), LINK_MATERIAL, random)
  if (random.once(4)) return raw(cluster, bytes)
  const link = await within(RawLink.dial(cluster, random.once(4) ? undefined : stranger.certificate, addressOf(random)).catch(() =>
    undefined))
  if (link === undefined) return ''
  link.send(bytes)
  await within(link.next())
  link.socket.destroy()
  return ''
}

/** Of this machine; warnings and waiting are counted by address. */
const addressOf = (random: Random): string => `127.${1 + random.below(250)}.${random.below(250)}.${1 + random.below(250)}`

/** Frames that would make the node dial or give up its life say what a member of the cluster may say. */
const HARMLESS = CODECS.filter(({ type }) => type !== FRAME.PEERS && type !== FRAME.FENCE && type !== FRAME.HELLO)

async function linkAfter({ stranger }: Field, random: Random): Promise<Heard> {
  const link = await within(stranger.link().catch(() => undefined))
  if (link === undefined) return ''
  for (let left = 1 + random.below(4); left > 0 && !link.closed; left--) {
    const frame = numbered(random.pick(HARMLESS).make(random)[1])
    link.send(random.once(4) ? frame : mutant(frame, LINK_MATERIAL, random))
  }
  await within(link.next())
  link.socket.destroy()
  return ''
}

function within<T>(promise: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => { resolve(undefined) }, SETTLE_MS)
    promise.then((value) => {
      clearTimeout(timer)
      resolve(value)
    }, reject)
  })
}
