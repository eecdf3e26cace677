import { describe, expect, test } from '@jest/globals'
import { bindIq, header, plainAuth, Rig, streamError, type RigOptions } from './rig.js'
import type { Wire, WireOptions } from './wire.js'

const OFFER = "<register xmlns='http://jabber.org/features/iq-register'/>"
const OPEN: RigOptions = { open: { 'im.test': 0 } }

const iq = (type: string, inside = '', attrs = ''): string =>
  `<iq xmlns='jabber:client' type='${type}' id='r'${attrs}><query xmlns='jabber:iq:register'>${inside}</query></iq>`
const wish = (username: string, password = 'pencil'): string =>
  iq('set', `<username>${username}</username><password>${password}</password>`)
const refusal = (type: string, condition: string): RegExp =>
  new RegExp(`^<iq type='error'[^>]*id='r'><error type='${type}'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>.*</iq>$`)

interface Scene {
  readonly rig: Rig
  readonly wire: Wire
  readonly features: string
  readonly ask: (text: string) => Promise<string>
}

function scene(options: RigOptions = OPEN, wireOptions: WireOptions = {}, rig = new Rig(options)): Scene {
  const wire = rig.connect(wireOptions)
  wire.says(header(wire))
  const features = wire.take()
  return { rig, wire, features, ask: (text) => (wire.says(text), wire.until(/<\/iq>|<iq[^>]*\/>|stream:error/)) }
}

describe('where the domain is open', () => {
  test('it is offered beside SASL (XEP-0077 §4), the fields are told, an account is made, and its owner logs in (§3.1)', async () => {
    const { rig, wire, features, ask } = scene()
    expect(features).toContain(OFFER)
    const fields = await ask(iq('get', '', " to='im.test'"))
    expect(fields).toMatch(/^<iq type='result' from='im\.test' id='r'><query xmlns='jabber:iq:register'><instructions>[^<]+<\/instructions>/)
    expect(fields).toContain('<username/><password/></query></iq>')
    expect(await ask(wish('Bill'))).toBe("<iq type='result' id='r'/>")
    const made = rig.lines.filter(({ event }) => event === 'account.registered')
    expect(made.map(({ fields }) => fields['account'])).toEqual(['bill@im.test'])
    wire.says(plainAuth('bill', 'pencil'))
    await wire.until(/<success/)
    expect(JSON.stringify(rig.lines)).not.toContain('pencil')
  })

  test('a framed stream gets elements that stand alone (RFC 7395 §3.3.3)', async () => {
    const { ask } = scene(OPEN, { kind: 'websocket' })
    expect(await ask(wish('bill'))).toBe("<iq xmlns='jabber:client' type='result' id='r'/>")
  })

  test.each([
    ['no username', iq('set', '<password>x</password>'), 'modify', 'not-acceptable'],
    ['no password', iq('set', '<username>x</username>'), 'modify', 'not-acceptable'],
    ['an empty password', wish('bill', ''), 'modify', 'not-acceptable'],
    ['a name that cannot be one', wish('bi&amp;ll'), 'modify', 'not-acceptable'],
    ['a password that cannot be one', wish('bill', 'x'.repeat(1025)), 'modify', 'not-acceptable'],
    ['a form nobody has sent', iq('set', "<x xmlns='jabber:x:data' type='submit'/>"), 'modify', 'not-acceptable'],
    ['an administrator\'s name', wish('admin'), 'cancel', 'conflict'],
    ['a name that somebody has', wish('ALICE'), 'cancel', 'conflict'],
    ['removal (§3.2)', iq('set', '<remove/>'), 'modify', 'unexpected-request'],
    ['another element', iq('get').replaceAll('query', 'other'), 'modify', 'bad-request'],
    ['two children (RFC 6120 §8.2.3)', iq('get').replace('</iq>', '<x/></iq>'), 'modify', 'bad-request']
  ])('%s is refused, and the stream goes on', async (_what, text, type, condition) => {
    const { rig, ask } = scene()
    await rig.user('alice@im.test')
    expect(await ask(text)).toMatch(refusal(type, condition))
    expect(await ask(iq('get'))).toContain('<username/>')
  })

  test.each([
    ['to somebody', iq('get', '', " to='bob@im.test'")], ['to another domain', iq('set', '', " to='other.test'")],
    ['to no address', iq('set', '', " to='@'")], ['an answer', iq('result')], ['an error', iq('error')]
  ])('%s it is a stanza before login: the stream ends (RFC 6120 §4.3.5)', async (_what, text) => {
    expect(await scene().ask(text)).toMatch(streamError('not-authorized'))
  })

  test('one account a stream (§3.1.1)', async () => {
    const { ask } = scene(OPEN, { address: '127.0.0.1' })
    await ask(wish('bill'))
    expect(await ask(wish('bob'))).toMatch(refusal('cancel', 'not-acceptable'))
  })

  test('the sixth refusal ends the stream', async () => {
    const { ask } = scene()
    for (let i = 0; i < 5; i++) expect(await ask(wish('admin'))).toMatch(refusal('cancel', 'conflict'))
    expect(await ask(wish('admin'))).toMatch(streamError('policy-violation'))
  })

  test('who asks which names are taken guesses, as with failed logins', async () => {
    const { wire, ask } = scene(OPEN, { failuresMax: 2 })
    await ask(wish('bill', ''))
    expect(wire.failedLogins).toBe(0)
    await ask(wish('admin'))
    expect(await ask(wish('admin'))).toMatch(streamError('policy-violation'))
  })

  test('not after login: between login and bind nothing but bind, then the plugin answers', async () => {
    const rig = new Rig(OPEN)
    await rig.user('alice@im.test')
    const { wire } = scene(OPEN, {}, rig)
    wire.says(plainAuth('alice'))
    await wire.until(/<success/)
    wire.says(header(wire))
    expect(wire.take()).not.toContain(OFFER)
    wire.says(bindIq('r1'))
    await wire.until(/<jid>/)
    wire.says(iq('get'))
    expect(rig.handler.received.map(({ stanza }) => stanza.id)).toEqual(['r'])
    const early = await rig.login('alice@im.test/x')
    expect(early.over).toBe(false)
  })

  test('registering between login and bind ends the stream (RFC 6120 §7.1)', async () => {
    const rig = new Rig(OPEN)
    await rig.user('alice@im.test')
    const { wire } = scene(OPEN, {}, rig)
    wire.says(plainAuth('alice'))
    await wire.until(/<success/)
    wire.says(header(wire))
    wire.take()
    wire.says(wish('bill'))
    expect(await wire.until(/stream:error/)).toMatch(streamError('not-authorized'))
  })
})

describe('without TLS', () => {
  const plain: WireOptions = { secure: false, canStartTls: true }

  test('where the domain requires TLS it is neither offered nor done (XEP-0077 §6)', async () => {
    const { rig, features, ask } = scene(OPEN, plain)
    expect(features).not.toContain(OFFER)
    expect(await ask(wish('bill'))).toMatch(refusal('auth', 'not-authorized'))
    expect(rig.accounts.asked).toBe(0)
  })

  test('elsewhere it is', async () => {
    const { features, ask } = scene({ ...OPEN, settings: { vhostTlsRequired: false } }, plain)
    expect(features).toContain(OFFER)
    expect(await ask(wish('bill'))).toBe("<iq type='result' id='r'/>")
  })
})

describe('where it is off', () => {
  test.each([['get', iq('get')], ['set', wish('bill')]])('Q32: %s: service-unavailable, no offer (XEP-0077 §3.1)', async (_, text) => {
    const { rig, features, ask } = scene({ open: { 'other.test': 0 } })
    expect(features).not.toContain(OFFER)
    expect(await ask(text)).toMatch(refusal('cancel', 'service-unavailable'))
    expect(rig.accounts.asked).toBe(0)
  })
})
