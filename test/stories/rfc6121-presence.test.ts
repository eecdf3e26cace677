/** RFC 6121 §4, presence, between devices on two nodes. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { StrategyName } from '../support/cluster.js'
import { clear, condition, got, Scene, settled, type Person } from '../support/scene.js'

describe.each<[StrategyName]>([['broadcast'], ['online-users-caching']])('RFC 6121 §4 on two nodes with %s', (strategy) => {
  let scene: Scene

  beforeAll(async () => {
    scene = await Scene.of(strategy)
  }, 60_000)
  afterAll(() => scene.end())

  /** Friends, with two devices each on two nodes, who have heard of each other. */
  async function couple(): Promise<{
    romeo: Person; juliet: Person; his: Awaited<ReturnType<Scene['pair']>>; hers: Awaited<ReturnType<Scene['pair']>>
  }> {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    await scene.befriend(romeo, juliet)
    const his = await scene.pair(romeo, 'orchard', 'tomb')
    const hers = await scene.pair(juliet, 'balcony', 'chamber')
    for (const one of hers) await settled(one, ...his)
    for (const one of his) await settled(one, ...hers)
    clear(...his, ...hers)
    return { romeo, juliet, his, hers }
  }

  describe('§4.2: initial presence', () => {
    test('goes as it is to all devices of the contacts and of the own account, the new one too', async () => {
      const { romeo, his, hers } = await couple()
      const cell = await scene.device(romeo, 1, 'cell', { available: false })
      cell.write(`<presence id='p1'><show>chat</show><x xmlns='urn:example:any'/></presence>`)
      const text = `<show>chat</show><x xmlns="urn:example:any"/>`
      await cell.presence(cell.jid)
      await settled(cell, ...his, ...hers)
      for (const device of hers) expect(got(device)).toEqual([`presence romeo/cell > juliet ${text}`])
      for (const device of his) expect(got(device)).toEqual([`presence romeo/cell > romeo ${text}`])
    })

    test('brings the new device, and no other, the last presence of the own devices and of the contacts, from both nodes', async () => {
      const { romeo, his: [orchard, tomb], hers: [balcony, chamber] } = await couple()
      orchard.write(`<presence><status>climbing</status></presence>`)
      balcony.write(`<presence><show>dnd</show></presence>`)
      await settled(orchard, tomb, balcony, chamber)
      await settled(balcony, orchard, tomb)
      clear(orchard, tomb, balcony, chamber)
      const cell = await scene.device(romeo, 0, 'cell', { keep: true })
      const known = [[orchard, '<status>climbing</status>'], [tomb, ''], [balcony, '<show>dnd</show>'], [chamber, '']] as const
      for (const [device, inside] of known) {
        expect((await cell.presence(device.jid)).getChildElements().join('')).toBe(inside)
      }
      await settled(cell, orchard, tomb)
      expect(got(cell)).toEqual([])
      for (const device of [orchard, tomb]) expect(got(device)).toEqual(['presence romeo/cell > romeo'])
    })

    test('does not reach whom the roster does not entitle', async () => {
      const [romeo, juliet] = await scene.people('romeo', 'juliet')
      await scene.subscribe(juliet, romeo)
      const his = await scene.device(romeo, 0, 'orchard')
      const hers = await scene.device(juliet, 1, 'chamber', { keep: true })
      await hers.presence(his.jid)
      hers.write(`<presence><show>away</show></presence>`)
      await settled(hers, his)
      expect(got(his)).toEqual([])
    })
  })

  test('§4.4.2: later presence goes whole to all devices of the contacts and of the account', async () => {
    const { his: [orchard, tomb], hers } = await couple()
    orchard.write(`<presence xml:lang='it'><show>xa</show><status>Mantua</status><priority>-3</priority></presence>`)
    await settled(orchard, tomb, ...hers)
    const text = '<show>xa</show><status>Mantua</status><priority>-3</priority>'
    for (const device of [orchard, tomb]) expect(got(device)).toEqual([`presence romeo/orchard > romeo ${text}`])
    for (const device of hers) expect(got(device)).toEqual([`presence romeo/orchard > juliet ${text}`])
  })

  describe('§4.5.2: unavailable presence', () => {
    test('goes with its status to contacts and own devices, and what follows is initial presence again', async () => {
      const { his: [orchard, tomb], hers } = await couple()
      orchard.write(`<presence type='unavailable'><status>exile</status></presence>`)
      await settled(orchard, tomb, ...hers)
      for (const device of [orchard, tomb]) expect(got(device)).toEqual(['presence unavailable romeo/orchard > '
        + (device === orchard ? 'romeo/orchard' : 'romeo') + ' <status>exile</status>'])
      for (const device of hers) expect(got(device)).toEqual(['presence unavailable romeo/orchard > juliet <status>exile</status>'])
      hers[0].write(`<presence><show>away</show></presence>`)
      await settled(hers[0], orchard, tomb)
      expect(got(orchard)).toEqual([])
      clear(tomb, ...hers)
      orchard.write('<presence/>')
      for (const from of [orchard.jid, tomb.jid, hers[0].jid, hers[1].jid]) await orchard.presence(from)
      for (const device of hers) await device.presence(orchard.jid)
    })

    test.each(['a cut connection', 'a closed stream'])('is said for the device after %s, once', async (how) => {
      const { his: [orchard, tomb], hers } = await couple()
      if (how === 'a cut connection') orchard.cut()
      else await orchard.close()
      for (const device of [tomb, ...hers]) await device.presence(orchard.jid, 'unavailable')
      await settled(tomb, ...hers)
      for (const device of [tomb, ...hers]) expect(got(device)).toEqual([])
    })
  })

  describe('§4.3: probes', () => {
    test('of a client that is entitled are answered for each device; to a full JID for that one alone, merely', async () => {
      const { romeo, his: [orchard], hers: [balcony, chamber], juliet } = await couple()
      balcony.write(`<presence id='pb'><show>dnd</show></presence>`)
      chamber.write(`<presence id='pc'><show>dnd</show></presence>`)
      await settled(balcony, orchard)
      await settled(chamber, orchard)
      clear(orchard)
      orchard.write(`<presence type='probe' to='${juliet.jid}'/>`)
      const ids = [await orchard.presence(balcony.jid), await orchard.presence(chamber.jid)].map((e) => e.attrs['id'])
      expect(ids).toEqual(['pb', 'pc'])                 // §4.3.2.1
      orchard.write(`<presence type='probe' to='${chamber.jid}'/>`)
      const mere = await orchard.presence(chamber.jid)
      expect(mere.getChildElements()).toEqual([])
      await settled(orchard, balcony, chamber)
      for (const device of [balcony, chamber]) expect(got(device).filter((line) => line.includes('probe'))).toEqual([])
      expect(got(orchard)).toEqual([])
      expect(romeo.jid).toBe(orchard.jid.split('/')[0])
    })

    test('of strangers and of nobody are answered "unsubscribed" from the bare JID; their full JIDs say nothing', async () => {
      const [romeo, juliet] = await scene.people('romeo', 'juliet')
      const his = await scene.device(romeo, 0, 'orchard')
      const hers = await scene.device(juliet, 1, 'chamber')
      for (const to of [juliet.jid, 'nobody-of-ours@localhost']) {
        his.write(`<presence type='probe' to='${to}/chamber'/>`)
        his.write(`<presence type='probe' to='${to}/elsewhere'/>`)
        his.write(`<presence type='probe' to='${to}'/>`)
        expect((await his.presence(to, 'unsubscribed')).attrs['from']).toBe(to)
      }
      await settled(his, hers)
      await settled(hers, his)
      for (const device of [his, hers]) expect(got(device)).toEqual([])
    })
  })

  describe('§4.6: directed presence', () => {
    test('to a bare JID reaches all her devices, is no subscription, and ends with the device, however it ends', async () => {
      const [romeo, juliet] = await scene.people('romeo', 'juliet')
      const [orchard, tomb] = await scene.pair(romeo, 'orchard', 'tomb')
      const hers = await scene.pair(juliet, 'balcony', 'chamber')
      for (const device of [orchard, tomb]) device.write(`<presence to='${juliet.jid}'><status>here</status></presence>`)
      for (const device of hers) {
        for (const from of [orchard, tomb]) expect((await device.presence(from.jid)).getChildText('status')).toBe('here')
      }
      orchard.write('<presence><show>away</show></presence>')
      await settled(orchard, ...hers)
      for (const device of hers) expect(got(device)).toEqual([])
      orchard.write(`<presence type='unavailable'><status>gone</status></presence>`)
      for (const device of hers) {
        const end = await device.presence(orchard.jid, 'unavailable')
        expect(end.getChildText('status')).toBe('gone')
        expect(end.attrs['to']).toBe(juliet.jid)
      }
      tomb.cut()
      for (const device of hers) await device.presence(tomb.jid, 'unavailable')
      await settled(orchard, ...hers)
      for (const device of hers) expect(got(device)).toEqual([])
    })

    test('to a full JID is for that device alone, and so is its end', async () => {
      const [romeo, juliet] = await scene.people('romeo', 'juliet')
      const his = await scene.device(romeo, 0, 'orchard')
      const [balcony, chamber] = await scene.pair(juliet, 'balcony', 'chamber')
      his.write(`<presence to='${chamber.jid}'/>`)
      await chamber.presence(his.jid)
      await his.close()
      await chamber.presence(his.jid, 'unavailable')
      await settled(chamber, balcony)
      expect(got(balcony)).toEqual([])
    })

    test('without initial presence it ends likewise (§4.6.3, rule 3)', async () => {
      const [romeo, juliet] = await scene.people('romeo', 'juliet')
      await scene.befriend(romeo, juliet)
      const hers = await scene.pair(juliet, 'balcony', 'chamber')
      const his = await scene.device(romeo, 1, 'orchard', { available: false })
      his.write(`<presence to='${juliet.jid}'/>`)
      for (const device of hers) await device.presence(his.jid)
      his.cut()
      for (const device of hers) await device.presence(his.jid, 'unavailable')
    })

    test('taken back by the sender, it is not ended twice', async () => {
      const [romeo, juliet] = await scene.people('romeo', 'juliet')
      const his = await scene.device(romeo, 0, 'orchard')
      const hers = await scene.device(juliet, 1, 'chamber')
      his.write(`<presence to='${hers.jid}'/>`)
      his.write(`<presence to='${hers.jid}' type='unavailable'/>`)
      await settled(his, hers)
      expect(got(hers)).toEqual(['presence romeo/orchard > juliet/chamber', 'presence unavailable romeo/orchard > juliet/chamber'])
      his.write(`<presence type='unavailable'/>`)
      await settled(his, hers)
      expect(got(hers)).toEqual([])
    })

    test('§4.6.6: who was shown it may probe that device until it goes, and learns no more than that it is there', async () => {
      const [romeo, juliet] = await scene.people('romeo', 'juliet')
      const [orchard, tomb] = await scene.pair(romeo, 'orchard', 'tomb')
      const hers = await scene.device(juliet, 1, 'chamber')
      orchard.write('<presence><show>dnd</show></presence>')
      orchard.write(`<presence to='${hers.jid}'><show>chat</show></presence>`)
      await hers.presence(orchard.jid)
      hers.write(`<presence type='probe' to='${orchard.jid}'/>`)
      expect((await hers.presence(orchard.jid)).getChildElements()).toEqual([])
      hers.write(`<presence type='probe' to='${tomb.jid}'/>`)
      await settled(hers, orchard, tomb)
      await settled(tomb, hers)
      expect(got(hers).filter((line) => line.includes('romeo/tomb'))).toEqual([])
    })

    test('§4.6.1: cancelling a subscription hides also whom directed presence has shown', async () => {
      const [romeo, juliet] = await scene.people('romeo', 'juliet')
      await scene.subscribe(juliet, romeo)
      const his = await scene.device(romeo, 0, 'orchard')
      const hers = await scene.device(juliet, 1, 'chamber')
      his.write(`<presence to='${juliet.jid}'/>`)
      await hers.presence(his.jid)
      his.write(`<presence to='${juliet.jid}' type='unsubscribed'/>`)
      await hers.presence(his.jid, 'unavailable')
      await hers.presence(romeo.jid, 'unsubscribed')
    })
  })

  describe('§4.7', () => {
    test('§4.7.1: types that do not exist are bad requests, directed or not', async () => {
      const { juliet, his: [orchard], hers } = await couple()
      for (const to of ['', ` to='${juliet.jid}'`]) {
        orchard.write(`<presence id='bad' type='invisible'${to}/>`)
        expect(condition(await orchard.next((e) => e.attrs['id'] === 'bad'))).toBe('modify/bad-request')
      }
      await settled(orchard, ...hers)
      for (const device of hers) expect(got(device)).toEqual([])
    })

    test.each(['200', '1.5', 'high'])('§4.7.2.3: a priority of %s is no priority', async (priority) => {
      const [romeo] = await scene.people('romeo')
      const his = await scene.device(romeo, 0, 'orchard')
      his.write(`<presence id='bad'><priority>${priority}</priority></presence>`)
      expect(condition(await his.next((e) => e.attrs['id'] === 'bad'))).toBe('modify/bad-request')
    })

    test('RFC 6120 §8.3.1: presence of type error is never answered, and is for its addressee', async () => {
      const [romeo, juliet] = await scene.people('romeo', 'juliet')
      const his = await scene.device(romeo, 0, 'orchard')
      const hers = await scene.device(juliet, 1, 'chamber')
      const error = `<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`
      for (const to of ['', ` to='${juliet.jid}/none'`, ` to='nobody-of-ours@localhost'`, ` to='${hers.jid}'`, ` to='localhost'`]) {
        his.write(`<presence type='error'${to}>${error}</presence>`)
      }
      await settled(his, hers)
      expect(got(his)).toEqual([])
      expect(got(hers)).toEqual(['presence error romeo/orchard > juliet/chamber cancel/service-unavailable'])
    })

    test('§8.5.2.2.2, §8.5.3.2.2, §8.5.1: presence to who is not there has no answer', async () => {
      const [romeo, juliet] = await scene.people('romeo', 'juliet')
      const his = await scene.device(romeo, 0, 'orchard')
      for (const to of [juliet.jid, `${juliet.jid}/none`, 'nobody-of-ours@localhost', 'nobody-of-ours@localhost/x', 'localhost']) {
        his.write(`<presence to='${to}'/>`)
        his.write(`<presence to='${to}' type='unavailable'/>`)
      }
      await settled(his)
      expect(got(his)).toEqual([])
    })
  })
})
