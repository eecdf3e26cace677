/**
 * The demo's front: one address that passes TCP connections on to any live node, so that it survives the death of a
 * node. It knows nothing of what it carries. Owns its listeners and the pairs of sockets.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

export interface Backend {
  readonly host: string
  readonly port: number
}

/** How long one backend may take to accept before the next is tried, milliseconds: loopback answers at once or never. */
const CONNECT_MS = 2_000

export class Front {
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  #turn = 0

  /**
   * @param port 0 for any free one
   * @param backends live nodes' addresses, asked anew for each connection
   * @returns the port
   */
  async listen(port: number, backends: () => readonly Backend[]): Promise<number> {
    // Half-open is kept: an XMPP stream closes one way first (RFC 6120 §4.4).
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
      this.#own(client)
      this.#pass(client, this.#inTurn(backends()))
    })
    this.#servers.push(server)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
    return (server.address() as AddressInfo).port
  }

  close(): void {
    for (const server of this.#servers) server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #inTurn(backends: readonly Backend[]): readonly Backend[] {
    const start = backends.length === 0 ? 0 : this.#turn++ % backends.length
    return [...backends.slice(start), ...backends.slice(0, start)]
  }

  #pass(client: Socket, candidates: readonly Backend[]): void {
    const [first, ...others] = candidates
    if (first === undefined) {
      client.destroy()
      return
    }
    const upstream = connect({ ...first, allowHalfOpen: true })
    this.#own(upstream)
    const next = (): void => {
      upstream.destroy()
      this.#pass(client, others)
    }
    upstream.setTimeout(CONNECT_MS, next)
    upstream.once('error', next)
    upstream.once('connect', () => {
      upstream.setTimeout(0)
      upstream.off('error', next)
      join(client, upstream)
    })
  }

  #own(socket: Socket): void {
    socket.on('error', () => socket.destroy())
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }
}

function join(a: Socket, b: Socket): void {
  a.pipe(b)
  b.pipe(a)
  a.once('close', () => b.destroy())
  b.once('close', () => a.destroy())
}
