/**
 * Ports for what a test starts. Each run has a range, and each of its processes a part of that which it goes through in order,
 * so that no port is given out twice: what was chosen a moment ago, or what a node or database is about to come back to, is
 * nobody else's.
 */
import { randomInt } from 'node:crypto'
import { isFree, PORTS } from '../../src/admin/free-ports.js'

/** The port after each is nobody's either: workers count on from what is set. */
const STEP = 2
/** As in `global-setup.js`. */
const RANGES = 8
/** Processes of one run: more than it starts. */
const PARTS = 4
const size = Math.floor((PORTS.end - PORTS.first) / (RANGES * PARTS))
const part = Number(process.env['STARLING_TEST_RANGE'] ?? 0) * PARTS + Number(process.env['JEST_WORKER_ID'] ?? 1) % PARTS
const first = PORTS.first + part * size
let next = randomInt(size)

export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = []
  while (found.length < count) {
    const port = first + next % size
    next += STEP
    if (await isFree(port)) found.push(port)
  }
  return found
}
