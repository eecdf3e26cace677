/** The transports that pass the contract suite, each with a client of its own kind behind one face. */
import type { SecureContext } from 'node:tls'
import { Entrance } from '../../src/transport/entrance.js'
import { AddressLimits } from '../../src/transport/limits.js'
import { Listener } from '../../src/transport/listener.js'
import type { Door } from '../../src/transport/listener.js'
import { memoryPair } from '../../src/transport/memory.js'
import { Networks } from '../../src/transport/networks.js'
import { addressLimitOptions } from '../../src/transport/options.js'
import { selfSigned } from '../../src/transport/self-signed.js'
import { TcpTransport } from '../../src/transport/tcp.js'
import { secureContextOf } from '../../src/transport/tls.js'
import type { Transport, TransportKind } from '../../src/transport/transport.js'
import type { HttpDoor } from '../../src/transport/http.js'
import { publicDoor } from '../../src/transport/http-public.js'
import { BoshSessions } from '../../src/transport/bosh.js'
import type { Accept } from '../../src/transport/transport.js'
import { WebSocket } from 'ws'
import { BoshClient } from '../transport/bosh-client.js'
import { httpLimits } from '../transport/support.js'
import { ByteClient, HDR } from '../transport/tcp-client.js'
import type { TestRoom } from '../transport/support.js'

export interface KindClient {
  /** Opens the stream, or opens it again. */
  open(): void
  send(xml: string): void
  /** Everything up to and including `piece` of what the server wrote. */
  until(piece: string): Promise<string>
  /** Ends the stream in the protocol's way. */
  close(): void
  cut(): void
  /** Sends bytes in slices, where the transport has bytes. */
  readonly dribble: ((xml: string) => void) | undefined
  /** Stops taking what the server writes. */
  stopReading(): void
  goOnReading(): void
}

export interface Connected {
  readonly transport: Transport
  readonly client: KindClient
  stop(): Promise<void>
}

export interface Kind {
  readonly name: string
  readonly kind: TransportKind
  readonly closingTag: string
  readonly connect: (room: TestRoom) => Promise<Connected>
}

export function limitsFor(room: TestRoom): AddressLimits {
  const settings = Object.fromEntries(Object.entries(addressLimitOptions).map(([key, option]) => [key, option.initial]))
  return new AddressLimits(settings as never, Networks.of(room.exempt), room.wheel)
}

export function doorRoom(room: TestRoom) {
  const { strain, wheel, log } = room
  return {
    strain, wheel, log, refused: { add() {} }, limits: limitsFor(room), handshakeMs: 10_000, trusted: Networks.of([]),
    entrance: new Entrance()
  }
}

export const plainDoor: Door = {
  host: '127.0.0.1', port: 0, option: '--c2s-ports', proxied: false, proxyTls: true, tls: undefined, logsIn: true
}

let made: Promise<SecureContext> | undefined
export function testContext(): Promise<SecureContext> {
  made ??= selfSigned({ names: ['im.test'], now: Date.now(), days: 2 }).then(secureContextOf)
  return made
}

async function overTcp(room: TestRoom, tls: boolean): Promise<Connected> {
  const context = await testContext()
  const door: Door = tls ? { ...plainDoor, tls: { context: () => context, alpn: ['xmpp-client'] } } : plainDoor
  let listener: Listener | undefined
  const accepted = new Promise<Transport>((resolve) => {
    listener = new Listener(door, doorRoom(room), (socket, origin, ticket) => {
      resolve(new TcpTransport(room, { socket, origin, ticket, startTlsWith: tls ? undefined : () => context }))
    })
  })
  await listener?.listen()
  const port = listener?.port ?? 0
  const bytes = tls ? await ByteClient.connectTls(port, { ALPNProtocols: ['xmpp-client'] }) : await ByteClient.connect(port)
  return {
    transport: await accepted,
    client: byteClient(bytes),
    stop: async () => {
      bytes.cut()
      await listener?.close()
    }
  }
}

function byteClient(bytes: ByteClient): KindClient {
  return {
    open: () => bytes.write(HDR),
    send: (xml) => bytes.write(xml),
    until: (piece) => bytes.until(piece),
    close: () => bytes.write('</stream:stream>'),
    cut: () => bytes.cut(),
    dribble: (xml) => { for (const byte of Buffer.from(xml)) bytes.write(Buffer.from([byte])) },
    stopReading: () => bytes.pause(),
    goOnReading: () => bytes.resume()
  }
}

async function inMemory(): Promise<Connected> {
  const { transport, client } = memoryPair({ pendingBytesMax: 1_048_576 })
  let text = ''
  return Promise.resolve({
    transport,
    client: {
      open: () => client.open('im.test'),
      send: (xml) => client.send(xml),
      async until(piece) {
        while (!text.includes(piece)) {
          const element = await client.next()
          text += `<${element.name} id='${element.attrs['id'] ?? ''}'/>${element.inside.toString()}</${element.name}>`
        }
        const at = text.indexOf(piece) + piece.length
        const found = text.slice(0, at)
        text = text.slice(at)
        return found
      },
      close: () => client.close(),
      cut: () => client.cut(),
      dribble: undefined,
      stopReading() {},
      goOnReading() { void client.next() }
    },
    stop: () => Promise.resolve()
  })
}

/** A public HTTP door on a listener of its own. */
export async function httpListener(room: TestRoom, accept: Accept): Promise<{ listener: Listener, door: HttpDoor, bosh: BoshSessions }> {
  const addresses = limitsFor(room)
  const bosh = new BoshSessions({
    room, limits: httpLimits, addresses, nodeName: 'a.test', accept, serves: (domain) => domain === 'im.test', forward: () => undefined
  })
  const door = publicDoor({
    room, limits: httpLimits, addresses, trusted: Networks.of([]), origins: ['*'], publicUrl: '', nodeName: 'a.test', bosh, accept,
    healthy: () => true, ready: () => true, anyPath: false
  })
  const listener = new Listener({ ...plainDoor, logsIn: false }, doorRoom(room),
    (socket, origin, ticket) => door.take(socket, origin, ticket))
  await listener.listen()
  return { listener, door, bosh }
}

async function overWebSocket(room: TestRoom): Promise<Connected> {
  let accept: Accept = () => {}
  const accepted = new Promise<Transport>((resolve) => { accept = resolve })
  const { listener, door } = await httpListener(room, (transport) => accept(transport))
  const ws = new WebSocket(`ws://127.0.0.1:${listener.port}/xmpp-websocket`, 'xmpp')
  await new Promise((resolve, reject) => { ws.once('open', resolve).once('error', reject) })
  let text = ''
  let wake = (): void => {}
  let closed = false
  ws.on('message', (data) => { text += String(data as Buffer); wake() })
  ws.on('close', () => { closed = true; wake() })
  return {
    transport: await accepted,
    client: {
      open: () => ws.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='im.test' version='1.0'/>"),
      send: (xml) => ws.send(xml),
      async until(piece) {
        while (!text.includes(piece)) {
          if (closed) throw new Error(`closed before ${piece}`)
          await new Promise<void>((resolve) => { wake = resolve })
        }
        const at = text.indexOf(piece) + piece.length
        const found = text.slice(0, at)
        text = text.slice(at)
        return found
      },
      close: () => ws.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"),
      cut: () => ws.terminate(),
      dribble: undefined,
      stopReading: () => ws.pause(),
      goOnReading: () => ws.resume()
    },
    stop: async () => {
      ws.terminate()
      await listener.close()
      door.close()
    }
  }
}

async function overBosh(room: TestRoom): Promise<Connected> {
  let accept: Accept = () => {}
  const accepted = new Promise<Transport>((resolve) => { accept = resolve })
  const { listener, door } = await httpListener(room, (transport) => accept(transport))
  const client = new BoshClient(listener.port)
  client.open()
  return {
    transport: await accepted,
    client,
    stop: async () => {
      client.cut()
      await listener.close()
      door.close()
    }
  }
}

export const kinds: readonly Kind[] = [
  { name: 'websocket', kind: 'websocket', closingTag: '<close ', connect: overWebSocket },
  { name: 'bosh', kind: 'bosh', closingTag: '[over]', connect: overBosh },
  { name: 'tcp', kind: 'tcp', closingTag: '</stream:stream>', connect: (room) => overTcp(room, false) },
  { name: 'tls', kind: 'tcp', closingTag: '</stream:stream>', connect: (room) => overTcp(room, true) },
  { name: 'memory', kind: 'memory', closingTag: '</close>', connect: inMemory }
]
