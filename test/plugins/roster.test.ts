import { beforeEach, describe, expect, test } from '@jest/globals'
import blocking from '../../src/plugins/blocking.js'
import presence from '../../src/plugins/presence.js'
import roster from '../../src/plugins/roster.js'
import subscription from '../../src/plugins/subscription.js'
import { pluginBench, type Bench, type BenchDevice } from './bench.js'

const NS = 'jabber:iq:roster'
const plugins = [blocking, presence, roster, subscription]

let bench: Bench
let romeo: BenchDevice

beforeEach(async () => {
  bench = await pluginBench(plugins, ['romeo@im.test', 'juliet@im.test'])
  romeo = await bench.binds('romeo@im.test/orchard')
})

const getRoster = (ver?: string): string =>
  `<iq type='get' id='g'><query xmlns='${NS}'${ver === undefined ? '' : ` ver='${ver}'`}/></iq>`
const setItems = (...items: readonly string[]): string => `<iq type='set' id='s'><query xmlns='${NS}'>${items.join('')}</query></iq>`

async function error(xml: string): Promise<string> {
  romeo.stanzas()
  await romeo.sends(xml)
  const [answer, ...more] = romeo.stanzas()
  expect(more).toEqual([])
  const found = answer?.elements().find((element) => element.name === 'error')
  const condition = found?.getChildElements().find((element) => element.name !== 'text')
  return answer?.type === 'error' ? `${String(found?.attrs['type'])}/${condition?.name ?? ''}` : 'accepted'
}

describe('RFC 6121 §2.2: retrieving the roster', () => {
  test('an empty one is an empty query, with a version (§2.6.3)', async () => {
    await romeo.sends(getRoster())
    expect(romeo.got()).toEqual([`iq result - > romeo@im.test/orchard <query xmlns='${NS}' ver='1'/>`])
  })

  test('Q11: of another user is service-unavailable, the same when there is no such user', async () => {
    const ask = (to: string): string => `<iq type='get' id='g' to='${to}'><query xmlns='${NS}'/></iq>`
    expect(await error(ask('juliet@im.test'))).toBe('cancel/service-unavailable')
    expect(await error(ask('nobody@im.test'))).toBe('cancel/service-unavailable')
  })
})

describe('RFC 6121 §2.3: adding and updating', () => {
  test('pushes the item to every device that has asked for the roster, and to no other (§2.1.6)', async () => {
    const balcony = await bench.binds('romeo@im.test/balcony')
    const deaf = await bench.binds('romeo@im.test/deaf', '<presence/>')
    await romeo.sends(getRoster())
    await balcony.sends(getRoster())
    deaf.got()
    romeo.got()
    balcony.got()
    await romeo.sends(setItems("<item jid='Nurse@im.test/x' name='Nurse'><group>Servants</group></item>"))
    const query =
      `<query xmlns='${NS}' ver='2'><item jid='nurse@im.test' subscription='none' name='Nurse'><group>Servants</group></item></query>`
    expect(romeo.got()).toEqual(['iq result - > romeo@im.test/orchard', `iq set - > romeo@im.test/orchard ${query}`])
    expect(balcony.got()).toEqual([`iq set - > romeo@im.test/balcony ${query}`])
    expect(deaf.got()).toEqual([])
  })

  test('the same again changes nothing and pushes nothing', async () => {
    await romeo.sends(getRoster())
    await romeo.sends(setItems("<item jid='nurse@im.test'/>"))
    romeo.got()
    await romeo.sends(setItems("<item jid='nurse@im.test'/>"))
    expect(romeo.got()).toEqual(['iq result - > romeo@im.test/orchard'])
  })

  test('Q35: subscription, ask and approved are the server\'s (§2.1.2, §2.1.5)', async () => {
    await romeo.sends(setItems("<item jid='nurse@im.test' subscription='both' ask='subscribe' approved='true'/>"))
    await romeo.sends(getRoster())
    expect(romeo.got().at(-1)).toContain("<item jid='nurse@im.test' subscription='none'/>")
  })

  test('Q07 to Q13: what a roster set may not hold', async () => {
    expect(await error(setItems("<item jid='a@im.test'/>", "<item jid='b@im.test'/>"))).toBe('modify/bad-request')
    expect(await error(setItems())).toBe('modify/bad-request')
    expect(await error(setItems('<item/>'))).toBe('modify/bad-request')
    expect(await error(setItems("<item jid='@'/>"))).toBe('modify/jid-malformed')
    expect(await error(setItems("<item jid='a@im.test'><group>x</group><group>x</group></item>"))).toBe('modify/bad-request')
    expect(await error(setItems("<item jid='a@im.test'><group/></item>"))).toBe('modify/not-acceptable')
    expect(await error(setItems(`<item jid='a@im.test' name='${'n'.repeat(1024)}'/>`))).toBe('modify/not-acceptable')
    expect(await error(setItems(`<item jid='a@im.test'><group>${'é'.repeat(512)}</group></item>`))).toBe('modify/not-acceptable')
    const groups = Array.from({ length: 51 }, (_, i) => `<group>${i}</group>`).join('')
    expect(await error(setItems(`<item jid='a@im.test'>${groups}</item>`))).toBe('wait/resource-constraint')
    expect(await error(setItems("<item jid='romeo@im.test'/>"))).toBe('cancel/not-allowed')
    expect(await error(setItems("<item jid='x@im.test' subscription='remove'/>"))).toBe('cancel/item-not-found')
    expect(await error(setItems(`<item jid='a@im.test' name='${'n'.repeat(1023)}'/>`))).toBe('accepted')
  })

  test('Q10: another user\'s roster is forbidden, whether there is such a user or not (§2.1.5)', async () => {
    for (const who of ['juliet@im.test', 'nobody@im.test']) {
      expect(await error(`<iq type='set' id='s' to='${who}'><query xmlns='${NS}'><item jid='a@b'/></query></iq>`)).toBe('auth/forbidden')
    }
  })

  test('Q12: one item more than allowed', async () => {
    bench = await pluginBench(plugins, ['romeo@im.test'], { settings: () => ({ itemsMax: 2 }) })
    romeo = await bench.binds('romeo@im.test/orchard')
    expect(await error(setItems("<item jid='a@b'/>"))).toBe('accepted')
    expect(await error(setItems("<item jid='c@d'/>"))).toBe('accepted')
    expect(await error(setItems("<item jid='e@f'/>"))).toBe('wait/resource-constraint')
    expect(await error(setItems("<item jid='a@b' name='A'/>"))).toBe('accepted')
    expect(await error("<presence to='g@h' type='subscribe'/>")).toBe('wait/resource-constraint')
  })
})

describe('RFC 6121 §2.5: removing', () => {
  test('pushes subscription="remove", and cancels both subscriptions (§2.5.2)', async () => {
    const juliet = await bench.binds('juliet@im.test/balcony')
    for (const device of [romeo, juliet]) await device.sends(getRoster())
    await romeo.sends('<presence/>')
    await juliet.sends('<presence/>')
    await romeo.sends("<presence to='juliet@im.test' type='subscribe'/>")
    await juliet.sends("<presence to='romeo@im.test' type='subscribed'/>")
    await juliet.sends("<presence to='romeo@im.test' type='subscribe'/>")
    await romeo.sends("<presence to='juliet@im.test' type='subscribed'/>")
    romeo.got()
    juliet.got()
    await romeo.sends(setItems("<item jid='juliet@im.test' subscription='remove'/>"))
    const own = romeo.got()
    expect(own.slice(0, 2)).toEqual([
      'iq result - > romeo@im.test/orchard',
      `iq set - > romeo@im.test/orchard <query xmlns='${NS}' ver='5'><item jid='juliet@im.test' subscription='remove'/></query>`
    ])
    expect(own.at(-1)).toBe('presence unavailable juliet@im.test/balcony > romeo@im.test')
    const hers = juliet.got()
    expect(hers[0]).toBe('presence unavailable romeo@im.test/orchard > juliet@im.test')
    expect(hers).toContain('presence unsubscribed romeo@im.test > juliet@im.test')
    expect(hers).toContain('presence unsubscribe romeo@im.test > juliet@im.test')
    expect(hers.at(-1)).toContain("<item jid='romeo@im.test' subscription='none'/>")
  })
})

describe('RFC 6121 §2.6: versions', () => {
  beforeEach(async () => {
    for (const jid of ['a@b', 'c@d', 'e@f']) await romeo.sends(setItems(`<item jid='${jid}'/>`))
    romeo.got()
  })

  test('the present version: an empty result and nothing else', async () => {
    await romeo.sends(getRoster('4'))
    expect(romeo.got()).toEqual(['iq result - > romeo@im.test/orchard'])
  })

  test('an older one: an empty result, then one push for each changed item, in order', async () => {
    await romeo.sends(setItems("<item jid='c@d' subscription='remove'/>"))
    await romeo.sends(setItems("<item jid='a@b' name='A'/>"))
    romeo.got()
    await romeo.sends(getRoster('5'))
    expect(romeo.got()).toEqual([
      'iq result - > romeo@im.test/orchard',
      `iq set - > romeo@im.test/orchard <query xmlns='${NS}' ver='6'><item jid='a@b' subscription='none' name='A'/></query>`
    ])
  })

  test.each([['', 'none yet'], ['99', 'of the future'], ['abc', 'of another server'], ['1', 'more changes than items']])(
    '%s (%s): the whole roster', async (ver) => {
    await romeo.sends(getRoster(ver))
    const [answer, ...more] = romeo.got()
    expect(more).toEqual([])
    expect(answer).toContain(`<query xmlns='${NS}' ver='4'><item jid='a@b' subscription='none'/><item jid='c@d'`)
  })

  test('the stream says that it can (§2.6.1, §3.4)', () => {
    const features = bench.pipeline.streamFeatures?.map(({ run }) => run({} as never).map(String)).flat()
    expect(features).toEqual(['<ver xmlns="urn:xmpp:features:rosterver"/>', '<sub xmlns="urn:xmpp:features:pre-approval"/>'])
  })
})

describe('RFC 6121 §2.1.6: pushes are the server\'s own', () => {
  const forged = (ns: string, inside: string, to = 'juliet@im.test/balcony'): string => `<iq type='set' id='p' to='${to}'>${
    inside.replace('>', ` xmlns='${ns}'>`)}</iq>`
  const PUSH = "<query><item jid='mallory@im.test' subscription='both'/></query>"
  const BLOCK = "<block><item jid='nurse@im.test'/></block>"

  test.each([[NS, PUSH], ['urn:xmpp:blocking', BLOCK], ['urn:xmpp:blocking', BLOCK.replaceAll('block', 'unblock')]])(
    'one of %s from somebody else is refused, also from a friend, and no device sees it', async (ns, inside) => {
      const juliet = await bench.binds('juliet@im.test/balcony', '<presence/>')
      for (const [one, other] of [[romeo, 'juliet@im.test'], [juliet, 'romeo@im.test']] as const) {
        await one.sends(`<presence to='${other}' type='subscribe'/>`)
        await (one === romeo ? juliet : romeo).sends(`<presence to='${one.jid.bare.toString()}' type='subscribed'/>`)
      }
      expect(await error("<iq type='set' id='p' to='juliet@im.test/balcony'><x xmlns='urn:x'/></iq>")).toBe('accepted')
      juliet.got()
      expect(await error(forged(ns, inside))).toBe('cancel/service-unavailable')
      expect(juliet.got()).toEqual([])
    })
})
