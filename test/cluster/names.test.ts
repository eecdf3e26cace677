/** Names, rows and contacts (cluster.md §2-§5): what an operator may break by hand, and what is refused with which words. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freshDatabase } from '../databases.js'
import type { TestClient } from '../support/client.js'
import { befriend, Cluster } from '../support/cluster.js'
import { clusterPage, mesh, say, takeUnavailable, told } from '../support/fault-cast.js'
import { NodeProcess } from '../support/node-process.js'
import { SqlDoor } from '../support/rows.js'
import { until } from '../support/until.js'

describe('rows changed by hand, on two nodes', () => {
  let cluster: Cluster
  let sql: SqlDoor
  let romeo: TestClient

  beforeAll(async () => {
    cluster = await Cluster.of({ nodes: 2, database: await freshDatabase('postgresql') })
    sql = new SqlDoor(cluster.database)
    romeo = await cluster.login(0, 'romeo', { resource: 'balcony' })
  }, 60_000)
  afterAll(async () => {
    await sql.close()
    await cluster.end()
  })

  test.each([
    ['deleted', `delete from cluster_nodes where hostname = 'node2'`],
    ['set to fenced', `update cluster_nodes set state = 'fenced', view_no = view_no + 1 where hostname = 'node2'`],
    ['given to another life', `update cluster_nodes set boot_nonce = 'somebody else' where hostname = 'node2'`]
  ])('§2 a row that is %s ends that life at once: clients are closed without a word, it rejoins anew', async (_what, change) => {
    const before = (await clusterPage(cluster.node(1))).self.incarnation
    const juliet = await cluster.login(1, 'juliet', { resource: 'chamber' })
    if (before === 2 || romeo.inbox.length === 0) await befriend(romeo, juliet)
    await romeo.ping()
    romeo.inbox.length = 0
    await sql.run(change)
    await juliet.gone()
    expect(juliet.streamError).toBeUndefined()
    await until('it rejoins', async () => (await clusterPage(cluster.node(1))).self.incarnation > before)
    await mesh(cluster.nodes)
    expect(told(cluster.node(1), 'cluster.fenced', 'node2').at(-1)).toMatchObject({ reason: 'fenced' })
    await romeo.presence(juliet.jid, 'unavailable')
    const back = await until('its doors are open', () => cluster.login(1, 'juliet', { resource: 'chamber' }).catch(() => undefined))
    say(back, romeo.jid, 'here again')
    await romeo.message('here again')
    expect(takeUnavailable(romeo)).toEqual([])
    await back.close()
    await romeo.presence(juliet.jid, 'unavailable')
  }, 60_000)

  test('§4 with another pin in a node\'s row the link is refused by name, and stands again when the row is right', async () => {
    const pin = String((await sql.node('node2'))['cert_sha256'])
    await sql.run(`update cluster_nodes set cert_sha256 = '${'0'.repeat(64)}' where hostname = 'node2'`)
    const stranger = await cluster.plan('node3')
    stranger.spawn()
    await until('node3 refuses node2', () => {
      return cluster.nodes.flatMap((node) => node.events('cluster.link.refused')).some((line) => line['reason'] === 'wrong-pin')
    })
    expect((await clusterPage(cluster.node(0))).members.find((member) => member.name === 'node2')?.linked).toBe(true)
    await sql.run(`update cluster_nodes set cert_sha256 = '${pin}' where hostname = 'node2'`)
    await stranger.ready()
    await mesh(cluster.nodes)
    expect(stranger.events('cluster.incomplete')).toEqual([])
  }, 60_000)

  test('§2 a second process with a held name says who holds it and exits with 75; the holder notices nothing', async () => {
    const { incarnation } = (await clusterPage(cluster.node(0))).self
    const second = await NodeProcess.plan({ ...cluster.node(0).spec, dir: `${cluster.dir}/second` })
    second.spawn()
    expect(await second.exited()).toBe(75)
    expect(second.output).toMatch(new RegExp(`node1 is held by a live node .*127\\.0\\.0\\.1:${cluster.node(0).ports.cluster}`))
    expect((await clusterPage(cluster.node(0))).self.incarnation).toBe(incarnation)
    await romeo.ping()
  }, 40_000)

  test('§2 another cluster in the same database is not seen, and a name that it holds is refused with both cluster names', async () => {
    const lines = ['--cluster-name=verona']
    const other = await cluster.plan('other1', lines)
    const taken = await NodeProcess.plan({ ...cluster.node(0).spec, dir: `${cluster.dir}/taken`, lines })
    taken.spawn()
    await other.start()
    expect(await taken.exited()).toBe(78)
    expect(taken.output).toMatch(/node1 belongs to the cluster "starling".*configured for "verona"/)
    expect((await clusterPage(other)).members.map((member) => member.name)).toEqual(['other1'])
    expect((await clusterPage(cluster.node(0))).members.map((member) => member.name)).toEqual(['node1', 'node2', 'node3'])
    expect((await sql.node('other1'))['cluster_name']).toBe('verona')
    expect(await other.stop()).toBe(0)
  }, 60_000)

  test('§5 a node with another strategy gets no link, and both sides say why', async () => {
    const odd = await cluster.plan('odd', ['--sm-cluster-strategy-class=online-users-caching'])
    odd.spawn()
    const refusals = (node: NodeProcess): unknown[] => node.events('cluster.link.refused').filter((line) => line['reason'] === 'strategy')
    await until('the refusal', () => [odd, cluster.node(0)].every((node) => refusals(node).length > 0))
    const lines = [odd, cluster.node(0)].flatMap(refusals)
    expect(lines).toContainEqual(expect.objectContaining({ theirs: expect.any(String), ours: expect.any(String) }))
    expect((await clusterPage(cluster.node(0))).members.find((member) => member.name === 'odd')?.linked).not.toBe(true)
    await odd.kill()
  }, 40_000)
})

describe('contacts from a static list', () => {
  test('§3 static alone: a chain of contacts becomes a full mesh, and no address of the table is dialled', async () => {
    const cluster = await Cluster.of({ nodes: 0, database: await freshDatabase('postgresql') })
    try {
      const lines = ['--cluster-discovery=static']
      const a = await cluster.plan('node-a', lines)
      const b = await cluster.plan('node-b', [...lines, `--cluster-nodes=127.0.0.1:${a.ports.cluster}`])
      const c = await cluster.plan('node-c', [...lines, `--cluster-nodes=127.0.0.1:${b.ports.cluster},127.0.0.1`])
      // Nobody knows this one and it knows nobody: its row alone makes no link.
      const hermit = await cluster.plan('hermit', lines)
      await Promise.all([a, b, c].map((node) => node.start()))
      await mesh([a, b, c])
      hermit.spawn()
      const page = await until('node-a sees the row', async () => {
        const seen = await clusterPage(a)
        return seen.problems.some((problem) => problem.includes('hermit')) && seen
      })
      expect(page.members.filter((member) => member.linked).map((member) => member.name)).toEqual(['node-a', 'node-b', 'node-c'])
      await until('five beats of the hermit', async () => {
        const door = new SqlDoor(cluster.database)
        const row = await door.node('hermit').finally(() => door.close())
        return Number(row['beat']) >= 5 && row['links'] === 0
      })
      expect((await clusterPage(a)).members.filter((member) => member.linked)).toHaveLength(3)
    } finally {
      await cluster.end()
    }
  }, 60_000)
})

describe('a table that Tigase made', () => {
  const MAKE = `create table cluster_nodes (hostname varchar(255) primary key, secondary varchar(255), password varchar(255) not null,
    last_update timestamp not null default current_timestamp, port int, cpu_usage double precision not null,
    mem_usage double precision not null)`

  test('§2 rows of the last minutes: refused with the sentence; old rows: the table is renamed and kept', async () => {
    const database = await freshDatabase('postgresql')
    const sql = new SqlDoor(database)
    const dir = mkdtempSync(join(tmpdir(), 'starling-tigase-'))
    const node = await NodeProcess.plan({ name: 'node1', dir, jdbc: database.jdbc, userDb: database.userDb, strategy: 'broadcast' })
    try {
      await sql.run(MAKE)
      await sql.run(`insert into cluster_nodes values ('tig1.example.com', null, 'x', current_timestamp, 5277, 1, 1)`)
      node.spawn()
      expect(await node.exited()).toBe(78)
      expect(node.output).toContain('Tigase nodes are using this table')
      await sql.run(`update cluster_nodes set last_update = current_timestamp - interval '2 days'`)
      await node.start()
      expect((await sql.run('select hostname from cluster_nodes_tigase')).map((row) => row['hostname'])).toEqual(['tig1.example.com'])
      expect((await sql.nodes()).map((row) => row['hostname'])).toEqual(['node1'])
    } finally {
      await node.kill()
      await sql.close()
      await database.drop()
      rmSync(dir, { recursive: true, force: true })
    }
  }, 60_000)
})
