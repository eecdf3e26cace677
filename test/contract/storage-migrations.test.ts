/** Schemas at start on all three databases: many at once, killed in the middle, too new, and a table of Tigase's. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { openDatabase, type Database } from '../../src/storage/database.js'
import { migrate, SCHEMA_MIN_COMPATIBLE, SCHEMA_VERSION, SchemaTooNew } from '../../src/storage/migrate.js'
import { freshDatabase, KINDS, type FreshDatabase } from '../databases.js'
import { recordingLog } from '../storage/recording-log.js'
import { startWorker, type Worker } from '../storage/processes.js'

const ORIGINALS = new URL('../../migrations/', import.meta.url)
const TABLES = [
  'accounts', 'scram_keys', 'roster_items', 'roster_removed', 'account_values', 'offline_messages',
  'cluster_nodes', 'cluster_seq', 'cluster_fence', 'cluster_notices', 'schema_info', 'server_values'
]

async function expectWhole(database: Database): Promise<void> {
  for (const table of TABLES) expect([table, await database.read((sql) => sql.schema.hasTable(table))]).toEqual([table, true])
  const info = await database.read((sql) => sql('schema_info').select('schema_version', 'schema_min_compatible'))
  expect(info).toEqual([{ schema_version: SCHEMA_VERSION, schema_min_compatible: SCHEMA_MIN_COMPATIBLE }])
  const done: unknown = await database.read((sql) => sql('knex_migrations').orderBy('id').pluck('name'))
  expect(done).toEqual(readdirSync(ORIGINALS).map((file) => file.replace(/\.js$/, '')).sort())
}

/** The same migrations, which kill their process behind the step `KILL_AFTER`. */
function deadlyMigrations(): URL {
  const folder = mkdtempSync(join(tmpdir(), 'starling-migrations-'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  for (const file of readdirSync(ORIGINALS)) {
    writeFileSync(join(folder, file), [
      `import { up as original } from '${new URL(file, ORIGINALS).href}'`,
      'const counted = (step) => async (...args) => {',
      '  await step(...args)',
      '  globalThis.steps = (globalThis.steps ?? 0) + 1',
      '  if (globalThis.steps === Number(process.env.KILL_AFTER)) process.kill(process.pid, "SIGKILL")',
      '}',
      'export const up = (schema, sql) => original({ create: counted(schema.create), index: counted(schema.index) }, sql)'
    ].join('\n'))
  }
  return pathToFileURL(`${folder}/`)
}

/** MariaDB commits each step by itself; the others all at once, so a few places stand for all. */
const STRIDE = { sqlite: 5, postgresql: 5, mysql: 1 } as const

describe.each(KINDS)('migrations on %s', (kind) => {
  let fresh: FreshDatabase
  let database: Database
  beforeEach(async () => {
    fresh = await freshDatabase(kind)
    database = openDatabase(fresh.settings, recordingLog())
  }, 60_000)
  afterEach(async () => {
    await database.close()
    await fresh.drop()
  })

  describe('with other processes', () => {
    let workers: Worker[] = []
    beforeAll(() => {
      workers = Array.from({ length: 5 }, startWorker)
    })
    afterAll(() => {
      for (const worker of workers) worker.end()
    })

    test('ten rounds of five processes that start at once on an empty database', async () => {
      for (let round = 0; round < 10; round++) {
        const empty = await freshDatabase(kind)
        await Promise.all(workers.map((worker) => worker.run({ task: 'start', settings: empty.settings })))
        const look = openDatabase(empty.settings, recordingLog())
        await expectWhole(look)
        await look.close()
        await empty.drop()
      }
    }, 120_000)
  })

  test('a migrator that is killed between any two steps does not block the next start', async () => {
    const folder = deadlyMigrations()
    let killed = true
    for (let step = 1; killed; step += STRIDE[kind]) {
      const one = await freshDatabase(kind)
      const worker = startWorker()
      const end: unknown = await worker.run({ task: 'die-in-migration', settings: one.settings, folder: folder.href, step })
        .catch((error: unknown) => error)
      // Behind the last step it lives.
      killed = end !== undefined
      if (killed) expect(String(end)).toContain('SIGKILL')
      else {
        expect(step).toBeGreaterThan(10)
        worker.end()
      }
      const next = openDatabase(one.settings, recordingLog())
      await migrate(next, recordingLog())
      await expectWhole(next)
      await next.close()
      await one.drop()
    }
    rmSync(folder, { recursive: true })
  }, 120_000)

  test('a second start changes nothing', async () => {
    const log = recordingLog()
    await migrate(database, log)
    await migrate(database, log)
    expect(log.lines.filter((line) => line.event === 'database.migrated')).toHaveLength(1)
    await expectWhole(database)
  })

  test('a program older than the schema allows is refused with both numbers', async () => {
    await migrate(database, recordingLog(), { version: 9, minCompatible: 7 })
    const refused = await migrate(database, recordingLog(), { version: 6 }).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(SchemaTooNew)
    expect(refused).toMatchObject({ program: 6, minCompatible: 7 })
    expect(String(refused)).toMatch(/schema 7 .*schema 6/)
  })

  test('an older program that the schema allows starts, and leaves the newer schema as it is', async () => {
    await migrate(database, recordingLog(), { version: 9, minCompatible: 1 })
    await database.write((sql) => sql('knex_migrations').insert({ name: '9999_of_a_later_release', batch: 2, migration_time: new Date() }))
    await migrate(database, recordingLog(), { version: 8, minCompatible: 8 })
    const info: unknown = await database.read((sql) => sql('schema_info').first('schema_version as v', 'schema_min_compatible as min'))
    expect(info).toEqual({ v: 9, min: 1 })
  })

  describe('with a table cluster_nodes of Tigase', () => {
    beforeEach(async () => {
      await database.write((sql) => sql.raw('create table cluster_nodes (hostname varchar(255) not null primary key, ' +
        'secondary varchar(255), password varchar(255) not null, last_update timestamp default current_timestamp, port int, ' +
        'cpu_usage double precision not null, mem_usage double precision not null)'))
      const row = { hostname: 'tig1.example.com', password: 'x', cpu_usage: 1, mem_usage: 1 }
      await database.write((sql) => sql('cluster_nodes').insert(row))
    })

    test('while its rows are fresh by the database\'s clock, nothing is touched', async () => {
      const refused = await migrate(database, recordingLog()).catch((error: unknown) => error)
      expect(refused).toMatchObject({ name: 'DatabaseRefused', reason: 'schema' })
      expect(String(refused)).toMatch(/Tigase nodes are using this table.*tig1\.example\.com/)
      expect(await database.read((sql) => sql.schema.hasTable('accounts'))).toBe(false)
      expect(await database.read((sql) => sql('cluster_nodes').pluck('hostname'))).toEqual(['tig1.example.com'])
    })

    test('an old one is renamed and keeps its rows', async () => {
      await database.write((sql) => sql('cluster_nodes').update({ last_update: '2020-02-02 00:00:00' }))
      const log = recordingLog()
      await migrate(database, log)
      await expectWhole(database)
      expect(await database.read((sql) => sql('cluster_nodes_tigase').pluck('hostname'))).toEqual(['tig1.example.com'])
      expect(await database.read((sql) => sql('cluster_nodes').pluck('hostname'))).toEqual([])
      expect(log.lines.map((line) => line.event)).toContain('database.tigase-table-renamed')
    })

    test('one of before that column is known too', async () => {
      await database.write((sql) => sql.schema.alterTable('cluster_nodes', (table) => table.dropColumn('secondary')))
      await expect(migrate(database, recordingLog())).rejects.toThrow('Tigase nodes are using this table')
    })

    test('a table that is neither ours nor Tigase\'s is left alone', async () => {
      await database.write((sql) => sql.schema.alterTable('cluster_nodes', (table) => table.integer('weight')))
      await expect(migrate(database, recordingLog())).rejects.toMatchObject({ name: 'DatabaseRefused', reason: 'schema' })
    })
  })
})
