/** WebSocket streams and their handshake (RFC 6455, RFC 7395). Row ids are those of the bad-input corpus. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { randomBytes } from 'node:crypto'
import type { Listener } from '../../src/transport/listener.js'
import type { HttpDoor } from '../../src/transport/http.js'
import type { Transport } from '../../src/transport/transport.js'
import { httpListener } from '../contract/transport-kinds.js'
import { attached, largestTurnOf, REPLY, RecordingSink, testRoom } from './support.js'
import { ByteClient } from './tcp-client.js'

const OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='im.test' version='1.0'/>"
const CLOSE = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"

interface Frame { readonly opcode: number, readonly payload: Buffer }

/** A client that writes frames by hand, right and wrong. */
class FrameClient {
  readonly #bytes: ByteClient
  #buffer = Buffer.alloc(0)
  #frames: Frame[] = []
  #wake = (): void => {}
  ended = false

  constructor(bytes: ByteClient, first: Buffer) {
    this.#bytes = bytes
    this.#take(first)
    bytes.socket.removeAllListeners('data')
    bytes.socket.on('data', (data: Buffer) => this.#take(data))
    bytes.socket.on('close', () => { this.ended = true; this.#wake() }).on('end', () => { this.ended = true; this.#wake() })
  }

  raw(bytes: Buffer): void { this.#bytes.write(bytes) }
  cut(): void { this.#bytes.cut() }

  send(opcode: number, payload: Buffer | string, { fin = true, mask = true, rsv = 0 } = {}): void {
    const data = Buffer.from(payload)
    const key = mask ? randomBytes(4) : Buffer.alloc(0)
    const bit = mask ? 0x80 : 0
    const head = data.length < 126 ? Buffer.from([bit | data.length]) : Buffer.alloc(9)
    if (data.length >= 126) {
      head[0] = bit | 127
      head.writeBigUInt64BE(BigInt(data.length), 1)
    }
    const masked = mask ? data.map((byte, i) => byte ^ (key[i % 4] ?? 0)) : data
    this.raw(Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | rsv | opcode]), head, key, masked]))
  }

  text(xml: string): void { this.send(1, xml) }

  async next(): Promise<Frame> {
    while (this.#frames.length === 0) {
      if (this.ended) throw new Error('ended')
      await new Promise<void>((resolve) => { this.#wake = resolve })
    }
    return this.#frames.shift() as Frame
  }

  /** The next text frame, passing over pongs. */
  async nextText(): Promise<string> {
    for (;;) {
      const frame = await this.next()
      if (frame.opcode === 1) return frame.payload.toString()
      if (frame.opcode === 8) throw new Error(`closed ${frame.payload.readUInt16BE(0)}`)
    }
  }

  /** The code of the Close frame. */
  async closeCode(): Promise<number> {
    for (;;) {
      const frame = await this.next()
      if (frame.opcode === 8) return frame.payload.length >= 2 ? frame.payload.readUInt16BE(0) : 1005
    }
  }

  #take(data: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, data])
    for (;;) {
      const [first, second] = this.#buffer
      if (first === undefined || second === undefined) break
      const short = second & 0x7f
      const at = short === 126 ? 4 : short === 127 ? 10 : 2
      if (this.#buffer.length < at) break
      const length = short === 126 ? this.#buffer.readUInt16BE(2) : short === 127 ? Number(this.#buffer.readBigUInt64BE(2)) : short
      if (this.#buffer.length < at + length) break
      this.#frames.push({ opcode: first & 15, payload: this.#buffer.subarray(at, at + length) })
      this.#buffer = this.#buffer.subarray(at + length)
    }
    this.#wake()
  }
}

const stops: (() => Promise<void>)[] = []

async function bench():
Promise<{ room: ReturnType<typeof testRoom>, listener: Listener, door: HttpDoor, arrived: Transport[], sinks: RecordingSink[] }> {
  const room = testRoom()
  const arrived: Transport[] = []
  const sinks: RecordingSink[] = []
  const { listener, door } = await httpListener(room, (transport) => {
    arrived.push(transport)
    const sink = attached(transport)
    sinks.push(sink)
    sink.react = (seen) => {
      if (seen.kind === 'header') transport.open(REPLY)
      if (seen.kind === 'fault') {
        transport.send("<stream:error xmlns:stream='http://etherx.jabber.org/streams'/>")
        transport.end()
      }
      if (seen.kind === 'closed') transport.end()
    }
  })
  stops.push(async () => {
    for (const transport of arrived) transport.destroy()
    await listener.close()
    door.close()
  })
  return { room, listener, door, arrived, sinks }
}

const HANDSHAKE: Readonly<Record<string, string>> = {
  Host: 'im.test', Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Protocol': 'xmpp'
}

async function shake(port: number, change: Readonly<Record<string, string | undefined>> = {}, line = 'GET /xmpp-websocket HTTP/1.1'):
Promise<{ bytes: ByteClient, head: string }> {
  const bytes = await ByteClient.connect(port)
  const headers = Object.entries({ ...HANDSHAKE, ...change })
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}\r\n`]))
  bytes.write(`${line}\r\n${headers.join('')}\r\n`)
  return { bytes, head: await bytes.until('\r\n\r\n') }
}

async function connected() {
  const b = await bench()
  const { bytes, head } = await shake(b.listener.port)
  const client = new FrameClient(bytes, Buffer.from(bytes.text))
  return { ...b, client, head }
}

async function opened() {
  const all = await connected()
  all.client.text(OPEN)
  expect(await all.client.nextText()).toContain('<open ')
  const [sink] = all.sinks
  const [transport] = all.arrived
  if (sink === undefined || transport === undefined) throw new Error('no transport')
  return { ...all, sink, transport }
}

afterEach(async () => {
  ByteClient.cutAll()
  for (const stop of stops.splice(0)) await stop()
})

describe('handshake', () => {
  test('101 with the subprotocol xmpp, without extensions even if offered (W22), with the node\'s cookie', async () => {
    const { listener } = await bench()
    const { head } = await shake(listener.port, { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
    expect(head).toMatch(/^HTTP\/1\.1 101 /)
    expect(head).toContain('Sec-WebSocket-Protocol: xmpp')
    expect(head).not.toContain('Sec-WebSocket-Extensions')
    expect(head).toContain('Set-Cookie: STARLING_NODE=a.test; Path=/; HttpOnly; SameSite=Lax')
  })

  test.each<[string, Record<string, string | undefined>, string, string]>([
    ['W01 no subprotocol', { 'Sec-WebSocket-Protocol': undefined }, 'GET /xmpp-websocket HTTP/1.1', '400'],
    ['W01 another subprotocol', { 'Sec-WebSocket-Protocol': 'chat' }, 'GET /xmpp-websocket HTTP/1.1', '400'],
    ['W03 version 8', { 'Sec-WebSocket-Version': '8' }, 'GET /xmpp-websocket HTTP/1.1', '426'],
    ['W23 POST', {}, 'POST /xmpp-websocket HTTP/1.1', '405'],
    ['W23 HTTP/1.0', {}, 'GET /xmpp-websocket HTTP/1.0', '400'],
    ['W23 no Host', { Host: undefined }, 'GET /xmpp-websocket HTTP/1.1', '400'],
    ['W23 no Upgrade', { Upgrade: undefined, Connection: undefined }, 'GET /xmpp-websocket HTTP/1.1', '400'],
    ['W23 no key', { 'Sec-WebSocket-Key': undefined }, 'GET /xmpp-websocket HTTP/1.1', '400'],
    ['W23 a key of 15 bytes', { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25j' }, 'GET /xmpp-websocket HTTP/1.1', '400'],
    ['another path', {}, 'GET /elsewhere HTTP/1.1', '404']
  ])('%s is refused', async (_row, change, line, status) => {
    const { listener, arrived } = await bench()
    const { head } = await shake(listener.port, change, line)
    expect(head.split(' ')[1]).toBe(status)
    if (status === '426') expect(head).toContain('Sec-WebSocket-Version: 13')
    expect(arrived).toHaveLength(0)
  })

  test('W04: 101 headers, and 20 KiB of headers, are 431', async () => {
    const { listener } = await bench()
    const many = Object.fromEntries([...Array(101).keys()].map((i) => [`X-${i}`, '1']))
    expect((await shake(listener.port, many)).head).toMatch(/^HTTP\/1\.1 431 /)
    expect((await shake(listener.port, { 'X-Long': 'x'.repeat(20_480) })).head).toMatch(/^HTTP\/1\.1 431 /)
  })

  test('W05: nothing after the upgrade: closed with 1008 after 30 s', async () => {
    const { client, room } = await connected()
    room.clock.move(30_500)
    expect(await client.closeCode()).toBe(1008)
  })
})

describe('frames', () => {
  test.each<[string, (client: FrameClient) => void, number]>([
    ['W06 an unmasked frame', (c) => c.send(1, 'x', { mask: false }), 1002],
    ['W07 a reserved bit', (c) => c.send(1, 'x', { rsv: 0x40 }), 1002],
    ['W07 opcode 3', (c) => c.send(3, 'x'), 1002],
    ['W08 a binary message', (c) => c.send(2, '<a/>'), 1003],
    ['W09 invalid UTF-8', (c) => c.send(1, Buffer.from([0xc3, 0x28])), 1007],
    ['W10 a length of 2^63', (c) => c.raw(Buffer.from([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4])), 1009],
    ['W11 65 fragments', (c) => { c.send(1, 'x', { fin: false }); for (let i = 0; i < 64; i++) c.send(0, 'x', { fin: false }) }, 1008],
    ['W12 endless empty fragments', (c) => { c.send(1, '', { fin: false })
      for (let i = 0; i < 200; i++) c.send(0, '', { fin: false }) }, 1008],
    ['W13 a fragmented ping', (c) => c.send(9, 'x', { fin: false }), 1002],
    ['W13 a ping of 126 bytes', (c) => c.send(9, Buffer.alloc(126)), 1002],
    ['W24 a continuation of nothing', (c) => c.send(0, 'x'), 1002],
    ['W24 a new message inside another', (c) => { c.send(1, 'x', { fin: false }); c.send(1, 'y') }, 1002],
    ['W25 a Close of one byte', (c) => c.send(8, Buffer.from([3])), 1002],
    ['W25 a Close with code 1005', (c) => c.send(8, Buffer.from([0x03, 0xed])), 1002],
    ['W25 a Close whose reason is not UTF-8', (c) => c.send(8, Buffer.from([0x03, 0xe8, 0xff])), 1007]
  ])('%s', async (_row, send, code) => {
    const { client, sink } = await opened()
    send(client)
    expect(await client.closeCode()).toBe(code)
    expect(sink.names).toEqual([])
  })

  test('W14: ten pings a second are answered, a flood closes with 1008', async () => {
    const { client } = await opened()
    for (let i = 0; i < 101; i++) client.send(9, String(i))
    let pongs = 0
    for (;;) {
      const frame = await client.next()
      if (frame.opcode === 10) pongs++
      if (frame.opcode !== 8) continue
      expect(frame.payload.readUInt16BE(0)).toBe(1008)
      break
    }
    expect(pongs).toBe(10)
  })

  test('W26: a ping between two fragments is answered at once, and the message is whole', async () => {
    const { client, sink } = await opened()
    client.send(1, "<a xmlns='urn:x' ", { fin: false })
    client.send(9, 'now')
    expect((await client.next()).payload.toString()).toBe('now')
    client.send(0, "id='whole'/>")
    expect((await sink.until('element')).element.attrs['id']).toBe('whole')
  })
})

describe('messages (RFC 7395 §3.3)', () => {
  test('who sends megabytes at once is read a piece a turn, so that the others have theirs', async () => {
    const { client, sink, transport } = await opened()
    transport.authenticated()
    const largest = largestTurnOf(sink, 2000)
    const payload = Buffer.from(`<message xmlns='jabber:client'>${'x'.repeat(970)}</message>`)
    const head = Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 255, 0, 0, 0, 0])       // masked with zeros
    client.raw(Buffer.concat(Array.from({ length: 2000 }, () => [head, payload]).flat()))
    expect(await largest).toBeLessThan(3 * 65_536)
    transport.destroy()
  })

  test('W10: a message of 262,145 bytes gets the stream error, then 1009', async () => {
    const { client, transport, sink } = await opened()
    transport.authenticated()
    client.text(`<a>${'x'.repeat(262_145 - 7)}</a>`)
    expect((await sink.until('fault')).fault.application).toBe('stanza-too-big')
    expect(await client.nextText()).toContain('stream:error')
    expect(await client.nextText()).toContain('<close ')
    expect(await client.closeCode()).toBe(1009)
  })

  test.each([['W17 two elements', '<a/><b/>'], ['W18 half an element', '<a>'], ['W09b a second half', '</a>']])('%s is not well-formed',
    async (_row, text) => {
    const { client, sink } = await opened()
    client.text(text)
    expect((await sink.until('fault')).fault.condition).toBe('not-well-formed')
    expect(await client.nextText()).toContain('stream:error')
    expect(await client.nextText()).toContain('<close ')
    expect(await client.closeCode()).toBe(1000)
  })

  test('W19: white space before the element and an XML declaration pass, white space alone is dropped', async () => {
    const { client, sink } = await opened()
    client.text(' \n ')
    client.text("  <a id='1'/>")
    client.text("<?xml version='1.0'?><a id='2'/>")
    await sink.until('element')
    await sink.until('element')
    expect(sink.names).toEqual(['1', '2'])
  })

  test('W16, W27: whatever comes first is handed over as the header, for the stream to refuse', async () => {
    const { client, sinks } = await connected()
    client.text("<message xmlns='jabber:client'/>")
    while (sinks[0]?.seen.length === 0) await new Promise((resolve) => { setImmediate(resolve) })
    expect(sinks[0]?.seen[0]).toMatchObject({ kind: 'header', header: { name: 'message', ns: 'jabber:client' } })
  })

  test('W20: <close/> is answered with <close/>, and the client\'s Close frame is echoed (§3.6)', async () => {
    const { client, sink } = await opened()
    client.text(CLOSE)
    expect(await client.nextText()).toContain('<close ')
    client.send(8, Buffer.from([0x03, 0xe8]))
    expect(await client.closeCode()).toBe(1000)
    client.cut()
    expect((await sink.until('gone')).error).toBeUndefined()
  })

  test('W20: without its Close frame ours comes before 5 s are over', async () => {
    const { client, room, sink } = await opened()
    client.text(CLOSE)
    expect(await client.nextText()).toContain('<close ')
    room.clock.move(4_500)
    expect(await client.closeCode()).toBe(1000)
    room.clock.move(1_000)
    await sink.until('gone')
  })

  test('W21: a cut connection is gone without an error', async () => {
    const { client, sink } = await opened()
    client.cut()
    await sink.until('gone')
  })

  test('pings of ours: two unanswered ones end the connection', async () => {
    const { client, room, sink } = await opened()
    room.clock.move(30_500)
    expect((await client.next()).opcode).toBe(9)
    room.clock.move(60_500)
    expect((await sink.until('gone')).error).toMatchObject({ reason: 'timeout' })
  })
})
