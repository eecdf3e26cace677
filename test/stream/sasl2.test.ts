import { describe, expect, test } from '@jest/globals'
import { ABORT, authenticate, bind2, failure, plain, response, SASL2, Scram, unbase64, userAgent } from '../support/sasl2.js'
import { auth, header, plainAuth, Rig, streamError, type HeaderAttributes, type RigOptions } from './rig.js'
import type { Wire, WireOptions } from './wire.js'

export interface Scene {
  readonly rig: Rig
  readonly wire: Wire
  /** What comes after `text`, the clock moving on as needed. */
  readonly ask: (text: string, pattern?: RegExp) => Promise<string>
}

interface Opening {
  readonly rig?: RigOptions
  readonly wire?: WireOptions
  readonly header?: HeaderAttributes
}

async function scene(opening: Opening = {}): Promise<Scene> {
  const rig = new Rig(opening.rig)
  await rig.user('alice@im.test')
  await rig.user('bob@im.test')
  const wire = rig.connect(opening.wire)
  wire.says(header(wire, opening.header))
  wire.take()
  return { rig, wire, ask: (text, pattern = /./) => (wire.says(text), wire.until(pattern, () => rig.clock.advance(20))) }
}

const OVER = /<\/stream:stream>$/
const FEATURES = /<\/stream:features>$/
const challengeIn = (text: string): string => /<challenge[^>]*>([^<]*)</.exec(text)?.[1] ?? ''
const tag = (name: string, text: string): string => new RegExp(`<${name}[^>]*>([^<]*)</${name}>`).exec(text)?.[1] ?? ''

describe('the offer (XEP-0388 §2.1)', () => {
  test('over TLS: the mechanisms, and what may be done with them', () => {
    const wire = new Rig().connect()
    wire.says(header(wire))
    const offer = /<authentication.*<\/authentication>/.exec(wire.take())?.[0] ?? ''
    expect(offer).toMatch(/^<authentication xmlns='urn:xmpp:sasl:2'><mechanism>/)
    expect(offer).toContain('<mechanism>SCRAM-SHA-256</mechanism>')
    expect(offer).toContain('<mechanism>PLAIN</mechanism>')
    expect(offer).toMatch(/<inline><bind xmlns='urn:xmpp:bind:0'/)
    expect(offer).not.toMatch(/carbons|0rtt/)
  })

  test.each([true, false])('never before TLS, whether it is required (%s) (§3)', async (vhostTlsRequired) => {
    const rig = new Rig({ settings: { vhostTlsRequired } })
    const wire = rig.connect({ secure: false, canStartTls: true })
    wire.says(header(wire))
    expect(wire.take()).not.toContain(SASL2)
    wire.says(authenticate('PLAIN', plain('alice')))
    expect(await wire.until(/./, () => rig.clock.advance(20))).toBe(failure('encryption-required'))
    expect(rig.accounts.asked).toBe(0)
  })
})

describe('success', () => {
  test('PLAIN in one step, then features and no new header (§2.6.1)', async () => {
    const { wire, ask } = await scene({ rig: { extras: '<x/>' } })
    const answer = await ask(authenticate('PLAIN', plain('alice')), FEATURES)
    expect(answer).toMatch(/^<success xmlns='urn:xmpp:sasl:2'><authorization-identifier>alice@im.test<\/authorization-identifier><\/success>/)
    expect(answer).toMatch(/<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'\/>.*<x\/><\/stream:features>$/)
    expect(answer).not.toContain('<mechanism')
    expect(wire.isAuthenticated).toBe(true)
    const bound = await ask("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
    expect(tag('jid', bound)).toMatch(/^alice@im.test\//)
  })

  test.each(['SCRAM-SHA-1', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])('%s: the server\'s proof comes with it (§2.6.1)', async (mechanism) => {
    const { ask } = await scene()
    const scram = new Scram(mechanism, 'alice')
    const final = scram.final(challengeIn(await ask(authenticate(mechanism, scram.first))))
    const answer = await ask(response(final), FEATURES)
    expect(tag('additional-data', answer)).toBe(scram.expected)
    expect(answer).toMatch(/<authorization-identifier>alice@im.test</)
  })

  test('without an initial response an empty challenge asks for it', async () => {
    const { ask } = await scene()
    expect(await ask(authenticate('PLAIN'))).toBe("<challenge xmlns='urn:xmpp:sasl:2'/>")
    expect(await ask(response(plain('alice')), FEATURES)).toContain('<success')
  })

  test('header and login in one write: one round trip, features are the same as for those who wait (§2.1)', async () => {
    const rig = new Rig()
    await rig.user('alice@im.test')
    const wire = rig.connect()
    wire.says(header(wire) + authenticate('PLAIN', plain('alice'), bind2()) + "<iq type='get' id='p' to='im.test'><ping xmlns='urn:xmpp:ping'/></iq>")
    expect(await wire.until(/<success.*<stream:features>.*<\/stream:features>$/s)).toMatch(/<authorization-identifier>alice@im.test\/Balcony\//)
    expect(rig.handler.received).toHaveLength(1)
  })

  test('over WebSocket features declare their prefix (RFC 7395 §3.3.3)', async () => {
    const { ask } = await scene({ wire: { kind: 'websocket' } })
    expect(await ask(authenticate('PLAIN', plain('alice')), FEATURES)).toMatch(/<\/success><stream:features xmlns:stream=/)
  })
})

describe('failures (§2.6.2, RFC 6120 §6.5)', () => {
  test.each([
    ['L01: an unknown mechanism', authenticate('FOO', 'AA=='), 'invalid-mechanism'],
    ['L01: no mechanism', `<authenticate xmlns='${SASL2}'/>`, 'invalid-mechanism'],
    ['L02: the wrong case', authenticate('plain', plain('alice')), 'invalid-mechanism'],
    ['L04: no base 64', authenticate('PLAIN', '!!!'), 'incorrect-encoding'],
    ['L05: white space around', authenticate('PLAIN', ` ${plain('alice')}\n`), 'incorrect-encoding'],
    ['L05: without padding', authenticate('PLAIN', plain('alice').replaceAll('=', '')), 'incorrect-encoding'],
    ['L38: an equals sign, which means nothing here', authenticate('PLAIN', '='), 'incorrect-encoding'],
    ['L38: data of no length', authenticate('PLAIN', ''), 'malformed-request'],
    ['an element inside the data', authenticate('PLAIN', '<x/>'), 'malformed-request'],
    ['L06: PLAIN without NUL', authenticate('PLAIN', 'YWxpY2U='), 'malformed-request'],
    ['L13: a response to nothing', response('AA=='), 'malformed-request'],
    ['L15: an abort of nothing', ABORT, 'aborted'],
    ['an element that no client sends', `<success xmlns='${SASL2}'/>`, 'malformed-request'],
    ['L12: a wrong password', authenticate('PLAIN', plain('alice', 'wrong')), 'not-authorized'],
    ['L12: a name that nobody has', authenticate('PLAIN', plain('nobody')), 'not-authorized'],
    ['L09: somebody else\'s address', authenticate('PLAIN', plain('alice', 'secret', 'bob@im.test')), 'invalid-authzid']
  ])('%s', async (_name, text, condition) => {
    const { wire, ask } = await scene()
    expect(await ask(text)).toBe(failure(condition))
    expect(wire.isAuthenticated).toBe(false)
    expect(await ask(authenticate('PLAIN', plain('alice')), FEATURES)).toContain('<success')
  })

  test('L05: a response with white space', async () => {
    const { ask } = await scene()
    const scram = new Scram('SCRAM-SHA-1', 'alice')
    const final = scram.final(challengeIn(await ask(authenticate('SCRAM-SHA-1', scram.first))))
    expect(await ask(response(`${final} `))).toBe(failure('incorrect-encoding'))
  })

  test('L15: an abort in the middle, then another try (§4.5)', async () => {
    const { ask } = await scene()
    await ask(authenticate('SCRAM-SHA-1', new Scram('SCRAM-SHA-1', 'alice').first))
    expect(await ask(ABORT)).toBe(failure('aborted'))
    expect(await ask(authenticate('PLAIN', plain('alice')), FEATURES)).toContain('<success')
  })

  test('L27: five failures, and the sixth ends the stream (RFC 6120 §6.4.5)', async () => {
    const { ask } = await scene()
    for (let i = 0; i < 5; i++) expect(await ask(authenticate('PLAIN', plain('alice', 'x')))).toBe(failure('not-authorized'))
    expect(await ask(authenticate('PLAIN', plain('alice', 'x')), OVER)).toMatch(streamError('policy-violation'))
  })

  test('the address that fails too often ends its stream', async () => {
    const { ask, wire } = await scene({ wire: { failuresMax: 1 } })
    expect(await ask(authenticate('PLAIN', plain('alice', 'x')), OVER)).toMatch(streamError('policy-violation'))
    expect(wire.failedLogins).toBe(1)
  })

  test('L41: after a wrong password nothing is bound', async () => {
    const { rig, ask } = await scene()
    expect(await ask(authenticate('PLAIN', plain('alice', 'x'), userAgent() + bind2()))).toBe(failure('not-authorized'))
    expect(rig.sessions.size).toBe(0)
  })
})

describe('order', () => {
  test.each([
    ['a stanza', "<presence xmlns='jabber:client'/>"],
    ['white space', ' '],
    ['a second login', authenticate('PLAIN', plain('alice'))],
    ['a login in the old way', plainAuth('alice')],
    ['something unknown', '<x xmlns="urn:x"/>']
  ])('L39: %s while a login is under way ends the stream (§2.4)', async (_name, text) => {
    const { wire, ask } = await scene()
    await ask(authenticate('SCRAM-SHA-1', new Scram('SCRAM-SHA-1', 'alice').first))
    expect(await ask(text, OVER)).toMatch(streamError('policy-violation'))
    expect(wire.isAuthenticated).toBe(false)
  })

  test('L28: a login after the login ends the stream (§4.8)', async () => {
    const { ask } = await scene()
    await ask(authenticate('PLAIN', plain('alice')), FEATURES)
    expect(await ask(authenticate('PLAIN', plain('alice')), OVER)).toMatch(streamError('policy-violation'))
  })

  test('L28: so does one in the old way, and one on a bound stream', async () => {
    const old = await scene()
    await old.ask(authenticate('PLAIN', plain('alice')), FEATURES)
    expect(await old.ask(plainAuth('alice'), OVER)).toMatch(streamError('policy-violation'))
    const bound = await scene()
    await bound.ask(authenticate('PLAIN', plain('alice'), bind2()), FEATURES)
    expect(await bound.ask(authenticate('PLAIN', plain('alice'), bind2()), OVER)).toMatch(streamError('policy-violation'))
    expect(bound.rig.sessions.size).toBe(0)
  })

  test('one profile of SASL excludes the other', async () => {
    const first = await scene()
    await first.ask(authenticate('PLAIN', plain('alice', 'x')))
    expect(await first.ask(plainAuth('alice'), OVER)).toMatch(streamError('policy-violation'))
    const second = await scene()
    await second.ask(auth('SCRAM-SHA-1'))
    expect(await second.ask(authenticate('PLAIN', plain('alice')), OVER)).toMatch(streamError('policy-violation'))
  })

  test('L40: a header in the name of another account, no authorization identity (RFC 6120 §6.4.6)', async () => {
    const { wire, ask } = await scene({ header: { from: 'bob@im.test' } })
    expect(await ask(authenticate('PLAIN', plain('alice')), OVER)).toMatch(streamError('invalid-from'))
    expect(wire.isAuthenticated).toBe(false)
  })

  test('L32: the same with an authorization identity (§2.3, §4.4)', async () => {
    const { wire, ask } = await scene({ header: { from: 'bob@im.test' } })
    expect(await ask(authenticate('PLAIN', plain('alice', 'secret', 'alice@im.test')))).toBe(failure('invalid-authzid'))
    const scram = new Scram('SCRAM-SHA-1', 'alice', 'secret', 'n,a=alice@im.test,')
    const final = scram.final(challengeIn(await ask(authenticate('SCRAM-SHA-1', scram.first))))
    expect(await ask(response(final))).toBe(failure('invalid-authzid'))
    expect(wire.isAuthenticated).toBe(false)
    const own = await scene({ header: { from: 'alice@im.test' } })
    expect(await own.ask(authenticate('PLAIN', plain('alice', 'secret', 'alice@im.test')), FEATURES)).toContain('<success')
  })

  test('white space between a login and the next element is nobody\'s business', async () => {
    const { ask } = await scene()
    expect(await ask(` \n${authenticate('PLAIN', plain('alice'))} \n`, FEATURES)).toContain('<success')
    expect(await ask(" \n<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")).toContain('<jid>')
  })

  test('nobody is told in the log what nobody may know', async () => {
    const { rig, ask } = await scene()
    await ask(authenticate('PLAIN', plain('alice', 'hunter2'), userAgent()))
    await ask(authenticate('PLAIN', plain('alice'), userAgent() + bind2()), FEATURES)
    expect(JSON.stringify(rig.lines)).not.toMatch(/hunter2|d4565fa7|Juliet's phone/)
    expect(unbase64(plain('alice'))).toContain('secret')
  })
})

describe('Bind 2 (XEP-0386)', () => {
  const login = async (stage: Scene, inside: string): Promise<string> => stage.ask(authenticate('PLAIN', plain('alice'), inside), FEATURES)
  const jidIn = (text: string): string => tag('authorization-identifier', text)

  test('the resource is the tag and something of ours; the stream is open at once (§3.2)', async () => {
    const stage = await scene()
    const answer = await login(stage, userAgent() + bind2())
    expect(jidIn(answer)).toMatch(/^alice@im.test\/Balcony\/[\w-]{12}$/)
    expect(answer).toContain("<bound xmlns='urn:xmpp:bind:0'/></success><stream:features>")
    expect(answer).not.toContain('urn:ietf:params:xml:ns:xmpp-bind')
    stage.wire.says("<presence/><message to='bob@im.test'/>")
    expect(stage.rig.handler.received.map(({ stanza, session }) => `${stanza.kind} ${session.jid}`)).toEqual(
      [`presence ${jidIn(answer)}`, `message ${jidIn(answer)}`])
  })

  test('the same client gets the same resource, and its older session ends (§3.2, §3.2.1)', async () => {
    const stage = await scene()
    const jid = jidIn(await login(stage, userAgent() + bind2()))
    const wire = stage.rig.connect()
    wire.says(header(wire) + authenticate('PLAIN', plain('alice'), userAgent() + bind2()))
    expect(jidIn(await wire.until(/<success.*<\/stream:features>$/s))).toBe(jid)
    expect(stage.wire.take()).toMatch(streamError('conflict'))
    expect(stage.rig.sessions.size).toBe(1)
  })

  test('another client, another account and no client\'s id: other resources', async () => {
    const stage = await scene()
    const other = 'a4565fa7-4d72-4749-b3d3-740edbf87770'
    const jids = [jidIn(await login(stage, userAgent() + bind2()))]
    for (const [user, inside] of [['alice', userAgent(other)], ['bob', userAgent()], ['alice', ''], ['alice', '']] as const) {
      const wire = stage.rig.connect()
      wire.says(header(wire) + authenticate('PLAIN', plain(user), inside + bind2()))
      jids.push(jidIn(await wire.until(/<success.*<\/stream:features>$/s)))
    }
    expect(new Set(jids.map((jid) => jid.split('/')[2])).size).toBe(5)
  })

  test('L48: an id that is no UUID of version 4 is none, and none is ever shown', async () => {
    const seen = new Set<string>()
    for (const id of ['x', 'd4565fa7-4d72-1749-b3d3-740edbf87770', 'x'.repeat(5_000), 'd4565fa7-4d72-4749-b3d3-740edbf8777g']) {
      for (const again of [1, 2]) {
        const jid = jidIn(await login(await scene(), userAgent(id) + bind2()))
        expect([again, jid]).toEqual([again, expect.stringMatching(/^alice@im.test\/Balcony\/[\w-]{12}$/)])
        seen.add(jid)
      }
    }
    expect(seen.size).toBe(8)
  })

  test('a client\'s id is the same in capitals', async () => {
    const jids = []
    for (const id of ['d4565fa7-4d72-4749-b3d3-740edbf87770', 'D4565FA7-4D72-4749-B3D3-740EDBF87770']) {
      jids.push(jidIn(await login(await scene(), userAgent(id) + bind2())))
    }
    expect(jids[0]).toBe(jids[1])
  })

  test.each([
    ['of 3,000 bytes', 'x'.repeat(3_000), /^alice@im.test\/[\w-]{12}$/],
    ['with a control character', 'a&#x85;b', /^alice@im.test\/[\w-]{12}$/],
    ['that looks like an address', 'a@b/c', /^alice@im.test\/a@b\/c\/[\w-]{12}$/],
    ['of nothing', '', /^alice@im.test\/[\w-]{12}$/]
  ])('L47: a tag %s', async (_name, wanted, pattern) => {
    expect(jidIn(await login(await scene(), userAgent() + bind2('', wanted)))).toMatch(pattern)
  })

  test('who cannot have a resource is logged in without one, and may ask again (XEP-0205 §4.4)', async () => {
    const stage = await scene()
    stage.rig.handler.devices = 20
    const answer = await login(stage, bind2())
    expect(jidIn(answer)).toBe('alice@im.test')
    expect(answer).toMatch(/<\/success><stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'\/>/)
    expect(await stage.ask("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")).toContain('resource-limit-exceeded')
  })

  test('a client that is gone before it is bound leaves nothing', async () => {
    const { rig, wire } = await scene()
    rig.handler.onBound = async () => { wire.cut() }
    wire.says(authenticate('PLAIN', plain('alice'), bind2()))
    for (let turns = 0; rig.handler.over.length === 0 && turns < 1_000; turns++) await new Promise((done) => setTimeout(done, 1))
    expect(rig.handler.over).toEqual([{ jid: expect.stringMatching(/^alice@im.test\/Balcony/), reason: 'connection-lost' }])
    expect(rig.sessions.size).toBe(0)
  })
})
