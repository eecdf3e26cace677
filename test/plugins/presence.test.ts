import { beforeEach, describe, expect, test } from '@jest/globals'
import blocking from '../../src/plugins/blocking.js'
import presence from '../../src/plugins/presence.js'
import roster from '../../src/plugins/roster.js'
import subscription from '../../src/plugins/subscription.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { pluginBench, type Bench, type BenchDevice } from './bench.js'

let bench: Bench
let romeo: BenchDevice

beforeEach(async () => {
  bench = await pluginBench([blocking, presence, roster, subscription], ['romeo@im.test', 'juliet@im.test', 'nurse@im.test'])
  romeo = await bench.binds('romeo@im.test/orchard')
})

/** Each sees the other. */
async function friends(a: string, b: string): Promise<void> {
  for (const [one, other] of [[parseJid(a), parseJid(b)], [parseJid(b), parseJid(a)]] as const) {
    const account = await bench.store.accounts.find(one)
    if (account === undefined) continue
    await bench.store.rosters.update(account, other, () => ({
      jid: other, name: '', groups: [], subscription: 'both', ask: false, approved: false, pendingIn: undefined, listed: true
    }))
  }
  bench.forget()
}

async function condition(xml: string): Promise<string> {
  romeo.stanzas()
  await romeo.sends(xml)
  return romeo.stanzas()[0]?.elements().at(-1)?.getChildElements()[0]?.name ?? 'accepted'
}

describe('RFC 6121 §4.2: initial presence', () => {
  test('reaches contacts and own devices, and brings theirs to the new device alone', async () => {
    await friends('romeo@im.test', 'juliet@im.test')
    const balcony = await bench.binds('juliet@im.test/balcony', '<presence><show>dnd</show></presence>')
    const chamber = await bench.binds('juliet@im.test/chamber', '<presence><priority>-5</priority></presence>')
    balcony.got()
    chamber.got()
    await romeo.sends('<presence><status>here</status></presence>')
    expect(romeo.got()).toEqual([
      'presence romeo@im.test/orchard > romeo@im.test <status>here</status>',
      'presence juliet@im.test/balcony > romeo@im.test/orchard <show>dnd</show>',
      'presence juliet@im.test/chamber > romeo@im.test/orchard <priority>-5</priority>'
    ])
    for (const device of [balcony, chamber]) expect(device.got()).toEqual([
      'presence romeo@im.test/orchard > juliet@im.test <status>here</status>'
    ])

    const desk = await bench.binds('romeo@im.test/desk', '<presence/>')
    expect(desk.got()).toEqual([
      'presence romeo@im.test/desk > romeo@im.test',
      'presence romeo@im.test/orchard > romeo@im.test/desk <status>here</status>',
      'presence juliet@im.test/balcony > romeo@im.test/desk <show>dnd</show>',
      'presence juliet@im.test/chamber > romeo@im.test/desk <priority>-5</priority>'
    ])
    expect(romeo.got()).toEqual(['presence romeo@im.test/desk > romeo@im.test'])
  })

  test('of one in a contact\'s domain: the probe goes out from the bare JID (§4.3.1)', async () => {
    await friends('romeo@im.test', 'paris@far.test')
    await romeo.sends('<presence/>')
    expect(bench.abroad.map((s) => `${s.type} ${s.from?.toString() ?? ''}`)).toEqual([' romeo@im.test/orchard', 'probe romeo@im.test'])
  })
})

describe('RFC 6121 §4.4: later presence', () => {
  test('is broadcast without new probes', async () => {
    await friends('romeo@im.test', 'juliet@im.test')
    const juliet = await bench.binds('juliet@im.test/balcony', '<presence/>')
    await romeo.sends('<presence/>')
    juliet.got()
    romeo.got()
    await romeo.sends('<presence><show>away</show></presence>')
    expect(juliet.got()).toEqual(['presence romeo@im.test/orchard > juliet@im.test <show>away</show>'])
    expect(romeo.got()).toEqual(['presence romeo@im.test/orchard > romeo@im.test <show>away</show>'])
  })
})

describe('RFC 6121 §4.5: unavailable', () => {
  let juliet: BenchDevice
  beforeEach(async () => {
    await friends('romeo@im.test', 'juliet@im.test')
    juliet = await bench.binds('juliet@im.test/balcony', '<presence/>')
    await romeo.sends('<presence/>')
    juliet.got()
    romeo.got()
  })

  test('with its status to contacts, other own devices and the device itself, once (§4.5.2)', async () => {
    const desk = await bench.binds('romeo@im.test/desk', '<presence/>')
    for (const device of [romeo, juliet, desk]) device.got()
    await romeo.sends("<presence type='unavailable'><status>bye</status></presence>")
    const gone = (to: string): string => `presence unavailable romeo@im.test/orchard > ${to} <status>bye</status>`
    expect(juliet.got()).toEqual([gone('juliet@im.test')])
    expect(desk.got()).toEqual([gone('romeo@im.test')])
    expect(romeo.got()).toEqual([gone('romeo@im.test/orchard')])
    await bench.ends(romeo)
    expect(juliet.got()).toEqual([])
  })

  test('a stream that ends without a word is spoken for, once', async () => {
    await bench.ends(romeo)
    expect(juliet.got()).toEqual(['presence unavailable romeo@im.test/orchard > juliet@im.test'])
  })

  test('a device that takes the place of another of its name hears nothing of that one, and contacts see it last', async () => {
    const next = await bench.binds('romeo@im.test/orchard', '<presence><status>new</status></presence>')
    await bench.ends(romeo)
    expect(next.got().filter((line) => line.includes('unavailable'))).toEqual([])
    expect(juliet.got().at(-1)).toBe('presence romeo@im.test/orchard > juliet@im.test <status>new</status>')
  })

  test('afterwards available presence is initial again', async () => {
    await romeo.sends("<presence type='unavailable'/>")
    romeo.got()
    await romeo.sends('<presence/>')
    expect(romeo.got()).toContain('presence juliet@im.test/balcony > romeo@im.test/orchard')
  })
})

describe('RFC 6121 §4.3: probes', () => {
  test('T13: of a stranger are answered "unsubscribed" from the bare JID, the same for a missing account (§4.3.2)', async () => {
    await bench.binds('nurse@im.test/kitchen', '<presence/>')
    for (const to of ['nurse@im.test', 'nobody@im.test']) {
      await romeo.sends(`<presence type='probe' to='${to}'/>`)
      expect(romeo.got()).toEqual([`presence unsubscribed ${to} > romeo@im.test/orchard`])
      for (const device of ['kitchen', 'none']) {
        await romeo.sends(`<presence type='probe' to='${to}/${device}'/>`)
        expect(romeo.got()).toEqual([])
      }
    }
  })

  test('of a contact are answered by each device; to a full JID by that one, which says no more than that it is there', async () => {
    await friends('romeo@im.test', 'juliet@im.test')
    await bench.binds('juliet@im.test/balcony', '<presence/>')
    await bench.binds('juliet@im.test/chamber', '<presence><show>dnd</show></presence>')
    await romeo.sends("<presence type='probe' to='juliet@im.test'/>")
    expect(romeo.got()).toEqual([
      'presence juliet@im.test/balcony > romeo@im.test/orchard', 'presence juliet@im.test/chamber > romeo@im.test/orchard <show>dnd</show>'
    ])
    await romeo.sends("<presence type='probe' to='juliet@im.test/chamber'/>")
    expect(romeo.got()).toEqual(['presence juliet@im.test/chamber > romeo@im.test/orchard'])
  })

  test('no client sees one', async () => {
    const nurse = await bench.binds('nurse@im.test/kitchen', '<presence/>')
    nurse.got()
    await romeo.sends("<presence type='probe' to='nurse@im.test/kitchen'/>")
    await romeo.sends("<presence type='probe'/>")
    expect(nurse.got()).toEqual([])
    expect(romeo.got()).toEqual([])
  })
})

describe('RFC 6121 §4.6: directed presence', () => {
  let nurse: BenchDevice
  beforeEach(async () => {
    nurse = await bench.binds('nurse@im.test/kitchen', '<presence/>')
    nurse.got()
  })

  test('to a stranger is followed by unavailable, also when none was broadcast (§4.6.3)', async () => {
    await romeo.sends("<presence to='nurse@im.test'><status>psst</status></presence>")
    expect(nurse.got()).toEqual(['presence romeo@im.test/orchard > nurse@im.test <status>psst</status>'])
    await bench.ends(romeo)
    expect(nurse.got()).toEqual(['presence unavailable romeo@im.test/orchard > nurse@im.test'])
  })

  test('does not make a subscriber; and ends with directed unavailable', async () => {
    await romeo.sends('<presence/>')
    await romeo.sends("<presence to='nurse@im.test'/>")
    nurse.got()
    await romeo.sends('<presence><show>xa</show></presence>')
    expect(nurse.got()).toEqual([])
    await romeo.sends("<presence to='nurse@im.test' type='unavailable'/>")
    expect(nurse.got()).toEqual(['presence unavailable romeo@im.test/orchard > nurse@im.test'])
    await romeo.sends("<presence type='unavailable'/>")
    expect(nurse.got()).toEqual([])
  })

  test('to a contact is not followed by a second unavailable', async () => {
    await friends('romeo@im.test', 'nurse@im.test')
    await romeo.sends('<presence/>')
    await romeo.sends("<presence to='nurse@im.test'/>")
    nurse.got()
    await bench.ends(romeo)
    expect(nurse.got()).toEqual(['presence unavailable romeo@im.test/orchard > nurse@im.test'])
  })

  test('who was shown it may probe that device and learns no more than that it is there (§4.6.6)', async () => {
    await romeo.sends('<presence><status>secret</status></presence>')
    await nurse.sends("<presence type='probe' to='romeo@im.test/orchard'/>")
    expect(nurse.got()).toEqual([])
    await romeo.sends("<presence to='nurse@im.test/kitchen'/>")
    nurse.got()
    await nurse.sends("<presence type='probe' to='romeo@im.test/orchard'/>")
    expect(nurse.got()).toEqual(['presence romeo@im.test/orchard > nurse@im.test/kitchen'])
  })

  test('whoever leaves first needs no goodbye (§4.6.1)', async () => {
    await romeo.sends("<presence to='nurse@im.test/kitchen'/>")
    await nurse.sends("<presence to='romeo@im.test/orchard' type='unavailable'/>")
    nurse.got()
    await bench.ends(romeo)
    expect(nurse.got()).toEqual([])
  })

  test('to more than a thousand is refused', async () => {
    for (let i = 0; i < 1000; i++) await romeo.sends(`<presence to='p${i}@far.test'/>`)
    expect(await condition("<presence to='one-more@far.test'/>")).toBe('resource-constraint')
    expect(await condition("<presence to='p7@far.test'/>")).toBe('accepted')
  })
})

describe('RFC 6121 §4.7: syntax', () => {
  test.each([
    ['T08 an unknown type', "<presence type='foo'/>"], ['T08 directed', "<presence type='foo' to='nurse@im.test'/>"],
    ['T09 a priority that is too high', '<presence><priority>200</priority></presence>'],
    ['T09 no number', '<presence><priority>abc</priority></presence>'],
    ['T09 two priorities', '<presence><priority>1</priority><priority>2</priority></presence>'],
    ['a subscription of nobody', "<presence type='subscribe'/>"]
  ])('%s: bad-request', async (_, xml) => {
    expect(await condition(xml)).toBe('bad-request')
    expect(romeo.presence).toBeUndefined()
  })

  test('an element of that name in another namespace is no priority', async () => {
    await romeo.sends("<presence><priority xmlns='urn:x'>abc</priority></presence>")
    expect(romeo.priority).toBe(0)
  })
})

describe('RFC 6121 §8.5.3.1: IQs to a device', () => {
  const ask = (to: string): string => `<iq type='get' id='q' to='${to}'><query xmlns='urn:x'/></iq>`
  let nurse: BenchDevice
  beforeEach(async () => {
    nurse = await bench.binds('nurse@im.test/kitchen', '<presence/>')
    nurse.got()
  })

  test('Q04: of a stranger are refused as if it were not there', async () => {
    for (const to of ['nurse@im.test/kitchen', 'nurse@im.test/away', 'nobody@im.test/x']) {
      expect(await condition(ask(to))).toBe('service-unavailable')
    }
    expect(nurse.got()).toEqual([])
  })

  test('of who may see its account pass', async () => {
    await friends('romeo@im.test', 'nurse@im.test')
    expect(await condition(ask('nurse@im.test/kitchen'))).toBe('accepted')
    expect(nurse.got()).toHaveLength(1)
  })

  test('of who was shown it directly pass until it goes; answers always do', async () => {
    await romeo.sends('<presence/>')
    await nurse.sends("<presence to='romeo@im.test'/>")
    expect(await condition(ask('nurse@im.test/kitchen'))).toBe('accepted')
    await romeo.sends("<iq type='result' id='q' to='nurse@im.test/kitchen'/>")
    expect(nurse.got().map((line) => line.slice(0, 9))).toEqual(['iq get ro', 'iq result'])
    await nurse.sends("<presence to='romeo@im.test' type='unavailable'/>")
    expect(await condition(ask('nurse@im.test/kitchen'))).toBe('service-unavailable')
  })
})
