/**
 * Real PostgreSQL and MariaDB servers for tests: private directory, free port on loopback, no fsync, the server's own
 * user when we are root. Each has a guard process that ends it when the test run is gone.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { freePorts } from './support/ports.js'

export type ServerKind = 'postgresql' | 'mysql'

export const USER = 'starling'
export const PASSWORD = 'secret-of-the-tests'
const START_MS = 30_000

interface Owner {
  readonly uid?: number
  readonly gid?: number
}

export interface RunningServer {
  readonly port: number
  readonly pid: number
}

interface Place {
  readonly directory: string
  readonly port: number
  /** The server ends when this process does, and the directory `remove` goes. */
  readonly watch: number
  readonly remove: string
  /** It will be killed: what it has said yes to is then still there. */
  readonly durable?: boolean
}

/** Where Debian puts them; a name alone is looked for on the path. */
function binary(kind: ServerKind, name: string): string {
  const folders = [...debianFolders(), '/usr/sbin', '/usr/bin', ...(process.env['PATH'] ?? '').split(':')]
  const found = folders.map((folder) => join(folder, name)).find((file) => existsSync(file))
  if (found !== undefined) return found
  const server = kind === 'mysql' ? 'MariaDB' : 'PostgreSQL'
  throw new Error(`The tests need a ${server} server and find no "${name}"; run ./scripts/test, which installs it`)
}

function debianFolders(): string[] {
  const root = '/usr/lib/postgresql'
  if (!existsSync(root)) return []
  return readdirSync(root).sort((a, b) => Number(b) - Number(a)).map((version) => join(root, version, 'bin'))
}

/** PostgreSQL refuses to run as root. */
function ownerOf(kind: ServerKind): Owner {
  if (process.getuid?.() !== 0) return {}
  const user = kind === 'mysql' ? 'mysql' : 'postgres'
  const id = (flag: string): number => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1)
  return port
}

/** Makes an empty server in a new directory; `startServer` runs it. */
export function makeServer(kind: ServerKind, directory: string): void {
  const owner = ownerOf(kind)
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  const password = join(directory, 'first')
  writeFileSync(password, kind === 'mysql' ? FIRST_STATEMENTS : PASSWORD, { mode: 0o644 })
  if (owner.uid !== undefined && owner.gid !== undefined) chownSync(directory, owner.uid, owner.gid)
  const [command, args] = kind === 'mysql' ? mariadbMake(directory) : postgresMake(directory, password)
  // In a folder of its own: temporary tables are named by process number, which containers that share a /tmp have in common.
  execFileSync(command, args, { ...owner, cwd: directory, env: { ...process.env, TMPDIR: directory }, stdio: ['ignore', 'ignore', 'pipe'] })
}

const FIRST_STATEMENTS = `create user if not exists '${USER}'@'%' identified by '${PASSWORD}';\n` +
  `grant all on *.* to '${USER}'@'%' with grant option;\n`

function postgresMake(directory: string, password: string): [string, string[]] {
  const args = ['-D', join(directory, 'data'), '-N', '-U', USER, '-A', 'scram-sha-256', `--pwfile=${password}`, '-E', 'UTF8']
  // Not C: a language's collation must do no harm.
  return [binary('postgresql', 'initdb'), [...args, '--locale=C.UTF-8']]
}

function mariadbMake(directory: string): [string, string[]] {
  const args = ['--no-defaults', `--datadir=${join(directory, 'data')}`, '--auth-root-authentication-method=normal', '--skip-test-db']
  return [binary('mysql', 'mariadb-install-db'), [...args, '--skip-name-resolve', '--innodb-log-file-size=16M']]
}

function commandOf(kind: ServerKind, { directory, port, durable = false }: Place): [string, string[]] {
  const data = join(directory, 'data')
  if (kind === 'postgresql') {
    const options = ['fsync=off', 'full_page_writes=off', 'max_connections=200', 'shared_buffers=32MB', 'listen_addresses=127.0.0.1']
    return [binary(kind, 'postgres'), ['-D', data, '-p', String(port), '-k', directory, ...options.flatMap((option) => ['-c', option])]]
  }
  const options = [
    `--datadir=${data}`, `--port=${port}`, `--socket=${join(directory, 'socket')}`, `--pid-file=${join(directory, 'pid')}`,
    `--init-file=${join(directory, 'first')}`, '--bind-address=127.0.0.1', '--skip-name-resolve', '--skip-log-bin',
    // With 0 a server that is killed loses a second of commits, nodes' claims of their names with it.
    `--innodb-flush-log-at-trx-commit=${durable ? 2 : 0}`, '--innodb-flush-method=nosync', '--innodb-doublewrite=0', '--innodb-log-file-size=16M',
    '--innodb-buffer-pool-size=64M', '--performance-schema=OFF', '--max-connections=200'
  ]
  return [binary(kind, 'mariadbd'), ['--no-defaults', ...options]]
}

const GUARD = fileURLToPath(new URL('./server-guard.js', import.meta.url))

/** Resolves when the server answers a login. */
export async function startServer(kind: ServerKind, place: Place): Promise<RunningServer> {
  const [command, args] = commandOf(kind, place)
  const order = { watch: place.watch, directory: place.directory, remove: place.remove, command, args, ...ownerOf(kind) }
  const guard = spawn(process.execPath, [GUARD, JSON.stringify(order)], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
  const pid = Number(await firstLine(guard))
  guard.stdout?.destroy()
  guard.unref()
  await answers(kind, place)
  return { port: place.port, pid }
}

function firstLine(guard: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    guard.on('error', reject)
    guard.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      if (text.includes('\n')) resolve(text.trim())
    })
  })
}

async function answers(kind: ServerKind, { port, directory }: Place): Promise<void> {
  const until = performance.now() + START_MS
  for (;;) {
    try {
      await administer(kind, port, 'select 1')
      return
    } catch (error) {
      if (performance.now() < until) await sleep(50)
      else throw new Error(`${kind} did not start:\n${readFileSync(join(directory, 'server.log'), 'utf8').slice(-2000)}`, { cause: error })
    }
  }
}

/** One statement as the server's administrator. */
export async function administer(kind: ServerKind, port: number, sql: string): Promise<void> {
  const login = { host: '127.0.0.1', port, user: USER, password: PASSWORD }
  if (kind === 'mysql') {
    const connection = await mysql.createConnection(login)
    try {
      await connection.query(sql)
    } finally {
      connection.destroy()
    }
    return
  }
  const client = new pg.Client({ ...login, database: 'postgres' })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

/** The server and, for PostgreSQL, its children: each connection is a process of its own. */
export function signalServer(pid: number, signal: NodeJS.Signals): void {
  for (const each of [pid, ...childrenOf(pid)]) {
    try {
      process.kill(each, signal)
    } catch {
      // It has ended by itself.
    }
  }
}

/** A signal is only a wish: resolves when every thread of every process stands still, or when none does. */
export async function stands(pid: number, still: boolean): Promise<void> {
  // One that ended while its parent stood still waits for it, and is neither.
  const states = (): string[] => [pid, ...childrenOf(pid)].flatMap(threadStates).filter((state) => state !== 'Z' && state !== 'X')
  while (states().some((state) => (state === 'T') !== still)) await sleep(5)
}

function threadStates(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => statOf(`${pid}/task/${thread}`)[0] ?? [])
  } catch {
    return []
  }
}

function childrenOf(pid: number): number[] {
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return processes.filter((name) => statOf(name)[1] === String(pid)).map(Number)
}

/** State, parent and so on; nothing of a process that has ended. */
function statOf(name: string): string[] {
  try {
    // "pid (name) state parent": the name may hold spaces and brackets.
    const text = readFileSync(`/proc/${name}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}
