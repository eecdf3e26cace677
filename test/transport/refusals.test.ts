/** Refusals behind HTTP: counted and logged like those of TCP; requests that are none leave a line. */
import { afterEach, expect, test } from '@jest/globals'
import { BoshSessions } from '../../src/transport/bosh.js'
import { publicDoor } from '../../src/transport/http-public.js'
import { AddressLimits } from '../../src/transport/limits.js'
import { Listener } from '../../src/transport/listener.js'
import { Networks } from '../../src/transport/networks.js'
import { addressLimitOptions } from '../../src/transport/options.js'
import type { AddressLimitSettings } from '../../src/transport/options.js'
import { doorRoom, plainDoor } from '../contract/transport-kinds.js'
import { NS, post } from './bosh-client.js'
import { httpLimits, initialOf, testRoom } from './support.js'
import { ByteClient } from './tcp-client.js'

let stop = async (): Promise<void> => {}
afterEach(async () => {
  ByteClient.cutAll()
  await stop()
})

/** The address may have no stream at all; its HTTP connections are free. */
async function bench() {
  const room = testRoom()
  const addresses = new AddressLimits(initialOf<AddressLimitSettings>(addressLimitOptions), Networks.of([]), room.wheel)
  while ('ticket' in addresses.admit('127.0.0.1', { paid: true })) { /* until it has all that it may have */ }
  const accept = (): void => { throw new Error('nobody should come in') }
  const bosh = new BoshSessions({
    room, limits: httpLimits, addresses, nodeName: 'a.test', accept, serves: () => true, forward: () => undefined
  })
  const door = publicDoor({
    room, limits: httpLimits, addresses, trusted: Networks.of([]), origins: ['*'], publicUrl: '', nodeName: 'a.test', bosh, accept,
    healthy: () => true, ready: () => true, anyPath: false
  })
  const listener = new Listener({ ...plainDoor, logsIn: false }, doorRoom(room),
    (socket, origin, ticket) => door.take(socket, origin, ticket))
  await listener.listen()
  stop = async () => {
    await listener.close()
    door.close()
  }
  return { room, port: listener.port }
}

const refused = { level: 'info', event: 'connection.refused', fields: { reason: expect.stringMatching(/^address-/), ip: '127.0.0.1' } }

test('a WebSocket over its address\'s limit is refused with 429, one line and one count (RFC 6585 §4)', async () => {
  const { room, port } = await bench()
  const client = await ByteClient.connect(port)
  client.write('GET /xmpp-websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n')
  expect(await client.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 429 /)
  expect(room.log.lines).toEqual([refused])
  expect(room.counted).toEqual([room.log.lines[0]?.fields['reason']])
})

test('a BOSH session over its address\'s limit is refused with policy-violation, one line and one count (XEP-0124 §17.2)', async () => {
  const { room, port } = await bench()
  const { answer } = post(port, `<body rid='1' to='im.test' ver='1.6' wait='1' hold='1' ${NS}/>`)
  expect((await answer).text).toContain("condition='policy-violation'")
  expect(room.log.lines).toEqual([refused])
  expect(room.counted).toEqual([room.log.lines[0]?.fields['reason']])
})

test.each([
  ['no XML', 'hello', /not XML/],
  ['broken XML', `<body ${NS}>`, /./],
  ['no rid', `<body to='im.test' ${NS}/>`, /attributes/]
])('a BOSH request that is none (%s) leaves one line with its address', async (_what, body, why) => {
  const { room, port } = await bench()
  await post(port, body).answer
  expect(room.log.lines).toEqual([{ level: 'info', event: 'bosh.bad-request', fields: { ip: '127.0.0.1', why: expect.stringMatching(why) } }])
})

test('a body that is too large leaves one line with its address and path', async () => {
  const { room, port } = await bench()
  const client = await ByteClient.connect(port)
  client.write('POST /http-bind?secret=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n')
  expect(await client.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 413 /)
  expect(room.log.lines).toEqual([
    { level: 'info', event: 'http.refused', fields: { ip: '127.0.0.1', status: 413, path: '/http-bind' } }
  ])
})

test.each<readonly [string, string, number]>([
  ['headers that are too many', `GET /healthz HTTP/1.1\r\nHost: x\r\n${[...Array(101).keys()].map((i) => `X-${i}: 1\r\n`).join('')}\r\n`, 431],
  ['a header that is too long', `GET /healthz HTTP/1.1\r\nX: ${'x'.repeat(20_480)}\r\n\r\n`, 431],
  ['what is no HTTP', '\x16\x03\x01\r\n\r\n', 400]
])('%s: one line with the address, though no request came of it', async (_what, text, status) => {
  const { room, port } = await bench()
  const client = await ByteClient.connect(port)
  client.write(text)
  expect(await client.until('\r\n\r\n')).toContain(`HTTP/1.1 ${status} `)
  expect(room.log.lines).toMatchObject([{ level: 'info', event: 'http.refused', fields: { ip: '127.0.0.1', status } }])
})
