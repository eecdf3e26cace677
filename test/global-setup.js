/**
 * Before all test files: names this run, so that all workers share one server of each kind (`databases.ts` starts them when needed),
 * and claims a range of ports (`support/ports.ts`), so that two runs on one machine do not meet.
 */
import { createServer } from 'node:net'

/** One port marks each range; they stand between the ranges and the system's own ports. */
const MARKS = 32_000
const RANGES = 8

export default async function setup() {
  process.env.STARLING_TEST_RUN = String(process.pid)
  let range = 0
  while (range < RANGES && !await claim(MARKS + range)) range++
  process.env.STARLING_TEST_RANGE = String(range % RANGES)
}

/** Held until this process ends. */
function claim(port) {
  return new Promise((resolve) => {
    const server = createServer().unref()
    server.once('error', () => { resolve(false) })
    server.listen(port, '127.0.0.1', () => { resolve(true) })
  })
}
