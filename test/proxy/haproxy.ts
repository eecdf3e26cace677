/**
 * A real HAProxy with a file of `examples/haproxy/`, in which only addresses, ports and the certificate's path are put in.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Cluster } from '../support/cluster.js'
import { freePorts } from '../support/ports.js'

const PROGRAM = '/usr/sbin/haproxy'
const EXAMPLES = join(import.meta.dirname, '..', '..', 'examples', 'haproxy')
const READY_MS = 10_000

/** The ports of the examples, and what they are on a node. */
const NAMES = { 5222: 'c2s', 5223: 'c2sTls', 5280: 'http', 5281: 'https' } as const
type Known = keyof typeof NAMES

export interface ProxyPorts {
  readonly c2s: number
  readonly c2sTls: number
  readonly http: number
  readonly https: number
}

export class HaProxy {
  #output = ''

  private constructor(readonly ports: ProxyPorts, private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => { this.#output += chunk.toString() })
  }

  /** @param pem the proxy's own certificate and key */
  static async start(example: string, cluster: Cluster, pem: string): Promise<HaProxy> {
    if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: ./scripts/test installs what the tests need`)
    const [c2s, c2sTls, http, https] = await freePorts(4) as [number, number, number, number]
    const ports = { c2s, c2sTls, http, https }
    const file = join(cluster.dir, example)
    writeFileSync(file, placed(readFileSync(join(EXAMPLES, example), 'utf8'), { cluster, ports, pem }))
    const proxy = new HaProxy(ports, spawn(PROGRAM, ['-db', '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] }))
    await proxy.#listening()
    return proxy
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null) return
    const gone = new Promise((done) => this.child.once('exit', done))
    this.child.kill('SIGKILL')
    await gone
  }

  async #listening(): Promise<void> {
    const until = performance.now() + READY_MS
    while (!await accepts(this.ports.c2s)) {
      if (this.child.exitCode !== null || performance.now() > until) throw new Error(`HAProxy does not run: ${this.#output}`)
      await new Promise((done) => { setTimeout(done, 30) })
    }
  }
}

interface Places {
  readonly cluster: Cluster
  readonly ports: ProxyPorts
  readonly pem: string
}

function placed(text: string, { cluster, ports, pem }: Places): string {
  const nodePort = (node: string, port: string): number => cluster.node(Number(node) - 1).ports[NAMES[Number(port) as Known]]
  return text.split('\n').map((line) => {
    const [, name] = / server node(\d) /.exec(line) ?? []
    const local = line.replace(/bind :(\d+)/, (_all, port: string) => `bind 127.0.0.1:${ports[NAMES[Number(port) as Known]]}`)
      .replace('/etc/haproxy/starling.pem', pem)
    if (name === undefined) return local
    return local.replace(/node\d:(\d+)/, (_all, port: string) => `127.0.0.1:${nodePort(name, port)}`)
      .replace(/check port (\d+)/, (_all, port: string) => `check port ${nodePort(name, port)}`)
  }).join('\n')
}

/** Whether somebody listens there. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => { socket.destroy(); resolve(true) })
    socket.once('error', () => { resolve(false) })
  })
}
