/** What may be said of stream management, when, and what hostile input gets (XEP-0198 §3-§6). */
import { describe, expect, test } from '@jest/globals'
import type { Binder } from '../../src/stream/features/bind.js'
import type { FeatureHost } from '../../src/stream/features/feature.js'
import { parseDocument } from '../../src/xml/document.js'
import type { XmlLimits } from '../../src/xml/raw.js'
import { enabledText, enableWish, failedText, resumedText, resumeWish, streamManagement } from '../../src/stream/features/sm.js'
import { ALICE, answer, ASK, ENABLE, loggedIn, managed, NS, resume, resumes, rigOf, send } from '../session/managed.js'
import { header, streamError } from './rig.js'

const LIMITS: XmlLimits = { stanzaBytes: 10_000, elements: 10, depth: 8, attributes: 8, namespaces: 8, nameBytes: 100 }
const STANZAS = "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"
const failed = (condition: string, h = ''): string => `<failed ${NS}${h}><${condition} ${STANZAS}/></failed>`
const bindWorks = /<jid>alice@im.test\/other<\/jid>/
const BIND = "<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>other</resource></bind></iq>"

describe('the offer', () => {
  test.each(['tcp', 'websocket'] as const)('stands in the features after authentication over %s, not before (§2)', async (kind) => {
    const rig = await rigOf()
    const fresh = rig.connect({ kind })
    fresh.says(header(fresh))
    expect(fresh.take().replace(/<authentication.*<\/authentication>/, '')).not.toContain('urn:xmpp:sm:3')
    const wire = rig.connect({ kind })
    wire.says(header(wire))
    wire.says("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAHNlY3JldA==</auth>")
    await wire.until(/<success/)
    wire.says(header(wire))
    expect(wire.take()).toContain(`<sm ${NS}/>`)
  })

  test('is not made over BOSH, which has its own acknowledgements; who asks nevertheless hears so', () => {
    const said: string[] = []
    const host = {
      kind: 'bosh', flags: { secure: true, authenticated: true, bound: false }, identity: {}, send: (text: string) => said.push(text)
    } as unknown as FeatureHost
    const feature = streamManagement({} as Binder)
    expect(feature.offer(host)).toBe('')
    const negotiator = feature.begin(host)
    for (const text of [resume('x', 0), ENABLE]) expect(negotiator.take(parseDocument(Buffer.from(text), LIMITS))).toBe('more')
    expect(said).toEqual([failed('feature-not-implemented'), failed('feature-not-implemented')])
  })
})

describe('enabling', () => {
  test('gives an id of 128 random bits and a hint of the node, and says how long the session is kept (§3)', async () => {
    const rig = await rigOf()
    const wire = await rig.login(ALICE)
    wire.says(ENABLE)
    const text = wire.take()
    expect(text).toMatch(new RegExp(`^<enabled ${NS} id='[0-9a-f]{32}-[0-9a-f]{8}' resume='true' max='300'/>$`))
    expect(text).toContain(rig.session(ALICE).session)
  })

  test.each([
    ['1', '', 300], ['true', "max='20'", 20], ['true', "max='999999999'", 300], ['true', "max='x'", 300], ['true', "max='0'", 300]
  ])('M15: resume=%j %s: kept for %i s', async (value, max, seconds) => {
    const wire = await (await rigOf()).login(ALICE)
    wire.says(`<enable ${NS} resume='${value}' ${max}/>`)
    expect(wire.take()).toContain(` max='${seconds}'`)
  })

  test.each(['', "resume='false'", "resume='0'", "resume='yes'"])('without a wish to resume (%j) there is no id', async (attribute) => {
    const wire = await (await rigOf()).login(ALICE)
    wire.says(`<enable ${NS} ${attribute}/>`)
    expect(wire.take()).toBe(`<enabled ${NS}/>`)
  })

  test('an operator may say where clients come back to, or that nobody may', async () => {
    const named = await (await rigOf({ session: { smLocation: 'n1.im.test:5222' } })).login(ALICE)
    named.says(ENABLE)
    expect(named.take()).toContain(" location='n1.im.test:5222'")
    const none = await (await rigOf({ session: { smResumeSeconds: 0 } })).login(ALICE)
    none.says(ENABLE)
    expect(none.take()).toBe(`<enabled ${NS}/>`)
  })

  test('M01: before binding and before authentication: unexpected-request, and the stream goes on (§3)', async () => {
    const rig = await rigOf()
    const fresh = rig.connect()
    fresh.says(header(fresh))
    fresh.take()
    fresh.says(ENABLE)
    expect(fresh.take()).toBe(failed('unexpected-request'))
    const wire = await loggedIn(rig)
    wire.says(ENABLE)
    expect(wire.take()).toBe(failed('unexpected-request'))
    wire.says(BIND)
    expect(await wire.until(/<jid>/)).toMatch(bindWorks)
  })

  test('M02: a second time: unexpected-request, then policy-violation (§3)', async () => {
    const { wire } = await managed(await rigOf())
    wire.says(ENABLE)
    const text = wire.take()
    expect(text).toContain(failed('unexpected-request'))
    expect(text).toMatch(streamError('policy-violation'))
  })
})

describe('answers', () => {
  test('M03: more than was sent: undefined-condition with both counts, and the session is over (§6)', async () => {
    const rig = await rigOf()
    const { wire } = await managed(rig)
    send(rig, ...'12345678')
    wire.says(answer(10))
    const text = wire.take()
    expect(text).toContain(`<handled-count-too-high ${NS} h='10' send-count='8'/>`)
    expect(text).toMatch(streamError('undefined-condition'))
    expect(rig.handler.left[0]).toHaveLength(8)
  })

  test.each([`<a ${NS}/>`, answer('-1'), answer('x'), answer('4294967296'), answer('')])('M04: %s: bad-format (§4, §13)', async (text) => {
    const { wire } = await managed(await rigOf())
    wire.says(text)
    expect(wire.take()).toMatch(streamError('bad-format'))
  })

  test('M05: fewer than before: ignored, with a warning (§4)', async () => {
    const rig = await rigOf()
    const { wire } = await managed(rig)
    send(rig, '1', '2')
    wire.says(answer(2) + answer(1))
    expect(wire.ended).toBe(false)
    expect(rig.lines.filter(({ level }) => level === 'warn').map(({ event }) => event)).toEqual(['session.acknowledged-less'])
    expect(rig.sessions.count()).toEqual({ detached: 0, unacked: 0 })
  })

  test('M17: before anything was enabled questions and answers are passed over (§4)', async () => {
    const rig = await rigOf()
    const early = await loggedIn(rig)
    early.says(ASK + answer(0))
    expect([early.take(), early.ended]).toEqual(['', false])
    const wire = await rig.login(ALICE)
    wire.says(ASK + answer(7))
    expect([wire.take(), wire.ended]).toEqual(['', false])
  })

  test('anything else of that namespace: unsupported-stanza-type (RFC 6120 §4.8.4)', async () => {
    const { wire } = await managed(await rigOf())
    wire.says(`<enabled ${NS}/>`)
    expect(wire.take()).toMatch(streamError('unsupported-stanza-type'))
  })
})

describe('resuming', () => {
  test.each(['garbage', '', `${'0'.repeat(32)}-00000000`, "x&apos; or 1=1 --", 'x'.repeat(5_000)])(
    'M07, M11: %.40s: item-not-found, and the client may bind (§5)', async (id) => {
      const rig = await rigOf()
      const wire = await resumes(rig, id, 0)
      expect(wire.take()).toBe(failed('item-not-found'))
      wire.says(BIND)
      expect(await wire.until(/<jid>/)).toMatch(bindWorks)
      expect(rig.resumes.counts).toEqual({ unknown: 1 })
    })

  test("M08: another account's: the same bytes as for an unknown one, and a warning with both addresses (§5, §10)", async () => {
    const rig = await rigOf()
    const { wire, id } = await managed(rig)
    wire.cut()
    const bob = await loggedIn(rig, 'bob')
    bob.says(resume(id, 0))
    expect(await bob.until(/<failed/)).toBe(failed('item-not-found'))
    expect(rig.lines.find(({ event }) => event === 'session.resume-foreign')).toMatchObject(
      { level: 'warn', fields: { jid: 'bob@im.test', of: ALICE } })
    expect((await resumes(rig, id, 0)).take()).toContain('<resumed')
    expect(rig.resumes.counts).toEqual({ foreign: 1, resumed: 1 })
  })

  test('M09, M10: before authentication and after binding: unexpected-request (§3, §6)', async () => {
    const rig = await rigOf()
    const fresh = rig.connect()
    fresh.says(header(fresh))
    fresh.take()
    fresh.says(resume('x', 0))
    expect(fresh.take()).toBe(failed('unexpected-request'))
    const { wire, id } = await managed(rig)
    wire.says(resume(id, 0))
    expect([wire.take(), wire.ended]).toEqual([failed('unexpected-request'), false])
  })

  test('M13: with a count above what was sent: handled-count-too-high; the session stays for who counts right (§6)', async () => {
    const rig = await rigOf()
    const { wire, id } = await managed(rig)
    send(rig, '1')
    wire.cut()
    const wrong = await resumes(rig, id, 2)
    expect(wrong.take()).toContain(`<handled-count-too-high ${NS} h='2' send-count='1'/>`)
    expect((await resumes(rig, id, 1)).take()).toContain('<resumed')
  })

  test.each([`<resume ${NS} previd='x'/>`, `<resume ${NS} h='0'/>`, resume('x', 'x'), resume('x', '-1')])(
    'M18: %s: bad-request, and the client may bind (§5, §6)', async (text) => {
      const wire = await loggedIn(await rigOf())
      wire.says(text)
      expect(wire.take()).toBe(failed('bad-request'))
      wire.says(BIND)
      expect(await wire.until(/<jid>/)).toMatch(bindWorks)
    })

  test('after ten failures the next one ends the stream', async () => {
    const wire = await loggedIn(await rigOf())
    for (let i = 0; i < 11; i++) wire.says(resume('x', 'x'))
    expect(wire.take()).toMatch(streamError('policy-violation'))
  })
})

describe('texts that other features put inline', () => {
  test('are the same elements (§9)', () => {
    expect(enabledText({ id: "a'b", max: 5, location: 'h:1' })).toBe(`<enabled ${NS} id='a&apos;b' resume='true' max='5' location='h:1'/>`)
    expect(resumedText({ previd: 'a<b', h: 7 })).toBe(`<resumed ${NS} previd='a&lt;b' h='7'/>`)
    expect(failedText({ condition: 'item-not-found', h: 3 })).toBe(failed('item-not-found', " h='3'"))
    expect(enableWish({ resume: '1', max: '9' })).toEqual({ resume: true, max: 9 })
    expect([resumeWish({ previd: 'x', h: '4294967295' }), resumeWish({ previd: 'x', h: '4294967296' })]).toEqual(
      [{ previd: 'x', h: 4_294_967_295 }, undefined])
  })
})
