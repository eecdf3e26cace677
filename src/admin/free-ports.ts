/**
 * Free loopback ports for processes that are about to start. Taken from below the range that the system gives to outgoing
 * connections, so that nobody is given one by chance in the moment before it is used.
 */
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Linux, macOS and Windows hand out ports from 32768 or 49152 upwards. */
export const PORTS = { first: 10_000, end: 32_000 } as const

/** Distinct ports on which nobody listens on 127.0.0.1 at this moment. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>()
  while (found.size < count) {
    const port = randomInt(PORTS.first, PORTS.end)
    if (!found.has(port) && await isFree(port)) found.add(port)
  }
  return [...found]
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
