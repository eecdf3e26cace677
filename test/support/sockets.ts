/** Two ends of one connection on loopback. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface SocketPair {
  /** The accepted end. */
  readonly socket: Socket
  readonly client: Socket
  readonly end: () => void
}

export async function socketPair(): Promise<SocketPair> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const came = once(server, 'connection')
  const client = connect(address.port, '127.0.0.1')
  const [socket] = await came as [Socket]
  return { socket, client, end() { client.destroy(); socket.destroy(); server.close() } }
}
