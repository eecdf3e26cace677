/** The link between two nodes is cut or stalled while both have the database (cluster.md §2, §4): nobody is fenced for it. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { freshDatabase } from '../databases.js'
import type { TestClient } from '../support/client.js'
import { befriend, Cluster, type StrategyName } from '../support/cluster.js'
import { bodiesUpTo, clusterPage, mesh, numbered, say, takeUnavailable } from '../support/fault-cast.js'
import { Forwarder } from '../support/forwarder.js'
import { SqlDoor } from '../support/rows.js'
import { until } from '../support/until.js'

const STRATEGIES: readonly [StrategyName][] = [['broadcast'], ['online-users-caching']]

describe.each(STRATEGIES)('two nodes with %s whose link passes through the test', (strategy) => {
  let cluster: Cluster
  let sql: SqlDoor
  let ways: readonly Forwarder[]
  let romeo: TestClient
  let juliet: TestClient

  beforeAll(async () => {
    ways = [await Forwarder.open(), await Forwarder.open()]
    cluster = await Cluster.of({ nodes: 0, database: await freshDatabase('postgresql'), strategy, accounts: ['romeo', 'juliet', 'tybalt'] })
    for (const [n, way] of ways.entries()) {
      const node = await cluster.plan(`node${n + 1}`, [`--cluster-advertise=127.0.0.1:${way.port}`])
      way.target = node.ports.cluster
    }
    await Promise.all(cluster.nodes.map((node) => node.start()))
    sql = new SqlDoor(cluster.database)
    romeo = await cluster.login(0, 'romeo', { resource: 'balcony' })
    juliet = await cluster.login(1, 'juliet', { resource: 'chamber' })
    await befriend(romeo, juliet)
  }, 60_000)
  afterEach(() => { for (const way of ways) way.heal() })
  afterAll(async () => {
    await sql.close()
    await cluster.end()
    for (const way of ways) await way.close()
  })

  const lives = async (): Promise<unknown[]> => (await sql.nodes()).map((row) => [row['hostname'], row['incarnation'], row['state']])

  test('§4 messages wait and arrive after healing, in order, once; health says degraded and nobody is fenced', async () => {
    const before = await lives()
    for (const way of ways) way.cut()
    for (const node of cluster.nodes) {
      const page = await until(`${node.name} says that the link is cut`, async () => {
        const seen = await clusterPage(node)
        return seen.health.state === 'degraded' && seen
      })
      expect(page.problems).toEqual([expect.stringMatching(/^no link to node[12]/)])
      expect(page).toMatchObject({ serving: true, health: { ready: true } })
    }
    say(romeo, juliet.jid, ...numbered('there', 200))
    say(juliet, romeo.jid, ...numbered('back', 200))
    await Promise.all([romeo.ping(), juliet.ping()])
    await until('two beats without a link', async () => (await sql.nodes()).every((row) => row['links'] === 0))
    for (const way of ways) way.heal()
    expect(await bodiesUpTo(juliet, 'there 199')).toEqual(numbered('there', 200))
    expect(await bodiesUpTo(romeo, 'back 199')).toEqual(numbered('back', 200))
    await mesh(cluster.nodes)
    await Promise.all([romeo.ping(), juliet.ping()])
    expect([...romeo.takeBodies(), ...juliet.takeBodies(), ...takeUnavailable(romeo), ...takeUnavailable(juliet)]).toEqual([])
    expect(await lives()).toEqual(before)
    await until('health is ok', async () => (await clusterPage(cluster.node(0))).health.state === 'ok')
  }, 60_000)

  test('§4 cut again and again under way, with a delay: still in order, once', async () => {
    for (const way of ways) way.delayMs = 3
    const [there, back] = [numbered('on', 400), numbered('off', 400)]
    for (let i = 0; i < 400; i += 80) {
      say(romeo, juliet.jid, ...there.slice(i, i + 80))
      say(juliet, romeo.jid, ...back.slice(i, i + 80))
      await romeo.ping()
      for (const way of ways) {
        way.cut()
        way.heal()
      }
      if (i % 160 === 0) await mesh(cluster.nodes)
    }
    expect(await bodiesUpTo(juliet, 'on 399')).toEqual(there)
    expect(await bodiesUpTo(romeo, 'off 399')).toEqual(back)
    for (const way of ways) way.delayMs = 0
    await mesh(cluster.nodes)
  }, 60_000)

  test('§4 presence, binds and probes that fell into the cut are made up for when it heals', async () => {
    for (const way of ways) way.cut()
    await until('it is noticed', async () => (await clusterPage(cluster.node(0))).problems.length === 1)
    juliet.write(`<presence><show>dnd</show></presence>`)
    const same = await cluster.login(1, 'romeo', { resource: 'balcony', available: false })
    await Promise.all([juliet.ping(), same.ping()])
    expect(romeo.closed).toBe(false)
    for (const way of ways) way.heal()
    await romeo.gone()
    expect(romeo.streamError).toBe('conflict')
    await same.becomeAvailable()
    expect((await same.presence(juliet.jid)).getChildText('show')).toBe('dnd')
    await same.close()
    romeo = await cluster.login(0, 'romeo', { resource: 'balcony' })
    await romeo.presence(juliet.jid)
    await juliet.ping()
    juliet.inbox.length = 0
  }, 60_000)

  test('§4 the queue is bounded: beyond it senders are answered wait, and all that was not refused arrives', async () => {
    for (const way of ways) way.cut()
    await until('it is noticed', async () => (await clusterPage(cluster.node(0))).problems.length === 1)
    const tybalt = await cluster.login(0, 'tybalt', { resource: 'street' })
    // More than a sender may have on the way (1 MiB), in few stanzas.
    const ids = Array.from({ length: 40 }, (_, i) => `m${i}`)
    for (const id of ids) tybalt.write(`<message to='${juliet.jid}' type='chat' id='${id}'><body>${'x'.repeat(40_000)}</body></message>`)
    const refused = await tybalt.next((e) => e.is('message') && e.attrs['type'] === 'error', 25_000)
    expect(refused.getChild('error')?.attrs['type']).toBe('wait')
    tybalt.inbox.unshift(refused)
    for (const way of ways) way.heal()
    const of = (client: TestClient): string[] => client.inbox.filter((e) => e.is('message')).map((e) => String(e.attrs['id']))
    await until('all are dealt with', () => of(tybalt).length + of(juliet).length >= ids.length)
    await Promise.all([tybalt.ping(), juliet.ping()])
    const errors = new Set(of(tybalt))
    expect(of(juliet)).toEqual(ids.filter((id) => !errors.has(id)))
    expect(of(tybalt)).toHaveLength(errors.size)
    expect(errors.size).toBeLessThan(ids.length / 2)
  }, 60_000)
})
