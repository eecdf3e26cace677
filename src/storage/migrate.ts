/**
 * Brings the schema up to date at start, whoever else starts at the same moment. One lock of the database's own around
 * everything, held by the connection that does the work, so that it ends with a killed migrator; knex's lock under it
 * is always free. `schema_info` tells which programs can live with the schema.
 */
import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../telemetry/log.js'
import { rowsOf, type Database, type Sql } from './database.js'
import { schemaOf, type Schema } from './schema.js'
import type { DatabaseKind } from './settings.js'
import { StorageError } from './store.js'
import { setTigaseAside } from './tigase-table.js'

/** Grows with each release that adds migrations. */
export const SCHEMA_VERSION = 1
/** The oldest `SCHEMA_VERSION` of a program that can live with this schema. */
export const SCHEMA_MIN_COMPATIBLE = 1

/** The database was migrated by a newer release that this program cannot live with. */
export class SchemaTooNew extends Error {
  constructor(readonly program: number, readonly minCompatible: number) {
    super(`the database needs a program of schema ${minCompatible} or later, this program has schema ${program}; ` +
      'install the release that the other nodes run')
    this.name = 'SchemaTooNew'
  }
}

export interface MigrationOptions {
  /** Folder of the migrations. */
  readonly folder?: URL
  /** This program's schema, for tests of two releases. */
  readonly version?: number
  readonly minCompatible?: number
}

interface Migration {
  readonly up: (schema: Schema, sql: Sql) => Promise<void>
}

/** Beside `dist` in the tree and in an installed package. */
const FOLDER = new URL('../../migrations/', import.meta.url)
/** The others migrate: they need seconds, a large table minutes. */
const LOCK_WAIT_MS = 60_000
const LOCK_POLL_MS = 50
/** Any number that no other program uses for an advisory lock in our database. */
const ADVISORY_LOCK = 0x57a811

export function migrate(database: Database, log: Log, options: MigrationOptions = {}): Promise<void> {
  return database.maintain(async (sql) => {
    await lock(database.kind, sql)
    await migrateLocked({ kind: database.kind, sql, log }, options)
  })
}

/** How a database's schema stands to this program; `newer` ones it can live with. */
export type SchemaState = 'empty' | 'older' | 'same' | 'newer' | 'too-new'

/** Looks, changes nothing. */
export async function schemaState(database: Database): Promise<SchemaState> {
  const found = await database.read((sql) => schemaInfo(sql))
  if (found === undefined) return 'empty'
  if (SCHEMA_VERSION < found.minCompatible) return 'too-new'
  if (found.version === SCHEMA_VERSION) return 'same'
  return found.version < SCHEMA_VERSION ? 'older' : 'newer'
}

interface Place {
  readonly kind: DatabaseKind
  readonly sql: Sql
  readonly log: Log
}

async function migrateLocked({ kind, sql, log }: Place, options: MigrationOptions): Promise<void> {
  const { folder = FOLDER, version = SCHEMA_VERSION, minCompatible = SCHEMA_MIN_COMPATIBLE } = options
  const found = await schemaInfo(sql)
  if (found !== undefined && version < found.minCompatible) throw new SchemaTooNew(version, found.minCompatible)
  await setTigaseAside(kind, sql, log)
  // A migrator that was killed on MariaDB has left it taken.
  await sql.migrate.forceFreeMigrationsLock()
  const [, done] = (await sql.migrate.latest(configOf(kind, folder))) as [number, string[]]
  await writeInfo(sql, found, { version, minCompatible })
  if (done.length > 0) log.info({ migrations: done, schema: version }, 'database.migrated')
}

interface SchemaInfo {
  readonly version: number
  readonly minCompatible: number
}

async function schemaInfo(sql: Sql): Promise<SchemaInfo | undefined> {
  if (!(await sql.schema.hasTable('schema_info'))) return undefined
  const row: unknown = await sql('schema_info').first('schema_version as version', 'schema_min_compatible as minCompatible')
  return row as SchemaInfo | undefined
}

async function writeInfo(sql: Sql, found: SchemaInfo | undefined, ours: SchemaInfo): Promise<void> {
  const row = { schema_version: ours.version, schema_min_compatible: ours.minCompatible }
  if (found === undefined) await sql('schema_info').insert({ id: 1, ...row }).onConflict('id').ignore()
  else if (found.version < ours.version) await sql('schema_info').update(row)
}

/** `disableMigrationsListValidation`: a newer release beside us may have run migrations that we do not have. */
function configOf(kind: DatabaseKind, folder: URL): object {
  return {
    disableTransactions: true,
    disableMigrationsListValidation: true,
    migrationSource: {
      getMigrations: () => namesIn(folder),
      getMigrationName: (name: string) => name,
      async getMigration(name: string) {
        const { up } = (await import(new URL(`${name}.js`, folder).href)) as Migration
        return { up: async (sql: Sql) => up(await schemaOf(kind, sql), sql), down: noWayBack }
      }
    }
  }
}

/** Schemas expand in one release and contract in a later one; nothing is ever taken back. */
const noWayBack = (): Promise<void> => Promise.reject(new Error('migrations are not reversible'))

/** Without extension, so that a name stays when the form of the files changes. */
async function namesIn(folder: URL): Promise<string[]> {
  const files = await readdir(folder)
  return files.filter((file) => file.endsWith('.js')).map((file) => file.slice(0, -'.js'.length)).sort()
}

/** SQLite's transaction is the lock: it began IMMEDIATE. */
async function lock(kind: DatabaseKind, sql: Sql): Promise<void> {
  if (kind === 'sqlite') return
  const until = performance.now() + LOCK_WAIT_MS
  while (!(await tryLock(kind, sql))) {
    if (performance.now() > until) throw new StorageError('another node is migrating the database for more than a minute', 'away')
    await sleep(LOCK_POLL_MS)
  }
}

async function tryLock(kind: 'postgresql' | 'mysql', sql: Sql): Promise<boolean> {
  if (kind === 'postgresql') {
    // Ends with the transaction.
    const [row] = rowsOf(kind, await sql.raw('select pg_try_advisory_xact_lock(?) as taken', [ADVISORY_LOCK]))
    return row?.['taken'] === true
  }
  const [name] = rowsOf(kind, await sql.raw('select database() as name'))
  // MariaDB's names of locks are the whole server's. Ends with the connection, which DDL does not commit away.
  const digest = createHash('sha256').update(String(name?.['name'])).digest('hex').slice(0, 32)
  const [row] = rowsOf(kind, await sql.raw('select get_lock(?, 0) as taken', [`starling-${digest}`]))
  return row?.['taken'] === 1
}
