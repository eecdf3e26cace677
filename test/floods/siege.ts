/**
 * One node under flood: strangers come from addresses of 127/8 that have all limits, the honest ones from 127.0.0.1, which has
 * none. Knows the node's memory, descriptors and log.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { TestClient } from '../support/client.js'
import type { LogLine } from '../support/node-process.js'
import { DOMAIN, PASSWORD, Stage, type StageSpec } from '../hostile/stage.js'

export const HEADER = `<stream:stream to='${DOMAIN}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`
const MIB = 1024 * 1024

/** A stranger's connection: says bytes, remembers what came. */
export class Stranger {
  text = ''
  opened = false
  closed = false
  readonly over: Promise<void>

  constructor(readonly socket: Socket) {
    socket.on('connect', () => { this.opened = true })
    socket.on('data', (data) => { this.text += data.toString('latin1') })
    socket.on('error', () => {})
    this.over = new Promise((done) => { socket.on('close', () => { this.closed = true; done() }) })
  }

  static at(port: number, localAddress: string): Stranger {
    return new Stranger(connect({ host: '127.0.0.1', port, localAddress }))
  }

  async until(piece: string, patienceMs = 10_000): Promise<string> {
    await settled(() => this.text.includes(piece) || this.closed, patienceMs)
    if (!this.text.includes(piece)) throw new Error(`closed or late before ${piece}: ${this.text.slice(0, 300)}`)
    return this.text
  }
}

export async function settled(holds: () => boolean, patienceMs = 15_000): Promise<void> {
  const until = performance.now() + patienceMs
  while (!holds()) {
    if (performance.now() > until) throw new Error(`not within ${patienceMs} ms: ${holds.toString().slice(0, 200)}`)
    await new Promise((done) => { setTimeout(done, 20) })
  }
}

export class Siege {
  readonly stage: Stage
  #addresses = 0

  private constructor(stage: Stage) {
    this.stage = stage
  }

  static async lay(spec: StageSpec = {}): Promise<Siege> {
    return new Siege(await Stage.set({ nodes: 1, ...spec, lines: ['--limits-exempt=127.0.0.1,::1', ...spec.lines ?? []] }))
  }

  get port(): number { return this.stage.node.ports.c2s }

  /** One that nobody has come from yet. */
  address(): string {
    const n = ++this.#addresses
    return `127.1.${n >> 8}.${n & 255}`
  }

  /** Logged in, from a stranger's address. */
  async login(user: string, resource: string, address = this.address()): Promise<TestClient> {
    const client = new TestClient(connect({ host: '127.0.0.1', port: this.port, localAddress: address }))
    await client.openStream(DOMAIN)
    await client.authenticate({ port: this.port, user, password: PASSWORD })
    await client.openStream(DOMAIN)
    await client.bind(resource)
    return client
  }

  /** Bytes of the process in memory. */
  get memory(): number {
    const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.stage.node.pid}/status`, 'utf8')) ?? []
    return Number(kib) * 1024
  }

  get descriptors(): number {
    return readdirSync(`/proc/${this.stage.node.pid}/fd`).length
  }

  /** Lines of an event since a mark. */
  lines(event: string, from: number): readonly LogLine[] {
    return this.stage.node.lines.slice(from).filter((line) => line['event'] === event)
  }

  get mark(): number {
    return this.stage.node.lines.length
  }

  /** The others are served, and what was taken is given back; a heap breathes by some megabytes. */
  async calm(before: { readonly memory: number, readonly descriptors: number }): Promise<void> {
    await this.stage.others()
    await settled(() => this.descriptors <= before.descriptors + 3)
    const grown = (this.memory - before.memory) / MIB
    if (grown > 80) throw new Error(`${Math.round(grown)} MiB more after the flood`)
  }
}
