/** The cluster port and strangers: bad-input B.10, over real TLS on loopback. */
import { connect as connectPlain } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { makeCertificate } from '../../src/cluster/certificate.js'
import { FRAME, setSeq } from '../../src/cluster/frames.js'
import { encodeAuth, encodeHello, encodeReg } from '../../src/cluster/link-frames.js'
import { MemoryTables } from './memory-tables.js'
import { encodeRoutes } from './codecs.js'
import { envelope, linked, node, started, until, type TestNode } from './meshes.js'
import { frames, Impostor, RawLink } from './raw-link.js'

let tables: MemoryTables
let a: TestNode
const warned = (): readonly unknown[] =>
  a.lines.filter((line) => line.event === 'cluster.link.refused').map((line) => line.fields['reason'])

beforeEach(async () => {
  tables = new MemoryTables()
  a = node({ name: 'a.example', tables })
  await started(a)
})
afterEach(() => a.mesh.stop())

const closedBy = (write: (socket: ReturnType<typeof connectPlain>) => void): Promise<void> => new Promise((resolve) => {
  const socket = connectPlain({ host: '127.0.0.1', port: a.port() }, () => write(socket))
  socket.on('error', () => {})
  socket.on('close', () => resolve())
})

describe('before TLS', () => {
  test.each([
    ['plain text', 'hello\r\n'], ['HTTP', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'], ['XML', "<?xml version='1.0'?><stream:stream>"],
    ['random bytes', '\u0001\u00ff\u0080\u0003 and so on']
  ])('K01 %s: closed, one warning', async (_what, bytes) => {
    await closedBy((socket) => socket.write(bytes))
    await closedBy((socket) => socket.write(bytes))
    await until(() => warned().length > 0)
    expect(warned()).toHaveLength(1)
  })

  test('K02 TLS 1.2 fails in the handshake', async () => {
    const error = await new Promise<Error>((resolve) => {
      const socket = connectTls({ host: '127.0.0.1', port: a.port(), maxVersion: 'TLSv1.2', rejectUnauthorized: false })
      socket.on('error', resolve)
    })
    expect(error.message).toMatch(/version|alert|reset|disconnected/i)
  })

  test('K02 without a client certificate: closed before HELLO is answered', async () => {
    const z = await Impostor.in(tables)
    const link = await RawLink.dial(a.port(), undefined)
    link.send(encodeHello(frames, z.hello))
    expect(await link.next()).toBeUndefined()
  })
})

describe('refused by name', () => {
  test('K03 wrong-pin: a certificate that is not the one in the row', async () => {
    const z = await Impostor.in(tables)
    const link = await RawLink.dial(a.port(), await makeCertificate('z.example'))
    link.send(encodeHello(frames, z.hello))
    expect(await link.goodbye()).toBe('wrong-pin')
    expect(warned()).toEqual(['wrong-pin'])
  })

  test.each([
    ['K04', 'wrong-cluster', { clusterName: 'other' }],
    ['K04', 'strategy', { strategy: 'online-users-caching' }],
    ['K04', 'secret-mismatch', { keySource: 'secret' }],
    ['K05', 'own-name', { name: 'a.example' }],
    ['K19', 'protocol', { protocolMin: 2, protocolMax: 3 }],
    ['K23', 'unknown-node', { name: 'nobody.example' }],
    ['K23', 'unknown-node', { incarnation: 999 }]
  ] as const)('%s %s', async (_id, reason, change) => {
    const z = await Impostor.in(tables, 'z.example', change)
    expect(await (await z.greet(a.port())).goodbye()).toBe(reason)
    expect(warned()).toEqual([reason])
  })

  test('K04 both values stand in the log', async () => {
    const z = await Impostor.in(tables, 'z.example', { clusterName: 'other' })
    await (await z.greet(a.port())).goodbye()
    const line = a.lines.find(({ event }) => event === 'cluster.link.refused')
    expect(line).toMatchObject({ level: 'warn', fields: { theirs: 'other', ours: 'test' } })
  })

  test('K04 one address may be refused for several reasons: each is said once', async () => {
    for (const [name, change] of [['x', { clusterName: 'other' }], ['y', { strategy: 'online' }], ['z', { clusterName: 'another' }]] as const) {
      await (await (await Impostor.in(tables, `${name}.example`, change)).greet(a.port())).goodbye()
    }
    expect(warned()).toEqual(['wrong-cluster', 'strategy'])
  })

  test.each(['fenced', 'left'] as const)('K06 old-incarnation: the table calls it %s', async (state) => {
    const z = await Impostor.in(tables)
    tables.tamper('z.example', { state })
    expect(await (await z.greet(a.port())).goodbye()).toBe('old-incarnation')
  })

  test('K07 old-incarnation: a higher one was seen already', async () => {
    const z = await Impostor.in(tables)
    tables.tamper('z.example', { incarnation: 77 })
    expect(await (await z.greet(a.port())).goodbye()).toBe('old-incarnation')
  })

  test('K08 wrong-key: a code that does not fit', async () => {
    const z = await Impostor.in(tables)
    const link = await z.greet(a.port())
    expect((await link.next())?.type).toBe(FRAME.HELLO)
    link.send(encodeAuth(frames, [Buffer.alloc(32, 1)]))
    expect(await link.goodbye()).toBe('wrong-key')
  })

  test('K08 replay: a nonce that was met before', async () => {
    const z = await Impostor.in(tables)
    const first = await z.greet(a.port())
    expect((await first.next())?.type).toBe(FRAME.HELLO)
    expect(await (await z.greet(a.port())).goodbye()).toBe('replay')
  })

  test('K03 a row that changed since the last beat is read once more before it is refused', async () => {
    const z = await Impostor.in(tables) // not yet read by the node: its beat is a second apart
    const link = await z.link(a.port())
    await until(() => linked(a, 'z.example'))
    expect(link.closed).toBe(false)
  })
})

describe('frames that may not be', () => {
  test('K09 ROUTE before READY: closed, nothing dispatched', async () => {
    const z = await Impostor.in(tables)
    const link = await z.greet(a.port())
    const frame = encodeRoutes(frames, envelope(1, 'juliet@im.test'))
    setSeq(frame, 1)
    link.send(frame)
    expect(await link.goodbye()).toBe('protocol')
    expect(a.arrived.envelopes).toEqual([])
  })

  test.each([
    ['K10 a length of 0', Buffer.alloc(64)],
    ['K10 a length of 1 MiB + 1', Buffer.concat([Buffer.from([0, 16, 0, 1]), Buffer.alloc(64)])],
    ['K11 an unknown type that is not optional', unknownFrame(0)],
    ['K14 a number that was acknowledged and never sent', ack(99)]
  ])('%s closes the link, and the node is not fenced for it', async (_what, bytes) => {
    const z = await Impostor.in(tables)
    const link = await z.link(a.port())
    await until(() => linked(a, 'z.example'))
    link.send(bytes)
    await until(() => link.closed)
    expect(tables.byName.get('z.example')?.state).toBe('joining')
    expect(a.arrived.nodes.map(({ change }) => change)).toEqual(['up'])
  })

  test('K11 an unknown type that is optional is ignored', async () => {
    const z = await Impostor.in(tables)
    const link = await z.link(a.port())
    link.send(unknownFrame(1))
    frames.begin(FRAME.PING, 0).u48(5)
    link.send(frames.finish())
    for (let frame = await link.next(); frame?.type !== FRAME.PONG; frame = await link.next()) expect(frame).toBeDefined()
    expect(link.closed).toBe(false)
  })

  test('K16 a second REG before the first is acknowledged closes the link', async () => {
    const z = await Impostor.in(tables)
    const link = await z.link(a.port())
    const both = [1, 2].map((seq) => {
      const frame = encodeReg(frames, Buffer.from([3]))
      setSeq(frame, seq)
      return frame
    })
    link.send(Buffer.concat(both))
    await until(() => link.closed)
  })

  test('K20 a ROUTE whose stanza cannot be read is rejected, and the link stays', async () => {
    const z = await Impostor.in(tables)
    const link = await z.link(a.port())
    const frame = encodeRoutes(frames, envelope(1, 'juliet@im.test'))
    setSeq(frame, 1)
    frame.write('<', frame.indexOf('romeo@im.test/orchard'))
    link.send(frame)
    for (let next = await link.next(); next?.type !== FRAME.ANSWER; next = await link.next()) expect(next).toBeDefined()
    expect(a.arrived.envelopes).toEqual([])
    expect(link.closed).toBe(false)
  })
})

test('K17 at most 32 handshakes are open at a time', async () => {
  const links = await Promise.all(Array.from({ length: 45 }, () => new Promise<ReturnType<typeof connectPlain>>((resolve) => {
    const socket = connectPlain({ host: '127.0.0.1', port: a.port() }, () => resolve(socket))
    socket.on('error', () => {})
  })))
  const gone = await new Promise<number>((resolve) => {
    let count = 0
    for (const socket of links) {
      socket.on('close', () => {
        if (++count === 13) resolve(count)
      })
      socket.resume()
    }
  })
  expect(gone).toBe(13)
  for (const socket of links) socket.destroy()
})

function unknownFrame(flags: number): Buffer {
  frames.begin(0x7f, 0, flags).u8(1)
  return frames.finish()
}

function ack(seq: number): Buffer {
  const out = frames.begin(FRAME.ACK, 0)
  out.u8(1)
  out.u48(seq)
  out.u8(0)
  return frames.finish()
}
