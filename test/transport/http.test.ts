/** HTTP: public paths, CORS, cookies, limits of requests, proxies in front. */
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { BoshSessions } from '../../src/transport/bosh.js'
import type { HttpDoor } from '../../src/transport/http.js'
import { publicDoor } from '../../src/transport/http-public.js'
import { Listener } from '../../src/transport/listener.js'
import { Networks } from '../../src/transport/networks.js'
import type { Transport } from '../../src/transport/transport.js'
import { doorRoom, limitsFor, plainDoor } from '../contract/transport-kinds.js'
import { attribute, NS, post } from './bosh-client.js'
import { attached, httpLimits, REPLY, testRoom } from './support.js'
import { ByteClient } from './tcp-client.js'

let stop = async (): Promise<void> => {}

async function bench(how: { origins?: string[], trusted?: string[], ready?: boolean, bodyMs?: number } = {}) {
  const room = testRoom()
  const transports: Transport[] = []
  const addresses = limitsFor(room)
  const accept = (transport: Transport): void => {
    transports.push(transport)
    const sink = attached(transport)
    sink.react = (seen) => { if (seen.kind === 'header') transport.open(REPLY) }
  }
  const limits = { ...httpLimits, bodyMs: how.bodyMs ?? httpLimits.bodyMs,
    headersMs: Math.min(how.bodyMs ?? Infinity, httpLimits.headersMs) }
  const bosh = new BoshSessions({ room, limits, addresses, nodeName: 'a.test', accept, serves: () => true, forward: () => undefined })
  const door: HttpDoor = publicDoor({
    room, limits, addresses, trusted: Networks.of(how.trusted ?? []), origins: how.origins ?? ['*'],
      publicUrl: '', nodeName: 'a.test', bosh,
    accept, healthy: () => true, ready: () => how.ready ?? true, anyPath: false
  })
  const listener = new Listener({ ...plainDoor, logsIn: false }, doorRoom(room),
    (socket, origin, ticket) => door.take(socket, origin, ticket))
  await listener.listen()
  stop = async () => {
    await listener.close()
    door.close()
  }
  const url = `http://127.0.0.1:${listener.port}`
  return { room, port: listener.port, url, transports }
}

const CREATE = `<body rid='1' to='im.test' ver='1.6' wait='1' hold='1' ${NS}/>`

afterEach(async () => {
  ByteClient.cutAll()
  await stop()
})

describe('paths', () => {
  test('host-meta names WebSocket and BOSH at the host that was asked (XEP-0156 §3)', async () => {
    const { url, port } = await bench()
    const answer = await fetch(`${url}/.well-known/host-meta`)
    expect(answer.headers.get('content-type')).toContain('application/xrd+xml')
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    const text = await answer.text()
    expect(text).toContain(`rel="urn:xmpp:alt-connections:websocket" href="ws://127.0.0.1:${port}/xmpp-websocket"`)
    expect(text).toContain(`rel="urn:xmpp:alt-connections:xbosh" href="http://127.0.0.1:${port}/http-bind"`)
    const json = await (await fetch(`${url}/.well-known/host-meta.json`)).json() as { links: { rel: string }[] }
    expect(json.links.map((link) => link.rel)).toEqual(['urn:xmpp:alt-connections:xbosh', 'urn:xmpp:alt-connections:websocket'])
  })

  test('a Host that is none is refused, so that nothing foreign comes back in the answer', async () => {
    const { port } = await bench()
    const client = await ByteClient.connect(port)
    client.write('GET /.well-known/host-meta HTTP/1.1\r\nHost: a"><b\r\n\r\n')
    expect(await client.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
    client.cut()
  })

  test('behind a trusted proxy with TLS the links are secure; from elsewhere the header is not believed', async () => {
    const trusted = await bench({ trusted: ['127.0.0.1'] })
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.9' }
    expect(await (await fetch(`${trusted.url}/.well-known/host-meta`, { headers })).text()).toContain('href="wss://')
    await stop()
    const other = await bench()
    expect(await (await fetch(`${other.url}/.well-known/host-meta`, { headers })).text()).toContain('href="ws://')
  })

  test('/healthz and /ready are lamps for balancers', async () => {
    const { url } = await bench({ ready: false })
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    expect((await fetch(`${url}/ready`)).status).toBe(503)
    expect((await fetch(`${url}/nothing`)).status).toBe(404)
  })
})

describe('BOSH over HTTP', () => {
  test.each(['GET', 'PUT', 'DELETE'])('H01: %s is 405 with the methods that are allowed', async (method) => {
    const { url } = await bench()
    const answer = await fetch(`${url}/http-bind`, { method })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST, OPTIONS'])
  })

  test('the answer says its type, forbids guessing it, and names the node in a cookie, once', async () => {
    const { port } = await bench()
    const { headers, text, status } = await post(port, CREATE).answer
    expect(status).toBe(200)
    expect(attribute(text, 'sid')).toMatch(/\.a\.test$/)
    expect(headers['content-type']).toBe('text/xml; charset=utf-8')
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(headers['set-cookie']).toEqual(['STARLING_NODE=a.test; Path=/; HttpOnly; SameSite=Lax'])
    const again = await post(port, CREATE, { headers: { cookie: 'x=1; STARLING_NODE=a.test' } }).answer
    expect(again.headers['set-cookie']).toBeUndefined()
  })

  test('the cookie travels across sites where the client came over TLS', async () => {
    const { port } = await bench({ trusted: ['127.0.0.1'] })
    const { headers } = await post(port, CREATE, { headers: { forwarded: 'for=203.0.113.9;proto=https' } }).answer
    expect(headers['set-cookie']).toEqual(['STARLING_NODE=a.test; Path=/; HttpOnly; SameSite=None; Secure'])
  })

  test('a session behind a trusted proxy has the client\'s address', async () => {
    const { port, transports } = await bench({ trusted: ['127.0.0.1'] })
    await post(port, CREATE, { headers: { 'x-forwarded-for': '198.51.100.1, 203.0.113.9', 'x-forwarded-proto': 'https' } }).answer
    expect(transports[0]?.peer).toMatchObject({ address: '203.0.113.9', secure: true })
  })

  test('H03: more than 300,000 bytes are 413 before they are read', async () => {
    const { port } = await bench()
    const client = await ByteClient.connect(port)
    client.write('POST /http-bind HTTP/1.1\r\nHost: x\r\nContent-Length: 300001\r\n\r\n')
    expect(await client.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 413 /)
    client.cut()
  })

  test('a chunked body over the limit is 413 too', async () => {
    const { port } = await bench()
    const client = await ByteClient.connect(port)
    client.write('POST /http-bind HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
    for (let i = 0; i < 5; i++) client.write(`10000\r\n${'x'.repeat(65_536)}\r\n`)
    expect(await client.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 413 /)
    client.cut()
  })

  test('what follows a body that was refused is thrown away, and the connection ends with it (RFC 9112 §9.6)', async () => {
    const { port } = await bench()
    const client = await ByteClient.connect(port)
    const concat = jest.spyOn(Buffer, 'concat')
    client.write('POST /http-bind HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
    for (let i = 0; i < 5; i++) client.write(`10000\r\n${'x'.repeat(65_536)}\r\n`)
    expect(await client.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 413 /)
    expect(client.ended).toBe(false)
    for (let i = 0; i < 50; i++) client.write(`10000\r\n${'x'.repeat(65_536)}\r\n`)
    client.write('0\r\n\r\n')
    await client.untilEnd()
    expect(concat).not.toHaveBeenCalled()
    concat.mockRestore()
    client.cut()
  })

  test('A05: a compressed body is 415', async () => {
    const { port } = await bench()
    expect((await post(port, CREATE, { headers: { 'content-encoding': 'gzip' } }).answer).status).toBe(415)
  })

  test('H04: a body that drips is 408', async () => {
    const { port } = await bench({ bodyMs: 1_000 })
    const client = await ByteClient.connect(port)
    client.write('POST /http-bind HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n<')
    expect(await client.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 408 /)
  })

  test.each([['headers that drip', 'GET /healthz HTTP/1.1\r\nHost: x\r\nX: '], ['half a line', 'GE'], ['silence', '']])(
    '%s: 408, and the connection is over (RFC 9110 §15.5.9)', async (_what, text) => {
      const { port } = await bench({ bodyMs: 1_000 })
      const client = await ByteClient.connect(port)
      if (text !== '') client.write(text)
      expect(await client.untilEnd()).toMatch(/^HTTP\/1\.1 408 /)
    })
})

describe('web origins', () => {
  test('any origin is the default, without credentials', async () => {
    const { port } = await bench()
    const { headers } = await post(port, CREATE, { headers: { origin: 'https://chat.example' } }).answer
    expect(headers['access-control-allow-origin']).toBe('*')
    expect(headers['access-control-allow-credentials']).toBeUndefined()
  })

  test('a preflight is answered (Fetch §3.2)', async () => {
    const { port } = await bench()
    const { status, headers } = await post(port, '', { method: 'OPTIONS', headers: { origin: 'https://chat.example' } }).answer
    expect([status, headers['access-control-allow-methods'], headers['access-control-allow-headers']])
      .toEqual([204, 'POST, OPTIONS', 'Content-Type'])
  })

  test('W02: with a list, others are 403, those on it may send the cookie, and who sends no Origin is no browser', async () => {
    const { port } = await bench({ origins: ['https://chat.example'] })
    expect((await post(port, CREATE, { headers: { origin: 'https://evil.example' } }).answer).status).toBe(403)
    const listed = await post(port, CREATE, { headers: { origin: 'https://chat.example' } }).answer
    expect(listed.headers['access-control-allow-origin']).toBe('https://chat.example')
    expect(listed.headers['access-control-allow-credentials']).toBe('true')
    expect((await post(port, CREATE).answer).status).toBe(200)
  })
})
