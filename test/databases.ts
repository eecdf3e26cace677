/**
 * Databases for tests of all rooms: a fresh empty one on a server that the whole run shares, or a server of one's own
 * that can be stopped, started and frozen. Servers start when first needed and end with the test run.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DatabaseKind, DatabaseSettings, ServerSettings } from '../src/storage/settings.js'
import {
  administer, freePort, makeServer, PASSWORD, signalServer, stands, startServer, USER, type RunningServer, type ServerKind
} from './database-servers.js'

export const KINDS: readonly DatabaseKind[] = ['sqlite', 'postgresql', 'mysql']

export interface FreshDatabase {
  readonly settings: DatabaseSettings
  /** For `--user-db-uri`. */
  readonly jdbc: string
  /** For `--user-db`. */
  readonly userDb: 'sqlite' | 'pgsql' | 'mysql'
  drop(): Promise<void>
}

export interface DedicatedServer {
  readonly settings: ServerSettings
  readonly jdbc: string
  readonly userDb: 'pgsql' | 'mysql'
  /** At once, as in a power cut. */
  stop(): Promise<void>
  start(): Promise<void>
  /** Frozen: it takes connections and says nothing. */
  pause(): Promise<void>
  resume(): Promise<void>
  /** Stops it for good and removes its files. */
  remove(): Promise<void>
}

/** Without the global set-up: this process has servers of its own. */
const RUN = process.env['STARLING_TEST_RUN'] ?? String(process.pid)
const DIRECTORY = join(tmpdir(), `starling-test-${RUN}`)

/** An empty database, without tables. */
export async function freshDatabase(kind: DatabaseKind): Promise<FreshDatabase> {
  if (kind === 'sqlite') return freshFile()
  const { port } = await sharedServer(kind)
  const name = `t_${randomBytes(6).toString('hex')}`
  await administer(kind, port, `create database ${name}`)
  const force = kind === 'postgresql' ? ' with (force)' : ''
  return { ...addressed(kind, port, name), drop: () => administer(kind, port, `drop database ${name}${force}`) }
}

function freshFile(): FreshDatabase {
  const folder = mkdtempSync(join(tmpdir(), 'starling-sqlite-'))
  const file = join(folder, 'test.db')
  const drop = (): Promise<void> => Promise.resolve(rmSync(folder, { recursive: true, force: true }))
  return { settings: { kind: 'sqlite', file }, jdbc: `jdbc:sqlite:${file}`, userDb: 'sqlite', drop }
}

interface Addressed {
  readonly settings: ServerSettings
  readonly jdbc: string
  readonly userDb: 'pgsql' | 'mysql'
}

function addressed(kind: ServerKind, port: number, database: string): Addressed {
  return {
    settings: { kind, host: '127.0.0.1', port, database, user: USER, password: PASSWORD, poolSize: 5 },
    jdbc: `jdbc:${kind}://127.0.0.1:${port}/${database}?user=${USER}&password=${PASSWORD}`,
    userDb: kind === 'mysql' ? 'mysql' : 'pgsql'
  }
}

type Outcome = RunningServer | { readonly failure: string }

/** The first worker that asks starts it; the others wait for its answer. */
async function sharedServer(kind: ServerKind): Promise<RunningServer> {
  mkdirSync(DIRECTORY, { recursive: true, mode: 0o755 })
  const answer = join(DIRECTORY, `${kind}.json`)
  if (mayStart(join(DIRECTORY, `${kind}.starting`))) await startShared(kind, answer)
  while (!existsSync(answer)) await sleep(50)
  const outcome = JSON.parse(readFileSync(answer, 'utf8')) as Outcome
  if ('failure' in outcome) throw new Error(outcome.failure)
  return outcome
}

function mayStart(mark: string): boolean {
  try {
    mkdirSync(mark)
    return true
  } catch {
    return false
  }
}

async function startShared(kind: ServerKind, answer: string): Promise<void> {
  let outcome: Outcome
  try {
    const directory = join(DIRECTORY, kind)
    makeServer(kind, directory)
    outcome = await startServer(kind, { directory, port: await freePort(), watch: Number(RUN), remove: DIRECTORY })
  } catch (error) {
    outcome = { failure: error instanceof Error ? error.message : String(error) }
  }
  // Readers see all of it or nothing.
  writeFileSync(`${answer}.new`, JSON.stringify(outcome))
  renameSync(`${answer}.new`, answer)
}

/** For tests of outages. One database, `starling`. */
export async function dedicatedServer(kind: ServerKind): Promise<DedicatedServer> {
  const folder = mkdtempSync(join(tmpdir(), 'starling-server-'))
  // The server's own user must get through.
  chmodSync(folder, 0o755)
  const directory = join(folder, kind)
  const port = await freePort()
  makeServer(kind, directory)
  let running: RunningServer | undefined
  const start = async (): Promise<void> => {
    running ??= await startServer(kind, { directory, port, watch: process.pid, remove: folder, durable: true })
  }
  const stop = async (): Promise<void> => {
    if (running === undefined) return
    const { pid } = running
    running = undefined
    signalServer(pid, 'SIGKILL')
    while (isRunning(pid)) await sleep(20)
    // PostgreSQL's next start looks whether this one still lives.
    rmSync(join(directory, 'data', 'postmaster.pid'), { force: true })
  }
  await start()
  await administer(kind, port, 'create database starling')
  return {
    ...addressed(kind, port, 'starling'),
    start,
    stop,
    pause: () => freeze(running, true),
    resume: () => freeze(running, false),
    async remove() {
      await stop()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    }
  }
}

async function freeze(running: RunningServer | undefined, still: boolean): Promise<void> {
  if (running === undefined) return
  signalServer(running.pid, still ? 'SIGSTOP' : 'SIGCONT')
  await stands(running.pid, still)
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
