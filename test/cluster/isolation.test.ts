/** The isolation rule (cluster.md §2): cut from the database and from the others a node serves nobody; with a link it goes on. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { freshDatabase } from '../databases.js'
import type { TestClient } from '../support/client.js'
import { befriend, Cluster } from '../support/cluster.js'
import { bodiesUpTo, clusterPage, mesh, numbered, say, takeUnavailable, told } from '../support/fault-cast.js'
import { Forwarder } from '../support/forwarder.js'
import type { NodeProcess } from '../support/node-process.js'
import { SqlDoor } from '../support/rows.js'
import { until } from '../support/until.js'

/** How a way ends: connections are reset, or nothing comes any more and nothing says so. */
const ENDS = [['cut', (way: Forwarder) => { way.cut() }], ['stalled', (way: Forwarder) => { way.stall() }]] as const

describe('two nodes on PostgreSQL, all whose ways pass through the test', () => {
  let cluster: Cluster
  let sql: SqlDoor
  /** To the node, for links; and from the node, to the database. */
  const links: Forwarder[] = []
  const databases: Forwarder[] = []
  let romeo: TestClient
  let juliet: TestClient

  beforeAll(async () => {
    const database = await freshDatabase('postgresql')
    cluster = await Cluster.of({ nodes: 0, database })
    const { port } = database.settings as { port: number }
    for (const n of [0, 1]) {
      const [link, way] = [await Forwarder.open(), await Forwarder.open(port)]
      const jdbc = database.jdbc.replace(`:${port}/`, `:${way.port}/`)
      const node = await cluster.plan(`node${n + 1}`, [`--cluster-advertise=127.0.0.1:${link.port}`, `--user-db-uri=${jdbc}`])
      link.target = node.ports.cluster
      links.push(link)
      databases.push(way)
    }
    await Promise.all(cluster.nodes.map((node) => node.start()))
    sql = new SqlDoor(database)
    romeo = await cluster.login(0, 'romeo', { resource: 'balcony' })
    juliet = await cluster.login(1, 'juliet', { resource: 'chamber' })
    await befriend(romeo, juliet)
  }, 60_000)
  afterEach(() => { for (const way of [...links, ...databases]) way.heal() })
  afterAll(async () => {
    await sql.close()
    await cluster.end()
    for (const way of [...links, ...databases]) await way.close()
  })

  const serves = async (node: NodeProcess): Promise<boolean> => (await clusterPage(node)).serving

  test.each(ENDS)('§2 cut from the database but linked (%s), both go on and nobody is fenced', async (_how, end) => {
    const before = (await sql.nodes()).map((row) => row['incarnation'])
    const missed = cluster.nodes.map((node) => node.events('cluster.database.away').length)
    for (const way of databases) end(way)
    await Promise.all(cluster.nodes.map((node, n) => until(`${node.name} misses the database`, () => {
      return node.events('cluster.database.away').length > (missed[n] ?? 0)
    })))
    for (let i = 0; i < 7; i++) {
      say(romeo, juliet.jid, `there ${i}`)
      say(juliet, romeo.jid, `back ${i}`)
      await juliet.message(`there ${i}`)
      await romeo.message(`back ${i}`)
      for (const node of cluster.nodes) expect(await serves(node)).toBe(true)
      await new Promise((done) => { setTimeout(done, 750) })
    }
    for (const way of databases) way.heal()
    await until('both beat again', async () => {
      return (await Promise.all(cluster.nodes.map(clusterPage))).every((page) => page.health.state === 'ok')
    })
    const rows = await sql.nodes()
    expect(rows.map((row) => [row['incarnation'], row['state']])).toEqual(before.map((incarnation) => [incarnation, 'up']))
  }, 60_000)

  test.each(ENDS)('§2 cut from everything (%s): it stops serving before it is fenced, and serves anew when healed', async (_how, end) => {
    const [one, two] = [cluster.node(0), cluster.node(1)]
    const before = (await clusterPage(two)).self.incarnation
    const lost = told(one, 'cluster.lost', 'node2').length
    for (const way of [links[0], links[1], databases[1]]) if (way !== undefined) end(way)
    await until('it shuts its gate', async () => !await serves(two))
    expect((await sql.node('node2'))['state']).toBe('up')
    const heard = juliet.socket.bytesRead
    say(juliet, romeo.jid, 'from the isolated')
    juliet.write(`<iq type='get' id='unanswered'><ping xmlns='urn:xmpp:ping'/></iq>`)
    say(romeo, juliet.jid, ...numbered('missed', 3))
    await until('it is fenced', () => told(one, 'cluster.lost', 'node2').length > lost)
    await romeo.presence(juliet.jid, 'unavailable')
    await cluster.accounts.stored('juliet', 'localhost', 3)
    expect(await serves(one)).toBe(true)
    expect(await serves(two)).toBe(false)

    for (const way of [...links, ...databases]) way.heal()
    await juliet.gone()
    expect(juliet.socket.bytesRead).toBe(heard)
    await mesh(cluster.nodes)
    await until('it serves again', () => serves(two))
    expect((await clusterPage(two)).self.incarnation).toBeGreaterThan(before)
    juliet = await cluster.login(1, 'juliet', { resource: 'chamber' })
    await romeo.presence(juliet.jid)
    expect(await bodiesUpTo(juliet, 'missed 2')).toEqual(numbered('missed', 3))
    say(juliet, romeo.jid, 'alive')
    expect(await bodiesUpTo(romeo, 'alive')).toEqual(['alive'])
    expect(takeUnavailable(romeo)).toEqual([])
  }, 90_000)
})
