/** XEP-0191, the blocking command, between devices on two nodes. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { TestClient } from '../support/client.js'
import type { StrategyName } from '../support/cluster.js'
import { clear, condition, got, Scene, settled, type Person } from '../support/scene.js'

const NS = 'urn:xmpp:blocking'

describe.each<[StrategyName]>([['broadcast'], ['online-users-caching']])('XEP-0191 on two nodes with %s', (strategy) => {
  let scene: Scene

  beforeAll(async () => {
    scene = await Scene.of(strategy)
  }, 60_000)
  afterAll(() => scene.end())

  interface Couple {
    readonly romeo: Person
    readonly juliet: Person
    readonly his: readonly [TestClient, TestClient]
    readonly hers: readonly [TestClient, TestClient]
  }

  /** Friends with devices on both nodes. */
  async function couple(): Promise<Couple> {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    await scene.befriend(romeo, juliet)
    const his = await scene.pair(romeo, 'orchard', 'tomb')
    const hers = await scene.pair(juliet, 'balcony', 'chamber')
    for (const one of hers) await settled(one, ...his)
    for (const one of his) await settled(one, ...hers)
    clear(...his, ...hers)
    return { romeo, juliet, his, hers }
  }

  const tell = (client: TestClient, what: 'block' | 'unblock', ...jids: string[]): ReturnType<TestClient['iq']> =>
    client.iq('set', '', `<${what} xmlns='${NS}'>${jids.map((jid) => `<item jid='${jid}'/>`).join('')}</${what}>`)
  const list = async (client: TestClient): Promise<string[]> => (await client.iq('get', '', `<blocklist xmlns='${NS}'/>`))
    .getChild('blocklist', NS)?.getChildren('item').map((item) => String(item.attrs['jid'])) ?? []

  test('§3.3: is pushed to the devices that asked for the list, and holds at once on both nodes and across logins', async () => {
    const { romeo, juliet, his: [orchard, tomb], hers: [balcony, chamber] } = await couple()
    expect(await list(tomb)).toEqual([])
    expect(condition(await tell(orchard, 'block', juliet.jid))).toBe('result')
    const push = await tomb.next((e) => e.getChild('block', NS) !== undefined)
    expect(push.getChild('block', NS)?.getChild('item')?.attrs['jid']).toBe(juliet.jid)
    for (const device of [balcony, chamber]) {
      for (const gone of [orchard, tomb]) await device.presence(gone.jid, 'unavailable')
    }
    for (const device of [balcony, chamber]) await hearsNothing(device, romeo, [orchard, tomb])
    await tomb.close()
    const back = await scene.device(romeo, 1, 'back')
    expect(await list(back)).toEqual([juliet.jid])
    await hearsNothing(balcony, romeo, [orchard, back])
  })

  /** Messages and requests are service-unavailable, presence has no answer, results vanish; nothing is delivered or kept. */
  async function hearsNothing(her: TestClient, romeo: Person, his: readonly TestClient[]): Promise<void> {
    clear(her, ...his)
    for (const to of [romeo.jid, ...his.map((client) => client.jid)]) {
      her.write(`<message id='m' to='${to}' type='chat'><body>hear me</body></message>`)
      expect(condition(await her.next((e) => e.attrs['id'] === 'm'))).toBe('cancel/service-unavailable')
      expect(condition(await her.iq('get', to, `<ping xmlns='urn:xmpp:ping'/>`))).toBe('cancel/service-unavailable')
      her.write(`<iq type='result' id='r' to='${to}'/>`)
      for (const type of ['', `type='probe'`, `type='unavailable'`]) her.write(`<presence to='${to}' ${type}/>`)
    }
    for (const type of ['subscribe', 'subscribed']) her.write(`<presence to='${romeo.jid}' type='${type}'/>`)
    for (const client of his) client.write('<presence><show>away</show></presence>')
    await settled(her)
    for (const client of his) await settled(client, ...his)
    await settled(her)
    for (const client of his) expect(got(client).filter((line) => line.includes('juliet'))).toEqual([])
    expect(got(her).filter((line) => line.includes('romeo'))).toEqual([])
    await scene.cluster.accounts.stored(romeo.user, 'localhost', 0)
  }

  test('§3.3: to somebody blocked nothing goes: not-acceptable with blocked', async () => {
    const { juliet, his: [orchard, tomb], hers: [balcony] } = await couple()
    await tell(orchard, 'block', juliet.jid)
    for (const device of [orchard, tomb]) {
      for (const to of [juliet.jid, balcony.jid]) {
        device.write(`<message id='m' to='${to}'><body>x</body></message>`)
        const refused = await device.next((e) => e.attrs['id'] === 'm')
        expect(condition(refused)).toBe('cancel/not-acceptable')
        expect(refused.getChild('error')?.getChild('blocked', `${NS}:errors`)).toBeDefined()
      }
    }
  })

  test('§3.4: unblocking shows both what the other is now, on all devices', async () => {
    const { juliet, his: [orchard, tomb], hers: [balcony, chamber] } = await couple()
    await tell(orchard, 'block', juliet.jid)
    for (const device of [balcony, chamber]) for (const gone of [orchard, tomb]) await device.presence(gone.jid, 'unavailable')
    tomb.write('<presence><status>here again</status></presence>')
    chamber.write('<presence><show>dnd</show></presence>')
    await settled(tomb, orchard)
    await settled(chamber, balcony)
    clear(orchard, tomb, balcony, chamber)
    await tell(tomb, 'unblock', juliet.jid)
    for (const device of [balcony, chamber]) {
      await device.presence(orchard.jid)
      expect((await device.presence(tomb.jid)).getChildText('status')).toBe('here again')
    }
    for (const device of [orchard, tomb]) {
      await device.presence(balcony.jid)
      expect((await device.presence(chamber.jid)).getChildText('show')).toBe('dnd')
    }
    chamber.write(`<message to='${orchard.jid}' type='chat'><body>at last</body></message>`)
    await orchard.message('at last')
  })

  test('§3.5: an empty unblock is for all', async () => {
    const [romeo] = await scene.people('romeo')
    const his = await scene.device(romeo, 0, 'orchard')
    await tell(his, 'block', 'a@localhost', 'b.example', 'c@d.example/e')
    expect((await list(his)).sort()).toEqual(['a@localhost', 'b.example', 'c@d.example/e'])
    expect(condition(await tell(his, 'unblock'))).toBe('result')
    expect(await list(his)).toEqual([])
    expect(condition(await tell(his, 'block'))).toBe('modify/bad-request')
  })

  test('§3.3: whom directed presence made aware of a device learns that it has gone', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    const [orchard, tomb] = await scene.pair(romeo, 'orchard', 'tomb')
    const hers = await scene.device(juliet, 1, 'chamber')
    for (const device of [orchard, tomb]) device.write(`<presence to='${hers.jid}'/>`)
    for (const device of [orchard, tomb]) await hers.presence(device.jid)
    await tell(orchard, 'block', juliet.jid)
    for (const device of [orchard, tomb]) await hers.presence(device.jid, 'unavailable')
  })

  test('§5: a blocked full JID blocks that device alone', async () => {
    const { juliet, his: [orchard], hers: [balcony, chamber] } = await couple()
    await tell(orchard, 'block', chamber.jid)
    chamber.write(`<message id='m' to='${orchard.jid}'><body>no</body></message>`)
    expect(condition(await chamber.next((e) => e.attrs['id'] === 'm'))).toBe('cancel/service-unavailable')
    balcony.write(`<message to='${orchard.jid}'><body>yes</body></message>`)
    await orchard.message('yes')
    orchard.write(`<message to='${juliet.jid}' type='chat'><body>to the others</body></message>`)
    await balcony.message('to the others')
  })
})
