/** The database stops, freezes and comes back (cluster.md §2): who is online goes on, nobody is fenced, nothing is promised. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { openDatabase } from '../../src/storage/database.js'
import { dedicatedServer, freshDatabase, type DedicatedServer } from '../databases.js'
import { TestClient } from '../support/client.js'
import { befriend, Cluster, type StrategyName } from '../support/cluster.js'
import { bodiesUpTo, clusterPage, numbered, say, takeUnavailable } from '../support/fault-cast.js'
import { SqlDoor } from '../support/rows.js'
import { silentLog } from '../support/silent-log.js'
import { until } from '../support/until.js'

/** Longer than the fence: whoever would be fenced for the outage has been by then. */
const OUTAGE_MS = 8_000

type Fault = readonly [string, (server: DedicatedServer) => Promise<void>, (server: DedicatedServer) => Promise<void>]
const FAULTS: readonly Fault[] = [
  ['stopped', (server) => server.stop(), (server) => server.start()],
  ['frozen', (server) => server.pause(), (server) => server.resume()]
]
const CASES: readonly (readonly ['postgresql' | 'mysql', StrategyName])[] = [['postgresql', 'broadcast'], ['mysql', 'online-users-caching']]

describe.each(CASES)('two nodes on %s with %s', (kind, strategy) => {
  let server: DedicatedServer
  let cluster: Cluster
  let romeo: TestClient
  let juliet: TestClient

  beforeAll(async () => {
    server = await dedicatedServer(kind)
    cluster = await Cluster.of({
      nodes: 2, database: { ...server, drop: () => server.remove() }, strategy, accounts: ['romeo', 'juliet', 'nurse', 'tybalt']
    })
    romeo = await cluster.login(0, 'romeo', { resource: 'balcony' })
    juliet = await cluster.login(1, 'juliet', { resource: 'chamber' })
    await befriend(romeo, juliet)
  }, 90_000)
  afterAll(() => cluster.end())

  const lives = async (): Promise<unknown[]> => {
    const sql = new SqlDoor(server)
    const rows = await sql.nodes()
    await sql.close()
    return rows.map((row) => [row['hostname'], row['incarnation'], row['state']])
  }
  const health = async (): Promise<string[]> => Promise.all(cluster.nodes.map(async (node) => (await clusterPage(node)).health.state))

  test.each(FAULTS)('§2 the database is %s: chat goes on, logins and offline fail cleanly, nobody is fenced', async (_how, begin, end) => {
    const before = await lives()
    await begin(server)
    const begun = performance.now()
    await until('health is degraded', async () => (await health()).every((state) => state === 'degraded'))
    say(romeo, juliet.jid, ...numbered('there', 50))
    say(juliet, 'romeo@localhost', ...numbered('back', 50))
    expect(await bodiesUpTo(juliet, 'there 49')).toEqual(numbered('there', 50))
    expect(await bodiesUpTo(romeo, 'back 49')).toEqual(numbered('back', 50))

    const guest = await TestClient.open(cluster.node(0).ports.c2s)
    await guest.openStream('localhost')
    await expect(guest.authenticate({ port: 0, user: 'nurse' })).rejects.toThrow('temporary-auth-failure')
    guest.socket.destroy()

    say(romeo, 'tybalt@localhost', 'for later')
    const refused = await romeo.next((e) => e.is('message') && e.attrs['type'] === 'error')
    expect(refused.getChild('error')?.attrs['type']).toBe('wait')
    expect(refused.getChild('error')?.getChild('resource-constraint')).toBeDefined()

    await sleep(Math.max(0, begun + OUTAGE_MS - performance.now()))
    say(romeo, juliet.jid, 'still there')
    await juliet.message('still there')
    await end(server)
    await until('health is ok', async () => (await health()).every((state) => state === 'ok'))
    const beats = new SqlDoor(server)
    await until('both beat again', async () => (await beats.nodes()).every((row) => row['state'] === 'up' && row['links'] === 1))
      .finally(() => beats.close())
    expect(await lives()).toEqual(before)

    const nurse = await cluster.login(0, 'nurse')
    say(nurse, 'tybalt@localhost', 'kept')
    await cluster.accounts.stored('tybalt', 'localhost', 1)
    const tybalt = await cluster.login(1, 'tybalt')
    expect(await bodiesUpTo(tybalt, 'kept')).toEqual(['kept'])
    await Promise.all([tybalt.close(), nurse.close(), romeo.ping(), juliet.ping()])
    expect([...takeUnavailable(romeo), ...takeUnavailable(juliet), ...romeo.takeBodies(), ...juliet.takeBodies()]).toEqual([])
  }, 90_000)
})

describe('a node on SQLite that stops while another process holds the file', () => {
  test('§1 says that it has left as soon as it can', async () => {
    const cluster = await Cluster.of({ nodes: 1, database: await freshDatabase('sqlite'), accounts: [] })
    const holder = openDatabase(cluster.database.settings, silentLog)
    const sql = new SqlDoor(cluster.database)
    let letGo = (): void => {}
    try {
      const node = cluster.node(0)
      let begun = false
      const held = holder.transaction(async (held) => {
        await held.raw(`update cluster_seq set v = v`)
        begun = true
        await new Promise<void>((done) => { letGo = done })
      })
      await until('the file is held', () => begun)
      node.signal('SIGTERM')
      await until('a try has failed', () => node.events('cluster.left.unwritten').length > 0)
      letGo()
      await held
      expect(await node.exited()).toBe(0)
      expect((await sql.node(node.name))['state']).toBe('left')
    } finally {
      letGo()
      await Promise.all([holder.close(), sql.close()])
      await cluster.end()
    }
  }, 60_000)
})

describe('two nodes on SQLite whose file is held by a process that stands still', () => {
  test('§8 the nodes call the database away: chat goes on, nobody is fenced, and all is well when it lets go', async () => {
    const cluster = await Cluster.of({ nodes: 2, database: await freshDatabase('sqlite'), accounts: ['romeo', 'juliet', 'nurse'] })
    const holder = openDatabase(cluster.database.settings, silentLog)
    const sql = new SqlDoor(cluster.database)
    try {
      const romeo = await cluster.login(0, 'romeo')
      const juliet = await cluster.login(1, 'juliet')
      await befriend(romeo, juliet)
      const before = (await sql.nodes()).map((row) => row['incarnation'])
      let letGo = (): void => {}
      const held = holder.transaction(async (held) => {
        await held.raw(`update cluster_seq set v = v`)
        await new Promise<void>((done) => { letGo = done })
      })
      const health = async (): Promise<string[]> => Promise.all(cluster.nodes.map(async (node) => (await clusterPage(node)).health.state))
      await until('health is degraded', async () => (await health()).every((state) => state === 'degraded'))
      const begun = performance.now()
      say(romeo, juliet.jid, ...numbered('there', 50))
      expect(await bodiesUpTo(juliet, 'there 49')).toEqual(numbered('there', 50))
      await sleep(Math.max(0, begun + OUTAGE_MS - performance.now()))
      say(juliet, romeo.jid, 'still there')
      await romeo.message('still there')
      letGo()
      await held
      await until('health is ok', async () => (await health()).every((state) => state === 'ok'))
      expect((await sql.nodes()).map((row) => [row['incarnation'], row['state']])).toEqual(before.map((incarnation) => [incarnation, 'up']))
      const nurse = await cluster.login(1, 'nurse')
      say(nurse, romeo.jid, 'well again')
      await romeo.message('well again')
      expect([...takeUnavailable(romeo), ...takeUnavailable(juliet)]).toEqual([])
    } finally {
      await Promise.all([holder.close(), sql.close()])
      await cluster.end()
    }
  }, 60_000)
})
