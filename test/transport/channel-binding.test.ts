/** What a connection's TLS says: tls-server-end-point by certificate, and which transports can say anything. */
import { createHash, webcrypto, X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import 'reflect-metadata'
import { afterEach, describe, expect, test } from '@jest/globals'
import { X509CertificateGenerator } from '@peculiar/x509'
import { endPointOf } from '../../src/transport/channel-binding.js'
import { ClientDoors } from '../../src/transport/doors.js'
import { addressLimitOptions, doorOptions, streamLimitOptions } from '../../src/transport/options.js'
import type { AddressLimitSettings, DoorSettings, StreamLimitSettings } from '../../src/transport/options.js'
import { selfSigned } from '../../src/transport/self-signed.js'
import { secureContextOf } from '../../src/transport/tls.js'
import type { Transport } from '../../src/transport/transport.js'
import { HandClock, httpLimits, initialOf, recordingLog, turns } from './support.js'
import { ByteClient, HDR } from './tcp-client.js'

const RSA = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }

async function certificate(algorithm: object): Promise<Buffer> {
  const keys = await webcrypto.subtle.generateKey(algorithm as webcrypto.EcKeyGenParams, true, ['sign', 'verify']) as webcrypto.CryptoKeyPair
  const made = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=im.test', keys, signingAlgorithm: algorithm as webcrypto.EcdsaParams,
    notBefore: new Date(0), notAfter: new Date(4e12), serialNumber: '01'
  })
  return Buffer.from(made.rawData)
}

describe('RFC 5929 §4.1: the hash is that of the signature', () => {
  test.each<[string, object, string]>([
    ['ECDSA with SHA-256', { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }, 'sha256'],
    ['ECDSA with SHA-384', { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }, 'sha384'],
    ['ECDSA with SHA-512', { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' }, 'sha512'],
    ['RSA with SHA-256', { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', ...RSA }, 'sha256'],
    ['RSA with SHA-512', { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512', ...RSA }, 'sha512'],
    ['RSA with SHA-1, which counts as SHA-256', { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-1', ...RSA }, 'sha256'],
    ['RSA-PSS with SHA-384', { name: 'RSA-PSS', hash: 'SHA-384', saltLength: 48, ...RSA }, 'sha384'],
    ['RSA-PSS with SHA-1, by default', { name: 'RSA-PSS', hash: 'SHA-1', saltLength: 20, ...RSA }, 'sha256']
  ])('%s', async (_, algorithm, hash) => {
    const der = await certificate(algorithm)
    const read = new X509Certificate(der)
    expect(read.verify(read.publicKey)).toBe(true)
    expect(endPointOf(der)).toEqual(createHash(hash).update(der).digest())
  })

  test('a signature without a hash of its own has no such binding', async () => {
    expect(endPointOf(await certificate({ name: 'Ed25519' }))).toBeUndefined()
    expect(endPointOf(Buffer.from('nonsense'))).toBeUndefined()
  })
})

describe('who has TLS of its own', () => {
  const arrived: Transport[] = []
  let doors: ClientDoors | undefined

  async function opened(change: Partial<DoorSettings> = {}): Promise<ClientDoors> {
    const context = secureContextOf(await selfSigned({ names: ['im.test'], now: Date.now(), days: 1 }))
    const none = { c2sPorts: [0], c2sTlsPorts: [0], httpPorts: [], httpsPorts: [0], ws2sPorts: [], ws2sTlsPorts: [0], listen: ['127.0.0.1'] }
    doors = new ClientDoors({
      doors: { ...initialOf<DoorSettings>(doorOptions), ...none, adminListen: undefined, ...change },
      streamLimits: initialOf<StreamLimitSettings>(streamLimitOptions), addressLimits: initialOf<AddressLimitSettings>(addressLimitOptions),
      httpLimits, clock: new HandClock(), log: recordingLog(), refused: { add() {} }, nodeName: 'a.test', contextOf: () => context,
      accept: (transport) => { arrived.push(transport) }, serves: () => true, forward: () => undefined, healthy: () => true,
      ready: () => true, adminRoutes: []
    })
    await doors.listen()
    return doors
  }

  afterEach(async () => {
    for (const transport of arrived.splice(0)) transport.destroy()
    ByteClient.cutAll()
    await doors?.close()
  })

  async function newest(): Promise<Transport> {
    for (;;) {
      const [one] = arrived
      if (one !== undefined) return one
      await turns(1)
    }
  }

  const upgrade = (more = ''): string => 'GET /xmpp-websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n${more}\r\n`

  test('a WebSocket over our TLS: both bindings, the same as its client computes', async () => {
    const { ws2sTls: [port = 0] } = (await opened()).ports()
    const client = await ByteClient.connectTls(port)
    client.write(upgrade())
    const { peer } = await newest()
    expect(peer.tls?.bindings).toEqual(['tls-exporter', 'tls-server-end-point'])
    const socket = client.socket as TLSSocket
    expect(peer.tls?.channelBinding('tls-exporter')).toEqual(socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)))
    expect(peer.tls?.channelBinding('tls-server-end-point'))
      .toEqual(createHash('sha256').update(socket.getPeerCertificate().raw).digest())
  })

  test('a WebSocket through a trusted proxy: none, its TLS is not the client\'s', async () => {
    const { ws2sTls: [port = 0] } = (await opened({ trustedProxies: ['127.0.0.1'] })).ports()
    const client = await ByteClient.connectTls(port)
    client.write(upgrade('X-Forwarded-Proto: https\r\n'))
    const { peer } = await newest()
    expect(peer).toMatchObject({ secure: true })
    expect(peer.tls).toBeUndefined()
  })

  test('a WebSocket through a trusted proxy that says nothing: none either', async () => {
    const { ws2sTls: [port = 0] } = (await opened({ trustedProxies: ['127.0.0.1'] })).ports()
    const client = await ByteClient.connectTls(port)
    client.write(upgrade())
    expect((await newest()).peer.tls).toBeUndefined()
  })

  test('BOSH over our TLS: none, a session has many connections', async () => {
    const { https: [port = 0] } = (await opened()).ports()
    const client = await ByteClient.connectTls(port)
    const body = "<body rid='1' to='im.test' hold='1' wait='5' ver='1.6' xmlns='http://jabber.org/protocol/httpbind' " +
      "xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'/>"
    client.write(`POST /http-bind HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    const { peer } = await newest()
    expect(peer).toMatchObject({ secure: true })
    expect(peer.tls).toBeUndefined()
  })

  test('TCP: none before STARTTLS', async () => {
    const { c2s: [port = 0] } = (await opened()).ports()
    const client = await ByteClient.connect(port)
    client.write(HDR)
    expect((await newest()).peer.tls).toBeUndefined()
  })
})
