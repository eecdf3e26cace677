/** SCRAM bound to real TLS connections (RFC 5802 §6, RFC 5929 §4, RFC 9266), and what somebody in the middle achieves. */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { selfSigned } from '../../src/transport/self-signed.js'
import type { KeyPair } from '../../src/transport/tls.js'
import { failure, Rig } from './rig.js'
import { seenHash, TlsClient, TlsDoors } from './tls-door.js'

const ALL = ['SCRAM-SHA-512-PLUS', 'SCRAM-SHA-256-PLUS', 'SCRAM-SHA-1-PLUS', 'SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN']
const OLD = { maxVersion: 'TLSv1.2' } as const

let own: KeyPair
let others: KeyPair
let doors: TlsDoors
let rig: Rig
let port: number
const open: TlsClient[] = []

async function client(at = port, options: Parameters<typeof TlsClient.open>[1] = {}): Promise<TlsClient> {
  const one = await TlsClient.open(at, options)
  open.push(one)
  return one
}

beforeAll(async () => {
  own = await selfSigned({ names: ['im.test'], now: Date.now(), days: 1 })
  others = await selfSigned({ names: ['im.test'], now: Date.now(), days: 1 })
})

beforeEach(async () => {
  rig = new Rig()
  await rig.user('alice@im.test')
  doors = new TlsDoors()
  port = await doors.open(rig, own)
})

afterEach(() => {
  for (const one of open.splice(0)) one.socket.destroy()
  doors.endAll()
})

describe('what is offered (XEP-0440 §3)', () => {
  test('with TLS 1.3: both bindings, the stronger one first; mechanisms that bind come first', async () => {
    expect(await (await client()).features()).toEqual({ mechanisms: ALL, bindings: ['tls-exporter', 'tls-server-end-point'] })
  })

  test('RFC 9266 §4.2: with TLS 1.2 no exporter, of which nobody knows whether it is safe', async () => {
    expect(await (await client(port, OLD)).features()).toEqual({ mechanisms: ALL, bindings: ['tls-server-end-point'] })
  })

  test('an operator may leave bindings out', async () => {
    const plain = await doors.open(new Rig({ settings: { saslBindings: [] } }), own)
    expect(await (await client(plain)).features()).toEqual({ mechanisms: ALL.slice(3), bindings: [] })
  })
})

describe('a login that is bound', () => {
  test.each([
    ['SCRAM-SHA-512-PLUS', 'p=tls-exporter', {}], ['SCRAM-SHA-256-PLUS', 'p=tls-exporter', {}],
    ['SCRAM-SHA-1-PLUS', 'p=tls-exporter', {}], ['SCRAM-SHA-256-PLUS', 'p=tls-server-end-point', {}],
    ['SCRAM-SHA-512-PLUS', 'p=tls-server-end-point', OLD]
  ])('%s with %s %j', async (mechanism, flag, options) => {
    const one = await client(port, options)
    await one.features()
    expect((await one.scram({ mechanism, flag })).answer).toMatch(/<success/)
  })

  test('L23: wrong data of either type is not authorized', async () => {
    const one = await client()
    await one.features()
    for (const flag of ['p=tls-exporter', 'p=tls-server-end-point']) {
      expect((await one.scram({ mechanism: 'SCRAM-SHA-256-PLUS', flag, data: Buffer.alloc(32) })).answer).toMatch(failure('not-authorized'))
    }
  })

  test('L22: a type that there is not is not authorized: tls-unique with TLS 1.3, the exporter with 1.2', async () => {
    const modern = await client()
    await modern.features()
    const refused = await modern.scram({ mechanism: 'SCRAM-SHA-256-PLUS', flag: 'p=tls-unique', data: Buffer.alloc(12) })
    expect(refused.answer).toMatch(failure('not-authorized'))
    const old = await client(port, OLD)
    await old.features()
    expect((await old.scram({ mechanism: 'SCRAM-SHA-256-PLUS', flag: 'p=tls-exporter' })).answer).toMatch(failure('not-authorized'))
    expect(rig.accounts.asked).toBe(0)
  })

  test('the same exporter without a context would be another value with TLS 1.2', async () => {
    const one = await client(port, OLD)
    expect(one.exporter()).not.toEqual(one.socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', undefined as unknown as Buffer))
  })

  test('clients that ask for a type that we do not have may try everything else (RFC 6120 §6.4.5)', async () => {
    const one = await client()
    await one.features()
    for (const name of ALL.slice(0, 3)) {
      const wrong = await one.scram({ mechanism: name, flag: 'p=tls-unique', data: Buffer.alloc(12) })
      expect(wrong.answer).toMatch(failure('not-authorized'))
    }
    for (const name of ALL.slice(3, 6)) expect((await one.scram({ mechanism: name, flag: 'y' })).answer).toMatch(failure('not-authorized'))
    expect((await one.scram({ mechanism: 'SCRAM-SHA-256', flag: 'n' })).answer).toMatch(/<success/)
  })
})

describe('the hash of what was offered (XEP-0474 §5)', () => {
  test.each([['sha512', 'SCRAM-SHA-512-PLUS', 'p=tls-exporter'], ['sha256', 'SCRAM-SHA-256', 'n'], ['sha1', 'SCRAM-SHA-1', 'n']])(
    'by %s in a login with %s', async (hash, mechanism, flag) => {
    const one = await client()
    const seen = await one.features()
    const { told, answer } = await one.scram({ mechanism, flag })
    expect(answer).toMatch(/<success/)
    expect(told).toBe(seenHash(hash, seen))
  })

  test('without channel binding it is of the mechanisms alone', async () => {
    const unbound = new Rig({ settings: { saslBindings: [] } })
    await unbound.user('alice@im.test')
    const one = await client(await doors.open(unbound, own))
    const seen = await one.features()
    expect((await one.scram({ mechanism: 'SCRAM-SHA-256', flag: 'y' })).told).toBe(seenHash('sha256', seen))
  })
})

describe('somebody in the middle with another certificate', () => {
  test.each([['p=tls-exporter', {}], ['p=tls-server-end-point', {}], ['p=tls-server-end-point', OLD]])(
    'a login bound with %s fails %j', async (flag, options) => {
    const one = await client(await doors.between(port, others), options)
    await one.features()
    expect((await one.scram({ mechanism: 'SCRAM-SHA-256-PLUS', flag })).answer).toMatch(failure('not-authorized'))
  })

  const stripped = (text: string): string =>
    text.replaceAll(/<mechanism>[^<]*-PLUS<\/mechanism>/g, '').replace(/<sasl-channel-binding.*<\/sasl-channel-binding>/, '')

  test('who hides the offer is found out by a client that could bind (L20)', async () => {
    const one = await client(await doors.between(port, others, stripped))
    expect((await one.features()).mechanisms).toEqual(ALL.slice(3))
    expect((await one.scram({ mechanism: 'SCRAM-SHA-256', flag: 'y' })).answer).toMatch(failure('not-authorized'))
  })

  test.each([
    ['hides the binding mechanisms', stripped],
    ['hides the better hashes', (text: string) => text.replaceAll(/<mechanism>SCRAM-SHA-(512|256)(-PLUS)?<\/mechanism>/g, '')],
    ['hides the better binding', (text: string) => text.replace("<channel-binding type='tls-exporter'/>", '')]
  ])('who %s is found out by the hash', async (_, change) => {
    const one = await client(await doors.between(port, others, change))
    const seen = await one.features()
    const { told } = await one.scram({ mechanism: 'SCRAM-SHA-1', flag: 'n' })
    expect(told).toHaveLength(28)
    expect(told).not.toBe(seenHash('sha1', seen))
  })
})
