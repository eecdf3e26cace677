/** Stream management together with the login (XEP-0198 §9, XEP-0386 §3.2), upgrades of keys (XEP-0480), limits (XEP-0478). */
import { describe, expect, test } from '@jest/globals'
import { parseJid } from '../../src/xmpp/jid.js'
import { Stanza } from '../../src/xmpp/stanza.js'
import {
  authenticate, base64, bind2, FAST, failure, hashedToken, plain, response, saltedPassword, SASL2, Scram, userAgent
} from '../support/sasl2.js'
import { header, plainAuth, Rig, streamError } from './rig.js'
import type { Wire, WireOptions } from './wire.js'

const SM = 'urn:xmpp:sm:3'
const ENABLE = `<enable xmlns='${SM}' resume='true'/>`
const resume = (previd: string, h: number | string = 0): string => `<resume xmlns='${SM}' previd='${previd}' h='${h}'/>`
const failed = (condition: string): string => `<failed xmlns='${SM}'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>`
const FEATURES = /<\/stream:features>$/
const jidIn = (text: string): string => /<authorization-identifier>([^<]*)</.exec(text)?.[1] ?? ''
const idIn = (text: string): string => /<enabled [^>]*id='([^']*)'/.exec(text)?.[1] ?? ''

async function rigOf(): Promise<Rig> {
  const rig = new Rig()
  for (const user of ['alice', 'bob']) await rig.user(`${user}@im.test`)
  return rig
}

function connect(rig: Rig, options: WireOptions = {}): Wire {
  const wire = rig.connect(options)
  wire.says(header(wire))
  wire.take()
  return wire
}

async function login(rig: Rig, inside: string, { user = 'alice', pattern = FEATURES, ...options }: WireOptions & { user?: string; pattern?: RegExp } = {}) {
  const wire = connect(rig, options)
  wire.says(authenticate('PLAIN', plain(user), inside))
  return { wire, answer: await wire.until(pattern, () => rig.clock.advance(20)) }
}

describe('stream management with the login', () => {
  test('is enabled as the resource is bound (XEP-0198 §9.1)', async () => {
    const rig = await rigOf()
    const { wire, answer } = await login(rig, userAgent() + bind2(ENABLE))
    expect(answer).toMatch(/<bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='[^']+' resume='true'[^>]*\/><\/bound><\/success><stream:features>/)
    wire.says(`<presence/><r xmlns='${SM}'/>`)
    expect(await wire.until(/<a /)).toBe(`<a xmlns='${SM}' h='1'/>`)
  })

  test('a client begins inactive when it says so; a session that goes on is active (XEP-0386 §3.2, XEP-0352 §5.2)', async () => {
    const rig = await rigOf()
    const inactive = "<inactive xmlns='urn:xmpp:csi:0'/>"
    const { wire, answer } = await login(rig, userAgent() + bind2(ENABLE + inactive))
    const away = (): void => { void rig.session(jidIn(answer)).deliver(Stanza.of({ kind: 'presence', from: parseJid('bob@im.test/x') })) }
    away()
    expect(wire.take()).toBe('')
    wire.cut()
    const again = await login(rig, resume(idIn(answer)) + bind2(inactive), { pattern: /<\/success>/ })
    expect(again.answer + again.wire.take()).toMatch(/<resumed .*<presence /)
    away()
    expect(again.wire.take()).toMatch(/<presence /)
  })

  test('L31: a session goes on: nothing is bound, no features are said (XEP-0198 §9.2)', async () => {
    const rig = await rigOf()
    const first = await login(rig, userAgent() + bind2(ENABLE))
    first.wire.says('<presence/>')
    first.wire.cut()
    const { wire, answer } = await login(rig, resume(idIn(first.answer)) + bind2(ENABLE), { pattern: /<\/success>/ })
    expect(answer).toMatch(new RegExp(`<authorization-identifier>${jidIn(first.answer)}</authorization-identifier><resumed [^>]*previd='${idIn(first.answer)}' h='1'/></success>$`))
    expect(rig.sessions.size).toBe(1)
    wire.says(`<presence/><r xmlns='${SM}'/>`)
    expect(await wire.until(/<a /)).toBe(`<a xmlns='${SM}' h='2'/>`)
  })

  test('L30: a session that cannot go on: the failure, and a new one (XEP-0198 §9.2.1)', async () => {
    const { answer } = await login(await rigOf(), resume('garbage') + bind2(ENABLE))
    expect(answer).toContain(`</authorization-identifier>${failed('item-not-found')}<bound xmlns='urn:xmpp:bind:0'><enabled `)
    expect(jidIn(answer)).toMatch(/^alice@im.test\/Balcony\//)
    expect(answer).toMatch(/<\/success><stream:features>/)
  })

  test('without a wish to bind the client is logged in and may bind or resume later', async () => {
    const rig = await rigOf()
    const { wire, answer } = await login(rig, resume('garbage'))
    expect(answer).toContain(`<authorization-identifier>alice@im.test</authorization-identifier>${failed('item-not-found')}</success>`)
    wire.says("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
    expect(await wire.until(/./)).toContain('<jid>')
  })

  test.each([
    ['M18: without a count', `<resume xmlns='${SM}' previd='x'/>`], ['M18: without an id', `<resume xmlns='${SM}' h='1'/>`],
    ['M18: with a count that is none', resume('x', 'x')]
  ])('%s: a bad request, and the bind goes on', async (_name, wish) => {
    const { answer } = await login(await rigOf(), wish + bind2())
    expect(answer).toContain(`${failed('bad-request')}<bound `)
  })

  test('M08: somebody else\'s session is as unknown as any', async () => {
    const rig = await rigOf()
    const first = await login(rig, bind2(ENABLE))
    first.wire.cut()
    const { answer } = await login(rig, resume(idIn(first.answer)) + bind2(), { user: 'bob' })
    expect(answer).toContain(failed('item-not-found'))
    expect(jidIn(answer)).toMatch(/^bob@im.test\//)
  })

  test('L41: a wrong password leaves the session that was named alone', async () => {
    const rig = await rigOf()
    const first = await login(rig, bind2(ENABLE))
    const wire = connect(rig)
    wire.says(authenticate('PLAIN', plain('alice', 'x'), resume(idIn(first.answer)) + bind2(ENABLE)))
    expect(await wire.until(/<\/failure>/, () => rig.clock.advance(20))).toBe(failure('not-authorized'))
    first.wire.says(`<r xmlns='${SM}'/>`)
    expect(await first.wire.until(/<a /)).toBe(`<a xmlns='${SM}' h='0'/>`)
  })

  test('it goes on with a token too', async () => {
    const rig = await rigOf()
    const first = await login(rig, `${userAgent()}<request-token xmlns='${FAST}' mechanism='HT-SHA-256-NONE'/>${bind2(ENABLE)}`)
    const token = /token='([^']*)'/.exec(first.answer)?.[1] ?? ''
    first.wire.cut()
    const wire = connect(rig)
    wire.says(authenticate('HT-SHA-256-NONE', hashedToken('alice', token).first, `${userAgent()}<fast xmlns='${FAST}'/>${resume(idIn(first.answer))}`))
    expect(await wire.until(/<\/success>/)).toMatch(/<\/additional-data><authorization-identifier>[^<]*<\/authorization-identifier><resumed [^>]*\/><\/success>$/)
  })

  test('BOSH has its own: not offered, and refused (XEP-0206)', async () => {
    const rig = await rigOf()
    const wire = rig.connect({ kind: 'bosh' })
    wire.says(header(wire))
    expect(wire.take()).toMatch(/<inline><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:csi:0'\/><\/inline><\/bind><fast/)
    const { answer } = await login(rig, resume('x') + bind2(ENABLE), { kind: 'bosh' })
    const refused = failed('feature-not-implemented')
    expect(answer).toContain(`${refused}<bound xmlns='urn:xmpp:bind:0'>${refused}</bound>`)
  })

  test('what comes for the client waits until it knows its address', async () => {
    const rig = await rigOf()
    const other = await rig.login('bob@im.test/b')
    rig.handler.onBound = async (session) => { session.deliver(rig.handler.received[0]?.stanza ?? fail()) }
    rig.handler.onReceive = (session, _stanza, index) => session.handled(index)
    other.says("<message to='alice@im.test' id='early'><body>x</body></message>")
    const { answer } = await login(rig, bind2(), { pattern: /early/ })
    expect(answer).toMatch(/<\/success><stream:features>.*<\/stream:features><message [^>]*id='early'/)
  })
})

function fail(): never {
  throw new Error('nothing was received')
}

describe('upgrades of keys (XEP-0480)', () => {
  const upgrade = (...hashes: readonly string[]): string =>
    hashes.map((hash) => `<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-${hash}</upgrade>`).join('')
  const next = (hash: string): string => `<next xmlns='${SASL2}' task='UPGR-SCRAM-${hash}'/>`
  const data = (inside: string): string => `<task-data xmlns='${SASL2}'>${inside}</task-data>`
  const hashOf = (text: string): string => `<hash xmlns='urn:xmpp:scram-upgrade:0'>${text}</hash>`
  const CONTINUE = /<\/continue>$/

  /** An account that an import has left with SHA-1 alone. */
  async function imported(): Promise<Rig> {
    const rig = await rigOf()
    const keys = (await rig.credentials.keysFor('secret')).filter(({ hash }) => hash === 'SHA-1')
    rig.accounts.change(parseJid('alice@im.test'), { keys })
    return rig
  }

  async function begin(rig: Rig, hashes: readonly string[]): Promise<{ wire: Wire; asked: string; scram: Scram }> {
    const wire = connect(rig)
    const scram = new Scram('SCRAM-SHA-1', 'alice')
    wire.says(authenticate('SCRAM-SHA-1', scram.first, upgrade(...hashes) + bind2()))
    const challenge = /<challenge[^>]*>([^<]*)</.exec(await wire.until(/<\/challenge>/))?.[1] ?? ''
    wire.says(response(scram.final(challenge)))
    return { wire, scram, asked: await wire.until(/<\/continue>$|<\/stream:features>$/, () => rig.clock.advance(20)) }
  }

  const salted = (salt: string, hash: string): string => {
    const [, iterations, text = ''] = /iterations='(\d+)'>([^<]+)</.exec(salt) ?? []
    return saltedPassword(hash, 'secret', text, Number(iterations)).toString('base64')
  }

  test('all are offered to everybody, none to SHA-1 (§2.1)', async () => {
    const wire = (await rigOf()).connect()
    wire.says(header(wire))
    expect(wire.take()).toContain(`</inline>${upgrade('SHA-512', 'SHA-256')}</authentication>`)
  })

  test('an account that has all keys is asked for nothing', async () => {
    const { asked } = await begin(await rigOf(), ['SHA-512', 'SHA-256'])
    expect(asked).toContain('<success')
  })

  test('one that lacks them gives one after the other, and can log in with them afterwards (§2.2, §3)', async () => {
    const rig = await imported()
    const { wire, asked, scram } = await begin(rig, ['SHA-256', 'SHA-512'])
    expect(asked).toBe(`<continue xmlns='${SASL2}'><additional-data>${scram.expected}</additional-data>` +
      '<tasks><task>UPGR-SCRAM-SHA-512</task></tasks></continue>')
    expect(rig.sessions.size).toBe(0)
    wire.says(next('SHA-512'))
    wire.says(data(hashOf(salted(wire.take(), 'sha512'))))
    expect(await wire.until(CONTINUE)).toBe(`<continue xmlns='${SASL2}'><tasks><task>UPGR-SCRAM-SHA-256</task></tasks></continue>`)
    wire.says(next('SHA-256'))
    wire.says(data(hashOf(salted(wire.take(), 'sha256'))))
    const answer = await wire.until(FEATURES)
    expect(answer).toMatch(/^<success xmlns='urn:xmpp:sasl:2'><authorization-identifier>alice@im.test\/Balcony/)
    for (const mechanism of ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1']) {
      const again = connect(rig)
      const one = new Scram(mechanism, 'alice')
      again.says(authenticate(mechanism, one.first))
      again.says(response(one.final(/<challenge[^>]*>([^<]*)</.exec(await again.until(/<\/challenge>/))?.[1] ?? '')))
      expect(await again.until(/<\/success>|<\/failure>/, () => rig.clock.advance(20))).toContain(one.expected)
    }
  })

  test.each([
    ['another task', () => next('SHA-256'), 'malformed-request'],
    ['an abort', () => `<abort xmlns='${SASL2}'/>`, 'aborted']
  ])('%s in the place of the one asked for ends it', async (_name, text, condition) => {
    const rig = await imported()
    const { wire } = await begin(rig, ['SHA-512'])
    wire.says(text())
    expect(await wire.until(/<\/failure>/, () => rig.clock.advance(20))).toBe(failure(condition))
    expect(wire.isAuthenticated).toBe(false)
  })

  test.each([
    ['no hash', '', 'malformed-request'], ['an empty one', hashOf(''), 'malformed-request'], ['no base 64', hashOf('!'), 'incorrect-encoding'],
    ['a hash of another length', hashOf(base64('short')), 'malformed-request'], ['an element', hashOf('<x/>'), 'malformed-request']
  ])('%s', async (_name, inside, condition) => {
    const rig = await imported()
    const { wire } = await begin(rig, ['SHA-512'])
    wire.says(next('SHA-512'))
    wire.take()
    wire.says(data(inside))
    expect(await wire.until(/<\/failure>/, () => rig.clock.advance(20))).toBe(failure(condition))
    expect((await rig.accounts.find(parseJid('alice@im.test')))?.keys.map(({ hash }) => hash)).toEqual(['SHA-1'])
  })

  test('L28: a login in the middle of it ends the stream (§4.8)', async () => {
    const { wire } = await begin(await imported(), ['SHA-512'])
    wire.says(authenticate('PLAIN', plain('alice')))
    expect(await wire.until(/<\/stream:stream>/)).toMatch(streamError('policy-violation'))
  })

  test('a token is no password: nothing is asked for, and names that nobody knows are passed over', async () => {
    const rig = await imported()
    expect((await begin(rig, ['SHA-3', 'SHA-1'])).asked).toContain('<success')
    const alice = await rig.credentials.find('alice', 'im.test')
    const agent = 'd4565fa7-4d72-4749-b3d3-740edbf87770'
    const token = alice && await rig.tokens.issue(alice, agent, 'HT-SHA-256-NONE')
    const wire = connect(rig)
    const inside = `${userAgent(agent)}<fast xmlns='${FAST}'/>${upgrade('SHA-512')}`
    wire.says(authenticate('HT-SHA-256-NONE', hashedToken('alice', token?.token ?? '').first, inside))
    expect(await wire.until(FEATURES)).toContain('<success')
  })
})

describe('limits are told (XEP-0478)', () => {
  test('the size before login, then the larger one and how long silence is borne', async () => {
    const rig = await rigOf()
    const wire = rig.connect()
    wire.says(header(wire))
    expect(wire.take()).toContain("<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>8192</max-bytes></limits>")
    wire.says(plainAuth('alice'))
    await wire.until(/<success/)
    wire.says(header(wire))
    const after = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes><idle-seconds>360</idle-seconds></limits>"
    expect(wire.take()).toContain(after)
    expect((await login(rig, bind2())).answer).toContain(after)
  })
})
