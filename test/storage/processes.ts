/** Node processes that work on a database beside the test; `children/worker.js` says what they can do. */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('./children/worker.js', import.meta.url))

export interface Task {
  readonly task: 'start' | 'count' | 'die-in-migration'
  readonly settings: object
  readonly [more: string]: unknown
}

export interface Worker {
  /** Resolves with its answer; rejects with its error, or when it ended. */
  run(task: Task): Promise<unknown>
  end(): void
}

export function startWorker(): Worker {
  const child = fork(SCRIPT, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  return { run: (task) => ask(child, task), end: () => child.disconnect() }
}

function ask(child: ChildProcess, task: Task): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null, signal: string | null): void => reject(new Error(`ended: ${signal ?? code}`))
    child.once('exit', ended)
    child.once('message', (answer: { readonly error?: string; readonly value?: unknown }) => {
      child.off('exit', ended)
      if (answer.error === undefined) resolve(answer.value)
      else reject(new Error(answer.error))
    })
    child.send(task)
  })
}
