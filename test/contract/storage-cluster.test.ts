/** The cluster's tables on all three databases: claims, beats, fences and notices as compare-and-set. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { ClusterTables, Life, NodeRow } from '../../src/storage/cluster-tables.js'
import { rowsOf } from '../../src/storage/database.js'
import { KINDS } from '../databases.js'
import { account, claimOf, opened, type Opened } from '../storage/opened.js'

const LOAD = { cpuUsage: 1.5, memUsage: 2.5, links: 1 }
const TIGASE = ['hostname', 'secondary', 'password', 'last_update', 'port', 'cpu_usage', 'mem_usage']

async function claimed(cluster: ClusterTables, hostname: string, nonce: string, replacing?: NodeRow): Promise<Life> {
  const result = await cluster.claim(claimOf(hostname, nonce), replacing)
  if (result.outcome !== 'claimed') throw new Error(result.outcome)
  return result.life
}

async function rowOf(cluster: ClusterTables, hostname: string): Promise<NodeRow> {
  const found = (await cluster.rows('play')).find((row) => row.hostname === hostname)
  if (found === undefined) throw new Error(`no row ${hostname}`)
  return found
}

describe.each(KINDS)('cluster tables on %s', (kind) => {
  let open: Opened
  let cluster: ClusterTables
  beforeAll(async () => {
    open = await opened(kind)
    cluster = open.cluster
  }, 60_000)
  afterAll(() => open.end())

  test('the seven columns of Tigase come first', async () => {
    await claimed(cluster, 'columns', 'a')
    const [row] = rowsOf(kind, await open.database.read((sql) => sql.raw('select * from cluster_nodes')))
    expect(Object.keys(row ?? {}).slice(0, 7)).toEqual(TIGASE)
  })

  test('a claim takes the name with a number that was never used', async () => {
    const result = await cluster.claim(claimOf('fresh', 'a', { secondary: 'public', certSha256: 'ab'.repeat(32) }))
    expect(result).toMatchObject({ outcome: 'claimed', row: { state: 'joining', beat: 0, viewNo: 0, secondary: 'public', links: 0 } })
    if (result.outcome !== 'claimed') return
    expect(await rowOf(cluster, 'fresh')).toEqual(result.row)
    const next = await claimed(cluster, 'fresh2', 'b')
    expect(next.incarnation).toBeGreaterThan(result.life.incarnation)
    expect(await cluster.isFenced('fresh', result.life.incarnation)).toBe(false)
  })

  test('a number is higher than those that the node has heard of, though the counter has forgotten them', async () => {
    const { incarnation } = await claimed(cluster, 'counted', 'a')
    const claim = async (nonce: string, above: number): Promise<number | undefined> => {
      const result = await cluster.claim(claimOf(`counted-${nonce}`, nonce), undefined, above)
      return result.outcome === 'claimed' && result.row.incarnation === result.life.incarnation ? result.life.incarnation : undefined
    }
    expect(await claim('b', incarnation - 1)).toBe(incarnation + 1)
    expect(await claim('c', incarnation + 10)).toBe(incarnation + 11)
    expect(await claim('d', incarnation + 11)).toBe(incarnation + 12)
    expect((await claimed(cluster, 'counted-on', 'e')).incarnation).toBe(incarnation + 13)
  })

  test('a name that somebody holds is not taken, and its holder is told', async () => {
    const life = await claimed(cluster, 'held', 'a')
    expect(await cluster.claim(claimOf('held', 'b'))).toMatchObject({ outcome: 'held', by: { incarnation: life.incarnation } })
    expect(await cluster.claim(claimOf('held', 'b', { clusterName: 'other' }))).toMatchObject({
      outcome: 'other-cluster', by: { clusterName: 'play' }
    })
    expect(await cluster.renew(life, LOAD)).toBe(true)
  })

  test('of two processes with one name exactly one gets it', async () => {
    const results = await Promise.all(['a', 'b', 'c', 'd'].map((nonce) => cluster.claim(claimOf('race', nonce))))
    expect(results.filter((result) => result.outcome === 'claimed')).toHaveLength(1)
    expect(results.filter((result) => result.outcome === 'held')).toHaveLength(3)
  })

  test('a holder whose beat stood still is replaced and fenced in one step; one that moved is not', async () => {
    const old = await claimed(cluster, 'still', 'a')
    const seen = await rowOf(cluster, 'still')
    await cluster.renew(old, LOAD)
    expect((await cluster.claim(claimOf('still', 'b'), seen)).outcome).toBe('held')
    const life = await claimed(cluster, 'still', 'b', await rowOf(cluster, 'still'))
    expect(await cluster.renew(old, LOAD)).toBe(false)
    expect(await cluster.setState(old, 'up')).toBe(false)
    expect(await cluster.isFenced('still', old.incarnation)).toBe(true)
    expect(await cluster.isFenced('still', life.incarnation)).toBe(false)
  })

  test('a claim whose answer was lost can be made again at once', async () => {
    const first = await claimed(cluster, 'again', 'same')
    const second = await claimed(cluster, 'again', 'same')
    expect(second.incarnation).toBeGreaterThan(first.incarnation)
    expect(await cluster.renew(first, LOAD)).toBe(false)
  })

  test('the name of a node that has left is free, for any cluster', async () => {
    const life = await claimed(cluster, 'gone', 'a')
    expect(await cluster.setState(life, 'left')).toBe(true)
    expect(await cluster.renew(life, LOAD)).toBe(false)
    expect((await cluster.claim(claimOf('gone', 'b', { clusterName: 'other' }))).outcome).toBe('claimed')
    expect((await cluster.rows('play')).some((row) => row.hostname === 'gone')).toBe(false)
    expect(await cluster.isFenced('gone', life.incarnation)).toBe(true)
  })

  test('rows of nodes that ended a day ago are cleared away by the next claim, live ones never', async () => {
    const names = ['ended', 'frozen']
    const [ended] = [await claimed(cluster, 'ended', 'a'), await claimed(cluster, 'frozen', 'a')]
    await cluster.setState(ended, 'left')
    await open.database.write((sql) => sql('cluster_nodes').whereIn('hostname', names).update({ last_update: '2001-01-01 00:00:00' }))
    await claimed(cluster, 'next', 'a')
    expect((await cluster.rows('play')).map((row) => row.hostname).filter((name) => names.includes(name))).toEqual(['frozen'])
  })

  test('a renewal counts the beat and writes what was measured', async () => {
    const life = await claimed(cluster, 'beat', 'a')
    await cluster.renew(life, LOAD)
    await cluster.renew(life, { ...LOAD, links: 4 })
    expect(await rowOf(cluster, 'beat')).toMatchObject({ beat: 2, viewNo: 0, cpuUsage: 1.5, memUsage: 2.5, links: 4 })
  })

  test('a beat does not wait behind a storm of other work', async () => {
    const life = await claimed(cluster, 'storm', 'a')
    await cluster.renew(life, LOAD)
    const owner = await account(open.store, 'storm')
    let done = 0
    const storm = Array.from({ length: 300 }, async (_, n) => {
      await open.store.values.update(owner, 'k', () => String(n))
      done++
    })
    expect(await cluster.renew(life, LOAD)).toBe(true)
    expect(done).toBeLessThan(300)
    await Promise.all(storm)
  })

  test('a state grows the view number and may open doors', async () => {
    const life = await claimed(cluster, 'doors', 'a')
    await cluster.setState(life, 'up', { c2s: 'doors:5222', admin: '127.0.0.1:8080' })
    const services = { c2s: 'doors:5222', admin: '127.0.0.1:8080' }
    expect(await rowOf(cluster, 'doors')).toMatchObject({ state: 'up', viewNo: 1, services })
    await cluster.setState(life, 'draining')
    expect(await rowOf(cluster, 'doors')).toMatchObject({ state: 'draining', viewNo: 2, services: { c2s: 'doors:5222' } })
  })

  test('doors that somebody scribbled over are closed doors', async () => {
    await claimed(cluster, 'scribble', 'a')
    for (const services of ['not json', '[]', 'null', '{"c2s":5222}', null]) {
      await open.database.write((sql) => sql('cluster_nodes').where({ hostname: 'scribble' }).update({ services }))
      expect((await rowOf(cluster, 'scribble')).services).toEqual({})
    }
  })

  test('a fence hits exactly the row that was seen', async () => {
    const life = await claimed(cluster, 'fence', 'a')
    const seen = await rowOf(cluster, 'fence')
    await cluster.renew(life, LOAD)
    expect(await cluster.fence(seen)).toBe(false)
    const now = await rowOf(cluster, 'fence')
    await open.database.write((sql) => sql('cluster_nodes').where({ hostname: 'fence' }).update({ backup: 'b', backup_inc: 7 }))
    expect(await cluster.fence({ ...now, backup: 'b', backupIncarnation: 7 })).toBe(true)
    expect(await rowOf(cluster, 'fence')).toMatchObject({ state: 'fenced', viewNo: now.viewNo + 1 })
    expect(await cluster.isFenced('fence', life.incarnation)).toBe(true)
    const [row] = await open.database.read((sql) => sql('cluster_fence').where({ hostname: 'fence' }).select())
    expect(row).toMatchObject({ fenced: 1, backup: 'b', backup_inc: 7, custodian: null })
    expect(await cluster.renew(life, LOAD)).toBe(false)
    expect(await cluster.setState(life, 'up')).toBe(false)
  })

  test('of two fencers one succeeds', async () => {
    const life = await claimed(cluster, 'two', 'a')
    const seen = await rowOf(cluster, 'two')
    const results = await Promise.all([1, 2, 3, 4].map(() => cluster.fence(seen)))
    expect(results.filter((hit) => hit)).toHaveLength(1)
    expect(await cluster.isFenced('two', life.incarnation)).toBe(true)
  })

  test('of a fence and a renewal at the same moment exactly one wins', async () => {
    for (let round = 0; round < 10; round++) {
      const life = await claimed(cluster, `moment${round}`, 'a')
      const seen = await rowOf(cluster, `moment${round}`)
      const [fenced, renewed] = await Promise.all([cluster.fence(seen), cluster.renew(life, LOAD)])
      expect(fenced).toBe(!renewed)
      expect(await cluster.isFenced(life.hostname, life.incarnation)).toBe(fenced)
    }
  })

  test('of a fence and a take-over at the same moment the old life is dead either way', async () => {
    for (let round = 0; round < 5; round++) {
      const old = await claimed(cluster, `over${round}`, 'a')
      const seen = await rowOf(cluster, `over${round}`)
      const [fenced, result] = await Promise.all([cluster.fence(seen), cluster.claim(claimOf(`over${round}`, 'b'), seen)])
      expect(fenced || result.outcome === 'claimed').toBe(true)
      expect(await cluster.isFenced(old.hostname, old.incarnation)).toBe(true)
      expect(await cluster.renew(old, LOAD)).toBe(false)
    }
  })

  test('a life without a row is dead', async () => {
    expect(await cluster.isFenced('nobody', 1)).toBe(true)
  })

  test('a row that an operator deleted ends its life', async () => {
    const life = await claimed(cluster, 'deleted', 'a')
    await open.database.write((sql) => sql('cluster_nodes').where({ hostname: 'deleted' }).delete())
    expect(await cluster.renew(life, LOAD)).toBe(false)
  })

  test('the database\'s clock stamps rows', async () => {
    const life = await claimed(cluster, 'stamp', 'a')
    const old = '2001-01-01 00:00:00'
    await open.database.write((sql) => sql('cluster_nodes').where({ hostname: 'stamp' }).update({ last_update: old }))
    await cluster.renew(life, LOAD)
    const [row] = await open.database.read((sql) =>
      sql('cluster_nodes').where({ hostname: 'stamp' }).whereRaw('last_update >= started_at').select('hostname'))
    expect(row).toBeDefined()
  })

  test('notices are numbered in the order in which they become visible', async () => {
    const start = await cluster.lastNotice()
    await Promise.all(Array.from({ length: 20 }, (_, n) => cluster.notify('account-deleted', `user${n}@example.com`)))
    const notices = await cluster.notices(start)
    expect(notices.map((notice) => notice.id)).toEqual(Array.from({ length: 20 }, (_, n) => start + n + 1))
    expect(new Set(notices.map((notice) => notice.subject)).size).toBe(20)
    expect(await cluster.lastNotice()).toBe(start + 20)
    expect(await cluster.notices(start + 20)).toEqual([])
  })

  test('notices of the day before are cleared away', async () => {
    await cluster.notify('old', 'old')
    const id = await cluster.lastNotice()
    await open.database.write((sql) => sql('cluster_notices').where({ id }).update({ at_db: '2001-01-01 00:00:00' }))
    await cluster.notify('new', 'new')
    expect((await cluster.notices(id - 1)).map((notice) => notice.kind)).toEqual(['new'])
  })
})
