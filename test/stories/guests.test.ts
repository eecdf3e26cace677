/** People without an account on a cluster (XEP-0175, RFC 4505): the guest on one node, everybody else on the other. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { freshDatabase } from '../databases.js'
import { Cluster } from '../support/cluster.js'
import { TestClient } from '../support/client.js'

const INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
const GUEST = /^guest-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}@localhost$/
const NS_SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
const conditionOf = (answer: { getChild(name: string): { getChildElements(): { name: string }[] } | undefined }): string | undefined =>
  answer.getChild('error')?.getChildElements()[0]?.name

describe('guests on two nodes', () => {
  let cluster: Cluster
  let romeo: TestClient
  let guest: TestClient
  let bare: string
  const guests: TestClient[] = []

  async function enter(node: number): Promise<TestClient> {
    const client = await TestClient.open(cluster.node(node).ports.c2s)
    guests.push(client)
    const features = await client.openStream('localhost')
    expect(features.toString()).toContain('<mechanism>ANONYMOUS</mechanism>')
    client.write(`<auth xmlns='${NS_SASL}' mechanism='ANONYMOUS'/>`)
    expect((await client.next((e) => e.getNS() === NS_SASL)).name).toBe('success')
    await client.openStream('localhost')
    await client.bind('door')
    await client.becomeAvailable()
    return client
  }

  beforeAll(async () => {
    cluster = await Cluster.of({
      nodes: 2, database: await freshDatabase('sqlite'), accounts: ['romeo'],
      lines: ['--vhost-tls-required=false', '--virt-hosts=localhost:anon']
    })
    romeo = await cluster.login(0, 'romeo')
    guest = await enter(1)
    bare = guest.jid.split('/')[0] ?? ''
  }, 60_000)
  afterAll(async () => {
    for (const one of guests) one.socket.destroy()
    await cluster.end()
  })

  test('each gets an address of its own that nobody can foresee (XEP-0175 §2)', async () => {
    expect(bare).toMatch(GUEST)
    const another = await enter(1)
    expect(another.jid.split('/')[0]).toMatch(GUEST)
    expect(another.jid).not.toBe(guest.jid)
    await another.close()
  })

  test('they write and are written to, across nodes', async () => {
    guest.write("<message to='romeo@localhost' type='chat'><body>who is there</body></message>")
    expect((await romeo.message('who is there')).attrs['from']).toBe(guest.jid)
    for (const to of [guest.jid, bare]) {
      romeo.write(`<message to='${to}' type='chat'><body>me, ${to}</body></message>`)
      await guest.message(`me, ${to}`)
    }
  })

  test('XEP-0175 §4: anybody may see what they are', async () => {
    const told = await romeo.iq('get', bare, INFO)
    expect(told.getChild('query')?.getChild('identity')?.attrs).toMatchObject({ category: 'account', type: 'anonymous' })
  })

  test.each([
    ['vCard', "<vCard xmlns='vcard-temp'><FN>x</FN></vCard>"],
    ['private data', "<query xmlns='jabber:iq:private'><n xmlns='my:notes'>x</n></query>"],
    ['contacts', "<query xmlns='jabber:iq:roster'><item jid='romeo@localhost'/></query>"],
    ['block lists', "<block xmlns='urn:xmpp:blocking'><item jid='romeo@localhost'/></block>"]
  ])('nothing of theirs is kept, and they are told: %s', async (_, payload) => {
    expect(conditionOf(await guest.iq('set', '', payload))).toBe('not-allowed')
  })

  test('their contact list is there, and empty (RFC 6121 §2.1.4)', async () => {
    const answer = await guest.iq('get', '', "<query xmlns='jabber:iq:roster'/>")
    expect(answer.attrs['type']).toBe('result')
    expect(answer.getChild('query')?.getChildElements()).toEqual([])
  })

  test('a subscription to or from a guest is refused', async () => {
    guest.write("<presence to='romeo@localhost' type='subscribe' id='s1'/>")
    expect(conditionOf(await guest.next((e) => e.is('presence') && e.attrs['id'] === 's1'))).toBe('not-allowed')
    romeo.write(`<presence to='${bare}' type='subscribe' id='s2'/>`)
    expect(conditionOf(await romeo.next((e) => e.is('presence') && e.attrs['id'] === 's2'))).toBe('not-allowed')
  })

  test('XEP-0175 §2.2: they stay among the domains of this server', async () => {
    guest.write("<message to='somebody@elsewhere.test' id='m1'><body>hello</body></message>")
    expect(conditionOf(await guest.next((e) => e.attrs['id'] === 'm1'))).toBe('not-allowed')
    expect(conditionOf(await guest.iq('get', 'elsewhere.test', INFO))).toBe('not-allowed')
  })

  test('their name is nobody\'s password: no login with it, no account of it', async () => {
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-1'] as const) {
      const user = bare.split('@')[0] ?? ''
      await expect(TestClient.login({ port: cluster.node(0).ports.c2sTls, tls: 'direct', user, mechanism })).rejects.toThrow('not-authorized')
    }
    expect(conditionOf(await guest.iq('set', 'localhost',
      `<query xmlns='jabber:iq:register'><username>${bare.split('@')[0]}</username><password>mine</password></query>`))).toBeDefined()
  })

  test('whoever has left is gone: what comes then goes back (RFC 6121 §8.5.2.2.1), and no row is left', async () => {
    const brief = await enter(1)
    const address = brief.jid.split('/')[0] ?? ''
    await brief.close()
    romeo.write(`<message to='${address}' type='chat' id='late'><body>late</body></message>`)
    expect(conditionOf(await romeo.next((e) => e.attrs['id'] === 'late'))).toBe('service-unavailable')
    expect(await cluster.accounts.names('localhost')).toEqual(['romeo'])
  })
})
