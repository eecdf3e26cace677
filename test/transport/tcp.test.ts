/** Streams over TCP: STARTTLS, time-outs and limits before authentication. Row ids are those of the bad-input corpus. */
import { afterEach, describe, expect, test } from '@jest/globals'
import type { TLSSocket } from 'node:tls'
import { Listener } from '../../src/transport/listener.js'
import type { Door } from '../../src/transport/listener.js'
import { TransportFailure } from '../../src/transport/failure.js'
import { TcpTransport } from '../../src/transport/tcp.js'
import { doorRoom, plainDoor, testContext } from '../contract/transport-kinds.js'
import { attached, largestTurnOf, REPLY, testRoom, turns } from './support.js'
import type { RecordingSink, TestRoom } from './support.js'
import { ByteClient, HDR } from './tcp-client.js'

const STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
const PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"

interface Bench {
  readonly room: TestRoom
  readonly port: number
  readonly next: () => Promise<{ readonly transport: TcpTransport, readonly sink: RecordingSink }>
}

const listeners: Listener[] = []

async function bench(door: Partial<Door> = {}): Promise<Bench> {
  const room = testRoom()
  const context = await testContext()
  const arrived: TcpTransport[] = []
  let wake = (): void => {}
  const listener = new Listener({ ...plainDoor, ...door }, doorRoom(room), (socket, origin, ticket) => {
    arrived.push(new TcpTransport(room, { socket, origin, ticket, startTlsWith: () => context }))
    wake()
  })
  await listener.listen()
  listeners.push(listener)
  const next = async () => {
    while (arrived.length === 0) await new Promise<void>((resolve) => { wake = resolve })
    const transport = arrived.shift() as TcpTransport
    return { transport, sink: attached(transport) }
  }
  return { room, port: listener.port, next }
}

/** Header seen, and who it is: the limits of those who are in. */
async function established({ port, next }: Bench) {
  const client = await ByteClient.connect(port)
  const { sink, transport } = await next()
  client.write(HDR)
  await sink.until('header')
  transport.authenticated()
  return { client, sink, transport }
}

/** Header seen, `<starttls/>` comes to the sink, which answers at once. */
async function upgrading(client: ByteClient, { next }: Bench) {
  const { transport, sink } = await next()
  const upgraded = new Promise<void>((resolve, reject) => {
    sink.react = (seen) => {
      if (seen.kind === 'header' && !transport.peer.secure) transport.open(REPLY)
      if (seen.kind !== 'element' || seen.element.name !== 'starttls') return
      transport.send(PROCEED)
      transport.startTls().then(resolve, reject)
    }
  })
  upgraded.catch(() => {})
  client.write(HDR)
  await client.until('>')
  return { transport, sink, upgraded }
}

afterEach(async () => {
  ByteClient.cutAll()
  for (const listener of listeners.splice(0)) await listener.close()
})

describe('STARTTLS (RFC 6120 §5.4)', () => {
  test('after <proceed/> the stream begins anew inside TLS and the peer counts as secure', async () => {
    const b = await bench()
    const client = await ByteClient.connect(b.port)
    const { transport, sink, upgraded } = await upgrading(client, b)
    expect(transport.peer).toMatchObject({ secure: false, canStartTls: true })
    client.write(STARTTLS)
    await client.until(PROCEED)
    await client.startTls()
    await upgraded
    expect(transport.peer).toMatchObject({ secure: true, canStartTls: false })
    client.write(`${HDR}<message id='inside'/>`)
    await sink.until('header')
    await sink.until('header')
    expect((await sink.until('element')).element.attrs['id']).toBe('inside')
    transport.destroy()
    client.cut()
  })

  test('S18: what follows <starttls/> in the same segment closes the connection and is never delivered (§5.4.3.3)', async () => {
    const b = await bench()
    const client = await ByteClient.connect(b.port)
    const { sink, upgraded } = await upgrading(client, b)
    client.write(`${STARTTLS}<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>`)
    await expect(upgraded).rejects.toBeInstanceOf(TransportFailure)
    const { error } = await sink.until('gone')
    expect(error).toMatchObject({ reason: 'tls-failed' })
    expect(sink.names).toEqual(['starttls'])
    await client.untilEnd()
  })

  test('S42: bytes that are no ClientHello after <proceed/> close the connection without a closing tag (§5.4.3.2)', async () => {
    const b = await bench()
    const client = await ByteClient.connect(b.port)
    const { sink, upgraded } = await upgrading(client, b)
    client.write(STARTTLS)
    await client.until(PROCEED)
    client.write('this is not TLS at all, nor will it be\n')
    await expect(upgraded).rejects.toBeInstanceOf(TransportFailure)
    expect((await sink.until('gone')).error).toMatchObject({ reason: 'tls-failed' })
    expect(await client.untilEnd()).not.toContain('</stream:stream>')
    expect(sink.seen.filter((seen) => seen.kind === 'gone')).toHaveLength(1)
  })

  test('a handshake that does not end in time closes the connection', async () => {
    const b = await bench()
    const client = await ByteClient.connect(b.port)
    const { sink, upgraded } = await upgrading(client, b)
    client.write(STARTTLS)
    await client.until(PROCEED)
    b.room.clock.move(10_500)
    await expect(upgraded).rejects.toMatchObject({ reason: 'tls-failed' })
    await sink.until('gone')
  })

  test('TLS cannot be started twice (§5.4.2.2)', async () => {
    const b = await bench()
    const client = await ByteClient.connect(b.port)
    const { transport, upgraded } = await upgrading(client, b)
    client.write(STARTTLS)
    await client.until(PROCEED)
    await client.startTls()
    await upgraded
    await expect(transport.startTls()).rejects.toMatchObject({ reason: 'tls-failed' })
    transport.destroy()
  })
})

describe('direct TLS (XEP-0368)', () => {
  async function tlsBench(): Promise<Bench> {
    const context = await testContext()
    return bench({ tls: { context: () => context, alpn: ['xmpp-client'] } })
  }

  test('ALPN xmpp-client is taken up, and the peer is secure from the start', async () => {
    const b = await tlsBench()
    const client = await ByteClient.connectTls(b.port, { ALPNProtocols: ['xmpp-client'] })
    expect('alpnProtocol' in client.socket ? client.socket.alpnProtocol : undefined).toBe('xmpp-client')
    expect((await b.next()).transport.peer).toMatchObject({ secure: true, canStartTls: false })
    client.cut()
  })

  test('another application protocol is refused (A61)', async () => {
    const b = await tlsBench()
    await expect(ByteClient.connectTls(b.port, { ALPNProtocols: ['h2'] })).rejects.toThrow()
  })

  test('TLS 1.1 is refused (RFC 9325 §3.1.1)', async () => {
    const b = await tlsBench()
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const
    await expect(ByteClient.connectTls(b.port, old)).rejects.toThrow()
  })

  test('S13: plain XML on a TLS port ends the connection, and one line says why', async () => {
    const b = await tlsBench()
    const client = await ByteClient.connect(b.port)
    client.write(HDR)
    await client.untilEnd()
    expect(b.room.log.lines).toContainEqual(expect.objectContaining({
      event: 'connection.refused', fields: expect.objectContaining({ reason: 'tls-handshake' })
    }))
  })

  test('S43: renegotiation begun by the client under TLS 1.2 ends the connection (RFC 6120 §5.3.5)', async () => {
    const b = await tlsBench()
    const client = await ByteClient.connectTls(b.port, { maxVersion: 'TLSv1.2' })
    const { sink } = await b.next()
    const socket = client.socket as TLSSocket
    const refused = new Promise<string>((resolve) => {
      socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error ? 'refused' : 'done')) })
    expect(await Promise.race([refused, client.untilEnd().then(() => 'closed')])).not.toBe('done')
    await sink.until('gone')
  })
})

describe('time-outs and limits', () => {
  test('S29: a connection that sends nothing is closed after 30 s without a byte', async () => {
    const b = await bench()
    const client = await ByteClient.connect(b.port)
    const { sink } = await b.next()
    b.room.clock.move(29_000)
    expect(sink.seen).toEqual([])
    b.room.clock.move(1_500)
    expect((await sink.until('gone')).error).toMatchObject({ reason: 'timeout' })
    expect(await client.untilEnd()).toBe('')
  })

  test('X36: a stanza that takes longer than 120 s is a policy violation', async () => {
    const b = await bench()
    const client = await ByteClient.connect(b.port)
    const { sink, transport } = await b.next()
    client.write(`${HDR}<a/><message>`)
    await sink.until('element')
    transport.send('<x/>')
    await client.until('<x/>')
    client.write('<bo')
    b.room.clock.move(121_000)
    expect((await sink.until('fault')).fault.condition).toBe('policy-violation')
    transport.destroy()
  })

  test('S33: an element over 8 KiB before authentication is a policy violation; after it, it passes', async () => {
    const b = await bench()
    const { client, sink, transport } = await established(b)
    client.write(`<a>${'x'.repeat(9_000)}</a>`)
    expect((await sink.until('element')).element.size).toBe(9_007)
    const other = await ByteClient.connect(b.port)
    const second = await b.next()
    other.write(`${HDR}<a>${'x'.repeat(9_000)}</a>`)
    expect((await second.sink.until('fault')).fault.condition).toBe('policy-violation')
    transport.destroy()
    second.transport.destroy()
  })

  test('more than 64 KiB before authentication is a policy violation', async () => {
    const b = await bench()
    const client = await ByteClient.connect(b.port)
    const { sink, transport } = await b.next()
    client.write(HDR)
    for (let i = 0; i < 14; i++) client.write(`<a>${'x'.repeat(5_000)}</a>`)
    expect((await sink.until('fault')).fault.condition).toBe('policy-violation')
    transport.destroy()
  })

  test('what comes in pieces from several clients is put together for each, though they are read into one buffer', async () => {
    const b = await bench()
    const clients = [await established(b), await established(b), await established(b)]
    for (const piece of ['<a n="', 'one', '"><b>te', 'xt</b></a><c/>']) {
      for (const [index, { client }] of clients.entries()) client.write(piece === 'one' ? String(index) : piece)
      await turns(20)
    }
    for (const [index, { sink, transport }] of clients.entries()) {
      const { element } = await sink.until('element')
      expect([element.attrs['n'], element.inside.toString()]).toEqual([String(index), '<b>text</b>'])
      expect((await sink.until('element')).element.name).toBe('c')
      transport.destroy()
    }
  })

  test('what comes while nothing is to be read is there afterwards, in order', async () => {
    const { client, sink, transport } = await established(await bench())
    sink.react = (seen) => {
      if (seen.kind === 'element') setImmediate(() => { transport.pause() })
    }
    client.write('<a/>')
    await sink.until('element')
    client.write('<b/>')
    await turns(20)
    client.write('<c/>')
    await turns(20)
    sink.react = () => {}
    transport.resume()
    expect([(await sink.until('element')).element.name, (await sink.until('element')).element.name]).toEqual(['b', 'c'])
    transport.destroy()
  })

  test('who sends megabytes at once is read a piece a turn, so that the others have theirs', async () => {
    const { client, sink, transport } = await established(await bench())
    const largest = largestTurnOf(sink, 2000)
    client.write(`<a>${'x'.repeat(1_000)}</a>`.repeat(2000))          // the kernel takes much of it at once
    expect(await largest).toBeLessThan(3 * 65_536)
    transport.destroy()
  })

  test('S11: HTTP on the stream port is not well-formed', async () => {
    const b = await bench()
    const client = await ByteClient.connect(b.port)
    const { sink, transport } = await b.next()
    client.write('GET / HTTP/1.1\r\n\r\n')
    expect((await sink.until('fault')).fault.condition).toBe('not-well-formed')
    transport.destroy()
  })

  test('a peer that reads nothing is cut off when more than the bound waits for 10 s', async () => {
    const b = await bench()
    const client = await ByteClient.connect(b.port)
    const { sink, transport } = await b.next()
    client.pause()
    const chunk = 'x'.repeat(200_000)
    while (transport.send(chunk)) await new Promise((resolve) => { setImmediate(resolve) })
    b.room.clock.move(9_500)
    expect(sink.seen.some((seen) => seen.kind === 'gone')).toBe(false)
    b.room.clock.move(1_000)
    expect((await sink.until('gone')).error).toMatchObject({ reason: 'slow-reader' })
    client.cut()
  })

  test('senders that do not wait are stopped at four times the bound', async () => {
    const b = await bench()
    const client = await ByteClient.connect(b.port)
    const { sink, transport } = await b.next()
    client.pause()
    for (let i = 0; i < 60; i++) transport.send('x'.repeat(200_000))
    b.room.clock.move(500)
    expect((await sink.until('gone')).error).toMatchObject({ reason: 'slow-reader' })
    client.cut()
  })

  test('S28: a half-close without closing tag ends the connection without an error', async () => {
    const b = await bench()
    const client = await ByteClient.connect(b.port)
    const { sink } = await b.next()
    client.write(`${HDR}<message/>`)
    client.end()
    expect((await sink.until('gone')).error).toBeUndefined()
    expect(sink.seen.map((seen) => seen.kind)).toEqual(['header', 'element', 'gone'])
  })

  test('a closing tag and a half-close in one segment are answered with the closing tag', async () => {
    const b = await bench()
    const client = await ByteClient.connect(b.port)
    const { sink, transport } = await b.next()
    sink.react = (seen) => {
      if (seen.kind === 'header') transport.open(REPLY)
      if (seen.kind === 'closed') transport.end()
    }
    client.write(`${HDR}</stream:stream>`)
    client.end()
    expect(await client.untilEnd()).toContain('</stream:stream>')
    await sink.until('gone')
  })
})
