/** The PROXY protocol: the parser alone, and listeners that expect a header. */
import { afterEach, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Listener } from '../../src/transport/listener.js'
import { parseProxyHeader } from '../../src/transport/proxy-protocol.js'
import type { Origin } from '../../src/transport/bounds.js'
import { Networks } from '../../src/transport/networks.js'
import { doorRoom, plainDoor, testContext } from '../contract/transport-kinds.js'
import { testRoom } from './support.js'
import { ByteClient } from './tcp-client.js'

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

function v2(command: number, family: number, body: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head[0] = command
  head[1] = family
  head.writeUInt16BE(body.length, 2)
  return Buffer.concat([SIGNATURE, head, body])
}

const IPV4 = Buffer.from([192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 0x04, 0x14, 0x66])
const tlv = (type: number, value: Buffer): Buffer => Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 255]), value])

describe('version 1 (§2.1)', () => {
  test.each([
    ['PROXY TCP4 192.0.2.1 192.0.2.2 56324 5222\r\n', { address: '192.0.2.1', port: 56324 }],
    ['PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n', { address: '2001:db8::1', port: 1 }]
  ])('%j names the client', (text, client) => {
    const bytes = Buffer.from(`${text}<?xml`)
    expect(parseProxyHeader(bytes)).toEqual({ kind: 'header', header: { client, tls: false, size: text.length } })
  })

  test('UNKNOWN leaves the socket\'s own address', () => {
    expect(parseProxyHeader(Buffer.from('PROXY UNKNOWN what ever\r\n'))).toMatchObject({ kind: 'header', header: { client: undefined } })
  })

  test('every proper beginning asks for more', () => {
    const whole = Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 56324 5222\r\n')
    for (let size = 1; size < whole.length; size++) expect(parseProxyHeader(whole.subarray(0, size)).kind).toBe('more')
  })

  test.each([
    'GET / HTTP/1.1\r\n', '<?xml version="1.0"?>', 'proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n', 'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n', 'PROXY TCP4 ::1 ::1 1 2\r\n', 'PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n', 'PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n', 'PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n',
    'PROXY TCP4 1.2.3.999 1.2.3.4 1 2\r\n', 'PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n', `PROXY TCP4 ${'1'.repeat(120)}`,
      'PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n'
  ])('%j is garbage', (text) => {
    expect(parseProxyHeader(Buffer.from(text)).kind).toBe('garbage')
  })
})

describe('version 2 (§2.2)', () => {
  test('IPv4 and IPv6 name the client', () => {
    expect(parseProxyHeader(v2(0x21, 0x11, IPV4))).toEqual({
      kind: 'header', header: { client: { address: '192.0.2.1', port: 56324 }, tls: false, size: 28 }
    })
    const six = Buffer.concat([Buffer.from('20010db8000000000000000000000001', 'hex'), Buffer.alloc(16), Buffer.from([0, 7, 0, 8])])
    expect(parseProxyHeader(v2(0x21, 0x21, six))).toMatchObject({ header: { client: { address: '2001:db8:0:0:0:0:0:1', port: 7 } } })
  })

  test('LOCAL is the proxy itself (health checks)', () => {
    expect(parseProxyHeader(v2(0x20, 0x00, Buffer.alloc(0)))).toMatchObject({ kind: 'header', header: { client: undefined } })
  })

  test('the SSL extension says whether the client came over TLS (§2.2.6)', () => {
    const ssl = tlv(0x20, Buffer.from([0x01, 0, 0, 0, 0]))
    const clear = tlv(0x20, Buffer.from([0x00, 0, 0, 0, 0]))
    expect(parseProxyHeader(v2(0x21, 0x11, Buffer.concat([IPV4, tlv(0x04, Buffer.alloc(3)), ssl]))))
      .toMatchObject({ header: { tls: true } })
    expect(parseProxyHeader(v2(0x21, 0x11, Buffer.concat([IPV4, clear])))).toMatchObject({ header: { tls: false } })
  })

  test.each([
    ['another version', v2(0x11, 0x11, IPV4)], ['another command', v2(0x22, 0x11, IPV4)],
    ['UDP', v2(0x21, 0x12, IPV4)], ['a UNIX socket', v2(0x21, 0x31, Buffer.alloc(216))],
    ['too short for IPv4', v2(0x21, 0x11, IPV4.subarray(0, 11))], ['too short for IPv6', v2(0x21, 0x21, Buffer.alloc(35))],
    ['a broken extension', v2(0x21, 0x11, Buffer.concat([IPV4, Buffer.from([0x20, 0xff])]))],
    ['an extension longer than the header', v2(0x21, 0x11, Buffer.concat([IPV4, Buffer.from([0x20, 0, 9, 1])]))],
    ['a huge length', v2(0x21, 0x11, Buffer.alloc(60_000)).subarray(0, 100)]
  ])('%s is garbage', (_what, bytes) => {
    expect(parseProxyHeader(bytes).kind).toBe('garbage')
  })

  test('random bytes never throw and never pass without a signature', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, signed) => {
      const input = signed ? Buffer.concat([SIGNATURE, bytes]) : Buffer.from(bytes)
      const result = parseProxyHeader(input)
      if (result.kind === 'header') expect(result.header.size).toBeLessThanOrEqual(input.length)
    }), { numRuns: 2_000 })
  })
})

describe('a listener that expects the header', () => {
  let listener: Listener | undefined
  afterEach(async () => {
    ByteClient.cutAll()
    await listener?.close()
  })

  async function proxied(tls: boolean, trusted: readonly string[] = []):
  Promise<{ room: ReturnType<typeof testRoom>, port: number, origin: Promise<Origin>, first: Promise<string> }> {
    const room = testRoom()
    const context = await testContext()
    let onOrigin: (origin: Origin) => void = () => {}
    let onFirst: (text: string) => void = () => {}
    const origin = new Promise<Origin>((resolve) => { onOrigin = resolve })
    const first = new Promise<string>((resolve) => { onFirst = resolve })
    const door = { ...plainDoor, proxied: true, tls: tls ? { context: () => context, alpn: ['xmpp-client'] } : undefined }
    listener = new Listener(door, { ...doorRoom(room), trusted: Networks.of(trusted) }, (socket, from) => {
      onOrigin(from)
      socket.once('data', (data: Buffer) => onFirst(data.toString())).resume()
    })
    await listener.listen()
    return { room, port: listener.port, origin, first }
  }

  test('counts the client\'s address and hands on the bytes behind the header, also of the same segment', async () => {
    const { port, origin, first } = await proxied(false)
    const client = await ByteClient.connect(port)
    client.write('PROXY TCP4 198.51.100.7 192.0.2.2 4000 5222\r\n<hello/>')
    expect(await origin).toEqual({ address: '198.51.100.7', port: 4000, secure: false })
    expect(await first).toBe('<hello/>')
    client.cut()
  })

  test('TLS ended at the proxy counts as TLS', async () => {
    const { port, origin } = await proxied(false)
    const client = await ByteClient.connect(port)
    client.write(v2(0x21, 0x11, Buffer.concat([IPV4, tlv(0x20, Buffer.from([1, 0, 0, 0, 0]))])))
    expect(await origin).toMatchObject({ address: '192.0.2.1', secure: true })
    client.cut()
  })

  test('the TLS handshake follows the header', async () => {
    const { port, origin, first } = await proxied(true)
    const plain = await ByteClient.connect(port)
    plain.write('PROXY TCP4 198.51.100.7 192.0.2.2 4000 5223\r\n')
    await plain.startTls()
    plain.write('<hello/>')
    expect(await origin).toMatchObject({ address: '198.51.100.7', secure: true })
    expect(await first).toBe('<hello/>')
    plain.cut()
  })

  test('where proxies are named, nobody else\'s header is believed: closed with one line (§2)', async () => {
    const { room, port } = await proxied(false, ['192.0.2.0/24'])
    const client = await ByteClient.connect(port)
    client.write('PROXY TCP4 198.51.100.7 192.0.2.2 4000 5222\r\n<hello/>')
    expect(await client.untilEnd()).toBe('')
    expect(room.log.lines.filter((line) => line.event === 'connection.refused').map(({ fields }) => fields)).toEqual([
      expect.objectContaining({ reason: 'proxy-header', why: 'not from a trusted proxy', ip: '127.0.0.1' })
    ])
  })

  test('and those that are named are', async () => {
    const { port, origin } = await proxied(false, ['127.0.0.1'])
    const client = await ByteClient.connect(port)
    client.write('PROXY TCP4 198.51.100.7 192.0.2.2 4000 5222\r\n')
    expect(await origin).toMatchObject({ address: '198.51.100.7' })
    client.cut()
  })

  test('S36: garbage in its place closes the connection with one line', async () => {
    const { room, port } = await proxied(false)
    const client = await ByteClient.connect(port)
    client.write("<?xml version='1.0'?>")
    expect(await client.untilEnd()).toBe('')
    expect(room.log.lines.filter((line) => line.event === 'connection.refused')).toEqual([
      expect.objectContaining({ fields: expect.objectContaining({ reason: 'proxy-header' }) })
    ])
  })

  test('a header that does not come in time closes the connection', async () => {
    const { room, port } = await proxied(false)
    const client = await ByteClient.connect(port)
    client.write('PROXY TCP4 ')
    while (!client.ended && !client.closed) {
      room.clock.move(10_500)
      await new Promise((resolve) => { setImmediate(resolve) })
    }
  })
})
