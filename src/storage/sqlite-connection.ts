/**
 * The main thread's end of a SQLite connection: requests to `sqlite-worker`, answered in order. The thread keeps the
 * process alive only while an answer is due.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'

export interface WorkerSettings {
  readonly file: string
  /** How long a statement waits for a lock, in the thread. */
  readonly busyMs: number
}

export interface Trouble {
  readonly message: string
  readonly code: string
}

export type Ready = { readonly ready: true } | { readonly ready: false; readonly error: Trouble }

export interface SqliteStatement {
  readonly sql: string
  readonly bindings: readonly unknown[]
  /** It is not a read. */
  readonly changes?: true
}

export interface SqliteResult {
  readonly rows?: readonly unknown[]
  readonly changes?: number
  readonly lastId?: number
  /** It broke a rule of ours, and was undone alone. */
  readonly error?: Trouble
}

/** Several statements are one transaction. None: close. */
export interface SqliteRequest {
  readonly id: number
  readonly statements: readonly SqliteStatement[]
}

export interface SqliteReply {
  readonly id: number
  readonly results: readonly SqliteResult[]
  /** Nothing was done. */
  readonly error?: Trouble
}

interface Pending {
  readonly resolve: (results: readonly SqliteResult[]) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** The database gave no answer in time; whether it did the work is not known. */
export const SILENT = 'STATEMENT_SILENT'

export function troubleError(message: string, code: string): Error {
  return Object.assign(new Error(message), { code })
}

export class SqliteConnection {
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  readonly #silentMs: number
  #lastId = 0
  /** Read by knex's pool: a connection with it is thrown away. */
  __knex__disposed: Error | undefined

  private constructor(worker: Worker, silentMs: number) {
    this.#worker = worker
    this.#silentMs = silentMs
    worker.on('message', (reply: SqliteReply) => this.#answered(reply))
    worker.on('error', (error) => this.#broken(error))
    worker.on('exit', () => this.#broken(troubleError('the SQLite thread has ended', 'SQLITE_IOERR')))
    worker.unref()
  }

  /** Makes the file and its folder when missing: both hold keys, so the folder is its owner's alone. */
  static async open(settings: WorkerSettings): Promise<SqliteConnection> {
    makeFolderOf(settings.file)
    const worker = new Worker(new URL('./sqlite-worker.js', import.meta.url), { workerData: settings })
    const ready = await new Promise<Ready>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    if (!ready.ready) throw troubleError(ready.error.message, ready.error.code)
    // A statement may wait for a lock, and then run.
    return new SqliteConnection(worker, settings.busyMs + 1000)
  }

  /** One result for each. */
  request(statements: readonly SqliteStatement[]): Promise<readonly SqliteResult[]> {
    if (this.__knex__disposed !== undefined) return Promise.reject(this.__knex__disposed)
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#broken(troubleError(`no answer from SQLite in ${this.#silentMs} ms`, SILENT))
      }, this.#silentMs)
      this.#pending.set(id, { resolve, reject, timer })
      this.#worker.postMessage({ id, statements } satisfies SqliteRequest)
    })
  }

  async close(): Promise<void> {
    this.__knex__disposed ??= troubleError('the SQLite connection is closed', 'SQLITE_MISUSE')
    this.#worker.ref()
    this.#worker.postMessage({ id: 0, statements: [] } satisfies SqliteRequest)
    await new Promise<void>((resolve) => {
      // A thread that hangs in the file system is left behind; it must not keep the process.
      const late = setTimeout(() => {
        this.#worker.unref()
        resolve()
      }, this.#silentMs)
      this.#worker.once('exit', () => {
        clearTimeout(late)
        resolve()
      })
    })
  }

  #answered(reply: SqliteReply): void {
    const pending = this.#pending.get(reply.id)
    if (pending === undefined) return
    this.#pending.delete(reply.id)
    clearTimeout(pending.timer)
    if (reply.error === undefined) {
      pending.resolve(reply.results)
      return
    }
    const { message, code } = reply.error
    const error = troubleError(message, code)
    // Whatever is still in progress there goes with the connection.
    if (code.startsWith('SQLITE_BUSY')) this.__knex__disposed = error
    pending.reject(error)
  }

  #broken(error: Error): void {
    this.__knex__disposed ??= error
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer)
      reject(error)
    }
    this.#pending.clear()
  }
}

function makeFolderOf(file: string): void {
  try {
    makeFolder(dirname(file))
  } catch (error) {
    throw troubleError(error instanceof Error ? error.message : String(error), 'SQLITE_CANTOPEN')
  }
}

/** Step by step: Node's own recursive form never ends where a folder cannot be made in one that says so late, such as /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  makeFolder(dirname(folder))
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    // somebody who starts at the same moment was faster
    if (!existsSync(folder)) throw error
  }
}
