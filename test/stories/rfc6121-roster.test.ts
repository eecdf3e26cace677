/** RFC 6121 §2, the roster, as devices on two nodes meet it. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { TestClient } from '../support/client.js'
import type { StrategyName } from '../support/cluster.js'
import { clear, condition, features, got, items, NS_ROSTER, roster, Scene, settled } from '../support/scene.js'

const item = (inside: string): string => `<query xmlns='${NS_ROSTER}'>${inside}</query>`
const change = (client: TestClient, inside: string): ReturnType<TestClient['iq']> => client.iq('set', '', item(inside))

describe.each<[StrategyName]>([['broadcast'], ['online-users-caching']])('RFC 6121 §2 on two nodes with %s', (strategy) => {
  let scene: Scene

  beforeAll(async () => {
    scene = await Scene.of(strategy)
  }, 60_000)
  afterAll(() => scene.end())

  test('§2.1.4: a roster without contacts is a query without items', async () => {
    const [romeo] = await scene.people('romeo')
    const device = await scene.device(romeo, 0, 'orchard', { interested: false })
    const answer = await roster(device)
    expect(answer.attrs['type']).toBe('result')
    expect(answer.getChild('query', NS_ROSTER)?.getChildElements()).toEqual([])
  })

  test('§2.3.2: a new item is answered, and pushed to every interested device, the sender\'s own too, and to no other', async () => {
    const [romeo] = await scene.people('romeo')
    const [orchard, tomb] = await scene.pair(romeo, 'orchard', 'tomb')
    const deaf = await scene.device(romeo, 1, 'deaf', { interested: false, keep: true })
    await deaf.presence(orchard.jid)
    const merely = await scene.device(romeo, 1, 'merely-connected', { available: false })
    await settled(orchard, deaf)
    clear(orchard, tomb, deaf)
    expect(condition(await change(orchard, `<item jid='nurse@localhost' name='Nurse'><group>Servants</group></item>`))).toBe('result')
    await settled(orchard, tomb, deaf, merely, orchard)
    for (const device of [orchard, tomb, merely]) expect(got(device)).toEqual(['push nurse none "Nurse" [Servants]'])
    expect(got(deaf)).toEqual([])
  })

  test('§2.1.6: a push is from no one or from the own bare JID, for the device\'s full JID, with a version', async () => {
    const [romeo] = await scene.people('romeo')
    const [orchard, tomb] = await scene.pair(romeo, 'orchard', 'tomb')
    await change(orchard, `<item jid='nurse@localhost'/>`)
    const push = await tomb.next((e) => e.is('iq') && e.attrs['type'] === 'set')
    expect([undefined, romeo.jid]).toContain(push.attrs['from'])
    expect(push.attrs['to']).toBe(tomb.jid)
    expect(push.getChild('query')?.attrs['ver']).toMatch(/./)
    const error = `<error type='cancel'><feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`
    tomb.write(`<iq type='error' id='${push.attrs['id']}'>${error}</iq>`)
    await settled(tomb, orchard)
    expect(got(tomb)).toEqual([])
  })

  test('§2.1.2: subscription other than "remove", ask and approved are the server\'s to say', async () => {
    const [romeo] = await scene.people('romeo')
    const device = await scene.device(romeo, 0, 'orchard')
    for (const said of [`subscription='both'`, `subscription='to' ask='subscribe'`, `approved='true'`, `subscription='rubbish'`]) {
      expect(condition(await change(device, `<item jid='nurse@localhost' ${said}/>`))).toBe('result')
    }
    expect(await items(device)).toEqual(['nurse none'])
  })

  test.each([
    ['more than one item', `<item jid='a@localhost'/><item jid='b@localhost'/>`, 'modify/bad-request'],
    ['no item', '', 'modify/bad-request'],
    ['an item without address', `<item name='who'/>`, 'modify/bad-request'],
    ['the same group twice', `<item jid='a@localhost'><group>G</group><group>G</group></item>`, 'modify/bad-request'],
    ['an empty group', `<item jid='a@localhost'><group/></item>`, 'modify/not-acceptable'],
    ['a name that is too long', `<item jid='a@localhost' name='${'n'.repeat(5000)}'/>`, 'modify/not-acceptable'],
    ['a group that is too long', `<item jid='a@localhost'><group>${'g'.repeat(5000)}</group></item>`, 'modify/not-acceptable'],
    ['a malformed address', `<item jid='@@'/>`, 'modify/jid-malformed'],
    ['the removal of whom it does not have (§2.5.3)', `<item jid='never@localhost' subscription='remove'/>`, 'cancel/item-not-found']
  ])('§2.3.3: refuses %s, and changes nothing', async (_, inside, expected) => {
    const [romeo] = await scene.people('romeo')
    const device = await scene.device(romeo, 1, 'orchard')
    expect(condition(await change(device, inside))).toBe(expected)
    expect(await items(device)).toEqual([])
    expect(got(device)).toEqual([])
  })

  test('§2.1.5: only the owner changes a roster; anybody else is forbidden, whoever exists', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    const device = await scene.device(romeo, 0, 'orchard')
    const hers = await scene.device(juliet, 1, 'chamber')
    for (const to of [juliet.jid, 'nobody-of-ours@localhost']) {
      expect(condition(await device.iq('set', to, item(`<item jid='${romeo.jid}'/>`)))).toBe('auth/forbidden')
      expect((await device.iq('get', to, item(''))).attrs['type']).toBe('error')
    }
    expect(condition(await device.iq('set', romeo.jid, item(`<item jid='${juliet.jid}'/>`)))).toBe('result')
    expect(await items(hers)).toEqual([])
    expect(await items(device)).toEqual(['juliet none'])
  })

  test('§2.4.1: an update replaces the whole item; an empty name is none', async () => {
    const [romeo] = await scene.people('romeo')
    const [orchard, tomb] = await scene.pair(romeo, 'orchard', 'tomb')
    const steps = [
      [`<item jid='nurse@localhost' name='N'><group>A</group></item>`, 'nurse none "N" [A]'],
      [`<item jid='nurse@localhost' name='N'><group>A</group><group>B</group></item>`, 'nurse none "N" [A, B]'],
      [`<item jid='nurse@localhost' name='N'><group>B</group></item>`, 'nurse none "N" [B]'],
      [`<item jid='nurse@localhost' name='N'/>`, 'nurse none "N"'],
      [`<item jid='nurse@localhost' name=''/>`, 'nurse none'],
      [`<item jid='NURSE@LocalHost' name='X'/>`, 'nurse none "X"']
    ] as const
    for (const [index, [inside, shown]] of steps.entries()) {
      await change(index % 2 === 0 ? orchard : tomb, inside)
      for (const device of [orchard, tomb]) {
        await device.next((e) => e.getChild('query', NS_ROSTER)?.getChild('item') !== undefined)
        expect(await items(device)).toEqual([shown])
      }
    }
  })

  test('§2.5.2: removal of a mutual contact unsubscribes both ways; all devices of both learn of it', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    await scene.befriend(romeo, juliet)
    const [orchard, tomb] = await scene.pair(romeo, 'orchard', 'tomb')
    const [balcony, chamber] = await scene.pair(juliet, 'balcony', 'chamber')
    await settled(balcony, orchard, tomb)
    clear(orchard, tomb)
    await change(orchard, `<item jid='${juliet.jid}' subscription='remove'/>`)
    for (const device of [balcony, chamber]) {
      for (const gone of [orchard, tomb]) await device.presence(gone.jid, 'unavailable')
      await device.next((e) => e.getChild('query', NS_ROSTER)?.getChild('item')?.attrs['subscription'] === 'none')
      const rest = got(device)
      for (const line of ['presence unsubscribe romeo > juliet', 'presence unsubscribed romeo > juliet']) expect(rest).toContain(line)
    }
    for (const device of [orchard, tomb]) {
      await device.next((e) => e.getChild('query', NS_ROSTER)?.getChild('item')?.attrs['subscription'] === 'remove')
      for (const gone of [balcony, chamber]) await device.presence(gone.jid, 'unavailable')
    }
    await settled(balcony, orchard, tomb)
    for (const device of [orchard, tomb]) expect(got(device).filter((line) => line.startsWith('push'))).toEqual([])
    expect(await items(tomb)).toEqual([])
    expect(await items(balcony)).toEqual(['romeo none'])
  })

  test('§2.6.1, §3.4: versions and approvals in advance are advertised', async () => {
    const [romeo] = await scene.people('romeo')
    const offered = await features(scene, 1, romeo)
    expect(offered.getChild('ver', 'urn:xmpp:features:rosterver')).toBeDefined()
    expect(offered.getChild('sub', 'urn:xmpp:features:pre-approval')).toBeDefined()
  })

  test('§2.6.3: nothing for the version that is; the changes for an older one, in order; all for none or an unknown one', async () => {
    const [romeo] = await scene.people('romeo')
    const first = await scene.device(romeo, 0, 'first')
    for (const who of ['a', 'b', 'c', 'd']) await change(first, `<item jid='${who}@localhost'/>`)
    const ver = String((await roster(first, '')).getChild('query')?.attrs['ver'])
    const same = await scene.device(romeo, 1, 'same', { interested: false })
    expect((await roster(same, ver)).getChildElements()).toEqual([])
    await settled(first, same)
    clear(same, first)

    await change(first, `<item jid='b@localhost' name='B1'/>`)
    await change(first, `<item jid='a@localhost' subscription='remove'/>`)
    await change(first, `<item jid='b@localhost' name='B2'/>`)
    await settled(first, same)
    expect(got(same)).toEqual(['push b none "B1"', 'push a remove', 'push b none "B2"'])

    const back = await scene.device(romeo, 1, 'back', { interested: false, keep: true })
    await back.presence(first.jid)
    await settled(first, back)
    clear(back)
    expect((await roster(back, ver)).getChildElements()).toEqual([])
    await back.ping()
    const versions = back.inbox.map((e) => Number(e.getChild('query')?.attrs['ver']))
    expect(got(back)).toEqual(['push a remove', 'push b none "B2"'])
    expect([...new Set(versions)].sort((x, y) => x - y)).toEqual(versions)

    for (const unknown of ['', '99999', 'rubbish', '-1']) {
      const whole = (await roster(back, unknown)).getChild('query', NS_ROSTER)
      expect(whole?.getChildren('item').map((e) => e.attrs['jid']).sort()).toEqual(['b@localhost', 'c@localhost', 'd@localhost'])
      expect(Number(whole?.attrs['ver'])).toBe(versions[1])
    }
  })

  test('§2.6.3: states that make no push make no version; a request that waits is such a state', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    const his = await scene.device(romeo, 0, 'orchard')
    const hers = await scene.device(juliet, 1, 'chamber')
    const ver = (await roster(hers, '')).getChild('query')?.attrs['ver']
    his.write(`<presence to='${juliet.jid}' type='subscribe'/>`)
    await hers.presence(romeo.jid, 'subscribe')
    const answer = await roster(hers, '')
    expect(answer.getChild('query')?.attrs['ver']).toBe(ver)
    expect(answer.getChild('query')?.getChildElements()).toEqual([])
    expect(got(hers)).toEqual([])
  })
})
