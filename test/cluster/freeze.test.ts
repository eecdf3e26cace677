/** A node that stands still (cluster.md §2, waking up): longer than the fence it is dead, shorter it is only late. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { freshDatabase } from '../databases.js'
import type { TestClient } from '../support/client.js'
import { befriend, Cluster, type StrategyName } from '../support/cluster.js'
import { bodiesUpTo, clusterPage, mesh, numbered, say, takeUnavailable, told } from '../support/fault-cast.js'
import { SqlDoor } from '../support/rows.js'
import { until } from '../support/until.js'

/** Well beyond the fence, well below it. */
const LONG_MS = 8_000
const SHORT_MS = 3_000

type Kind = 'postgresql' | 'sqlite'
const CASES: readonly (readonly [StrategyName, Kind])[] = [
  ['broadcast', 'postgresql'], ['online-users-caching', 'postgresql'], ['broadcast', 'sqlite']
]

describe.each(CASES)('two nodes with %s on %s, one is stopped by SIGSTOP', (strategy, kind) => {
  let cluster: Cluster
  let sql: SqlDoor
  let romeo: TestClient
  let juliet: TestClient

  beforeAll(async () => {
    cluster = await Cluster.of({ nodes: 2, database: await freshDatabase(kind), strategy })
    sql = new SqlDoor(cluster.database)
    romeo = await cluster.login(0, 'romeo', { resource: 'balcony' })
    juliet = await cluster.login(1, 'juliet', { resource: 'chamber' })
    await befriend(romeo, juliet)
  }, 60_000)
  afterAll(async () => {
    await sql.close()
    await cluster.end()
  })

  test('§2 for 3 s: nobody is fenced, and what was said meanwhile arrives in order, once, both ways', async () => {
    const before = await sql.nodes()
    cluster.node(1).signal('SIGSTOP')
    say(romeo, juliet.jid, ...numbered('to the frozen', 20))
    say(juliet, romeo.jid, ...numbered('from the frozen', 20))
    await sleep(SHORT_MS)
    cluster.node(1).signal('SIGCONT')
    expect(await bodiesUpTo(juliet, 'to the frozen 19')).toEqual(numbered('to the frozen', 20))
    expect(await bodiesUpTo(romeo, 'from the frozen 19')).toEqual(numbered('from the frozen', 20))
    await Promise.all([romeo.ping(), juliet.ping()])
    expect([...romeo.takeBodies(), ...juliet.takeBodies(), ...takeUnavailable(romeo), ...takeUnavailable(juliet)]).toEqual([])
    const after = await sql.nodes()
    expect(after.map((row) => [row['incarnation'], row['state']])).toEqual(before.map((row) => [row['incarnation'], 'up']))
  }, 40_000)

  test('§2 for 8 s: the others fence it; the woken node reads and writes not one byte of its old clients, and rejoins anew', async () => {
    const before = (await clusterPage(cluster.node(1))).self.incarnation
    cluster.node(1).signal('SIGSTOP')
    say(romeo, juliet.jid, ...numbered('missed', 3))
    say(juliet, romeo.jid, 'from the dead')
    await sleep(LONG_MS)
    expect((await sql.node('node2'))['state']).toBe('fenced')
    await romeo.presence(juliet.jid, 'unavailable')
    await cluster.accounts.stored('juliet', 'localhost', 3)
    const heard = juliet.socket.bytesRead

    cluster.node(1).signal('SIGCONT')
    await juliet.gone()
    expect(juliet.socket.bytesRead).toBe(heard)
    expect(juliet.streamError).toBeUndefined()
    await mesh(cluster.nodes)
    expect((await clusterPage(cluster.node(1))).self.incarnation).toBeGreaterThan(before)
    expect(told(cluster.node(1), 'cluster.fenced', 'node2')).toHaveLength(1)
    await until('it serves again', () => fetch(`http://127.0.0.1:${cluster.node(1).ports.http}/ready`).then((r) => r.ok, () => false))

    juliet = await cluster.login(1, 'juliet', { resource: 'chamber' })
    await romeo.presence(juliet.jid)
    expect(await bodiesUpTo(juliet, 'missed 2')).toEqual(numbered('missed', 3))
    say(juliet, romeo.jid, 'alive')
    expect(await bodiesUpTo(romeo, 'alive')).toEqual(['alive'])
    expect(takeUnavailable(romeo)).toEqual([])
  }, 60_000)
})
