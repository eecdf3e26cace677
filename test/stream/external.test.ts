/** SASL EXTERNAL with client certificates on real TLS (XEP-0178 §3, RFC 6120 §6.3.4, §13.7.1.4). */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { xmppAddresses } from '../../src/transport/client-certificate.js'
import { selfSigned } from '../../src/transport/self-signed.js'
import type { KeyPair } from '../../src/transport/tls.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { Authority, der, dnsName, xmppName, type ClientCertificate } from '../support/authority.js'
import { auth, base64, bindIq, failure, Rig } from './rig.js'
import { HDR, TlsClient, TlsDoors } from './tls-door.js'

let own: KeyPair
let authority: Authority
let doors: TlsDoors
let rig: Rig
let port: number
const open: TlsClient[] = []

beforeAll(async () => {
  own = await selfSigned({ names: ['im.test'], now: Date.now(), days: 1 })
  authority = await Authority.of('people')
})

beforeEach(async () => {
  rig = new Rig()
  for (const name of ['alice', 'bob']) await rig.user(`${name}@im.test`)
  doors = new TlsDoors()
  port = await doors.open(rig, own, authority.certificate)
})

afterEach(() => {
  for (const one of open.splice(0)) one.socket.destroy()
  doors.endAll()
})

async function shows(certificate: KeyPair | undefined, options: object = {}): Promise<TlsClient> {
  const pair = certificate === undefined ? {} : { cert: certificate.certificate, key: certificate.key }
  const one = await TlsClient.open(port, { ...pair, ...options })
  open.push(one)
  return one
}

const signed = (certificate: ClientCertificate): Promise<KeyPair> => authority.sign(certificate)
const ANSWER = /<(success|failure)[^>]*(\/>|>.*<\/\1>)/
const external = (one: TlsClient, authzid?: string): Promise<string> =>
  one.ask(auth('EXTERNAL', authzid === undefined ? '=' : base64(authzid)), ANSWER)
const offers = async (one: TlsClient): Promise<boolean> => (await one.features()).mechanisms.includes('EXTERNAL')

describe('a certificate with the address of an account', () => {
  test.each([['TLSv1.2'], ['TLSv1.3']])('logs in with %s, and binds that account', async (maxVersion) => {
    const one = await shows(await signed({ names: [xmppName('alice@im.test')] }), { maxVersion })
    expect((await one.features()).mechanisms[0]).toBe('EXTERNAL')
    expect(await external(one)).toMatch(/<success/)
    await one.ask(HDR, /<\/stream:features>/)
    expect(await one.ask(bindIq('r'), /<\/iq>/)).toContain('<jid>alice@im.test/r</jid>')
  })

  test('without an initial response an empty challenge asks for it (RFC 6120 §6.3.10)', async () => {
    const one = await shows(await signed({ names: [xmppName('alice@im.test')] }))
    await one.features()
    expect(await one.ask(auth('EXTERNAL'), /<challenge[^>]*\/>/)).toBe("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
    expect(await one.ask("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", ANSWER)).toMatch(/<success/)
  })

  test('the address is compared as one, not as text (RFC 7622 §3)', async () => {
    const one = await shows(await signed({ names: [xmppName('ALICE@IM.test')] }))
    expect(await offers(one)).toBe(true)
    expect(await external(one, 'alice@im.test')).toMatch(/<success/)
  })

  test('of an account that there is not, or that is disabled, does not log in', async () => {
    const nobody = await shows(await signed({ names: [xmppName('nobody@im.test')] }))
    await nobody.features()
    expect(await external(nobody)).toMatch(failure('not-authorized'))
    rig.accounts.change(parseJid('bob@im.test'), { disabled: true })
    const bob = await shows(await signed({ names: [xmppName('bob@im.test')] }))
    await bob.features()
    expect(await external(bob)).toMatch(failure('account-disabled'))
  })

  test('XEP-0178 §3.9: with several addresses the client says which', async () => {
    const one = await shows(await signed({ names: [xmppName('alice@im.test'), xmppName('bob@im.test'), xmppName('carol@other.test')] }))
    expect(await offers(one)).toBe(true)
    expect(await external(one)).toMatch(failure('invalid-authzid'))
    expect(await external(one, 'carol@other.test')).toMatch(failure('not-authorized'))
    expect(await external(one, 'bob@im.test')).toMatch(/<success/)
  })
})

describe('A18: the identity comes from the alternative names and from nowhere else', () => {
  test.each<[string, ClientCertificate]>([
    ['a subject that looks like a name', { subject: 'CN=alice@im.test, OU=CN\\=alice@im.test\\,' }],
    ['an e-mail address in the subject', { subject: 'E=alice@im.test, CN=alice' }],
    ['a DNS name that looks like several', { names: [dnsName('a, DNS:alice@im.test, othername:XmppAddr:alice@im.test')] }],
    ['an e-mail address', { names: [der(0x81, Buffer.from('alice@im.test'))] }],
    ['an address of another type', { names: [der(0xa0, Buffer.from('060a2b060104018237140203', 'hex'), der(0xa0, der(0x0c, Buffer.from('alice@im.test'))))] }],
    ['an account of another domain', { names: [xmppName('alice@other.test')] }],
    ['a full address', { names: [xmppName('alice@im.test/r')] }],
    ['the domain itself', { names: [xmppName('im.test')] }],
    ['what is no address', { names: [xmppName('@@')] }]
  ])('%s offers nothing', async (_, certificate) => {
    const one = await shows(await signed(certificate))
    expect(await offers(one)).toBe(false)
    expect(await external(one, 'alice@im.test')).toMatch(failure('invalid-mechanism'))
    expect(rig.accounts.asked).toBe(0)
  })

  test("another's authorization identity is not authorized", async () => {
    const one = await shows(await signed({ names: [xmppName('bob@im.test')] }))
    await one.features()
    expect(await external(one, 'alice@im.test')).toMatch(failure('not-authorized'))
  })

  test('broken names are read as none', () => {
    expect(xmppAddresses(Buffer.alloc(0))).toEqual([])
    expect(xmppAddresses(Buffer.from('3082ffff3003', 'hex'))).toEqual([])
  })
})

describe('a certificate that nobody vouches for', () => {
  test('none, one of another authority, one that is over: no offer; a password still logs in', async () => {
    const stranger = await (await Authority.of('people')).sign({ names: [xmppName('alice@im.test')] })
    const over = await signed({ names: [xmppName('alice@im.test')], days: -1 })
    const itself = await selfSigned({ names: ['alice'], now: Date.now(), days: 1 })
    for (const certificate of [undefined, stranger, over, itself]) {
      const one = await shows(certificate)
      expect(await offers(one)).toBe(false)
      expect(await one.ask(auth('PLAIN', base64('\0alice\0secret')), ANSWER)).toMatch(/<success/)
    }
  })

  test('A12: where no authority is named none is asked for, and none counts', async () => {
    port = await doors.open(rig, own)
    const one = await shows(await signed({ names: [xmppName('alice@im.test')] }))
    expect(await offers(one)).toBe(false)
    expect(await external(one)).toMatch(failure('invalid-mechanism'))
  })
})
