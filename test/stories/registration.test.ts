/** People make their own accounts where the operator allows it, and nowhere else; who guesses too often is shut out. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { freshDatabase } from '../databases.js'
import { Cluster } from '../support/cluster.js'
import { TestClient } from '../support/client.js'

const FEATURE = 'http://jabber.org/features/iq-register'
const FIELDS = "<query xmlns='jabber:iq:register'/>"
const wish = (user: string, password = 'pencil'): string =>
  `<query xmlns='jabber:iq:register'><username>${user}</username><password>${password}</password></query>`

type Answer = Awaited<ReturnType<TestClient['iq']>>
const condition = (answer: Answer): string | undefined => answer.getChild('error')?.getChildElements()[0]?.name

describe('one node where people may register', () => {
  let cluster: Cluster
  const clients: TestClient[] = []

  beforeAll(async () => {
    const lines = ['--cluster-mode=false', '--virt-hosts=localhost:register,closed.localhost:-register', '--admins=root@localhost',
      '--limits-exempt=none', '--registrations-per-address=2', '--login-failures-per-address=4']
    cluster = await Cluster.of({ nodes: 1, database: await freshDatabase('sqlite'), accounts: ['romeo'], lines })
  }, 60_000)
  afterAll(async () => {
    for (const client of clients) client.socket.destroy()
    await cluster.end()
  })

  async function stranger(domain = 'localhost'): Promise<{ client: TestClient, features: Answer }> {
    const client = await TestClient.open(cluster.node(0).ports.c2s)
    clients.push(client)
    return { client, features: await client.openStream(domain) }
  }

  test('it is offered, an account is made, and its owner logs in on the same stream (XEP-0077 §3.1, §4)', async () => {
    const { client, features } = await stranger()
    expect(features.getChild('register', FEATURE)).toBeDefined()
    expect((await client.iq('get', 'localhost', FIELDS)).getChild('query')?.getChildElements().map(({ name }) => name)).toEqual(
      ['instructions', 'username', 'password'])
    expect((await client.iq('set', 'localhost', wish('Juliet'))).attrs['type']).toBe('result')
    await client.authenticate({ port: 0, user: 'juliet', password: 'pencil' })
    expect((await client.openStream('localhost')).getChild('register', FEATURE)).toBeUndefined()
    await client.bind('balcony')
    expect((await client.iq('get', '', FIELDS)).getChild('query')?.getChild('registered')).toBeDefined()
    expect(client.jid).toBe('juliet@localhost/balcony')
  })

  test('names that somebody has, and an administrator\'s, are taken (§3.1)', async () => {
    const { client } = await stranger()
    expect(condition(await client.iq('set', '', wish('juliet', 'other')))).toBe('conflict')
    expect(condition(await client.iq('set', '', wish('root')))).toBe('conflict')
    await expect(cluster.login(0, 'root', { password: 'pencil' })).rejects.toThrow('refused')
    const again = await cluster.login(0, 'juliet', { password: 'pencil' })
    await again.close()
  })

  test('a domain of its own mind stays closed', async () => {
    const { client, features } = await stranger('closed.localhost')
    expect(features.getChild('register', FEATURE)).toBeUndefined()
    expect(condition(await client.iq('set', '', wish('juliet')))).toBe('service-unavailable')
  })

  test('so many of an address in an hour, over TLS too (§3.1.1)', async () => {
    const { client } = await stranger()
    await client.startTls('localhost')
    expect((await client.iq('set', '', wish('nurse'))).attrs['type']).toBe('result')
    const { client: more } = await stranger()
    expect(condition(await more.iq('set', '', wish('paris')))).toBe('resource-constraint')
  })

  test('after so many failed logins the address is refused; who is logged in stays', async () => {
    const romeo = await cluster.login(0, 'romeo')
    const { client } = await stranger()
    await expect(client.authenticate({ port: 0, user: 'romeo', password: 'guess' })).rejects.toThrow()
    await client.gone()
    expect(client.streamError).toBe('policy-violation')
    await TestClient.open(cluster.node(0).ports.c2s).then((late) => late.gone(), () => undefined)
    const session = await fetch(`http://127.0.0.1:${cluster.node(0).ports.http}/http-bind`, {
      method: 'POST', body: "<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='localhost' ver='1.11' wait='1' hold='1'/>"
    })
    expect(await session.text()).toContain("condition='policy-violation'")
    await romeo.ping()
    const refusals = cluster.node(0).events('connection.refused').map(({ reason }) => reason)
    expect(refusals).toEqual(['failed-logins', 'failed-logins'])
  })

  test('the operator sees who came, and no password', () => {
    const node = cluster.node(0)
    expect(node.events('account.registered').map(({ account, ip }) => [account, ip])).toEqual(
      [['juliet@localhost', '127.0.0.1'], ['nurse@localhost', '127.0.0.1']])
    expect(node.events('config.warning')).toEqual([])
    expect(node.output).not.toContain('pencil')
    expect([...node.events('registration.error'), ...node.events('stream.failed')]).toEqual([])
  })
})

describe('a cluster where they may not', () => {
  let cluster: Cluster

  beforeAll(async () => {
    cluster = await Cluster.of({ nodes: 2, database: await freshDatabase('sqlite'), accounts: ['romeo'] })
  }, 60_000)
  afterAll(() => cluster.end())

  test.each([0, 1])('node %i: not offered; service-unavailable, and login goes on (XEP-0077 §3.1)', async (n) => {
    const client = await TestClient.open(cluster.node(n).ports.c2s)
    expect((await client.openStream('localhost')).getChild('register', FEATURE)).toBeUndefined()
    expect(condition(await client.iq('get', 'localhost', FIELDS))).toBe('service-unavailable')
    expect(condition(await client.iq('set', 'localhost', wish('juliet')))).toBe('service-unavailable')
    await client.authenticate({ port: 0, user: 'romeo' })
    await client.openStream('localhost')
    await client.bind()
    await client.close()
    await expect(cluster.login(n, 'juliet', { password: 'pencil' })).rejects.toThrow('refused')
  })
})
