/** SQLite under other writers: a refused write is repeated and not lost, a frozen holder of the file means away. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import SqliteFile from 'libsql'
import { openDatabase, type Database } from '../../src/storage/database.js'
import { SqliteConnection } from '../../src/storage/sqlite-connection.js'
import { recordingLog } from './recording-log.js'

describe('SQLite', () => {
  let folder: string
  let file: string
  let database: Database
  let holder: SqliteFile.Database

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'starling-sqlite-'))
    file = join(folder, 'sub', 'test.db')
    database = openDatabase({ kind: 'sqlite', file }, recordingLog())
    await database.write((sql) => sql.raw('create table t (id integer primary key, n integer not null)'))
    await database.write((sql) => sql('t').insert({ id: 1, n: 0 }))
    holder = new SqliteFile(file)
  })
  afterEach(async () => {
    holder.close()
    await database.close()
    rmSync(folder, { recursive: true })
  })

  const rowsSeenByOthers = (): unknown => holder.prepare('select id, n from t order by id').all()
  /** Longer than one try inside SQLite, so that the write is refused at least once. */
  const untilRefusedOnce = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 350))

  test('keeps its file where only its owner looks', () => {
    expect(statSync(join(folder, 'sub')).mode & 0o777).toBe(0o700)
  })

  test('writes to a log with full syncs', async () => {
    expect(await database.read((sql) => sql.raw('pragma journal_mode'))).toEqual([{ journal_mode: 'wal' }])
    expect(await database.read((sql) => sql.raw('pragma synchronous'))).toEqual([{ synchronous: 2 }])
    expect(await database.read((sql) => sql.raw('pragma foreign_keys'))).toEqual([{ foreign_keys: 1 }])
  })

  test('a write that was refused is repeated, and others see it', async () => {
    holder.exec('begin immediate')
    const write = database.write((sql) => sql('t').insert({ id: 2, n: 7 }))
    await untilRefusedOnce()
    holder.exec('commit')
    await write
    expect(rowsSeenByOthers()).toEqual([{ id: 1, n: 0 }, { id: 2, n: 7 }])
  })

  test('a transaction that was refused begins again, and reads what the other wrote', async () => {
    holder.exec('begin immediate')
    holder.exec('update t set n = 10 where id = 1')
    const add = database.transaction(async (sql) => {
      const [{ n }] = (await sql('t').where({ id: 1 }).select('n')) as [{ n: number }]
      await sql('t').where({ id: 1 }).update({ n: n + 1 })
    })
    await untilRefusedOnce()
    holder.exec('commit')
    await add
    expect(rowsSeenByOthers()).toEqual([{ id: 1, n: 11 }])
    holder.exec('update t set n = 20 where id = 1')
  })

  test('the event loop goes on while a write waits', async () => {
    holder.exec('begin immediate')
    const write = database.write((sql) => sql('t').insert({ id: 2, n: 7 }))
    let turns = 0
    const timer = setInterval(() => turns++, 5)
    await untilRefusedOnce()
    clearInterval(timer)
    holder.exec('commit')
    await write
    expect(turns).toBeGreaterThan(3)
  })

  test('a holder that does not let go means busy, and the connection is not used again', async () => {
    const connection = await SqliteConnection.open({ file, busyMs: 150 })
    holder.exec('begin immediate')
    await expect(connection.request([{ sql: 'insert into t values (2, 2)', bindings: [] }])).rejects.toMatchObject({ code: 'SQLITE_BUSY' })
    expect(connection.__knex__disposed).toBeDefined()
    holder.exec('commit')
    await connection.close()
    expect(rowsSeenByOthers()).toEqual([{ id: 1, n: 0 }])
  })

  test('a transaction inside a transaction is undone alone', async () => {
    await database.transaction(async (sql) => {
      await sql('t').insert({ id: 2, n: 2 })
      await sql.transaction(async (inner) => {
        await inner('t').insert({ id: 3, n: 3 })
        throw new Error('undo')
      }).catch(() => {})
      await sql('t').insert({ id: 4, n: 4 })
    })
    expect(rowsSeenByOthers()).toEqual([{ id: 1, n: 0 }, { id: 2, n: 2 }, { id: 4, n: 4 }])
  })

  test('more texts of statements than are kept do no harm', async () => {
    for (let n = 0; n < 320; n++) await database.read((sql) => sql.raw(`select ${n} as n`))
    expect(await database.read((sql) => sql.raw('select 5 as n'))).toEqual([{ n: 5 }])
  })

  test('a statement that breaks a rule of ours is refused, with its code', async () => {
    await expect(database.write((sql) => sql('t').insert({ id: 1, n: 1 }))).rejects.toMatchObject({
      name: 'StorageError', kind: 'refused'
    })
  })

  const INSERT = { name: 'insert', text: 'insert into t (id, n) values (?, ?)' }
  const READ = { name: 'read', text: 'select n from t where id = ?' }

  test('of statements that are committed together the one that breaks a rule is undone alone, each time', async () => {
    for (const id of [10, 20]) {
      const [made, again, other, read] = await Promise.allSettled([
        database.change(INSERT, [id, 1]), database.change(INSERT, [id, 2]), database.change(INSERT, [id + 1, 3]), database.rows(READ, [id])
      ])
      expect([made, other]).toEqual([{ status: 'fulfilled', value: 1 }, { status: 'fulfilled', value: 1 }])
      expect(again).toMatchObject({ status: 'rejected', reason: { name: 'StorageError', kind: 'refused' } })
      expect(read).toEqual({ status: 'fulfilled', value: [{ n: 1 }] })
    }
    expect(rowsSeenByOthers()).toEqual([[1, 0], [10, 1], [11, 3], [20, 1], [21, 3]].map(([id, n]) => ({ id, n })))
  })

  test('statements that are committed together wait for another writer together, and are made once', async () => {
    holder.exec('begin immediate')
    const all = Promise.all([database.change(INSERT, [2, 2]), database.rows(READ, [1]), database.change(INSERT, [3, 3])])
    await untilRefusedOnce()
    holder.exec('commit')
    expect(await all).toEqual([1, [{ n: 0 }], 1])
    expect(rowsSeenByOthers()).toEqual([{ id: 1, n: 0 }, { id: 2, n: 2 }, { id: 3, n: 3 }])
  })

  test('a fault beyond one statement undoes all that would have been committed with it', async () => {
    const wrong = { name: 'wrong', text: 'select n from nowhere' }
    const all = await Promise.allSettled([database.change(INSERT, [2, 2]), database.rows(wrong, []), database.change(INSERT, [3, 3])])
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(rowsSeenByOthers()).toEqual([{ id: 1, n: 0 }])
    expect(await database.change(INSERT, [2, 2])).toBe(1)
  })

  test('never more than some statements wait: the others are refused at once', async () => {
    const all = await Promise.allSettled(Array.from({ length: 5001 }, () => database.rows(READ, [1])))
    expect(all.filter(({ status }) => status === 'rejected')).toMatchObject([{ reason: { name: 'StorageError', kind: 'away' } }])
  })

  test('a file that is no database, or a folder, is refused for an operator to mend', async () => {
    const garbage = join(folder, 'garbage.db')
    writeFileSync(garbage, 'no database '.repeat(200))
    for (const wrong of [garbage, folder, join(garbage, 'below')]) {
      const other = openDatabase({ kind: 'sqlite', file: wrong }, recordingLog())
      await expect(other.check()).rejects.toMatchObject({ name: 'DatabaseRefused', reason: 'file' })
      await other.close()
    }
  })
})
