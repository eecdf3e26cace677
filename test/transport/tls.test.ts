/**
 * TLS on every port of a node, seen from outside (RFC 9325, XEP-0368): versions, suites, renegotiation, application
 * protocols, certificates by domain, sessions that are resumed. The clients are Node's own.
 */
import { randomBytes, X509Certificate } from 'node:crypto'
import type { SecureContext, SecureVersion, TLSSocket } from 'node:tls'
import { connect as connectTls } from 'node:tls'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ClientDoors } from '../../src/transport/doors.js'
import { addressLimitOptions, doorOptions, streamLimitOptions } from '../../src/transport/options.js'
import type { AddressLimitSettings, DoorSettings, StreamLimitSettings } from '../../src/transport/options.js'
import { selfSigned } from '../../src/transport/self-signed.js'
import { secureContextOf, shownCertificate, XMPP_ALPN } from '../../src/transport/tls.js'
import type { KeyPair } from '../../src/transport/tls.js'
import type { Transport } from '../../src/transport/transport.js'
import { HandClock, httpLimits, initialOf, recordingLog } from './support.js'
import { ByteClient, HDR } from './tcp-client.js'

const STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
const PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
const ticketKey = randomBytes(48)

let pairs: Readonly<Record<'im.test' | 'other.test', KeyPair>>
/** As `Certificates` would pick. */
let contexts: Readonly<Record<'im.test' | 'other.test', SecureContext>>
let doors: ClientDoors
const asked: (string | undefined)[] = []
const log = recordingLog()

const contextsOf = (group: string, key = ticketKey): typeof contexts => ({
  'im.test': secureContextOf(pairs['im.test'], { ticketKey: key, group }),
  'other.test': secureContextOf(pairs['other.test'], { ticketKey: key, group })
})

/** Takes STARTTLS at once, as the stream does. */
function accept(transport: Transport): void {
  transport.attach({
    header() {},
    element() {
      transport.send(PROCEED)
      transport.startTls().catch(() => {})
    },
    closed() {}, fault() {}, drained() {}, gone() {}
  })
}

beforeAll(async () => {
  const made = (name: string): Promise<KeyPair> => selfSigned({ names: [name], now: Date.now(), days: 9 })
  pairs = { 'im.test': await made('im.test'), 'other.test': await made('other.test') }
  contexts = contextsOf('first')
  doors = new ClientDoors({
    doors: { ...initialOf<DoorSettings>(doorOptions), c2sPorts: [0], c2sTlsPorts: [0], httpPorts: [], httpsPorts: [0], ws2sPorts: [],
      ws2sTlsPorts: [0], listen: ['127.0.0.1'], adminListen: undefined },
    streamLimits: initialOf<StreamLimitSettings>(streamLimitOptions), addressLimits: initialOf<AddressLimitSettings>(addressLimitOptions),
    httpLimits, clock: new HandClock(), log, refused: { add() {} }, nodeName: 'a.test', accept,
    contextOf(name) {
      asked.push(name)
      return contexts[name === 'other.test' ? 'other.test' : 'im.test']
    },
    serves: () => true, forward: () => undefined, healthy: () => true, ready: () => true, adminRoutes: []
  })
  await doors.listen()
})
afterAll(async () => {
  ByteClient.cutAll()
  await doors.close()
})

type Kind = 'c2s' | 'c2sTls' | 'https' | 'ws2sTls'
const KINDS: readonly Kind[] = ['c2s', 'c2sTls', 'https', 'ws2sTls']

interface Ask {
  readonly min?: SecureVersion
  readonly max?: SecureVersion
  readonly ciphers?: string
  readonly alpn?: readonly string[]
  readonly servername?: string
  readonly session?: Buffer
  readonly to?: string
}

interface Agreed {
  readonly protocol: string | null
  readonly suite: string
  readonly alpn: string | false | null
  readonly reused: boolean
  /** Common name; of a resumed session nothing is shown. */
  readonly shown: string
  readonly session: Buffer
  readonly socket: TLSSocket
}

async function plainFor(kind: Kind, to: string): Promise<ByteClient> {
  const client = await ByteClient.connect(doors.ports()[kind][0] ?? 0)
  if (kind !== 'c2s') return client
  client.write(HDR.replace('im.test', to) + STARTTLS)
  await client.until(PROCEED)
  client.socket.removeAllListeners('data')
  return client
}

/** One handshake; rejects with the client's view of the refusal. */
async function handshake(kind: Kind, ask: Ask = {}): Promise<Agreed> {
  const plain = await plainFor(kind, ask.to ?? 'im.test')
  const socket = connectTls({
    socket: plain.socket, rejectUnauthorized: false, minVersion: ask.min ?? 'TLSv1', maxVersion: ask.max ?? 'TLSv1.3',
    ...ask.ciphers !== undefined && { ciphers: ask.ciphers }, ...ask.alpn !== undefined && { ALPNProtocols: [...ask.alpn] },
    ...ask.servername !== undefined && { servername: ask.servername }, ...ask.session !== undefined && { session: ask.session }
  })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve).once('error', reject).once('close', () => { reject(new Error('closed')) })
    })
    const session = await ticketOf(socket, kind)
    const shown = socket.getPeerCertificate()
    return {
      protocol: socket.getProtocol(), suite: socket.getCipher().name, alpn: socket.alpnProtocol, reused: socket.isSessionReused(),
      shown: socket.isSessionReused() ? '' : String(shown.subject.CN), session, socket
    }
  } catch (error) {
    plain.cut()
    throw error
  }
}

/** Under TLS 1.3 tickets follow the handshake: an answer of the server proves that they are there. */
async function ticketOf(socket: TLSSocket, kind: Kind): Promise<Buffer> {
  let ticket: Buffer = socket.getSession() ?? Buffer.alloc(0)
  if (socket.getProtocol() !== 'TLSv1.3') return ticket
  socket.on('session', (session: Buffer) => { ticket = session })
  const answered = new Promise((resolve) => { socket.once('session', resolve).once('data', resolve).once('close', resolve) })
  if (kind === 'https' || kind === 'ws2sTls') socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
  else socket.write(HDR + STARTTLS)
  await answered
  return ticket
}

const done = ({ socket }: Agreed): void => { socket.destroy() }

describe.each(KINDS)('F-1 on the %s port (RFC 9325)', (kind) => {
  const right = kind === 'c2s' || kind === 'c2sTls' ? 'xmpp-client' : 'http/1.1'

  test.each(['TLSv1', 'TLSv1.1'] as const)('§3.1.1 %s is refused', async (version) => {
    await expect(handshake(kind, { min: version, max: version, ciphers: 'ALL:@SECLEVEL=0' })).rejects.toThrow()
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('§3.1.1 %s is spoken', async (version) => {
    const agreed = await handshake(kind, { min: version, max: version })
    expect(agreed.protocol).toBe(version)
    done(agreed)
  })

  test.each(['ECDHE-ECDSA-AES128-SHA256', 'ECDHE-ECDSA-AES256-SHA', 'DHE-RSA-AES256-GCM-SHA384', 'AES256-GCM-SHA384', 'aNULL', 'NULL',
    'ECDHE-ECDSA-AES128-CCM'])('§4.1, §4.2 the suite %s is refused', async (ciphers) => {
    await expect(handshake(kind, { max: 'TLSv1.2', ciphers: `${ciphers}:@SECLEVEL=0` })).rejects.toThrow()
  })

  test.each([['TLSv1.2', 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
    ['TLSv1.3', 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384', 'TLS_AES_256_GCM_SHA384']] as const
  )('§4.2.1 the server chooses under %s', async (version, ciphers, chosen) => {
    const agreed = await handshake(kind, { min: version, max: version, ciphers })
    expect(agreed.suite).toBe(chosen)
    done(agreed)
  })

  test('RFC 7301 §3.2: the right application protocol is agreed on, none is taken for it, another is refused', async () => {
    const agreed = await handshake(kind, { alpn: ['spdy/3', right] })
    expect(agreed.alpn).toBe(right)
    done(agreed)
    const none = await handshake(kind)
    expect(none.alpn).toBe(false)
    done(none)
    const wrong = right === 'xmpp-client' ? 'http/1.1' : 'xmpp-client'
    await expect(handshake(kind, { alpn: [wrong, 'h2'] })).rejects.toThrow()
  })

  test('A61 renegotiation begun by the client is refused with an alert (RFC 6120 §5.3.5)', async () => {
    const agreed = await handshake(kind, { max: 'TLSv1.2' })
    const { socket } = agreed
    const outcome = await new Promise<string>((resolve) => {
      socket.on('error', ({ message }) => { resolve(message) })
      socket.renegotiate({ rejectUnauthorized: false }, (error) => { resolve(error === null ? 'renegotiated' : String(error)) })
    })
    expect(outcome).toContain('no renegotiation')            // the server's alert, before any work for keys
    done(agreed)
  })

  test('RFC 6066 §3: SNI picks the certificate; an unknown name and none get the default', async () => {
    for (const [servername, shown] of [['other.test', 'other.test'], ['im.test', 'im.test'], ['nobody.test', 'im.test'],
      [undefined, 'im.test']] as const) {
      const agreed = await handshake(kind, servername === undefined ? {} : { servername })
      expect([servername, agreed.shown]).toEqual([servername, shown])
      done(agreed)
    }
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('a session is resumed under %s with the shared key (RFC 5077, RFC 8446 §2.2)', async (version) => {
    const first = await handshake(kind, { min: version, max: version, servername: 'other.test' })
    expect(first.reused).toBe(false)
    const second = await handshake(kind, { min: version, max: version, servername: 'other.test', session: first.session })
    expect(second.reused).toBe(true)
    for (const one of [first, second]) done(one)
  })
})

describe('sessions', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('under %s a ticket of another key or of other certificates is no error: full handshake',
    async (version) => {
      const ask: Ask = { min: version, max: version, servername: 'im.test' }
      const first = await handshake('c2sTls', ask)
      const before = contexts
      contexts = contextsOf('first', randomBytes(48))
      const rotated = await handshake('c2sTls', { ...ask, session: first.session })
      contexts = contextsOf('second')
      const renewed = await handshake('c2sTls', { ...ask, session: first.session })
      contexts = before
      expect([rotated.reused, rotated.shown, renewed.reused, renewed.shown]).toEqual([false, 'im.test', false, 'im.test'])
      for (const one of [first, rotated, renewed]) done(one)
    })
})

describe('STARTTLS', () => {
  test('a client without SNI gets the certificate of its stream\'s domain (RFC 6120 §13.7.2.1)', async () => {
    const agreed = await handshake('c2s', { to: 'other.test' })
    expect(agreed.shown).toBe('other.test')
    done(agreed)
  })

  test.each([
    ['an element', (): Buffer => Buffer.from("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>")],
    ['white space', (): Buffer => Buffer.from(' ')],
    ['half an element', (): Buffer => Buffer.from('<auth')],
    ['a ClientHello', (): Buffer => Buffer.from('16030100050100000100', 'hex')]
  ])('A60 %s in the segment of <starttls/>: cut off, and nothing of it is taken (RFC 6120 §5.4.3.3)', async (_what, more) => {
    const client = await ByteClient.connect(doors.ports().c2s[0] ?? 0)
    client.write(Buffer.concat([Buffer.from(HDR + STARTTLS), more()]))
    expect(await client.untilEnd()).toMatch(/^(<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'\/>)?$/)
  })

  test('A60 plain bytes after <proceed/> instead of a handshake: cut off', async () => {
    const client = await ByteClient.connect(doors.ports().c2s[0] ?? 0)
    client.write(HDR + STARTTLS)
    await client.until(PROCEED)
    client.write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>")
    expect(await client.untilEnd()).not.toContain('<')
  })
})

describe('the certificate that channel binding is made of (RFC 5929 §4)', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('%s: the one shown, also when the session is resumed and nothing is shown', async (version) => {
    const { createServer } = await import('node:net')
    const { acceptTls } = await import('../../src/transport/tls.js')
    const seen: (string | undefined)[] = []
    const wheel = doors.room.wheel
    const server = createServer((socket) => {
      void acceptTls(socket, (name) => contexts[name === 'other.test' ? 'other.test' : 'im.test'], { wheel, handshakeMs: 10_000, alpn: XMPP_ALPN })
        .then((secure) => {
          const der = shownCertificate(secure)
          seen.push(der === undefined ? undefined : new X509Certificate(der).subject)
          secure.on('error', () => {}).write('hello')
        })
    })
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
    const { port } = server.address() as { port: number }
    const visit = (session?: Buffer): Promise<Buffer> => new Promise((resolve, reject) => {
      let ticket: Buffer = Buffer.alloc(0)
      const socket = connectTls({ port, host: '127.0.0.1', servername: 'other.test', rejectUnauthorized: false, minVersion: version,
        maxVersion: version, ...session !== undefined && { session } })
      socket.on('session', (one: Buffer) => { ticket = one }).on('error', reject)
      socket.on('data', () => { setImmediate(() => { socket.destroy(); resolve(ticket) }) })
    })
    await visit(await visit())
    server.close()
    expect(seen).toEqual(['CN=other.test', version === 'TLSv1.2' ? undefined : 'CN=other.test'])
  })
})

describe('before the first byte', () => {
  test('nothing of TLS is made for a connection: it would keep 64 KB for what it reads', async () => {
    const before = asked.length
    const plain = await plainFor('c2sTls', 'im.test')
    await new Promise((resolve) => { setTimeout(resolve, 50) })
    expect(asked.length).toBe(before)
    const socket = connectTls({ socket: plain.socket, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    expect(asked.length).toBeGreaterThan(before)
    plain.cut()
  })

  test.each(['c2sTls', 'https'] as const)('%s: who half-closes then is refused, as is who leaves', async (kind) => {
    const refused = (): number => log.lines.filter(({ event, fields }) => event === 'connection.refused' && fields['reason'] === 'tls-handshake').length
    const before = refused()
    const half = await plainFor(kind, 'im.test')
    half.end()
    await half.untilClosed()
    const gone = await plainFor(kind, 'im.test')
    gone.cut()
    while (refused() < before + 2) await new Promise((resolve) => { setTimeout(resolve, 5) })
  })

  test('a hello that comes byte by byte is a hello', async () => {
    const plain = await plainFor('c2sTls', 'im.test')
    const drips = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, taken) {
        for (const byte of chunk) plain.socket.write(Buffer.from([byte]))
        taken()
      }
    })
    plain.socket.on('data', (chunk: Buffer) => { drips.push(chunk) })
    const socket = connectTls({ socket: drips, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    expect(socket.getProtocol()).toBe('TLSv1.3')
    plain.cut()
  })
})

const openssl = spawnSync('openssl', ['version']).status === 0

describe('by another TLS library, where the machine has its program', () => {
  test('no compression, secure renegotiation only, no old version', async () => {
    if (!openssl) return
    const { execFile } = await import('node:child_process')
    const port = String(doors.ports().c2sTls[0] ?? 0)
    const said = (...more: string[]): Promise<string> => new Promise((resolve) => {
      const child = execFile('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'im.test', ...more], (_error, out, err) => {
        resolve(out + err)
      })
      child.stdin?.end()
    })
    const text = await said('-tls1_2')
    expect(text).toContain('Compression: NONE')
    expect(text).toMatch(/Peer Temp Key: X25519|Server Temp Key: X25519/)
    expect(await said('-tls1_1', '-cipher', 'ALL:@SECLEVEL=0')).toMatch(/alert|no peer certificate/)
  })
})

test('one look at the names that were asked for: nothing but what clients said', () => {
  expect(new Set(asked)).toEqual(new Set([undefined, 'im.test', 'other.test', 'nobody.test']))
})

