/** Three nodes, two devices of each person on different ones (cluster.md §5): everything that a single node would do. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { freshDatabase } from '../databases.js'
import { TestClient } from '../support/client.js'
import { Cluster, type StrategyName } from '../support/cluster.js'
import { bodiesUpTo, numbered, say, take } from '../support/fault-cast.js'

const ROSTER = 'jabber:iq:roster'
const BLOCKING = 'urn:xmpp:blocking'

describe.each<[StrategyName]>([['broadcast'], ['online-users-caching']])('three nodes with %s', (strategy) => {
  let cluster: Cluster
  let romeo: readonly [TestClient, TestClient]
  let juliet: readonly [TestClient, TestClient]

  beforeAll(async () => {
    cluster = await Cluster.of({
      nodes: 3, database: await freshDatabase('postgresql'), strategy, accounts: ['romeo', 'juliet', 'nurse']
    })
    romeo = [await cluster.login(0, 'romeo', { resource: 'r1' }), await cluster.login(1, 'romeo', { resource: 'r2' })]
    juliet = [await cluster.login(1, 'juliet', { resource: 'j1' }), await cluster.login(2, 'juliet', { resource: 'j2' })]
    for (const client of all()) await client.iq('get', '', `<query xmlns='${ROSTER}'/>`)
    await clear()
  }, 60_000)
  afterAll(() => cluster.end())

  const all = (): readonly TestClient[] => [...romeo, ...juliet]
  /** Whatever was on its way has come, and is forgotten. */
  const clear = async (): Promise<void> => {
    for (const client of all()) await client.ping()
    for (const client of all()) await client.ping()
    for (const client of all()) client.inbox.length = 0
  }

  test('RFC 6121 §3.1, §2.1.6: a subscription both ways reaches both devices of both, with its pushes and presences', async () => {
    romeo[0].write(`<presence to='juliet@localhost' type='subscribe' id='s1'/>`)
    for (const device of juliet) await device.presence('romeo@localhost', 'subscribe')
    for (const device of romeo) await pushed(device, 'juliet@localhost', 'none')
    juliet[1].write(`<presence to='romeo@localhost' type='subscribed'/>`)
    for (const device of romeo) {
      await device.presence('juliet@localhost', 'subscribed')
      await pushed(device, 'juliet@localhost', 'to')
      for (const contact of juliet) await device.presence(contact.jid)
    }
    for (const device of juliet) await pushed(device, 'romeo@localhost', 'from')
    juliet[0].write(`<presence to='romeo@localhost' type='subscribe'/>`)
    for (const device of romeo) await device.presence('juliet@localhost', 'subscribe')
    romeo[1].write(`<presence to='juliet@localhost' type='subscribed'/>`)
    for (const device of juliet) {
      await device.presence('romeo@localhost', 'subscribed')
      await pushed(device, 'romeo@localhost', 'both')
      for (const contact of romeo) await device.presence(contact.jid)
    }
    await clear()
  })

  test('RFC 6121 §4.3: initial presence and probes show every device of the contact, wherever it is, once', async () => {
    const third = await cluster.login(2, 'romeo', { resource: 'r3' })
    for (const contact of juliet) await third.presence(contact.jid)
    for (const sibling of romeo) await third.presence(sibling.jid)
    for (const contact of juliet) await contact.presence(third.jid)
    third.write(`<presence to='juliet@localhost' type='probe'/>`)
    await third.ping()
    await clear()
    expect(take(third, (e) => e.is('presence') && e.attrs['type'] === 'error')).toEqual([])
    await third.close()
    for (const contact of [...juliet, ...romeo]) await contact.presence(third.jid, 'unavailable')
    await clear()
    for (const client of all()) expect(client.inbox).toEqual([])
  })

  test('RFC 6121 §8.5.2: a message to a bare JID reaches all devices on all nodes, in order, once', async () => {
    say(romeo[0], 'juliet@localhost', ...numbered('to all', 100))
    for (const device of juliet) expect(await bodiesUpTo(device, 'to all 99')).toEqual(numbered('to all', 100))
    juliet[1].write(`<presence><priority>-1</priority></presence>`)
    await juliet[1].ping()
    await clear()
    say(romeo[0], 'juliet@localhost', 'not to the negative one')
    await juliet[0].message('not to the negative one')
    await clear()
    juliet[1].write(`<presence/>`)
    await clear()
  })

  test('RFC 6121 §2.3: a roster item set on one node is pushed to the devices on all', async () => {
    await romeo[0].iq('set', '', `<query xmlns='${ROSTER}'><item jid='peter@localhost' name='Peter'/></query>`)
    for (const device of romeo) expect((await pushed(device, 'peter@localhost', 'none')).attrs['name']).toBe('Peter')
    await romeo[1].iq('set', '', `<query xmlns='${ROSTER}'><item jid='peter@localhost' subscription='remove'/></query>`)
    for (const device of romeo) await pushed(device, 'peter@localhost', 'remove')
  })

  test('XEP-0191 §3: a block set on one node holds on all of them at once, is pushed, hides presence, and ends likewise', async () => {
    for (const device of juliet) await device.iq('get', '', `<blocklist xmlns='${BLOCKING}'/>`)
    await juliet[0].iq('set', '', `<block xmlns='${BLOCKING}'><item jid='romeo@localhost'/></block>`)
    for (const device of juliet) await device.next((e) => e.is('iq') && e.getChild('block', BLOCKING) !== undefined)
    for (const device of romeo) for (const contact of juliet) await device.presence(contact.jid, 'unavailable')
    for (const device of romeo) {
      device.write(`<message to='juliet@localhost' type='chat' id='blocked'><body>blocked</body></message>`)
      const error = await device.next((e) => e.is('message') && e.attrs['type'] === 'error')
      expect(error.getChild('error')?.getChild('service-unavailable')).toBeDefined()
    }
    await juliet[1].iq('set', '', `<unblock xmlns='${BLOCKING}'><item jid='romeo@localhost'/></unblock>`)
    for (const device of juliet) await device.next((e) => e.is('iq') && e.getChild('unblock', BLOCKING) !== undefined)
    for (const device of romeo) for (const contact of juliet) await device.presence(contact.jid)
    say(romeo[1], 'juliet@localhost', 'open again')
    for (const device of juliet) expect(await bodiesUpTo(device, 'open again')).toEqual(['open again'])
    await clear()
  })

  test('§5 one full JID bound on two nodes at the same moment: exactly one survives, ten times', async () => {
    for (let round = 0; round < 10; round++) {
      const pair = await Promise.all([0, 2].map(async (n) => {
        const client = await TestClient.open(cluster.node(n).ports.c2s)
        await client.openStream('localhost')
        await client.authenticate({ port: 0, user: 'nurse' })
        await client.openStream('localhost')
        return client
      }))
      await Promise.allSettled(pair.map((client) => client.bind('same')))
      const first = await Promise.race(pair.map((client) => client.gone().then(() => client)))
      expect(first.streamError).toBe('conflict')
      const rest = pair.filter((client) => client !== first)
      for (const client of rest) await client.ping()
      expect(rest.map((client) => client.closed)).toEqual([false])
      say(romeo[0], 'nurse@localhost/same', `round ${round}`)
      await rest[0]?.message(`round ${round}`)
      await rest[0]?.close()
    }
  }, 40_000)

  test('§2, §5 one of three is killed: it is fenced once, and every contact on the others hears of the lost device once', async () => {
    await clear()
    await cluster.node(2).kill()
    for (const witness of [...romeo, juliet[0]]) await witness.presence(juliet[1].jid, 'unavailable')
    say(romeo[1], 'juliet@localhost', 'to who is left')
    await juliet[0].message('to who is left')
    const survivors = [...romeo, juliet[0]]
    for (const client of survivors) await client.ping()
    for (const client of survivors) expect(client.inbox.map(String)).toEqual([])
    expect([0, 1].flatMap((n) => cluster.node(n).events('cluster.fence'))).toHaveLength(1)
    expect([0, 1].map((n) => cluster.node(n).events('cluster.lost').length)).toEqual([1, 1])
  }, 40_000)
})

async function pushed(device: TestClient, jid: string, subscription: string): Promise<{ attrs: Record<string, unknown> }> {
  const item = (e: TestClient['inbox'][number]): { attrs: Record<string, unknown> } | undefined =>
    e.getChild('query', ROSTER)?.getChildren('item')
      .find((each) => each.attrs['jid'] === jid && each.attrs['subscription'] === subscription)
  const push = await device.next((e) => e.is('iq') && e.attrs['type'] === 'set' && item(e) !== undefined)
  return item(push) ?? { attrs: {} }
}
