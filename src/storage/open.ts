/**
 * The room's front: one database, opened, with its repositories. The caller decides when to migrate and how long to
 * wait for a database that is away.
 */
import { systemClock, type Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import { SqlAccounts } from './accounts.js'
import type { ClusterTables } from './cluster-tables.js'
import { openDatabase, type Database, type DatabaseFacts } from './database.js'
import { migrate, schemaState, type SchemaState } from './migrate.js'
import { SqlClusterTables } from './nodes.js'
import { SqlOfflineMessages } from './offline.js'
import { SqlRosters } from './rosters.js'
import { ServerValues } from './server-values.js'
import type { DatabaseSettings } from './settings.js'
import type { Store, TokenRows } from './store.js'
import { SqlTokenRows } from './tokens.js'
import { SqlValues } from './values.js'

export interface OpenStore {
  readonly database: Database
  readonly facts: DatabaseFacts
  readonly store: Store
  readonly cluster: ClusterTables
  readonly values: ServerValues
  /** Not for plugins. */
  readonly tokens: TokenRows
  /** Brings the schema up to date. Rejects with `SchemaTooNew`, `DatabaseRefused` or `StorageError`. */
  migrate(): Promise<void>
  /** How the schema stands to this program, without touching it. */
  schema(): Promise<SchemaState>
  /** The database's clock, milliseconds since 1970. */
  wall(): Promise<number>
  close(): Promise<void>
}

/** A beat and what goes with it; they wait for nothing else. */
const CLUSTER_POOL_SIZE = 2

/** Rejects with `DatabaseRefused` (an operator must act) or with `StorageError` of kind `away` (try again). */
export async function openStore(settings: DatabaseSettings, log: Log, clock: Clock = systemClock()): Promise<OpenStore> {
  const database = openDatabase(settings, log, clock)
  // Connections of their own, made when first used: a beat that queues behind a storm of logins gets its node fenced.
  const few = settings.kind === 'sqlite' ? settings : { ...settings, poolSize: CLUSTER_POOL_SIZE }
  const beats = openDatabase(few, log.child({ connections: 'cluster' }), clock)
  const values = new SqlValues({ database, clock, log })
  const close = async (): Promise<void> => {
    await values.flush()
    await Promise.all([database.close(), beats.close()])
  }
  try {
    const facts = await database.check()
    return {
      database,
      facts,
      store: { ...storeOn(database, clock), values },
      cluster: new SqlClusterTables(beats),
      values: new ServerValues(database),
      tokens: new SqlTokenRows(database),
      migrate: () => migrate(database, log),
      schema: () => schemaState(database),
      wall: () => wallOf(database),
      close
    }
  } catch (error) {
    await close()
    throw error
  }
}

const WALL: Readonly<Record<DatabaseSettings['kind'], string>> = {
  sqlite: "select (julianday('now') - 2440587.5) * 86400000 as ms",
  postgresql: 'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
  mysql: 'select unix_timestamp(sysdate(3)) * 1000 as ms'
}

async function wallOf(database: Database): Promise<number> {
  const [row] = await database.rows<{ readonly ms: number | string }>({ name: 'wall', text: WALL[database.kind] }, [])
  return Number(row?.ms)
}

function storeOn(database: Database, clock: Clock): Omit<Store, 'values'> {
  return {
    accounts: new SqlAccounts(database, clock),
    rosters: new SqlRosters(database),
    offline: new SqlOfflineMessages(database)
  }
}
