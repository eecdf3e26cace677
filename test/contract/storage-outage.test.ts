/** Servers that refuse, die, come back or freeze: what callers are told, and when. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { openDatabase, type Database } from '../../src/storage/database.js'
import { openStore } from '../../src/storage/open.js'
import type { ServerSettings } from '../../src/storage/settings.js'
import { dedicatedServer, type DedicatedServer } from '../databases.js'
import { freePort } from '../database-servers.js'
import { handClock, type HandClock } from '../storage/hand-clock.js'
import { recordingLog } from '../storage/recording-log.js'

const KINDS = ['postgresql', 'mysql'] as const

describe.each(KINDS)('%s', (kind) => {
  let server: DedicatedServer
  let clock: HandClock
  let database: Database
  beforeAll(async () => {
    server = await dedicatedServer(kind)
    clock = handClock()
    database = openDatabase(server.settings, recordingLog(), clock)
    await database.write((sql) => sql.raw('create table t (n int not null)'))
    await database.write((sql) => sql('t').insert({ n: 0 }))
  }, 60_000)
  afterAll(async () => {
    await server.resume()
    await database.close()
    await server.remove()
  }, 60_000)

  const count = (): Promise<unknown> => database.read((sql) => sql('t').first('n'))
  const grow = (): Promise<number> => database.write((sql) => sql('t').update({ n: sql.raw('n + 1') }))

  /** As many transactions at once as the pool has connections: a new one would fail before anything was sent. */
  const allConnectionsReady = async (): Promise<void> => {
    const size = server.settings.poolSize ?? 0
    let inside = 0
    await Promise.all(Array.from({ length: size }, () => database.transaction(async (sql) => {
      await sql('t').first('n')
      inside++
      while (inside < size) await new Promise((resolve) => setImmediate(resolve))
    })))
  }

  test.each([
    ['a wrong password', { password: 'wrong' }, 'password'],
    ['an unknown user', { user: 'nobody' }, 'password'],
    ['a database that is not there', { database: 'nowhere' }, 'database']
  ])('%s is refused at start, and the message does not tell the password', async (_name, change: Partial<ServerSettings>, reason) => {
    const refused = await openStore({ ...server.settings, ...change }, recordingLog()).catch((error: unknown) => error)
    expect(refused).toMatchObject({ name: 'DatabaseRefused', reason })
    expect(String(refused)).not.toContain(change.password ?? server.settings.password)
  })

  test('a user without rights is refused when it migrates', async () => {
    const login = kind === 'mysql' ? "'weak'@'%' identified by 'weak'" : "weak password 'weak'"
    await database.write((sql) => sql.raw(kind === 'mysql' ? `create user ${login}` : `create role weak login password 'weak'`))
    if (kind === 'mysql') await database.write((sql) => sql.raw("grant select on starling.* to 'weak'@'%'"))
    const weak = await openStore({ ...server.settings, user: 'weak', password: 'weak' }, recordingLog())
    await expect(weak.migrate()).rejects.toMatchObject({ name: 'DatabaseRefused', reason: 'right' })
    await weak.close()
  })

  test('a port where nobody listens is worth trying again', async () => {
    const nobody = openStore({ ...server.settings, port: await freePort() }, recordingLog())
    await expect(nobody).rejects.toMatchObject({ name: 'StorageError', kind: 'away' })
  })

  test('a deadlock is repeated until both are through', async () => {
    await database.write((sql) => sql.raw('create table pair (id int primary key, n int not null)'))
    await database.write((sql) => sql('pair').insert([{ id: 1, n: 0 }, { id: 2, n: 0 }]))
    let bothLocked = 0
    const crossed = (first: number, second: number): Promise<void> => database.transaction(async (sql) => {
      await sql('pair').where({ id: first }).update({ n: sql.raw('n + 1') })
      bothLocked++
      while (bothLocked < 2) await new Promise((resolve) => setImmediate(resolve))
      await sql('pair').where({ id: second }).update({ n: sql.raw('n + 1') })
    })
    await Promise.all([crossed(1, 2), crossed(2, 1)])
    expect(bothLocked).toBeGreaterThan(2)
    expect(await database.read((sql) => sql('pair').orderBy('id').pluck('n'))).toEqual([2, 2])
  })

  test('when it dies callers are told at once, when it is back a probe opens the door', async () => {
    const states: string[] = []
    const stop = database.onState((state) => states.push(state))
    await server.stop()
    for (let n = 0; database.state === 'up' && n < 20; n++) await expect(grow()).rejects.toMatchObject({ name: 'StorageError' })
    expect(states).toEqual(['away'])
    await expect(count()).rejects.toMatchObject({ kind: 'away', message: 'the database is away' })
    await server.start()
    const back = new Promise((resolve) => database.onState(resolve))
    clock.tick()
    expect(await back).toBe('up')
    await grow()
    expect(states).toEqual(['away', 'up'])
    stop()
  }, 60_000)

  test('frozen, a read is away, a write unknown, a transaction unknown only once it commits', async () => {
    await allConnectionsReady()
    let reached = (): void => {}
    const inside = new Promise<void>((resolve) => {
      reached = resolve
    })
    let letCommit = (): void => {}
    const mayCommit = new Promise<void>((resolve) => {
      letCommit = resolve
    })
    const committing = database.transaction(async (sql) => {
      await sql('t').update({ n: 99 })
      reached()
      await mayCommit
    })
    const outcome = expect(committing).rejects.toMatchObject({ kind: 'unknown' })
    await inside
    await server.pause()
    letCommit()
    await Promise.all([
      outcome,
      expect(count()).rejects.toMatchObject({ kind: 'away' }),
      expect(grow()).rejects.toMatchObject({ kind: 'unknown' }),
      expect(database.transaction((sql) => sql('t').update({ n: 5 }))).rejects.toMatchObject({ kind: 'away' })
    ])
    await server.resume()
    // Connections that were being made in the frost may still fail.
    for (let tries = 0; tries < 10; tries++) if (await count().then(() => true, () => false)) return
    await count()
  }, 60_000)
})
