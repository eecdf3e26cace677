/** The listening sockets of the cluster port. They outlive a life of the node: a fenced node rejoins at the same address. */
import { createServer, type Server, type Socket } from 'node:net'
import { addressText } from '../config/address.js'
import type { Log } from '../telemetry/log.js'
import { StartRefused } from './claim.js'

/** An address of this machine. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

export interface Listeners {
  /** As bound, in the order of the addresses. */
  readonly ports: readonly number[]
  close(): void
}

/** Rejects with `StartRefused` when an address is not of this machine or a port is taken; then none stays open. */
export async function openListeners(
  addresses: readonly Endpoint[], accept: (socket: Socket) => void, log: Log
): Promise<Listeners> {
  const servers = addresses.map(() => createServer({ noDelay: true }, accept))
  const close = (): void => servers.forEach((server) => void server.close())
  try {
    const ports = await Promise.all(servers.map((server, index) => bind(server, addresses[index], log)))
    return { ports, close }
  } catch (error) {
    close()
    throw error
  }
}

function bind(server: Server, address: Endpoint | undefined, log: Log): Promise<number> {
  if (address === undefined) return Promise.reject(new Error('no address'))
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(address, error)))
    server.listen({ ...address, exclusive: true }, () => {
      const bound = server.address()
      server.on('error', (error) => log.error({ error: error.message }, 'cluster.listener'))
      resolve(typeof bound === 'object' && bound !== null ? bound.port : address.port)
    })
  })
}

function cannotListen(address: Endpoint, error: NodeJS.ErrnoException): StartRefused {
  const where = `cannot listen for cluster links on ${addressText({ ...address, device: '' })}`
  switch (error.code) {
    case 'EADDRINUSE': return new StartRefused(78, `${where} (EADDRINUSE): the port is taken; set another with --cl-comp-ports`)
    case 'EADDRNOTAVAIL': case 'ENOTFOUND':
      return new StartRefused(78, `${where}: this machine has no such address; correct --cluster-listen`)
    case 'EACCES': return new StartRefused(78, `${where} (EACCES): not permitted; set --cl-comp-ports to a port above 1023`)
    default: return new StartRefused(78, `${where} (--cluster-listen, --cl-comp-ports): ${error.message}`)
  }
}
