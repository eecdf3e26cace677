/** A17: guessing passwords over real connections; a proxy's header says who is there (XEP-0205 §4.1, RFC 6120 §6.4.5). */
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { ClientDoors } from '../../src/transport/doors.js'
import { addressLimitOptions, doorOptions, streamLimitOptions } from '../../src/transport/options.js'
import type { AddressLimitSettings, DoorSettings, StreamLimitSettings } from '../../src/transport/options.js'
import { secureContextOf } from '../../src/transport/tls.js'
import { selfSigned } from '../../src/transport/self-signed.js'
import { HandClock, httpLimits, initialOf, recordingLog } from '../transport/support.js'
import { ByteClient, HDR } from '../transport/tcp-client.js'
import { freePorts } from '../support/ports.js'
import { bindIq, plainAuth, Rig } from './rig.js'

const GUESSER = '192.0.2.66'
const VICTIM = '192.0.2.7'

let doors: ClientDoors
let rig: Rig
let clock: HandClock
let pump: NodeJS.Timeout
let port: number

beforeEach(async () => {
  rig = new Rig({ settings: { vhostTlsRequired: false, saslPlainWithoutTls: true } })
  await rig.user('alice@im.test')
  clock = new HandClock()
  pump = setInterval(() => rig.clock.advance(50), 1)
  const context = secureContextOf(await selfSigned({ names: ['im.test'], now: Date.now(), days: 1 }));
  [port = 0] = await freePorts(1)
  const off = { c2sTlsPorts: [], httpPorts: [], httpsPorts: [], ws2sPorts: [], ws2sTlsPorts: [], adminListen: undefined }
  doors = new ClientDoors({
    doors: { ...initialOf<DoorSettings>(doorOptions), ...off, c2sPorts: [port], proxyProtocol: [port], listen: ['127.0.0.1'] },
    streamLimits: initialOf<StreamLimitSettings>(streamLimitOptions), addressLimits: initialOf<AddressLimitSettings>(addressLimitOptions),
    httpLimits, clock, log: recordingLog(), refused: { add() {} }, nodeName: 'a.test', contextOf: () => context, accept: rig.door,
    serves: () => true, forward: () => undefined, healthy: () => true, ready: () => true, adminRoutes: []
  })
  await doors.listen()
})

afterEach(async () => {
  clearInterval(pump)
  ByteClient.cutAll()
  await doors.close()
})

async function from(address: string): Promise<ByteClient> {
  const client = await ByteClient.connect(port)
  client.write(`PROXY TCP4 ${address} 127.0.0.1 40000 ${port}\r\n${HDR}`)
  await client.until('</stream:features>')
  return client
}

async function login(address: string): Promise<ByteClient> {
  const client = await from(address)
  client.write(plainAuth('alice'))
  await client.until('<success')
  client.write(HDR)
  await client.until('</stream:features>')
  client.write(bindIq('r'))
  await client.until('</iq>')
  return client
}

test('five wrong passwords on a stream, the sixth ends it; 20 of an address, and it may not come again for ten minutes', async () => {
  const settled = await login(GUESSER)
  for (let guesses = 0; guesses < 18; guesses += 6) {
    const client = await from(GUESSER)
    for (let i = 0; i < 5; i++) {
      client.write(plainAuth('alice', 'wrong'))
      await client.until('<not-authorized/></failure>')
    }
    client.write(plainAuth('alice', 'wrong'))
    expect(await client.untilEnd()).toContain('<policy-violation')
  }
  const last = await from(GUESSER)
  last.write(plainAuth('alice', 'wrong'))
  await last.until('<not-authorized/></failure>')
  last.write(plainAuth('nosuch', 'wrong'))
  expect(await last.untilEnd()).toContain('<policy-violation')

  await expect(from(GUESSER)).rejects.toThrow('closed')
  settled.write("<message to='bob@im.test' id='still-here'/>")
  settled.write(`<iq type='set' id='again'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>`)
  await settled.until("id='again'")
  expect(rig.handler.received.map(({ stanza }) => stanza.id)).toContain('still-here')
  await login(VICTIM)

  clock.move(599_000)
  await expect(from(GUESSER)).rejects.toThrow('closed')
  clock.move(1_000)
  await from(GUESSER)
}, 30_000)
