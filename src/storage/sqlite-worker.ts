/**
 * The thread that owns one SQLite connection: libsql's calls are synchronous, and a frozen holder of the file would
 * block the event loop. Waits for locks here. Transaction words go by `exec` and each SQL text has one Statement:
 * otherwise a refused statement stays in progress and its repeat is lost (libsql 0.5).
 */
import { parentPort, workerData } from 'node:worker_threads'
import SqliteFile from 'libsql'
import type { Ready, SqliteReply, SqliteRequest, SqliteResult, SqliteStatement, Trouble, WorkerSettings } from './sqlite-connection.js'

/** How long one try waits for a lock inside SQLite. */
const TRY_MS = 100
/** `delete … where id in (?, …)` has many texts; the oldest is dropped beyond this. */
const STATEMENTS_MAX = 300
const TRANSACTION_WORDS = /^\s*(?:begin|commit|rollback|savepoint|release)\b/i

type Bindings = SqliteStatement['bindings']
interface Prepared {
  run(bindings: Bindings): { changes: number; lastInsertRowid: number }
  all(bindings: Bindings): unknown[]
}

/** libsql asks the file each time whether a statement reads. */
interface Known {
  readonly statement: Prepared
  readonly reader: boolean
}

interface Fault {
  readonly message: string
  readonly code?: unknown
}

const { file, busyMs } = workerData as WorkerSettings
const port = parentPort
if (port === null) throw new Error('sqlite-worker runs as a worker thread only')

const faultOf = (error: unknown): Fault => (error instanceof Error ? error : { message: String(error) })

function troubleOf(error: unknown): Trouble {
  const { message, code } = faultOf(error)
  return { message, code: String(code ?? '') }
}

/** `SQLITE_PROTOCOL` is the race of two processes that open the same WAL. */
function isBusy(error: unknown): boolean {
  const { code } = troubleOf(error)
  return code.startsWith('SQLITE_BUSY') || code === 'SQLITE_PROTOCOL'
}

function patiently<T>(task: () => T): T {
  const until = performance.now() + busyMs
  for (;;) {
    try {
      return task()
    } catch (error) {
      if (!isBusy(error) || performance.now() >= until) throw error
    }
  }
}

function open(): SqliteFile.Database {
  const db = new SqliteFile(file, { timeout: TRY_MS / 1000 })
  db.exec(`pragma busy_timeout = ${TRY_MS}`)
  // Outside of any transaction, and two first starts collide here.
  patiently(() => db.exec('pragma journal_mode = wal'))
  // One node's SQL log must survive a power cut.
  db.exec('pragma synchronous = full')
  db.exec('pragma foreign_keys = on')
  return db
}

const statements = new Map<string, Known>()

function prepared(db: SqliteFile.Database, sql: string): Known {
  const known = statements.get(sql)
  if (known !== undefined) return known
  const statement = db.prepare(sql) as unknown as Prepared & { readonly reader: boolean }
  const made = { statement, reader: statement.reader }
  const oldest = statements.size < STATEMENTS_MAX ? undefined : statements.keys().next().value
  if (oldest !== undefined) statements.delete(oldest)
  statements.set(sql, made)
  return made
}

function execute(db: SqliteFile.Database, { sql, bindings }: SqliteStatement): SqliteResult {
  if (TRANSACTION_WORDS.test(sql)) {
    db.exec(sql)
    return { rows: [] }
  }
  const { statement, reader } = prepared(db, sql)
  if (reader) return { rows: statement.all(bindings) }
  const { changes, lastInsertRowid } = statement.run(bindings)
  return { changes, lastId: lastInsertRowid }
}

/** What breaks a rule is undone alone; any other fault undoes all. */
function oneOfMany(db: SqliteFile.Database, statement: SqliteStatement): SqliteResult {
  try {
    return execute(db, statement)
  } catch (error) {
    const trouble = troubleOf(error)
    if (!trouble.code.startsWith('SQLITE_CONSTRAINT')) throw error
    return { error: trouble }
  }
}

/** One commit for all: the disk is waited for once. */
function together(db: SqliteFile.Database, statements: readonly SqliteStatement[]): readonly SqliteResult[] {
  db.exec('begin immediate')
  try {
    const results = statements.map((statement) => oneOfMany(db, statement))
    db.exec('commit')
    return results
  } catch (error) {
    // SQLite has done so itself after some faults.
    if (db.inTransaction) db.exec('rollback')
    throw error
  }
}

/** Reads need nothing of each other. */
const alone: typeof together = (db, statements) => statements.map((statement) => execute(db, statement))

function answer(db: SqliteFile.Database, { id, statements }: SqliteRequest): SqliteReply {
  const task = statements.length > 1 && statements.some(({ changes }) => changes) ? together : alone
  try {
    return { id, results: patiently(() => task(db, statements)) }
  } catch (error) {
    return { id, results: [], error: troubleOf(error) }
  }
}

function start(): void {
  const db = open()
  port?.postMessage({ ready: true } satisfies Ready)
  port?.on('message', (request: SqliteRequest) => {
    if (request.statements.length > 0) {
      port.postMessage(answer(db, request))
      return
    }
    db.close()
    port.close()
  })
}

try {
  start()
} catch (error) {
  port.postMessage({ ready: false, error: troubleOf(error) } satisfies Ready)
  port.close()
}
