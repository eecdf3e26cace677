/** Streams on the real transports: what the byte wire of the other tests might get wrong. */
import { createServer, type AddressInfo, type Server } from 'node:net'
import { createSecureContext, type SecureContext } from 'node:tls'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { FREE_TICKET } from '../../src/transport/bounds.js'
import { memoryPair } from '../../src/transport/memory.js'
import { selfSigned } from '../../src/transport/self-signed.js'
import { TcpTransport } from '../../src/transport/tcp.js'
import { ByteClient, HDR } from '../transport/tcp-client.js'
import { testRoom } from '../transport/support.js'
import { base64, bindIq, plainAuth, Rig } from './rig.js'

const STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"

let context: SecureContext
let server: Server
let rig: Rig

beforeAll(async () => {
  const { certificate, key } = await selfSigned({ names: ['im.test'], now: Date.now(), days: 1 })
  context = createSecureContext({ cert: certificate, key })
})

beforeEach(async () => {
  rig = new Rig()
  await rig.user('alice@im.test')
  const room = testRoom()
  server?.close()
  server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const origin = { address: '127.0.0.1', port: 1, secure: false }
    rig.door(new TcpTransport(room, { socket, origin, ticket: FREE_TICKET, startTlsWith: () => context }))
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
})

afterAll(() => void server.close())

const connect = (): Promise<ByteClient> => ByteClient.connect((server.address() as AddressInfo).port)

async function secured(): Promise<ByteClient> {
  const client = await connect()
  client.write(HDR)
  await client.until('</stream:features>')
  client.write(STARTTLS)
  await client.until('/>')
  await client.startTls()
  return client
}

describe('a stream over TCP', () => {
  test('STARTTLS, login, bind, a stanza, the end (RFC 6120 §9.1)', async () => {
    const client = await secured()
    client.write(HDR)
    expect(await client.until('</stream:features>')).toContain('<mechanism>PLAIN</mechanism>')
    client.write(plainAuth('alice'))
    await client.until('<success')
    client.write(HDR)
    await client.until('</stream:features>')
    client.write(bindIq('r1'))
    await client.until('<jid>alice@im.test/r1</jid>')
    client.write("<message to='alice@im.test/r1'><body>hi</body></message></stream:stream>")
    expect(await client.untilEnd()).toMatch(/<\/stream:stream>$/)
    expect(rig.handler.received.map(({ stanza }) => stanza.id)).toHaveLength(1)
    expect(rig.handler.over).toEqual([{ jid: 'alice@im.test/r1', reason: 'client-closed' }])
    client.cut()
  })

  test('everything in one segment, a stanza at a time, in order (RFC 6120 §4.3.3)', async () => {
    const client = await secured()
    const open: (() => void)[] = []
    rig.handler.onReceive = (session, _stanza, index) =>
      new Promise<void>((resolve) => open.push(() => (session.handled(index), resolve())))
    client.write(HDR + plainAuth('alice') + HDR + bindIq('r1') + "<message id='1'/><message id='2'/><message id='3'/>")
    await client.until('</jid>')
    for (let seen = 1; seen <= 3; seen++) {
      while (rig.handler.received.length < seen) await new Promise((resolve) => setTimeout(resolve, 1))
      expect(rig.handler.received).toHaveLength(seen)
      open.shift()?.()
    }
    expect(rig.handler.received.map(({ stanza }) => stanza.id)).toEqual(['1', '2', '3'])
    client.cut()
  })

  test('S18: <starttls/> and more in one segment: closed, nobody is logged in (RFC 6120 §5.4.3.3)', async () => {
    const client = await connect()
    client.write(HDR)
    await client.until('</stream:features>')
    client.write(STARTTLS + plainAuth('alice'))
    expect(await client.untilEnd()).not.toContain('</stream:stream>')
    client.cut()
    expect(rig.accounts.asked).toBe(0)
    expect(rig.closings()[0]?.fields).toMatchObject({ reason: 'tls-failed' })
  })

  test('S33: an element of 8193 bytes before authentication: policy-violation (RFC 6120 §4.9.3.14)', async () => {
    const client = await secured()
    client.write(HDR + `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${base64('a'.repeat(6200))}</auth>`)
    expect(await client.untilEnd()).toContain('<policy-violation ')
    client.cut()
  })

  test('S42: garbage after <proceed/>: closed without a closing tag (RFC 6120 §5.4.3.2)', async () => {
    const client = await connect()
    client.write(HDR)
    await client.until('</stream:features>')
    client.write(STARTTLS)
    await client.until('/>')
    client.write('this is no handshake at all')
    expect(await client.untilEnd()).not.toContain('</stream:stream>')
    client.cut()
    expect(rig.closings().map(({ fields }) => fields['reason'])).toEqual(['tls-failed'])
  })
})

describe('a stream in memory', () => {
  test('is framed, and may log in', async () => {
    const { transport, client } = memoryPair()
    rig.door(transport)
    client.open('im.test')
    expect([(await client.next()).name, (await client.next()).name]).toEqual(['open', 'features'])
    client.send(plainAuth('alice'))
    expect((await client.next()).name).toBe('success')
    client.open('im.test')
    expect([(await client.next()).name, (await client.next()).name]).toEqual(['open', 'features'])
    client.send(bindIq('r1'))
    expect((await client.next()).attrs['type']).toBe('result')
    expect(rig.sessions.size).toBe(1)
    client.close()
    expect((await client.next()).name).toBe('close')
    expect(rig.sessions.size).toBe(0)
  })
})
