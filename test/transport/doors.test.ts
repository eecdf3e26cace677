/** The doors of a node together: ports, pausing, taken ports; the wheel and the write queue they share. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { createServer } from 'node:net'
import { Writable } from 'node:stream'
import { ClientDoors } from '../../src/transport/doors.js'
import type { DoorsParts } from '../../src/transport/doors.js'
import { ListenError } from '../../src/transport/listen-error.js'
import { addressLimitOptions, doorOptions, streamLimitOptions } from '../../src/transport/options.js'
import type { AddressLimitSettings, DoorSettings, StreamLimitSettings } from '../../src/transport/options.js'
import { selfSigned } from '../../src/transport/self-signed.js'
import { secureContextOf } from '../../src/transport/tls.js'
import type { Transport } from '../../src/transport/transport.js'
import { TurnEnd } from '../../src/transport/turn-end.js'
import { Wheel } from '../../src/transport/wheel.js'
import { WriteQueue } from '../../src/transport/write-queue.js'
import { HandClock, httpLimits, initialOf, recordingLog, turns } from './support.js'
import { ByteClient } from './tcp-client.js'

let doors: ClientDoors | undefined

async function made(change: Partial<DoorSettings> = {}, more: Partial<DoorsParts> = {}) {
  const arrived: Transport[] = []
  const context = secureContextOf(await selfSigned({ names: ['im.test'], now: Date.now(), days: 9 }))
  const free = { c2sPorts: [0], c2sTlsPorts: [0], httpPorts: [0], httpsPorts: [0], ws2sPorts: [0],
    ws2sTlsPorts: [0], listen: ['127.0.0.1'] }
  const adminListen = doorOptions.adminListen.parse('127.0.0.1:0')
  doors = new ClientDoors({
    doors: { ...initialOf<DoorSettings>(doorOptions), ...free, adminListen, ...change },
    streamLimits: initialOf<StreamLimitSettings>(streamLimitOptions), addressLimits: initialOf<AddressLimitSettings>(addressLimitOptions),
    httpLimits, clock: new HandClock(), log: recordingLog(), refused: { add() {} }, nodeName: 'a.test',
    contextOf: () => context,
    accept: (transport) => { arrived.push(transport) }, serves: () => true, forward: () => undefined,
    healthy: () => true, ready: () => false, ...more, adminRoutes: [{ path: '/metrics', handler: () => ({ status: 200, body: 'up 1\n' }) }]
  })
  return { doors, arrived }
}

afterEach(async () => {
  ByteClient.cutAll()
  await doors?.close()
})

describe('doors', () => {
  test('every kind of port opens, and what connects is the right kind', async () => {
    const { doors: all, arrived } = await made()
    await all.listenAdmin()
    await all.listen()
    const ports = all.ports()
    for (const list of Object.values(ports)) expect(list).toHaveLength(1)
    await ByteClient.connect(ports.c2s[0] ?? 0)
    await ByteClient.connectTls(ports.c2sTls[0] ?? 0)
    while (arrived.length < 2) await turns(1)
    expect(arrived.map((transport) => transport.peer.secure).toSorted()).toEqual([false, true])
    const admin = `http://127.0.0.1:${all.adminPort() ?? 0}`
    expect(await (await fetch(`${admin}/metrics`)).text()).toBe('up 1\n')
    expect((await fetch(`${admin}/ready`)).status).toBe(503)
    expect((await fetch(`${admin}/http-bind`)).status).toBe(404)
    expect((await fetch(`http://127.0.0.1:${ports.http[0] ?? 0}/metrics`)).status).toBe(404)
    const https = await ByteClient.connectTls(ports.https[0] ?? 0, { ALPNProtocols: ['http/1.1'] })
    https.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
    expect(await https.until('ok\n')).toContain('200 OK')
    const wss = await ByteClient.connectTls(ports.ws2sTls[0] ?? 0)
    wss.write('GET /any HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n')
    expect(await wss.until('\r\n\r\n')).toContain('101')
    expect(arrived[2]?.peer.secure).toBe(true)
    for (const transport of arrived) transport.destroy()
  })

  test('pausing refuses new connections and keeps the old; listening again takes up the same port', async () => {
    const { doors: all, arrived } = await made({ c2sTlsPorts: [], httpPorts: [], httpsPorts: [], ws2sPorts: [], ws2sTlsPorts: [] })
    await all.listen()
    const [port = 0] = all.ports().c2s
    const client = await ByteClient.connect(port)
    while (arrived.length < 1) await turns(1)
    await all.pause()
    await expect(ByteClient.connect(port)).rejects.toThrow('ECONNREFUSED')
    arrived[0]?.send('still here')
    await client.until('still here')
    await all.listen()
    expect(all.ports().c2s).toEqual([port])
    await ByteClient.connect(port)
    for (const transport of arrived) transport.destroy()
  })

  test('a port that is taken is named with its option, and then none is open', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => { other.listen(0, '127.0.0.1', resolve) })
    const taken = (other.address() as { port: number }).port
    const { doors: all } = await made({ httpPorts: [taken] })
    const opening = all.listen()
    await expect(opening).rejects.toBeInstanceOf(ListenError)
    await expect(opening).rejects.toThrow(`--http-ports: cannot listen on 127.0.0.1:${taken} (EADDRINUSE): another process`)
    await expect(ByteClient.connect(all.ports().c2s[0] ?? 0)).rejects.toThrow()
    await new Promise((resolve) => { other.close(resolve) })
  })

  test('an address that is not ours is named', async () => {
    const { doors: all } = await made({ listen: ['192.0.2.1'] })
    await expect(all.listen()).rejects.toThrow(/192\.0\.2\.1:0 \(EADDRNOTAVAIL\): this machine has no such address/)
  })
})

describe('the wheel', () => {
  test('looks when due, not before, again when told so, and never at what is forgotten', () => {
    const clock = new HandClock()
    const wheel = new Wheel(clock)
    wheel.start()
    const looks: number[] = []
    const start = clock.now()
    const item = { check: (now: number) => { looks.push(now - start); return looks.length < 3 ? now + 1_000 : Infinity } }
    const forgotten = { check: () => { throw new Error('forgotten') } }
    wheel.look(item, start + 2_000)
    wheel.look(item, start + 5_000)
    wheel.look(forgotten, start + 1_000)
    wheel.forget(forgotten)
    clock.move(1_900)
    expect(looks).toEqual([])
    clock.move(10_000)
    expect(looks).toEqual([2_000, 3_000, 4_000])
    expect(wheel.size).toBe(0)
  })

  test('a deadline beyond its range is kept', () => {
    const clock = new HandClock()
    const wheel = new Wheel(clock)
    wheel.start()
    const due = clock.now() + 600_000
    let fired = 0
    wheel.look({ check: (now) => { if (now < due) return due; fired++; return Infinity } }, due)
    clock.move(599_000)
    expect(fired).toBe(0)
    clock.move(1_500)
    expect(fired).toBe(1)
  })

  test('a process that slept catches up', () => {
    let now = 0
    const wheel = new Wheel({ now: () => now, wall: () => 0, after: () => () => {}, every: () => () => {} })
    let fired = 0
    wheel.look({ check: () => { fired++; return Infinity } }, 1_000)
    now = 3_600_000
    wheel.turn()
    expect(fired).toBe(1)
  })
})

describe('the write queue', () => {
  test('pieces of one turn leave in one write', async () => {
    const writes: string[] = []
    const socket = new Writable({ write(chunk: Buffer, _encoding, done) { writes.push(chunk.toString()); done() } })
    const queue = new WriteQueue(new TurnEnd(), { pendingBytesMax: 1_000, slowMs: 1 }, { drained() {}, watch() {}, now: () => 0 })
    queue.use(socket)
    for (const piece of ['<a>', Buffer.from('é'), '</a>', '<b/>']) queue.push(piece)
    expect(queue.pendingBytes).toBe(13)
    await turns()
    expect(writes).toEqual(['<a>é</a><b/>'])
    expect(queue.pendingBytes).toBe(0)
  })
})
