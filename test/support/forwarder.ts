/** A TCP way that a test can cut, stall, close to newcomers, delay and heal. Stands between nodes, or a node and its database. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

export class Forwarder {
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  readonly #frozen = new Set<Socket>()
  #mode: 'open' | 'cut' | 'stalled' = 'open'
  #newcomers = true
  /** Port behind it. */
  target: number
  /** Each chunk waits this long, in order. */
  delayMs = 0
  /** Of each connection and direction; what is not passed on yet is not read either. */
  bytesPerSecond = Number.POSITIVE_INFINITY
  /** Connections that were taken so far. */
  taken = 0

  private constructor(readonly port: number, readonly server: Server, target: number) {
    this.target = target
    server.on('connection', (socket) => { this.#take(socket) })
  }

  static async open(target = 0): Promise<Forwarder> {
    const server = createServer({ noDelay: true })
    await new Promise<void>((done) => { server.listen(0, '127.0.0.1', done) })
    return new Forwarder((server.address() as AddressInfo).port, server, target)
  }

  /** As when a machine goes: connections are reset, new ones too. */
  cut(): void {
    this.#mode = 'cut'
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy()
  }

  /** As when a cable is pulled: nothing comes and nothing says so. */
  stall(): void {
    this.#mode = 'stalled'
    for (const pair of this.#pairs) for (const socket of pair) socket.pause()
  }

  /** As when a phone changes networks: connections that stand go silent for good and nobody is told; new ones are served. */
  freeze(): void {
    for (const socket of [...this.#pairs].flat()) {
      for (const event of ['data', 'drain', 'close']) socket.removeAllListeners(event)
      socket.pause()
      this.#frozen.add(socket)
    }
    this.#pairs.clear()
  }

  /** Connections that stand go on; no new ones. */
  refuse(): void {
    this.#newcomers = false
  }

  heal(): void {
    this.#mode = 'open'
    this.#newcomers = true
    for (const pair of this.#pairs) for (const socket of pair) socket.resume()
  }

  async close(): Promise<void> {
    this.cut()
    for (const socket of this.#frozen) socket.destroy()
    await new Promise<void>((done) => { this.server.close(() => { done() }) })
  }

  #take(near: Socket): void {
    if (this.#mode === 'cut' || !this.#newcomers) return void near.resetAndDestroy()
    this.taken++
    const far = connect({ host: '127.0.0.1', port: this.target, noDelay: true })
    const pair = [near, far] as const
    this.#pairs.add(pair)
    for (const [from, to] of [[near, far], [far, near]] as const) {
      from.on('error', () => {})
      from.on('close', () => {
        this.#pairs.delete(pair)
        to.destroy()
      })
      from.on('end', () => { this.#later(() => { to.end() }) })
      from.on('data', (chunk) => { this.#later(() => { this.#pass(chunk, from, to) }) })
      to.on('drain', () => { if (this.#mode !== 'stalled') from.resume() })
      if (this.#mode === 'stalled') from.pause()
    }
  }

  #pass(chunk: Buffer, from: Socket, to: Socket): void {
    const free = to.write(chunk)
    if (!free) from.pause()
    if (this.bytesPerSecond === Number.POSITIVE_INFINITY) return
    from.pause()
    setTimeout(() => { if (this.#mode !== 'stalled') from.resume() }, chunk.length / this.bytesPerSecond * 1000)
  }

  #later(what: () => void): void {
    if (this.delayMs === 0) what()
    else setTimeout(what, this.delayMs)
  }
}
