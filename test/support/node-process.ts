/**
 * One Starling node in a process of its own, as an operator would start it: a properties file and the built program.
 * Ends only the process that it started.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from './ports.js'

export const PROGRAM = join(import.meta.dirname, '..', '..', 'dist', 'main.js')

export interface NodePorts {
  readonly c2s: number
  readonly c2sTls: number
  readonly http: number
  readonly https: number
  readonly admin: number
  readonly cluster: number
}

export interface NodeSpec {
  readonly name: string
  readonly dir: string
  readonly jdbc: string
  readonly userDb: 'sqlite' | 'pgsql' | 'mysql'
  readonly strategy: string
  /** More lines of init.properties; a later line wins. */
  readonly lines?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** Descriptor of the node's standard output; its lines are not read here then. */
  readonly stdout?: number
}

/** One line of the log: event, level, room, and what the event says. */
export type LogLine = Record<string, unknown>

/** Starting needs the database, the mesh and two built certificates; generous for a busy machine. */
const READY_MS = 45_000

export class NodeProcess {
  #child: ChildProcess | undefined
  #output = ''
  #tail = ''
  readonly #lines: LogLine[] = []
  #exit: Promise<number | NodeJS.Signals> = Promise.resolve(0)

  private constructor(readonly spec: NodeSpec, readonly ports: NodePorts, readonly properties: string) {}

  /** Writes the files; nothing runs yet. */
  static async plan(spec: NodeSpec): Promise<NodeProcess> {
    const [c2s, c2sTls, http, https, admin, cluster] = await freePorts(6) as [number, number, number, number, number, number]
    const ports = { c2s, c2sTls, http, https, admin, cluster }
    const dir = join(spec.dir, spec.name)
    mkdirSync(dir, { recursive: true })
    const properties = join(dir, 'init.properties')
    writeFileSync(properties, propertiesOf(spec, ports, dir))
    return new NodeProcess(spec, ports, properties)
  }

  get name(): string {
    return this.spec.name
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** Everything printed so far, all lives of the node. */
  get output(): string {
    return this.#output
  }

  /** Every log line so far, all lives of the node. */
  get lines(): readonly LogLine[] {
    return this.#lines
  }

  /** Log lines with this event. */
  events(event: string): Record<string, unknown>[] {
    return this.#lines.filter((line) => line['event'] === event)
  }

  spawn(...args: string[]): void {
    const child = spawn(process.execPath, [PROGRAM, 'run', `--property-file=${this.properties}`, ...args], {
      stdio: ['ignore', this.spec.stdout ?? 'pipe', 'pipe'], env: { ...process.env, ...this.spec.env }
    })
    const keep = (chunk: Buffer): void => { this.#keep(chunk.toString('utf8')) }
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
    this.#child = child
    this.#exit = new Promise((done) => {
      child.once('exit', (code, signal) => {
        if (this.#child === child) this.#child = undefined
        done(signal ?? code ?? 0)
      })
    })
  }

  #keep(text: string): void {
    this.#output += text
    const whole = (this.#tail + text).split('\n')
    this.#tail = whole.pop() ?? ''
    for (const line of whole) {
      if (!line.startsWith('{')) continue
      try {
        this.#lines.push(JSON.parse(line) as LogLine)
      } catch {
        // Not every line that begins so is JSON.
      }
    }
  }

  async start(...args: string[]): Promise<void> {
    this.spawn(...args)
    await this.ready()
  }

  /** Asks the admin listener: the public ports may expect a PROXY header. */
  async ready(): Promise<void> {
    const until = performance.now() + READY_MS
    while (performance.now() < until) {
      if (this.#child === undefined) throw new Error(`${this.name} ended: ${this.#output.slice(-3000)}`)
      if (await fetch(`http://127.0.0.1:${this.ports.admin}/ready`).then((r) => r.ok, () => false)) return
      await new Promise((done) => { setTimeout(done, 50) })
    }
    throw new Error(`${this.name} was not ready within ${READY_MS} ms: ${this.#output.slice(-3000)}`)
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#child?.pid !== undefined) process.kill(this.#child.pid, signal)
  }

  /** Waits for the end; exit code or the signal's name. */
  exited(): Promise<number | NodeJS.Signals> {
    return this.#exit
  }

  async kill(): Promise<void> {
    this.signal('SIGCONT')
    this.signal('SIGKILL')
    await this.#exit
  }

  /** SIGTERM, as an operator stops it; SIGKILL if that takes longer than 20 s. */
  async stop(): Promise<number | NodeJS.Signals> {
    this.signal('SIGTERM')
    const late = setTimeout(() => { this.signal('SIGKILL') }, 20_000)
    const how = await this.#exit
    clearTimeout(late)
    return how
  }

  /** JSON of the admin listener: `/cluster`, `/sessions`. */
  async admin(path: string): Promise<unknown> {
    const answer = await fetch(`http://127.0.0.1:${this.ports.admin}${path}`)
    return answer.headers.get('content-type')?.includes('json') === true ? answer.json() : answer.text()
  }
}

const propertiesOf = (spec: NodeSpec, ports: NodePorts, dir: string): string => [
  '--virt-hosts=localhost',
  `--user-db=${spec.userDb}`,
  `--user-db-uri=${spec.jdbc}`,
  '--cluster-mode=true',
  `--sm-cluster-strategy-class=${spec.strategy}`,
  `--tigase-primary-address=${spec.name}`,
  `--cluster-advertise=127.0.0.1:${ports.cluster}`,
  '--cluster-listen=127.0.0.1',
  '--cluster-allow-loopback=true',
  `--cl-comp-ports=${ports.cluster}`,
  '--listen=127.0.0.1',
  `--c2s-ports=${ports.c2s}`,
  `--c2s-tls-ports=${ports.c2sTls}`,
  `--http-ports=${ports.http}`,
  `--https-ports=${ports.https}`,
  '--ws2s-ports=none',
  '--ws2s-tls-ports=none',
  `--admin-listen=127.0.0.1:${ports.admin}`,
  `--ssl-certs-location=${join(dir, 'certs')}`,
  '--vhost-tls-required=false',
  ...(spec.lines ?? []),
  ''
].join('\n')
