/** Stands between the load generator and a server and does once, with one message, what no server may do. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

export type Fault = 'nothing' | 'lost' | 'doubled' | 'reordered' | 'changed' | 'misdirected'

/** The message at which it happens: after the first of each pair, and soon enough on a machine that has other things to do. */
const AT = 25
const WHOLE = /^(?:<message .*?<\/message>)+$/s

export class Relay {
  readonly #sockets = new Set<Socket>()
  readonly #clients: Socket[] = []
  #seen = 0
  #kept: { readonly message: string, readonly client: Socket } | undefined

  private constructor(readonly server: Server, readonly target: number, readonly fault: Fault) {
    server.on('connection', (client) => { this.#join(client) })
  }

  static async start(target: number, fault: Fault): Promise<Relay> {
    const relay = new Relay(createServer(), target, fault)
    await new Promise<void>((resolve) => { relay.server.listen({ host: '127.0.0.1', port: 0 }, resolve) })
    return relay
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.server.close()
  }

  #join(client: Socket): void {
    const server = connect({ host: '127.0.0.1', port: this.target })
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.setNoDelay(true).on('error', () => undefined)
    }
    this.#clients.push(client)
    client.on('data', (bytes) => server.write(bytes)).on('close', () => { server.end() })
    server.on('data', (bytes) => { this.#pass(client, bytes.toString('utf8')) }).on('close', () => { client.end() })
  }

  #pass(client: Socket, text: string): void {
    if (!WHOLE.test(text)) {
      client.write(text)
      return
    }
    for (const message of text.match(/<message .*?<\/message>/gs) ?? []) {
      for (const out of this.#after(message, client)) client.write(out)
    }
  }

  /** What the client gets where the server sent one message. */
  #after(message: string, client: Socket): readonly string[] {
    if (this.#kept?.client === client) {
      const kept = this.#kept.message
      this.#kept = undefined
      return [message, kept]
    }
    if (++this.#seen !== AT) return [message]
    switch (this.fault) {
      case 'nothing': return [message]
      case 'lost': return []
      case 'doubled': return [message, message]
      case 'changed': return [message.replace('brown', 'green')]
      case 'reordered':
        this.#kept = { message, client }
        return []
      case 'misdirected':
        this.#clients.find((other) => other !== client)?.write(message)
        return []
      default: return this.fault satisfies never
    }
  }
}
