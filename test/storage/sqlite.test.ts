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
    await expect(connection.request('insert into t values (2, 2)', [])).rejects.toMatchObject({ code: 'SQLITE_BUSY' })
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
