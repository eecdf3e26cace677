/** Starting and joining (cluster.md §1-§3): any order, all at once, the database last, while others run. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { dedicatedServer, freshDatabase, type DedicatedServer } from '../databases.js'
import { Cluster } from '../support/cluster.js'
import { clusterPage, mesh, told } from '../support/fault-cast.js'
import { SqlDoor } from '../support/rows.js'
import { until } from '../support/until.js'

/** Tigase's, in its order. */
const FIRST_SEVEN = ['hostname', 'secondary', 'password', 'last_update', 'port', 'cpu_usage', 'mem_usage']

describe('five nodes on PostgreSQL', () => {
  let cluster: Cluster
  let sql: SqlDoor

  beforeAll(async () => {
    cluster = await Cluster.of({ nodes: 5, database: await freshDatabase('postgresql'), start: false })
    sql = new SqlDoor(cluster.database)
  })
  afterAll(async () => {
    await sql.close()
    await cluster.end()
  })

  test('§1 three that start at once are a full mesh before their client ports open', async () => {
    const three = cluster.nodes.slice(0, 3)
    await Promise.all(three.map((node) => node.start()))
    for (const node of three) {
      const { members } = await clusterPage(node)
      expect(members.map(({ name, linked }) => [name, linked])).toEqual([['node1', true], ['node2', true], ['node3', true]])
      expect(node.events('cluster.incomplete')).toEqual([])
    }
  }, 60_000)

  test('§1 one after another, the last name first, they join; each node says so in one line with the members', async () => {
    for (const n of [4, 3]) await cluster.node(n).start()
    await mesh(cluster.nodes)
    for (const node of cluster.nodes) {
      const heard = ['node1', 'node2', 'node3', 'node4', 'node5'].map((name) => told(node, 'cluster.joined', name).length)
      expect(heard).toEqual([1, 1, 1, 1, 1])
    }
    const last = told(cluster.node(0), 'cluster.joined', 'node4')[0]
    expect(last).toMatchObject({ reason: 'joined', address: `127.0.0.1:${cluster.node(3).ports.cluster}`, level: 'info' })
    const listed = cluster.nodes.map((node, n) => `127.0.0.1:${node.ports.cluster}${n === 0 ? ' this' : ''}`).join(', ')
    expect(last?.['members']).toBe(`Members [5] { ${listed} }`)
  }, 60_000)

  test('§1 /cluster lists all with exactly one self, and health is ok', async () => {
    for (const node of cluster.nodes) {
      const page = await clusterPage(node)
      expect(page).toMatchObject({ serving: true, problems: [], health: { state: 'ok' }, strategy: 'broadcast', self: { name: node.name } })
      expect(page.members.filter((member) => member.self).map((member) => member.name)).toEqual([node.name])
      expect(page.members.map((member) => member.state)).toEqual(Array(5).fill('up'))
    }
  })

  test('§9 cluster_nodes begins with the seven columns of Tigase, and all it says is true', async () => {
    const rows = await until('four links in every row', async () => {
      const seen = await sql.nodes()
      return seen.every((row) => row['links'] === 4) && seen
    })
    expect(Object.keys(rows[0] ?? {}).slice(0, 7)).toEqual(FIRST_SEVEN)
    expect(rows.map((row) => row['hostname'])).toEqual(['node1', 'node2', 'node3', 'node4', 'node5'])
    rows.forEach((row, n) => {
      const { ports } = cluster.node(n)
      expect(row).toMatchObject({
        port: ports.cluster, advertise: `127.0.0.1:${ports.cluster}`, state: 'up', cluster_name: 'starling',
        strategy: 'broadcast', secondary: null
      })
      expect(JSON.parse(String(row['services']))).toMatchObject({ c2s: expect.stringMatching(new RegExp(`:${ports.c2s}$`)) })
      for (const load of ['cpu_usage', 'mem_usage']) {
        expect(Number(row[load])).toBeGreaterThan(0)
        expect(Number(row[load])).toBeLessThanOrEqual(100)
      }
    })
    for (const column of ['password', 'incarnation', 'boot_nonce', 'cert_sha256']) {
      expect(new Set(rows.map((row) => row[column])).size).toBe(5)
    }
    const [fresh] = await sql.run(`select count(*) as n from cluster_nodes
      where last_update > localtimestamp - interval '5 seconds' and last_update <= localtimestamp`)
    expect(Number(fresh?.['n'])).toBe(5)
  })

  test('§2 two of the five are killed at once: each is fenced once, and the three go on', async () => {
    await Promise.all([3, 4].map((n) => cluster.node(n).kill()))
    const three = cluster.nodes.slice(0, 3)
    await until('the three know', () => three.every((node) => node.events('cluster.lost').length === 2))
    expect(three.flatMap((node) => node.events('cluster.fence')).map((line) => line['node']).sort()).toEqual(['node4', 'node5'])
    await mesh(three)
    expect((await sql.nodes()).map((row) => row['state'])).toEqual(['up', 'up', 'up', 'fenced', 'fenced'])
  }, 40_000)
})

describe('the database comes up last', () => {
  let server: DedicatedServer
  let cluster: Cluster

  beforeAll(async () => {
    server = await dedicatedServer('postgresql')
    cluster = await Cluster.of({ nodes: 2, database: { ...server, drop: () => server.remove() }, start: false })
    await cluster.accounts.close()
    await server.stop()
  }, 60_000)
  afterAll(() => cluster.end())

  test('§2 nodes wait for it, say so, and then are a cluster', async () => {
    for (const node of cluster.nodes) node.spawn()
    await Promise.all(cluster.nodes.map((node) => until(`${node.name} waits`, () => node.events('database.waiting').length > 0)))
    await server.start()
    await Promise.all(cluster.nodes.map((node) => node.ready()))
    await mesh(cluster.nodes)
  }, 60_000)
})
