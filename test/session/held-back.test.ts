/** What an inactive client does not get, and when it gets it (XEP-0352), with and without stream management. */
import { describe, expect, test } from '@jest/globals'
import type { LogRecord } from '../../src/session/stable-log.js'
import { xml, type Element } from '../../src/xml/element.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { Stanza } from '../../src/xmpp/stanza.js'
import { header, streamError, type Rig } from '../stream/rig.js'
import { ALICE, answer, bodies, ENABLE, loggedIn, managed, NS, resumes, rigOf, send } from './managed.js'

const CSI = "xmlns='urn:xmpp:csi:0'"
const ACTIVE = `<active ${CSI}/>`
const INACTIVE = `<inactive ${CSI}/>`
const STATES = 'http://jabber.org/protocol/chatstates'

function arrives(rig: Rig, kind: 'presence' | 'message' | 'iq', from: string, ...children: readonly Element[]): true | Promise<void> {
  const type = { presence: '', message: 'chat', iq: 'get' }[kind]
  const id = kind === 'iq' ? 'q' : undefined
  return rig.session(ALICE).deliver(Stanza.of({ kind, type, id, from: parseJid(from), to: parseJid(ALICE) }, ...children))
}

const shows = (rig: Rig, from: string, show: string): unknown => arrives(rig, 'presence', from, xml('show', {}, show))
const types = (rig: Rig, from: string, state: string): unknown => arrives(rig, 'message', from, xml(state, { xmlns: STATES }))

/** What came, in short. */
const news = (text: string): readonly string[] =>
  [...text.matchAll(/<(presence|message|iq)[^>]* from='([^']*)'[^>]*?(?:\/>|>(.*?)<\/\1>)/g)].map(([, , from, inside = '']) =>
    `${from}: ${/<(?:show|body)>([^<]*)/.exec(inside)?.[1] ?? /<(\w+) xmlns/.exec(inside)?.[1] ?? '-'}`)

describe('the indication', () => {
  test.each(['tcp', 'websocket', 'bosh'] as const)('is offered over %s after authentication, not before (§4.1)', async (kind) => {
    const rig = await rigOf()
    const fresh = rig.connect({ kind })
    fresh.says(header(fresh))
    expect(fresh.take().replace(/<authentication.*<\/authentication>/, '')).not.toContain('urn:xmpp:csi:0')
    const wire = rig.connect({ kind })
    wire.says(header(wire))
    wire.says("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAHNlY3JldA==</auth>")
    await wire.until(/<success/)
    wire.says(header(wire))
    expect(wire.take()).toContain(`<csi ${CSI}/>`)
  })

  test('has no answer, is taken before binding without an effect, and ends the stream before authentication (§4.2)', async () => {
    const rig = await rigOf()
    const early = await loggedIn(rig)
    early.take()
    early.says(INACTIVE)
    expect([early.take(), early.over]).toEqual(['', false])
    const fresh = rig.connect()
    fresh.says(header(fresh) + INACTIVE)
    expect(fresh.take()).toMatch(streamError('not-authorized'))
  })

  test('is one of two words', async () => {
    const wire = await (await rigOf()).login(ALICE)
    wire.says(`<asleep ${CSI}/>`)
    expect(wire.take()).toMatch(streamError('unsupported-stanza-type'))
  })
})

describe.each(['tcp', 'websocket', 'bosh'] as const)('while a client over %s is inactive', (kind) => {
  const clients = ['without', ...kind === 'bosh' ? [] : ['with']]

  test.each(clients)('%s stream management: only the newest of each sender waits, in order, until it is active (§3.2)', async (how) => {
    const rig = await rigOf()
    const wire = how === 'with' ? (await managed(rig, { kind })).wire : await rig.login(ALICE, { kind })
    shows(rig, 'bob@im.test/x', 'chat')
    wire.take()
    wire.says(INACTIVE)
    shows(rig, 'bob@im.test/x', 'away')
    types(rig, 'bob@im.test/x', 'composing')
    shows(rig, 'eve@im.test/x', 'dnd')
    shows(rig, 'bob@im.test/y', 'xa')
    types(rig, 'bob@im.test/x', 'paused')
    shows(rig, 'bob@im.test/x', 'chat')
    wire.says(INACTIVE)
    expect(news(wire.take())).toEqual([])
    wire.says(ACTIVE)
    expect(news(wire.take())).toEqual(['eve@im.test/x: dnd', 'bob@im.test/y: xa', 'bob@im.test/x: paused', 'bob@im.test/x: chat'])
    shows(rig, 'bob@im.test/x', 'away')
    expect(news(wire.take())).toEqual(['bob@im.test/x: away'])
    wire.says(ACTIVE)
    expect(wire.take()).toBe('')
  })

  test.each(clients)('%s stream management: what matters comes at once, after what waits; then the rest waits again (§5.1)', async (how) => {
    const rig = await rigOf()
    const wire = how === 'with' ? (await managed(rig, { kind })).wire : await rig.login(ALICE, { kind })
    wire.says(INACTIVE)
    const matters: readonly (() => unknown)[] = [
      () => { send(rig, 'hi') }, () => arrives(rig, 'iq', 'bob@im.test/x', xml('ping', { xmlns: 'urn:xmpp:ping' })),
      () => rig.session(ALICE).deliver(Stanza.of({ kind: 'presence', type: 'subscribe', from: parseJid('bob@im.test') }))
    ]
    for (const comes of matters) {
      shows(rig, 'eve@im.test/x', 'dnd')
      wire.take()
      comes()
      const [first, second, ...more] = news(wire.take())
      expect([first, second?.startsWith('bob@im.test'), more]).toEqual(['eve@im.test/x: dnd', true, []])
    }
  })
})

describe('with stream management', () => {
  test('I4: what waits has no number; what is void never gets one', async () => {
    const rig = await rigOf()
    const { wire } = await managed(rig)
    wire.says(INACTIVE)
    for (const show of ['away', 'xa', 'dnd']) shows(rig, 'bob@im.test/x', show)
    expect(rig.session(ALICE)).toMatchObject({ unacked: 0 })
    send(rig, 'hi')
    wire.take()
    expect(rig.session(ALICE)).toMatchObject({ unacked: 2 })
    wire.says(answer(2))
    expect([wire.take(), rig.session(ALICE)]).toMatchObject(['', { unacked: 0 }])
  })

  test('a stream that is resumed is active: what waited follows what was not acknowledged, undelayed (§5.2)', async () => {
    const rig = await rigOf()
    const { wire, id } = await managed(rig)
    wire.says(INACTIVE)
    send(rig, '1')
    for (const show of ['away', 'xa']) shows(rig, 'bob@im.test/x', show)
    wire.cut()
    for (const show of ['dnd', 'chat']) shows(rig, 'bob@im.test/x', show)
    const text = (await resumes(rig, id, 0)).take()
    expect(news(text)).toEqual(['bob@im.test/x: 1', 'bob@im.test/x: chat'])
    expect(text.match(/<delay/g)).toHaveLength(1)
    const again = await resumes(rig, id, 2)
    again.take()
    shows(rig, 'bob@im.test/x', 'away')
    expect(news(again.take())).toEqual(['bob@im.test/x: away'])
  })

  test('who enables it while inactive gets what waited before the answer, uncounted, and stays inactive', async () => {
    const rig = await rigOf()
    const wire = await rig.login(ALICE)
    wire.says(INACTIVE)
    shows(rig, 'bob@im.test/x', 'away')
    wire.take()
    wire.says(ENABLE)
    expect(wire.take()).toMatch(new RegExp(`^<presence .*</presence><enabled ${NS} `))
    expect(rig.session(ALICE)).toMatchObject({ unacked: 0 })
    shows(rig, 'bob@im.test/x', 'xa')
    expect(wire.take()).toBe('')
  })

  test('I1: what waits is in the log before anybody hears that it was taken; what nobody came for is nobody\'s', async () => {
    const records: LogRecord[] = []
    const held: (() => void)[] = []
    const append = (record: LogRecord): true | Promise<void> => {
      records.push(record)
      return record.type === 'HOLD' ? new Promise((resolve) => { held.push(resolve) }) : true
    }
    const rig = await rigOf({ stableLog: { append } })
    const { wire } = await managed(rig)
    wire.says(INACTIVE)
    const taken = shows(rig, 'bob@im.test/x', 'away')
    expect(taken).toBeInstanceOf(Promise)
    for (const go of held) go()
    await taken
    wire.says(ACTIVE)
    expect(records.map(({ type }) => type)).toEqual(['HOLD', 'OUT', 'RELEASE'])
    wire.says(INACTIVE)
    shows(rig, 'bob@im.test/x', 'xa')
    wire.says(answer(1) + '</stream:stream>')
    expect(rig.handler.left).toEqual([[]])
  })
})

describe('bounds', () => {
  test('as many as may wait are let go together when one more comes; none waits where the operator says 0', async () => {
    const rig = await rigOf({ session: { csiHeld: 3 } })
    const wire = await rig.login(ALICE)
    wire.says(INACTIVE)
    for (const n of [1, 2, 3, 4]) shows(rig, `c${n}@im.test/x`, 'away')
    expect(news(wire.take())).toEqual([1, 2, 3].map((n) => `c${n}@im.test/x: away`))
    wire.says(ACTIVE)
    expect(news(wire.take())).toEqual(['c4@im.test/x: away'])
    const none = await rigOf({ session: { csiHeld: 0 } })
    const other = await none.login(ALICE)
    other.says(INACTIVE)
    shows(none, 'bob@im.test/x', 'away')
    expect(news(other.take())).toEqual(['bob@im.test/x: away'])
  })

  test('bytes are bounded too', async () => {
    const rig = await rigOf()
    const wire = await rig.login(ALICE)
    wire.says(INACTIVE)
    const long = 'x'.repeat(100_000)
    for (const n of [1, 2, 3]) arrives(rig, 'presence', `c${n}@im.test/x`, xml('status', {}, long))
    expect(news(wire.take())).toHaveLength(2)
  })

  test('a sign of life that the server asks for wakes nobody up', async () => {
    const rig = await rigOf()
    const wire = await rig.login(ALICE)
    wire.says(INACTIVE)
    shows(rig, 'bob@im.test/x', 'away')
    ;(rig.session(ALICE) as unknown as { probe(): void }).probe()
    expect(wire.take()).toMatch(/^<iq [^>]*><ping xmlns='urn:xmpp:ping'\/><\/iq>$/)
    send(rig, 'hi')
    expect(bodies(wire.take())).toEqual(['hi'])
  })
})
