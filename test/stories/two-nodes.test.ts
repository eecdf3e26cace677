/** Two people on two nodes, as ordinary clients meet it: both strategies, plain, STARTTLS and direct TLS. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { freshDatabase } from '../databases.js'
import { befriend, Cluster, type StrategyName } from '../support/cluster.js'

describe.each<[StrategyName]>([['broadcast'], ['online-users-caching']])('two nodes with %s', (strategy) => {
  let cluster: Cluster

  beforeAll(async () => {
    const accounts = ['romeo', 'juliet', 'nurse', 'tybalt']
    cluster = await Cluster.of({ nodes: 2, database: await freshDatabase('sqlite'), strategy, accounts })
  }, 60_000)
  afterAll(() => cluster.end())

  test('subscribe both ways, see each other and chat (RFC 6121 §3, §4, §5)', async () => {
    const romeo = await cluster.login(0, 'romeo', { resource: 'balcony' })
    const juliet = await cluster.login(1, 'juliet', { resource: 'chamber', tls: 'starttls' })
    await befriend(romeo, juliet)

    romeo.write(`<message to='${juliet.jid}' type='chat' id='m1'><body>to her device</body></message>`)
    expect((await juliet.message('to her device')).attrs['from']).toBe(romeo.jid)
    juliet.write(`<message to='romeo@localhost' type='chat'><body>to him &amp; his 💕</body></message>`)
    expect((await romeo.message('to him & his 💕')).attrs['from']).toBe(juliet.jid)

    juliet.write(`<presence><show>away</show></presence>`)
    expect((await romeo.next((e) => e.is('presence') && e.getChildText('show') === 'away')).attrs['from']).toBe(juliet.jid)
    await juliet.close()
    expect((await romeo.presence(juliet.jid, 'unavailable')).attrs['to']).toMatch(/^romeo@localhost/)
    await romeo.close()
  })

  test('a hundred messages arrive in order', async () => {
    const romeo = await cluster.login(0, 'romeo', { tls: 'direct' })
    const juliet = await cluster.login(1, 'juliet')
    const bodies = Array.from({ length: 100 }, (_, i) => `line ${i}`)
    for (const body of bodies) romeo.write(`<message to='${juliet.jid}' type='chat'><body>${body}</body></message>`)
    await juliet.next((e) => e.getChildText('body') === 'line 99')
    expect([...juliet.takeBodies(), 'line 99']).toEqual(bodies)
    await Promise.all([romeo.close(), juliet.close()])
  })

  test('what is said to somebody who is away waits for the next login, on any node (XEP-0160)', async () => {
    const nurse = await cluster.login(0, 'nurse')
    for (const n of [1, 2, 3]) nurse.write(`<message to='tybalt@localhost' type='chat'><body>later ${n}</body></message>`)
    await cluster.accounts.stored('tybalt', 'localhost', 3)
    const tybalt = await cluster.login(1, 'tybalt')
    const last = await tybalt.message('later 3')
    expect(last.getChild('delay', 'urn:xmpp:delay')).toBeDefined()
    expect(tybalt.takeBodies()).toEqual(['later 1', 'later 2'])
    await Promise.all([nurse.close(), tybalt.close()])
  })

  test('an IQ reaches a full JID on the other node and its answer comes back (RFC 6120 §8.2.3)', async () => {
    const romeo = await cluster.login(0, 'romeo')
    const juliet = await cluster.login(1, 'juliet')
    const asked = romeo.iq('get', juliet.jid, `<query xmlns='urn:example:any'/>`)
    const request = await juliet.next((e) => e.is('iq') && e.attrs['type'] === 'get')
    const { id, from } = request.attrs
    juliet.write(`<iq type='result' id='${id}' to='${from}'><query xmlns='urn:example:any'><ok/></query></iq>`)
    expect((await asked).getChild('query')?.getChild('ok')).toBeDefined()
    const nobody = await romeo.iq('get', 'juliet@localhost/nowhere', `<query xmlns='urn:example:any'/>`)
    expect(nobody.getChild('error')?.getChild('service-unavailable')).toBeDefined()
    await Promise.all([romeo.close(), juliet.close()])
  })

  test('the same resource on the other node closes the older one with conflict (RFC 6120 §7.7.2.2)', async () => {
    const older = await cluster.login(0, 'romeo', { resource: 'same' })
    const newer = await cluster.login(1, 'romeo', { resource: 'same' })
    await older.gone()
    expect(older.streamError).toBe('conflict')
    await newer.ping()
    await newer.close()
  })

  test('a roster change is pushed to the devices on all nodes (RFC 6121 §2.1.6)', async () => {
    const here = await cluster.login(0, 'nurse')
    const there = await cluster.login(1, 'nurse')
    await here.iq('get', '', `<query xmlns='jabber:iq:roster'/>`)
    await there.iq('get', '', `<query xmlns='jabber:iq:roster'/>`)
    await here.iq('set', '', `<query xmlns='jabber:iq:roster'><item jid='peter@localhost' name='Peter'><group>House</group></item></query>`)
    const push = await there.next((e) => e.is('iq') && e.attrs['type'] === 'set' && e.getChild('query', 'jabber:iq:roster') !== undefined)
    expect(push.getChild('query')?.getChild('item')?.attrs['name']).toBe('Peter')
    expect(push.attrs['to']).toBe(there.jid)
    await Promise.all([here.close(), there.close()])
  })
})
