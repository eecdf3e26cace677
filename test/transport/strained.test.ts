/** Doors of a node that has too much to do: new clients wait, then are refused; those that are there go on. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { Strain } from '../../src/telemetry/strain.js'
import { Listener } from '../../src/transport/listener.js'
import type { Door } from '../../src/transport/listener.js'
import type { Transport } from '../../src/transport/transport.js'
import { doorRoom, httpListener, plainDoor, testContext } from '../contract/transport-kinds.js'
import { post, NS } from './bosh-client.js'
import { testRoom } from './support.js'
import type { TestRoom } from './support.js'
import { ByteClient } from './tcp-client.js'

const stops: (() => unknown)[] = []
afterEach(async () => {
  ByteClient.cutAll()
  for (const stop of stops.splice(0)) await stop()
})

function strainedRoom(): { room: TestRoom, load: { heap: number } } {
  const load = { heap: 99 }
  const plain = testRoom()
  const settings = { delayMs: 500, heapPercent: 90, descriptorsPercent: 90 }
  const probes = { delayMs: () => 0, heapPercent: () => load.heap, descriptorsPercent: () => undefined, stop() {} }
  const strain = new Strain(settings, plain.clock, probes)
  strain.start()
  stops.push(() => { strain.stop() })
  plain.clock.move(1_000)
  return { room: { ...plain, strain }, load }
}

async function listening(room: TestRoom, door: Partial<Door> = {}): Promise<{ port: number, came: string[] }> {
  const came: string[] = []
  const listener = new Listener({ ...plainDoor, ...door }, doorRoom(room), (socket, origin) => {
    came.push(origin.address)
    socket.on('data', () => {}).end('hello')
  })
  await listener.listen()
  stops.push(() => listener.close())
  return { port: listener.port, came }
}

const arrived = (): Promise<void> => new Promise((resolve) => { setTimeout(resolve, 50) })

describe('a port for clients', () => {
  test('lets them wait, and in when it is over', async () => {
    const { room, load } = strainedRoom()
    const { port, came } = await listening(room)
    const client = await ByteClient.connect(port)
    await arrived()
    load.heap = 10
    room.clock.move(4_000)
    await arrived()
    expect([came, client.closed]).toEqual([[], false])
    room.clock.move(3_000)
    await client.until('hello')
    expect(room.counted).toEqual([])
  })

  test('hands them on after five seconds, for the stream to say why', async () => {
    const { room } = strainedRoom()
    const { port } = await listening(room)
    const client = await ByteClient.connect(port)
    await arrived()
    room.clock.move(6_000)
    await client.until('hello')
  })

  test('with TLS from the first byte closes without a handshake, counted', async () => {
    const { room } = strainedRoom()
    const context = await testContext()
    const { port, came } = await listening(room, { tls: { context: () => context, alpn: ['xmpp-client'] } })
    const client = await ByteClient.connect(port)
    await arrived()
    room.clock.move(6_000)
    expect(await client.untilClosed()).toBe('')
    expect(came).toEqual([])
    expect(room.log.lines.filter(({ event }) => event === 'connection.refused').map(({ fields }) => fields['reason'])).toEqual(['overloaded'])
  })
})

describe('a port for HTTP', () => {
  async function http(): Promise<{ room: TestRoom, port: number, transports: Transport[], load: { heap: number } }> {
    const { room, load } = strainedRoom()
    const transports: Transport[] = []
    const { listener, door } = await httpListener(room, (transport) => { transports.push(transport) })
    stops.push(() => listener.close(), () => { door.close() })
    return { room, port: listener.port, transports, load }
  }

  test('answers WebSocket upgrades with 503, at once and counted', async () => {
    const { room, port, transports } = await http()
    const client = await ByteClient.connect(port)
    client.write('GET /xmpp-websocket HTTP/1.1\r\nHost: im.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n')
    expect(await client.until('\r\n')).toContain(' 503 ')
    expect([transports, room.counted]).toEqual([[], ['overloaded']])
  })

  test('answers new BOSH sessions with 503, and goes on with those that live', async () => {
    const { room, port, transports, load } = await http()
    const first = `<body rid='1' to='im.test' ver='1.6' wait='1' hold='1' ${NS}/>`
    expect((await post(port, first).answer).status).toBe(503)
    expect([transports, room.counted]).toEqual([[], ['overloaded']])
    expect((await post(port, `<body rid='2' sid='none.a.test' ${NS}/>`).answer).status).toBe(200)      // a session's request: not known
    load.heap = 10
    room.clock.move(8_000)
    void post(port, first).answer.catch(() => {})
    await arrived()
    expect(transports).toHaveLength(1)
  })

  test('still says how it is', async () => {
    const { port } = await http()
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200)
  })
})
