/** A node that is killed, and one that is stopped (cluster.md §2, §5, §6): who hears what, once, and where messages stay. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { freshDatabase } from '../databases.js'
import type { TestClient } from '../support/client.js'
import { befriend, Cluster, type StrategyName } from '../support/cluster.js'
import { bodiesUpTo, mesh, numbered, say, take, takeUnavailable, told } from '../support/fault-cast.js'
import { SqlDoor } from '../support/rows.js'
import { until } from '../support/until.js'

type Kind = 'postgresql' | 'mysql' | 'sqlite'
const CASES: readonly (readonly [StrategyName, Kind])[] = [
  ['broadcast', 'postgresql'], ['online-users-caching', 'postgresql'], ['online-users-caching', 'mysql'], ['broadcast', 'sqlite']
]

describe.each(CASES)('two nodes with %s on %s', (strategy, kind) => {
  let cluster: Cluster
  let sql: SqlDoor
  let romeo: TestClient

  beforeAll(async () => {
    cluster = await Cluster.of({ nodes: 2, database: await freshDatabase(kind), strategy, accounts: ['romeo', 'juliet', 'nurse'] })
    sql = new SqlDoor(cluster.database)
    romeo = await cluster.login(0, 'romeo', { resource: 'balcony' })
  }, 60_000)
  afterAll(async () => {
    await sql.close()
    await cluster.end()
  })

  const incarnation = async (name: string): Promise<number> => Number((await sql.node(name))['incarnation'])

  test('§5 kill -9: contacts hear one unavailable for each lost device, directed presence too, at the fence and not before', async () => {
    const phone = await cluster.login(1, 'juliet', { resource: 'phone' })
    const laptop = await cluster.login(1, 'juliet', { resource: 'laptop' })
    const nurse = await cluster.login(1, 'nurse', { resource: 'kitchen' })
    await befriend(romeo, phone)
    await romeo.presence(laptop.jid)
    nurse.write(`<presence to='${romeo.jid}'/>`)
    await romeo.presence(nurse.jid)
    await romeo.ping()
    romeo.inbox.length = 0

    await cluster.node(1).kill()
    say(romeo, 'juliet@localhost', ...numbered('bare', 5))
    say(romeo, phone.jid, ...numbered('full', 5))
    await romeo.ping()
    expect((await sql.node('node2'))['state']).toBe('up')
    expect(takeUnavailable(romeo)).toEqual([])

    const first = await romeo.next((e) => e.is('presence'))
    expect((await sql.node('node2'))['state']).toBe('fenced')
    expect(first.attrs['type']).toBe('unavailable')
    await romeo.ping()
    expect([String(first.attrs['from']), ...takeUnavailable(romeo)].sort()).toEqual([laptop.jid, phone.jid, nurse.jid].sort())
    await until('the log says so, once', () => told(cluster.node(0), 'cluster.lost', 'node2').length === 1)
    expect(romeo.inbox.map(String)).toEqual([])
  }, 40_000)

  test('§2 the name starts again with a higher incarnation; what was said meanwhile waits for the next login, once, in order', async () => {
    const before = await incarnation('node2')
    await cluster.node(1).start()
    await mesh(cluster.nodes)
    expect(await incarnation('node2')).toBeGreaterThan(before)
    await cluster.accounts.stored('juliet', 'localhost', 10)
    const juliet = await cluster.login(1, 'juliet', { resource: 'phone' })
    expect(await bodiesUpTo(juliet, 'full 4')).toEqual([...numbered('bare', 5), ...numbered('full', 5)])
    await romeo.presence(juliet.jid)
    await juliet.presence(romeo.jid)
    await Promise.all([romeo.ping(), juliet.ping()])
    expect(takeUnavailable(romeo)).toEqual([])
    expect(juliet.takeBodies()).toEqual([])
    expect(romeo.inbox.map(String)).toEqual([])
  }, 60_000)

  test('§2 killed and started at once: it waits for its former life to be fenced, takes the name over, no ghost remains', async () => {
    const before = await incarnation('node2')
    await cluster.node(1).kill()
    await cluster.node(1).start()
    await mesh(cluster.nodes)
    expect(await incarnation('node2')).toBeGreaterThan(before)
    expect((await romeo.next((e) => e.is('presence'))).attrs).toMatchObject({ type: 'unavailable', from: 'juliet@localhost/phone' })
    romeo.write(`<presence type='probe' to='juliet@localhost'/>`)
    say(romeo, 'juliet@localhost/phone', 'to a ghost')
    await cluster.accounts.stored('juliet', 'localhost', 1)
    const juliet = await cluster.login(1, 'juliet', { resource: 'tablet' })
    await juliet.message('to a ghost')
    await romeo.presence(juliet.jid)
    await romeo.ping()
    expect(romeo.inbox.map(String)).toEqual([])
    const lives = await sql.run(`select fenced from cluster_fence where hostname = 'node2' order by incarnation`)
    expect(lives.map((life) => life['fenced'])).toEqual([1, 1, 0])
  }, 60_000)

  test('§6 SIGTERM: the row says draining and then left, clients get system-shutdown, contacts one unavailable each, exit 0', async () => {
    const juliet = await cluster.login(1, 'juliet', { resource: 'desk' })
    await romeo.presence(juliet.jid)
    await romeo.ping()
    romeo.inbox.length = 0
    const stopped = cluster.node(1).stop()
    await juliet.gone()
    expect(juliet.streamError).toBe('system-shutdown')
    expect(await stopped).toBe(0)
    // Each change of state is one step of the row's number: up, draining, left.
    expect(await sql.node('node2')).toMatchObject({ state: 'left', view_no: 3 })
    await until('the others hear of it', () => told(cluster.node(0), 'cluster.left', 'node2').length === 1)
    await romeo.presence('juliet@localhost/tablet', 'unavailable')
    await romeo.presence(juliet.jid, 'unavailable')
    await romeo.ping()
    expect(take(romeo, (e) => e.is('presence')).map(String)).toEqual([])
    expect(told(cluster.node(0), 'cluster.lost', 'node2')).toHaveLength(2)
  }, 40_000)
})
