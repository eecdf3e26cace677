/**
 * Ports for what a test starts. Each of the runner's processes has a part of its own and goes through it in order, so that no port is
 * given out twice: what was chosen a moment ago, or what a node or database is about to come back to, is nobody else's.
 */
import { randomInt } from 'node:crypto'
import { isFree, PORTS } from '../../src/admin/free-ports.js'

/** The port after each is nobody's either: workers count on from what is set. */
const STEP = 2
/** More than anybody has cores. */
const PARTS = 16
const size = Math.floor((PORTS.end - PORTS.first) / PARTS)
const first = PORTS.first + Number(process.env['JEST_WORKER_ID'] ?? 1) % PARTS * size
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
