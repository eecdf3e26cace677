/**
 * `starling demo`: a real cluster on one machine. N node processes with their own names, rows, ports and a real TLS
 * link share one embedded database; the parent owns the front and tells the cluster at once when a node has died.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { NodeRow } from '../storage/cluster-tables.js'
import { freePorts } from './free-ports.js'
import { Front } from './front.js'
import { table } from './table.js'

export interface DemoOptions {
  readonly nodes: number
  readonly dir: string
  /** Node n gets its ports from `basePort + 10 n` on; `undefined`: any free ones. */
  readonly basePort: number | undefined
  readonly strategy: string
  readonly json: boolean
  /** `--option=value` for every node. */
  readonly extra: readonly string[]
}

/** What the demo needs of the database. */
export interface DemoStore {
  /** Makes the schema and the two accounts where they are missing. */
  prepare(file: string): Promise<void>
  rows(): Promise<readonly NodeRow[]>
  /** A death certificate: the parent has seen the child exit. */
  fence(row: NodeRow): Promise<void>
  close(): Promise<void>
}

interface DemoNode {
  readonly name: string
  readonly ports: Ports
  readonly properties: string
  process: ChildProcess | undefined
  ready: boolean
}

const PORT_NAMES = ['c2s', 'c2sTls', 'http', 'https', 'admin', 'cluster'] as const
type Ports = Readonly<Record<(typeof PORT_NAMES)[number], number>>

/** Node processes stop within 10 s on SIGTERM; after this they are ended. */
const STOP_MS = 15_000
const POLL_MS = 250
export const DEMO_DOMAIN = 'localhost'
export const DEMO_ACCOUNTS = ['romeo', 'juliet'] as const
export const DEMO_PASSWORD = 'secret'

export class Demo {
  readonly #front = new Front()
  readonly #nodes: DemoNode[] = []
  #stopping = false
  #lastTable = ''

  constructor(
    private readonly options: DemoOptions,
    private readonly store: DemoStore,
    private readonly print: (line: string) => void
  ) {}

  async start(): Promise<void> {
    const dir = resolve(this.options.dir)
    mkdirSync(dir, { recursive: true })
    const database = join(dir, 'starling.db')
    await this.store.prepare(database)
    for (let n = 1; n <= this.options.nodes; n++) this.#nodes.push(await this.#plan(n, dir, database))
    for (const node of this.#nodes) this.#spawn(node, dir)
    await Promise.all(this.#nodes.map((node) => this.#untilReady(node)))
    if (!this.#stopping) await this.#openFront()
  }

  /** Reports the member table whenever it changes; resolves when all nodes have gone. */
  async watch(): Promise<void> {
    while (this.#nodes.some((node) => node.process !== undefined)) {
      await this.#showMembers()
      await pause(POLL_MS * 2)
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true
    this.#front.close()
    const alive = this.#nodes.flatMap((node) => node.process ?? [])
    const gone = alive.map((child) => new Promise<void>((done) => child.once('exit', () => { done() })))
    for (const child of alive) child.kill('SIGTERM')
    const late = setTimeout(() => { for (const child of alive) child.kill('SIGKILL') }, STOP_MS)
    await Promise.all(gone)
    clearTimeout(late)
    await this.#showMembers()
    await this.store.close()
  }

  async #plan(n: number, dir: string, database: string): Promise<DemoNode> {
    const { basePort, strategy } = this.options
    const numbers = basePort === undefined
      ? await freePorts(PORT_NAMES.length)
      : PORT_NAMES.map((_, i) => basePort + 10 * n + i)
    const ports = Object.fromEntries(PORT_NAMES.map((name, i) => [name, numbers[i] ?? 0])) as Ports
    const name = `node${n}`
    mkdirSync(join(dir, name), { recursive: true })
    const properties = join(dir, name, 'init.properties')
    writeFileSync(properties, propertiesOf(name, ports, { dir: join(dir, name), database, strategy }))
    return { name, ports, properties, process: undefined, ready: false }
  }

  #spawn(node: DemoNode, dir: string): void {
    const program = fileURLToPath(new URL('../main.js', import.meta.url))
    const args = [program, 'run', `--property-file=${node.properties}`, ...this.options.extra]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const log = createWriteStream(join(dir, node.name, 'node.log'), { flags: 'a' })
    child.stdout.pipe(log, { end: false })
    child.stderr.pipe(log, { end: false })
    node.process = child
    child.once('exit', (code, signal) => { void this.#exited(node, signal ?? `exit code ${code ?? 0}`, dir) })
  }

  async #exited(node: DemoNode, how: string, dir: string): Promise<void> {
    node.process = undefined
    node.ready = false
    if (this.#stopping) return
    if (!this.options.json) this.print(`${node.name} has ended (${how}); its log is ${join(dir, node.name, 'node.log')}`)
    const row = (await this.store.rows()).find((r) => r.hostname === node.name)
    if (row !== undefined && row.state !== 'left' && row.state !== 'fenced') await this.store.fence(row)
  }

  async #untilReady(node: DemoNode): Promise<void> {
    while (node.process !== undefined && !this.#stopping) {
      if (await isReady(node.ports.http)) {
        node.ready = true
        this.#announce(node)
        return
      }
      await pause(POLL_MS)
    }
  }

  #announce(node: DemoNode): void {
    const { name, ports, properties } = node
    if (this.options.json) {
      const pid = node.process?.pid
      this.print(JSON.stringify({ node: name, hostname: name, domain: DEMO_DOMAIN, ...ports, pid, properties }))
      return
    }
    this.print(`${name}: TCP localhost:${ports.c2s} (direct TLS ${ports.c2sTls}), WebSocket ws://localhost:${ports.http}/xmpp-websocket, `
      + `BOSH http://localhost:${ports.http}/http-bind`)
  }

  async #openFront(): Promise<void> {
    const { basePort, json } = this.options
    const live = (port: 'c2s' | 'http') => () =>
      this.#nodes.filter((node) => node.ready).map((node) => ({ host: '127.0.0.1', port: node.ports[port] }))
    const c2s = await this.#front.listen(basePort ?? 0, live('c2s'))
    const http = await this.#front.listen(basePort === undefined ? 0 : basePort + 1, live('http'))
    if (json) {
      this.print(JSON.stringify({ front: true, c2s, http }))
      return
    }
    this.print(`any node: TCP localhost:${c2s}, WebSocket ws://localhost:${http}/xmpp-websocket, BOSH http://localhost:${http}/http-bind`)
    this.print(`accounts: ${DEMO_ACCOUNTS.map((name) => `${name}@${DEMO_DOMAIN}`).join(' and ')}, password ${DEMO_PASSWORD}`)
    this.print(`files: ${resolve(this.options.dir)}; stop with Ctrl-C`)
  }

  async #showMembers(): Promise<void> {
    if (this.options.json) return
    const rows = await this.store.rows().catch(() => [])
    const text = memberTable(rows)
    if (text === this.#lastTable || rows.length === 0) return
    this.#lastTable = text
    this.print(`\nselect * from cluster_nodes\n${text}`)
  }
}

/** The columns that stay the same while nothing happens. */
const memberTable = (rows: readonly NodeRow[]): string => table(
  ['hostname', 'port', 'state', 'incarnation', 'links', 'strategy', 'advertise'],
  rows.map((row) => [row.hostname, String(row.port), row.state, String(row.incarnation), String(row.links), row.strategy, row.advertise])
)

interface Place {
  readonly dir: string
  readonly database: string
  readonly strategy: string
}

const propertiesOf = (name: string, ports: Ports, { dir, database, strategy }: Place): string => `\
# ${name} of the demo: a cluster node on loopback. For real machines leave out what is marked "one machine".
config-type=--gen-config-def
--virt-hosts=${DEMO_DOMAIN}
--user-db=sqlite
--user-db-uri=jdbc:sqlite:${database}
--cluster-mode=true
--sm-cluster-strategy-class=${strategy}
# one machine: a name and ports of its own, loopback only
--tigase-primary-address=${name}
--cluster-advertise=127.0.0.1:${ports.cluster}
--cluster-listen=127.0.0.1
--cluster-allow-loopback=true
--cl-comp-ports=${ports.cluster}
--listen=127.0.0.1
--c2s-ports=${ports.c2s}
--c2s-tls-ports=${ports.c2sTls}
--http-ports=${ports.http}
--https-ports=${ports.https}
--ws2s-ports=none
--ws2s-tls-ports=none
--admin-listen=127.0.0.1:${ports.admin}
--ssl-certs-location=${join(dir, 'certs')}
# the demo offers TLS with a certificate that it made itself, and does not insist
--vhost-tls-required=false
`

async function isReady(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/ready`).then((answer) => answer.ok, () => false)
}

const pause = (ms: number): Promise<void> => new Promise((done) => { setTimeout(done, ms) })
