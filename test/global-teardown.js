/** After all test files: ends the servers of this run by their pids and removes their files. */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export default function teardown() {
  const directory = join(tmpdir(), `starling-test-${process.pid}`)
  for (const kind of serversIn(directory)) {
    const { pid } = JSON.parse(readFileSync(join(directory, kind), 'utf8'))
    if (pid === undefined) continue
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended already.
    }
  }
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
}

function serversIn(directory) {
  try {
    return readdirSync(directory).filter((name) => name.endsWith('.json'))
  } catch {
    return []
  }
}
