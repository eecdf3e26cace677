/** `starling check`: the database answers, its schema fits, its clock is ours. Nothing is written, no file is made. */
import { existsSync } from 'node:fs'
import type { DatabaseSettings } from '../config/database.js'
import { DatabaseRefused } from '../storage/database.js'
import { openStore, type OpenStore } from '../storage/open.js'
import { StorageError } from '../storage/store.js'
import type { Log } from '../telemetry/log.js'
import { findings, type Finding } from './finding.js'

const database = findings('database')
const clock = findings('clock')
/** Stamps of messages come from several nodes: people see a second, and order suffers. */
const SKEW_WARN_MS = 1_000
/** Beyond this, stamps are nonsense and certificates are judged by the wrong day. */
const SKEW_FAIL_MS = 60_000

export interface Seen {
  readonly findings: readonly Finding[]
  /** Open, with a schema that can be read; the caller closes it. */
  readonly open?: OpenStore
}

export async function checkDatabase(settings: DatabaseSettings, log: Log): Promise<Seen> {
  if (settings.kind === 'sqlite' && settings.file !== ':memory:' && !existsSync(settings.file)) {
    return { findings: [database.warn(`${settings.file} is not there yet: it is made at the start`)] }
  }
  try {
    const open = await openStore(settings, log)
    return await looked(open).catch(async (error: unknown) => {
      await open.close()
      throw error
    })
  } catch (error) {
    if (!(error instanceof StorageError || error instanceof DatabaseRefused)) throw error
    return { findings: [database.fail(`${error.message}; does it run, and is --user-db-uri right?`)] }
  }
}

async function looked(open: OpenStore): Promise<Seen> {
  const schema = await open.schema()
  const where = `${open.facts.kind} ${open.facts.version} at ${open.facts.address}`
  const found = [schemaFinding(schema, where), await skew(open)]
  if (schema !== 'empty' && schema !== 'too-new') return { findings: found, open }
  await open.close()
  return { findings: found }
}

function schemaFinding(schema: Awaited<ReturnType<OpenStore['schema']>>, where: string): Finding {
  switch (schema) {
    case 'same': return database.ok(`${where}, schema up to date`)
    case 'newer': return database.ok(`${where}, schema of a newer release that this one can live with`)
    case 'older': return database.warn(`${where}, schema of an older release: it is migrated at the next start`)
    case 'empty': return database.warn(`${where}, no schema yet: it is made at the start`)
    case 'too-new': return database.fail(`${where}, schema of a release that this one cannot live with: install what the other nodes run`)
    default: return schema satisfies never
  }
}

async function skew(open: OpenStore): Promise<Finding> {
  const before = Date.now()
  const theirs = await open.wall()
  const apart = theirs - (before + Date.now()) / 2
  const text = `${(Math.abs(apart) / 1000).toFixed(1)} s ${apart > 0 ? 'behind' : 'before'} the database's`
  if (Math.abs(apart) > SKEW_FAIL_MS) return clock.fail(`${text}: set this machine's clock, and let NTP keep it`)
  return Math.abs(apart) > SKEW_WARN_MS ? clock.warn(`${text}: is NTP running on both?`) : clock.ok('as the database\'s')
}
