/** K: strangers and broken nodes at the cluster port of a real node, with hand-made frames (docs/link-protocol.md). */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, createServer } from 'node:tls'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { makeCertificate } from '../../src/cluster/certificate.js'
import { FRAME, setSeq } from '../../src/cluster/frames.js'
import { encodeAuth, encodeHello, encodeReg } from '../../src/cluster/link-frames.js'
import { openStore, type OpenStore } from '../../src/storage/open.js'
import { decodeAnswers, encodeRoutes } from '../cluster/codecs.js'
import { envelope } from '../cluster/meshes.js'
import { frames, type RawLink } from '../cluster/raw-link.js'
import type { LogLine } from '../support/node-process.js'
import { freePorts } from '../support/ports.js'
import { silentLog } from '../support/silent-log.js'
import { eventually, noFaultOfOurs } from './runner.js'
import { Stage } from './stage.js'
import { frameOf, linkRoundTrip, Stranger, type StrangerSpec } from './stranger.js'
import { Tally } from './tally.js'

let stage: Stage
let store: OpenStore
let hosts = 10
const tally = new Tally('the cluster port')
const row = (name: string, run: () => Promise<void>): void => tally.test(name, 'link', run, 30_000)
const port = (): number => stage.node.ports.cluster

beforeAll(async () => {
  stage = await Stage.set({})
  store = await openStore(stage.cluster.database.settings, silentLog)
}, 60_000)
afterAll(async () => {
  await store.close()
  await stage.clear()
})

const at = (localAddress: string): { host: string, port: number } => ({ host: '127.0.0.1', port: port(), ...{ localAddress } })

/** A stranger with a name and an address of its own; it leaves when the row is played. */
async function stranger(play: (one: Stranger) => Promise<RawLink | void>, more: Partial<StrangerSpec> = {}): Promise<void> {
  const address = `127.0.0.${++hosts}`
  const lines = stage.mark()
  const one = await Stranger.in(store.cluster, { name: `stranger${hosts}`, address, port: port(), ...more })
  let link: RawLink | void = undefined
  try {
    link = await play(one)
  } finally {
    await one.leave(link ?? undefined)
  }
  await stage.others()
  noFaultOfOurs(lines().filter((line) => line['event'] !== 'cluster.route.unreadable'))
}

const refusals = (address: string): readonly LogLine[] =>
  stage.node.events('cluster.link.refused').filter((line) => String(line['ip']).includes(address))

/** One warning with that reason, from that address. */
async function warned(address: string, reason: string | undefined): Promise<LogLine> {
  await eventually(() => refusals(address).length > 0, () => `nothing was said of ${address}`)
  const [line, ...more] = refusals(address)
  expect(more).toEqual([])
  expect(line).toMatchObject({ level: 'warn', room: 'cluster', ...reason !== undefined && { reason } })
  return line ?? {}
}

function closedBy(address: string, write: (socket: Socket) => void): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: port(), localAddress: address }, () => { write(socket) })
    socket.on('error', () => {})
    socket.on('close', () => { resolve() })
    socket.resume()
  })
}

describe('before TLS', () => {
  for (const [what, bytes] of [['plain text', 'hello\r\n'], ['HTTP', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['XML', "<?xml version='1.0'?><stream:stream>"], ['random bytes', randomBytes(512)]] as readonly (readonly [string,
      string | Uint8Array])[]) {
    row(`K01 ${what}: closed, one warning an address (link protocol §1)`, async () => {
      const address = `127.0.0.${++hosts}`
      await closedBy(address, (socket) => socket.write(bytes))
      await closedBy(address, (socket) => socket.write(bytes))
      await warned(address, undefined)
      await stage.others()
    })
  }

  row('K02 TLS 1.2 fails in the handshake (link protocol §1)', async () => {
    const error = await new Promise<Error>((resolve) => {
      connectTls({ host: '127.0.0.1', port: port(), maxVersion: 'TLSv1.2', rejectUnauthorized: false }).on('error', resolve)
    })
    expect(error.message).toMatch(/version|alert|reset|disconnected/i)
  })

  row('K02 without a client certificate: closed before HELLO is answered (link protocol §1)', () => stranger(async (one) => {
    const socket = connectTls({ ...at(one.spec.address), rejectUnauthorized: false })
    let heard = 0
    socket.on('data', (chunk) => { heard += chunk.length })
    socket.on('error', () => {})
    await new Promise((done) => { socket.on('close', done) })
    expect(heard).toBe(0)
    await warned(one.spec.address, undefined)
  }))

  row('K17 at most 32 handshakes are open at a time; each ends after 5 s (link protocol §3)', async () => {
    const sockets = await Promise.all(Array.from({ length: 45 }, () => new Promise<Socket>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port: port(), localAddress: '127.0.0.9' }, () => { resolve(socket) })
      socket.on('error', () => {})
    })))
    const closings = sockets.map((socket) => new Promise<void>((done) => {
      socket.on('close', () => { done() })
      socket.resume()
    }))
    let closed = 0
    for (const closing of closings) void closing.then(() => { closed++ })
    await eventually(() => closed === 13, () => `${closed} of 45 were closed at once`)
    await stage.others()
    await Promise.all(closings)
    await warned('127.0.0.9', undefined)
  })
})

describe('refused by name', () => {
  row('K03 wrong-pin: a certificate that is not the one in the row (link protocol §3)', () => stranger(async (one) => {
    expect(await (await one.greet({ certificate: await makeCertificate(one.spec.name) })).goodbye()).toBe('wrong-pin')
    await warned(one.spec.address, 'wrong-pin')
  }))

  for (const [id, reason, hello] of [
    ['K04', 'wrong-cluster', { clusterName: 'other' }], ['K04', 'strategy', { strategy: 'online-users-caching' }],
    ['K04', 'secret-mismatch', { keySource: 'secret' }], ['K05', 'own-name', { name: 'node1' }],
    ['K19', 'protocol', { protocolMin: 2, protocolMax: 3 }], ['K23', 'unknown-node', { name: 'nobody' }]
  ] as const) {
    row(`${id} ${reason} (link protocol §3)`, () => stranger(async (one) => {
      expect(await (await one.greet()).goodbye()).toBe(reason)
      const line = await warned(one.spec.address, reason)
      if (['wrong-cluster', 'strategy', 'secret-mismatch', 'protocol'].includes(reason)) {
        expect(Object.keys(line)).toEqual(expect.arrayContaining(['theirs', 'ours']))
      }
      expect(JSON.stringify(line)).not.toContain('of its row')
    }, { hello }))
  }

  for (const state of ['fenced', 'left'] as const) {
    row(`K06 old-incarnation: the table calls that life ${state} (link protocol §3)`, () => stranger(async (one) => {
      if (state === 'left') await store.cluster.setState(one.life, 'left')
      else await fenced(one)
      expect(await (await one.greet()).goodbye()).toBe('old-incarnation')
      await warned(one.spec.address, 'old-incarnation')
    }))
  }

  row('K07 old-incarnation: a higher one is in the table (link protocol §3)', () => stranger(async (one) => {
    await store.cluster.setState(one.life, 'left')
    const newer = await Stranger.in(store.cluster, one.spec)
    expect(await (await one.greet()).goodbye()).toBe('old-incarnation')
    await newer.leave()
  }))

  row('K08 wrong-key: a code that does not fit (link protocol §3)', () => stranger(async (one) => {
    const link = await one.greet()
    await frameOf(link, FRAME.HELLO)
    link.send(encodeAuth(frames, [Buffer.alloc(32, 1)]))
    expect(await link.goodbye()).toBe('wrong-key')
    await warned(one.spec.address, 'wrong-key')
  }))

  row('K08 replay: a nonce that was met before (link protocol §3)', () => stranger(async (one) => {
    const { hello } = one
    await frameOf(await one.greet({ hello }), FRAME.HELLO)
    expect(await (await one.greet({ hello })).goodbye()).toBe('replay')
  }))

  row('K21 wrong-pin: behind a row\'s address stands somebody else (link protocol §3)', async () => {
    const [free = 0] = await freePorts(1)
    const { cert, key } = await makeCertificate('somebody else')
    const hellos: Buffer[] = []
    const server = createServer({ cert, key, requestCert: true, rejectUnauthorized: false }, (socket) => {
      socket.on('error', () => {})
      for (const hello of hellos) socket.write(hello)
    })
    await new Promise<void>((done) => { server.listen(free, '127.0.0.8', done) })
    await stranger(async (one) => {
      hellos.push(encodeHello(frames, one.hello))
      await warned('127.0.0.8', 'wrong-pin')
    }, { row: { advertise: `127.0.0.8:${free}` } })
    server.close()
  })
})

async function fenced(one: Stranger): Promise<void> {
  await eventually2(async () => {
    const seen = (await store.cluster.rows('starling')).find((r) => r.hostname === one.spec.name)
    return seen !== undefined && store.cluster.fence(seen)
  })
}

async function eventually2(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 50; tries++) if (await holds()) return
  throw new Error('it did not come about')
}

describe('frames that may not be', () => {
  const route = (seq: number, to: string, index = seq): Buffer => {
    const frame = encodeRoutes(frames, envelope(index, to))
    setSeq(frame, seq)
    return frame
  }

  row('K09 ROUTE before READY: closed, nothing delivered (link protocol §3)', () => stranger(async (one) => {
    const link = await one.greet()
    link.send(route(1, 'canary@im.test'))
    expect(await link.goodbye()).toBe('protocol')
    await warned(one.spec.address, undefined)
    await quiet()
  }))

  for (const [what, bytes] of [
    ['K10 a length of 0', Buffer.alloc(64)], ['K10 a length of 1 MiB + 1', Buffer.concat([Buffer.from([0, 16, 0, 1]), Buffer.alloc(64)])],
    ['K10 a length of 2^32 - 1', Buffer.concat([Buffer.alloc(4, 0xff), Buffer.alloc(64)])],
    ['K11 an unknown type that is not optional', unknown(0)], ['K14 an acknowledgement of what was never sent', ack(99)],
    ['K25 RELAY, which nobody speaks yet', lane0(0x0a)]
  ] as const) {
    row(`${what}: the link is closed, the node is not fenced for it (link protocol §2)`, () => stranger(async (one) => {
      const link = await one.link()
      link.send(Buffer.from(bytes))
      await eventually(() => link.closed, () => 'the link stays open')
      expect((await store.cluster.rows('starling')).find((r) => r.hostname === one.spec.name)?.state).toBe('joining')
      return link
    }))
  }

  row('K10 half a frame and the end: the channel goes on over the next connection (link protocol §1)', () => stranger(async (one) => {
    const first = await one.link()
    const frame = route(1, 'nobody@im.test')
    first.socket.end(frame.subarray(0, 40))
    await eventually(() => first.closed, () => 'the link stays open')
    const second = await one.link()
    second.send(route(1, 'nobody@im.test'))
    expect(decodeAnswers((await frameOf(second, FRAME.ANSWER)).body)).toHaveLength(1)
    return second
  }))

  row('K11 an unknown type that is optional is ignored (link protocol §2)', () => stranger(async (one) => {
    const link = await one.link()
    link.send(unknown(1))
    await linkRoundTrip(link)
    return link
  }))

  row('K14 a repeated number is dropped and acknowledged; behind a gap nothing is dispatched until it is filled (link protocol §4)',
    () => stranger(async (one) => {
    const link = await one.link()
    link.send(route(2, 'nobody@im.test'))
    const early = await linkRoundTrip(link)
    expect(early.filter((frame) => frame.type === FRAME.ANSWER)).toEqual([])
    link.send(Buffer.concat([route(1, 'nobody@im.test'), route(2, 'nobody@im.test'), route(1, 'nobody@im.test')]))
    const asks: number[] = []
    while (asks.length < 2) asks.push(...decodeAnswers((await frameOf(link, FRAME.ANSWER)).body).map(({ ask }) => ask))
    expect(asks).toEqual([1, 2])
    const late = await linkRoundTrip(link)
    expect(late.filter((frame) => frame.type === FRAME.ANSWER)).toEqual([])
    return link
  }))

  row('K16 a second REG before the first is acknowledged closes the link (link protocol §6)', () => stranger(async (one) => {
    const link = await one.link()
    link.send(Buffer.concat([1, 2].map((seq) => {
      const frame = encodeReg(frames, Buffer.from([3]))
      setSeq(frame, seq)
      return frame
    })))
    await eventually(() => link.closed, () => 'the link stays open')
    return link
  }))

  row('K18 a second connection of a pair: exactly one stays, and it works (link protocol §1)', () => stranger(async (one) => {
    const first = await one.link()
    const second = await one.link().catch(() => undefined)
    const stays = second === undefined || second.closed ? first : second
    await linkRoundTrip(stays)
    await eventually(() => [first, second].filter((link) => link?.closed === false).length === 1, () => 'both links are open, or none')
    return stays
  }))

  row('K20 a ROUTE whose stanza cannot be read is rejected, said as an error of the link, and delivered to nobody (link protocol §5)',
    () => stranger(async (one) => {
    const link = await one.link()
    const frame = route(1, 'bob@im.test')
    frame.write('<', frame.indexOf('romeo@im.test/orchard'))
    link.send(frame)
    const answers = decodeAnswers((await frameOf(link, FRAME.ANSWER)).body)
    expect(answers.map(({ verdict }) => verdict)).toMatchObject([{ kind: 'reject', why: 'error', type: 'modify',
      condition: 'bad-request' }])
    await eventually(() => stage.node.events('cluster.route.unreadable').length > 0, () => 'no line')
    expect(stage.node.events('cluster.route.unreadable')).toMatchObject([{ level: 'error', node: one.spec.name }])
    await quiet()
    return link
  }))

  row('K24 frames of a fenced life are dropped, and its link ends (link protocol §3)', () => stranger(async (one) => {
    const link = await one.link()
    await fenced(one)
    await eventually(() => link.closed, () => 'the link of a fenced life stays open')
    const before = stage.canaries[0]?.inbox.length
    await stage.others()
    expect(stage.canaries[0]?.inbox.length).toBe(before)
  }))
})

/** Nobody has been sent anything. */
async function quiet(): Promise<void> {
  await stage.others()
  expect(stage.canaries.map((canary) => canary.inbox.filter((e) => e.is('message')).map(String))).toEqual(stage.canaries.map(() => []))
  expect(await stage.deliveredToBob()).toEqual([])
}

function lane0(type: number, flags = 0): Buffer {
  frames.begin(type, 0, flags).u8(1)
  return frames.finish()
}

function unknown(flags: number): Buffer {
  return lane0(0x7f, flags)
}

function ack(seq: number): Buffer {
  const out = frames.begin(FRAME.ACK, 0)
  out.u8(1)
  out.u48(seq)
  out.u8(0)
  return frames.finish()
}
