import { beforeEach, describe, expect, test } from '@jest/globals'
import blocking, { isBlocked } from '../../src/plugins/blocking.js'
import ping from '../../src/plugins/ping.js'
import presence from '../../src/plugins/presence.js'
import roster from '../../src/plugins/roster.js'
import subscription from '../../src/plugins/subscription.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { pluginBench, type Bench, type BenchDevice } from './bench.js'

const NS = 'urn:xmpp:blocking'
const plugins = [blocking, ping, presence, roster, subscription]
let bench: Bench
let romeo: BenchDevice
let juliet: BenchDevice

beforeEach(async () => {
  bench = await pluginBench(plugins, ['romeo@im.test', 'juliet@im.test', 'nurse@im.test'])
  romeo = await bench.binds('romeo@im.test/orchard')
  juliet = await bench.binds('juliet@im.test/balcony')
  for (const device of [romeo, juliet]) {
    await device.sends('<presence/>')
    device.got()
  }
})

const items = (jids: readonly string[]): string => jids.map((jid) => `<item jid='${jid}'/>`).join('')
const block = (...jids: readonly string[]): string => `<iq type='set' id='b'><block xmlns='${NS}'>${items(jids)}</block></iq>`
const unblock = (...jids: readonly string[]): string => `<iq type='set' id='u'><unblock xmlns='${NS}'>${items(jids)}</unblock></iq>`
const list = `<iq type='get' id='l'><blocklist xmlns='${NS}'/></iq>`
const say = (to: string, type = 'chat'): string => `<message type='${type}' to='${to}'><body>x</body></message>`

async function condition(device: BenchDevice, xml: string): Promise<string> {
  device.stanzas()
  await device.sends(xml)
  const error = device.stanzas().find((stanza) => stanza.type === 'error')?.elements().at(-1)
  return error === undefined ? 'none' : error.getChildElements().map((child) => child.name).join('+')
}

async function friends(): Promise<void> {
  await romeo.sends("<presence to='juliet@im.test' type='subscribe'/>")
  await juliet.sends("<presence to='romeo@im.test' type='subscribed'/>")
  await juliet.sends("<presence to='romeo@im.test' type='subscribe'/>")
  await romeo.sends("<presence to='juliet@im.test' type='subscribed'/>")
  romeo.got()
  juliet.got()
}

describe('XEP-0191 §3.2 to §3.5: the list', () => {
  test('is empty, grows and shrinks; devices that asked for it are told', async () => {
    const desk = await bench.binds('romeo@im.test/desk')
    await desk.sends(list)
    expect(desk.got()).toEqual([`iq result - > romeo@im.test/desk <blocklist xmlns='${NS}'/>`])
    await romeo.sends(block('Tybalt@im.test', 'paris@far.test/x'))
    expect(romeo.got()).toEqual(['iq result - > romeo@im.test/orchard'])
    expect(desk.got()).toEqual([
      `iq set - > romeo@im.test/desk <block xmlns='${NS}'>${items(['tybalt@im.test', 'paris@far.test/x'])}</block>`
    ])
    await romeo.sends(unblock('tybalt@im.test'))
    expect(desk.got()).toEqual([`iq set - > romeo@im.test/desk <unblock xmlns='${NS}'>${items(['tybalt@im.test'])}</unblock>`])
    await desk.sends(list)
    expect(desk.got()).toEqual([`iq result - > romeo@im.test/desk <blocklist xmlns='${NS}'>${items(['paris@far.test/x'])}</blocklist>`])
    await romeo.sends(unblock())
    expect(desk.got()).toEqual([`iq set - > romeo@im.test/desk <unblock xmlns='${NS}'/>`])
    await desk.sends(list)
    expect(desk.got()).toEqual([`iq result - > romeo@im.test/desk <blocklist xmlns='${NS}'/>`])
  })

  test('Q36: a block without items, without addresses or with malformed ones is refused, and nothing is blocked', async () => {
    expect(await condition(romeo, block())).toContain('bad-request')
    expect(await condition(romeo, `<iq type='set' id='b'><block xmlns='${NS}'><item/></block></iq>`)).toContain('bad-request')
    expect(await condition(romeo, block('a@im.test', '@'))).toContain('jid-malformed')
    expect(await bench.store.values.get(romeo.account, 'blocklist')).toBeUndefined()
  })

  test('Q34: is not longer than allowed', async () => {
    bench = await pluginBench(plugins, ['romeo@im.test'], { settings: () => ({ itemsMax: 2 }) })
    romeo = await bench.binds('romeo@im.test/orchard')
    expect(await condition(romeo, block('a@b', 'c@d'))).toBe('none')
    expect(await condition(romeo, block('a@b'))).toBe('none')
    expect(await condition(romeo, block('e@f'))).toContain('resource-constraint')
  })
})

test('XEP-0191 §5: what an item matches', () => {
  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['a@b.c/d', ['a@b.c/d'], ['a@b.c', 'a@b.c/e', 'b.c/d']],
    ['a@b.c', ['a@b.c', 'a@b.c/d'], ['x@b.c', 'b.c']],
    ['b.c/d', ['b.c/d', 'a@b.c/d'].slice(0, 1), ['b.c', 'a@b.c', 'b.c/e']],
    ['b.c', ['b.c', 'a@b.c', 'a@b.c/d', 'b.c/d'], ['x.b.c', 'a@c']]
  ]
  for (const [item, yes, no] of cases) {
    const matches = (jid: string): boolean => isBlocked(new Set([item]), parseJid(jid))
    expect([item, yes.map(matches), no.map(matches)]).toEqual([item, yes.map(() => true), no.map(() => false)])
  }
})

describe('XEP-0191 §3.3: a blocked JID', () => {
  beforeEach(() => romeo.sends(block('juliet@im.test')))

  test('Q38: reaches nothing: messages and IQs are service-unavailable, presence and answers vanish', async () => {
    romeo.got()
    expect(await condition(juliet, say('romeo@im.test'))).toBe('service-unavailable')
    expect(await condition(juliet, say('romeo@im.test/orchard'))).toBe('service-unavailable')
    for (const to of ['romeo@im.test', 'romeo@im.test/orchard']) {
      expect(await condition(juliet, `<iq type='get' id='p' to='${to}'><ping xmlns='urn:xmpp:ping'/></iq>`)).toBe('service-unavailable')
    }
    for (const type of ['', 'unavailable', 'subscribe', 'subscribed', 'unsubscribe', 'probe']) {
      expect(await condition(juliet, `<presence to='romeo@im.test'${type === '' ? '' : ` type='${type}'`}/>`)).toBe('none')
    }
    expect(await condition(juliet, "<iq type='result' id='p' to='romeo@im.test/orchard'/>")).toBe('none')
    expect(await condition(juliet, say('romeo@im.test', 'error'))).toBe('none')
    expect(romeo.got()).toEqual([])
  })

  test('Q37: cannot be written to: not-acceptable with blocked', async () => {
    expect(await condition(romeo, say('juliet@im.test'))).toBe('not-acceptable+blocked')
    expect(await condition(romeo, "<presence to='juliet@im.test'/>")).toBe('not-acceptable+blocked')
    expect(await condition(romeo, "<presence to='juliet@im.test' type='subscribe'/>")).toBe('not-acceptable+blocked')
    expect(await condition(romeo, "<iq type='get' id='p' to='juliet@im.test/balcony'><ping xmlns='urn:xmpp:ping'/></iq>"))
      .toBe('not-acceptable+blocked')
    expect(await condition(romeo, say('juliet@im.test', 'error'))).toBe('none')
    expect(await condition(romeo, "<iq type='error' id='p' to='juliet@im.test/balcony'/>")).toBe('none')
    expect(juliet.got()).toEqual([])
  })

  test('passes again when it is unblocked', async () => {
    await romeo.sends(unblock('juliet@im.test'))
    expect(await condition(juliet, say('romeo@im.test'))).toBe('none')
    expect(romeo.got().at(-1)).toBe('message chat juliet@im.test/balcony > romeo@im.test <body>x</body>')
  })
})

describe('XEP-0191 §3.3, §3.4: presence', () => {
  beforeEach(friends)

  test('goes when a contact is blocked, stays away, and comes back', async () => {
    await romeo.sends(block('juliet@im.test'))
    expect(juliet.got()).toEqual(['presence unavailable romeo@im.test/orchard > juliet@im.test'])
    await romeo.sends('<presence><show>away</show></presence>')
    await juliet.sends('<presence><show>dnd</show></presence>')
    expect(juliet.got()).toEqual(['presence juliet@im.test/balcony > juliet@im.test <show>dnd</show>'])
    expect(romeo.got()).not.toContain('presence juliet@im.test/balcony > romeo@im.test <show>dnd</show>')
    await romeo.sends(unblock('juliet@im.test'))
    expect(juliet.got()).toEqual(['presence romeo@im.test/orchard > juliet@im.test <show>away</show>'])
    expect(romeo.got().at(-1)).toBe('presence juliet@im.test/balcony > romeo@im.test <show>dnd</show>')
  })

  test.each(['nurse@im.test', 'nurse@im.test/kitchen', 'im.test'])('goes from those it was directed to when %s is blocked, once', async (jid) => {
    const nurse = await bench.binds('nurse@im.test/kitchen', '<presence/>')
    await romeo.sends("<presence to='nurse@im.test/kitchen'/>")
    nurse.got()
    await romeo.sends(block('nobody@im.test'))
    expect(nurse.got()).toEqual([])
    await romeo.sends(block(jid))
    await romeo.sends("<presence type='unavailable'/>")
    expect(nurse.got()).toEqual(['presence unavailable romeo@im.test/orchard > nurse@im.test/kitchen'])
  })

  test('of a whole domain: each contact there, once', async () => {
    await romeo.sends(block('im.test'))
    expect(juliet.got()).toEqual(['presence unavailable romeo@im.test/orchard > juliet@im.test'])
    await romeo.sends(block('juliet@im.test'))
    expect(juliet.got()).toEqual([])
  })
})

test('own devices and the own server are never blocked (XEP-0191 §6)', async () => {
  const desk = await bench.binds('romeo@im.test/desk', '<presence/>')
  await romeo.sends(block('im.test', 'romeo@im.test'))
  desk.got()
  expect(await condition(romeo, say('romeo@im.test/desk'))).toBe('none')
  expect(desk.got()).toEqual(['message chat romeo@im.test/orchard > romeo@im.test/desk <body>x</body>'])
  expect(await condition(romeo, "<iq type='get' id='p' to='im.test'><ping xmlns='urn:xmpp:ping'/></iq>")).toBe('none')
})
