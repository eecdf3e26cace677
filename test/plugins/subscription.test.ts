import { beforeEach, describe, expect, test } from '@jest/globals'
import blocking from '../../src/plugins/blocking.js'
import presence from '../../src/plugins/presence.js'
import roster from '../../src/plugins/roster.js'
import subscription from '../../src/plugins/subscription.js'
import { pluginBench, type Bench, type BenchDevice } from './bench.js'

const NS = 'jabber:iq:roster'
const GET = `<iq type='get' id='g'><query xmlns='${NS}'/></iq>`

let bench: Bench
let romeo: BenchDevice
let juliet: BenchDevice

async function start(): Promise<void> {
  bench = await pluginBench([blocking, presence, roster, subscription], ['romeo@im.test', 'juliet@im.test'])
  romeo = await bench.binds('romeo@im.test/orchard')
  juliet = await bench.binds('juliet@im.test/balcony')
  for (const device of [romeo, juliet]) {
    await device.sends(GET)
    await device.sends('<presence/>')
    device.got()
  }
}
beforeEach(start)

const push = (device: BenchDevice, ver: number, item: string): string =>
  `iq set - > ${device.jid.toString()} <query xmlns='${NS}' ver='${ver}'>${item}</query>`

async function befriend(): Promise<void> {
  await romeo.sends("<presence to='juliet@im.test' type='subscribe'/>")
  await juliet.sends("<presence to='romeo@im.test' type='subscribed'/>")
  await juliet.sends("<presence to='romeo@im.test' type='subscribe'/>")
  await romeo.sends("<presence to='juliet@im.test' type='subscribed'/>")
  romeo.got()
  juliet.got()
}

describe('RFC 6121 §3.1: requesting', () => {
  test('T10: the request goes out from the bare JID to the bare JID, and the roster is pushed', async () => {
    await romeo.sends("<presence to='juliet@im.test/whatever' type='subscribe' id='r1'><status>hi</status></presence>")
    expect(romeo.got()).toEqual([push(romeo, 2, "<item jid='juliet@im.test' subscription='none' ask='subscribe'/>")])
    expect(juliet.got()).toEqual(['presence subscribe romeo@im.test > juliet@im.test <status>hi</status>'])
  })

  test('approval: delivered before the push, then presence (§3.1.5, §3.1.6)', async () => {
    await romeo.sends("<presence to='juliet@im.test' type='subscribe'/>")
    romeo.got()
    juliet.got()
    await juliet.sends("<presence to='romeo@im.test' type='subscribed'/>")
    expect(romeo.got()).toEqual([
      'presence subscribed juliet@im.test > romeo@im.test',
      push(romeo, 3, "<item jid='juliet@im.test' subscription='to'/>"),
      'presence juliet@im.test/balcony > romeo@im.test'
    ])
    expect(juliet.got()).toEqual([push(juliet, 2, "<item jid='romeo@im.test' subscription='from'/>")])
  })

  test('denial: the state goes back to none (§3.2)', async () => {
    await romeo.sends("<presence to='juliet@im.test' type='subscribe'/>")
    romeo.got()
    await juliet.sends("<presence to='romeo@im.test' type='unsubscribed'/>")
    expect(romeo.got()).toEqual([
      'presence unsubscribed juliet@im.test > romeo@im.test', push(romeo, 3, "<item jid='juliet@im.test' subscription='none'/>")
    ])
    expect((await bench.store.rosters.load(juliet.account)).items.size).toBe(0)
  })

  test('a request waits with its payload, comes at each presence session once, and no roster item shows it (§3.1.3)', async () => {
    await juliet.sends("<presence type='unavailable'/>")
    juliet.got()
    await romeo.sends("<presence to='juliet@im.test' type='subscribe'><status>It is the east</status></presence>")
    await romeo.sends("<presence to='juliet@im.test' type='subscribe'><status>again</status></presence>")
    expect(juliet.got()).toEqual([])
    for (let session = 0; session < 2; session++) {
      await juliet.sends('<presence><priority>-1</priority></presence>')
      await juliet.sends('<presence><priority>1</priority></presence>')
      const requests = juliet.got().filter((line) => line.includes('subscribe'))
      expect(requests).toEqual(['presence subscribe romeo@im.test > juliet@im.test <status>It is the east</status>' +
        "<delay xmlns='urn:xmpp:delay' from='juliet@im.test' stamp='1970-01-01T00:16:40.000Z'/>"])
      await juliet.sends("<presence type='unavailable'/>")
    }
    await juliet.sends(GET)
    expect(juliet.got().at(-1)).toBe(`iq result - > juliet@im.test/balcony <query xmlns='${NS}' ver='1'/>`)
  })

  test('who is entitled already gets "subscribed" at once (§3.1.3, rule 2)', async () => {
    await befriend()
    await romeo.sends("<presence to='juliet@im.test' type='subscribe' id='x'/>")
    expect(juliet.got()).toEqual([])
    expect(romeo.got()).toEqual(['presence juliet@im.test/balcony > romeo@im.test'])
  })

  test('T11: to oneself, nothing happens (§4.2.2)', async () => {
    await romeo.sends("<presence to='romeo@im.test' type='subscribe'/>")
    expect(romeo.got()).toEqual([])
  })

  test('T27: to nobody, there is no answer (§8.5.1)', async () => {
    for (const type of ['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed']) {
      await romeo.sends(`<presence to='nobody@im.test' type='${type}'/>`)
    }
    expect(romeo.got().filter((line) => line.startsWith('presence'))).toEqual([])
  })

  test('of more requests than an account keeps the oldest goes, so that a new one is always seen (§3.1.3, security warning)', async () => {
    for (let i = 0; i < 200; i++) {
      bench.now += 1000
      await bench.arrives(`<presence type='subscribe' from='s${i}@spam.test' to='juliet@im.test'/>`)
    }
    juliet.got()
    bench.now += 1000
    await romeo.sends("<presence to='juliet@im.test' type='subscribe'/>")
    expect(juliet.got()).toEqual(['presence subscribe romeo@im.test > juliet@im.test'])
    await romeo.sends("<presence to='juliet@im.test' type='subscribe'/>")           // the same again is not one more
    const { items } = await bench.store.rosters.load(juliet.account)
    expect(items.size).toBe(200)
    expect(['romeo@im.test', 's1@spam.test', 's0@spam.test'].map((jid) => items.has(jid))).toEqual([true, true, false])
  })
})

describe('RFC 6121 §3.2, §3.3: ending', () => {
  beforeEach(befriend)

  test('"unsubscribed": presence goes first, then the stanza, then pushes on both sides (§3.2.2, §3.2.3)', async () => {
    await juliet.sends("<presence to='romeo@im.test' type='unsubscribed'/>")
    expect(romeo.got()).toEqual([
      'presence unavailable juliet@im.test/balcony > romeo@im.test',
      'presence unsubscribed juliet@im.test > romeo@im.test',
      push(romeo, 5, "<item jid='juliet@im.test' subscription='from'/>")
    ])
    expect(juliet.got()).toEqual([push(juliet, 5, "<item jid='romeo@im.test' subscription='to'/>")])
  })

  test('"unsubscribe": the contact is told, hides and answers "unsubscribed" (§3.3.2, §3.3.3)', async () => {
    await romeo.sends("<presence to='juliet@im.test' type='unsubscribe'/>")
    expect(juliet.got()).toEqual([
      'presence unsubscribe romeo@im.test > juliet@im.test',
      push(juliet, 5, "<item jid='romeo@im.test' subscription='to'/>")
    ])
    expect(romeo.got()).toEqual([
      push(romeo, 5, "<item jid='juliet@im.test' subscription='from'/>"),
      'presence unavailable juliet@im.test/balcony > romeo@im.test'
    ])
  })

  test('after it nothing is broadcast any more', async () => {
    await juliet.sends("<presence to='romeo@im.test' type='unsubscribed'/>")
    romeo.got()
    await juliet.sends('<presence><show>away</show></presence>')
    expect(romeo.got()).toEqual([])
  })
})

describe('RFC 6121 §3.4: pre-approval', () => {
  test('T12: is noted and pushed, not routed; the request is then answered and never shown', async () => {
    await juliet.sends("<presence to='romeo@im.test' type='subscribed'/>")
    expect(juliet.got()).toEqual([push(juliet, 2, "<item jid='romeo@im.test' subscription='none' approved='true'/>")])
    expect(romeo.got()).toEqual([])
    await romeo.sends("<presence to='juliet@im.test' type='subscribe' id='r'/>")
    expect(juliet.got()).toEqual([push(juliet, 3, "<item jid='romeo@im.test' subscription='from' approved='true'/>")])
    expect(romeo.got()).toEqual([
      push(romeo, 2, "<item jid='juliet@im.test' subscription='none' ask='subscribe'/>"),
      'presence subscribed juliet@im.test > romeo@im.test',
      push(romeo, 3, "<item jid='juliet@im.test' subscription='to'/>"),
      'presence juliet@im.test/balcony > romeo@im.test'
    ])
  })

  test('is cancelled by "unsubscribed"', async () => {
    await juliet.sends("<presence to='romeo@im.test' type='subscribed'/>")
    await juliet.sends("<presence to='romeo@im.test' type='unsubscribed'/>")
    expect(juliet.got().at(-1)).toBe(push(juliet, 3, "<item jid='romeo@im.test' subscription='none'/>"))
    expect(romeo.got()).toEqual([])
  })
})

test('to another domain the stanza leaves with bare addresses', async () => {
  await romeo.sends("<presence to='nurse@far.test/x' type='subscribe'/>")
  expect(bench.abroad.map((stanza) => `${stanza.from?.toString() ?? ''} ${stanza.to?.toString() ?? ''}`)).toEqual([
    'romeo@im.test nurse@far.test'
  ])
})
