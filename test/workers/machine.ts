/** One machine with two workers, as an operator starts it: one process, one properties file. Ends what it started. */
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { freshDatabase } from '../databases.js'
import type { TestClient } from '../support/client.js'
import { Cluster } from '../support/cluster.js'
import type { ClusterPage } from '../support/fault-cast.js'
import type { NodeProcess } from '../support/node-process.js'
import { until } from '../support/until.js'

export type WorkerNumber = 1 | 2

interface SessionsPage {
  readonly node: string
  readonly count: number
  readonly sessions: readonly { readonly jid: string, readonly address: string }[]
}

/** Without cluster mode: the workers join each other by themselves, on loopback. */
const LINES = [
  '--cluster-mode=false', '--cluster-advertise=', '--cluster-listen=::', '--cluster-allow-loopback=false', '--workers=2'
]

export class Machine {
  readonly #clients: TestClient[] = []

  private constructor(readonly cluster: Cluster, readonly node: NodeProcess) {}

  /** Nothing runs yet. A second machine may share the first one's database. */
  static async plan(kind: 'sqlite' | 'postgresql', ...lines: readonly string[]): Promise<Machine> {
    const cluster = await Cluster.of({ nodes: 0, database: await freshDatabase(kind), accounts: ['romeo', 'juliet', 'nurse'] })
    const node = await roomy(cluster)
    const { c2s } = node.ports
    const ports = [`--c2s-ports=${c2s},${c2s + 1}`, `--proxy-protocol=${c2s + 1}`]
    appendFileSync(node.properties, [...LINES, ...ports, ...lines, ''].join('\n'))
    return new Machine(cluster, node)
  }

  /** Both workers are up and linked; started, unless it runs already. */
  async start(): Promise<void> {
    if (this.node.pid === 0) this.node.spawn()
    await this.whole()
  }

  /** Both are members, each seen by itself and by the other. */
  async whole(): Promise<readonly [ClusterPage, ClusterPage]> {
    return await until('both workers are up and linked', async () => {
      const pages = await Promise.all([this.page(1), this.page(2)]).catch(() => undefined)
      const both = pages?.every(({ members }) => members.length === 2 && members.every(({ linked, state }) => linked && state === 'up'))
      return both === true && pages
    }) as readonly [ClusterPage, ClusterPage]
  }

  page(worker: WorkerNumber): Promise<ClusterPage> {
    return this.#admin<ClusterPage>(worker, '/cluster')
  }

  /** Full JIDs with their client's address, of one worker. */
  async sessions(worker: WorkerNumber): Promise<ReadonlyMap<string, string>> {
    const { sessions } = await this.#admin<SessionsPage>(worker, '/sessions')
    return new Map(sessions.map(({ jid, address }) => [jid, address]))
  }

  /** Process id of a worker's latest process. */
  pid(worker: WorkerNumber): number {
    return Number(this.node.events('worker.started').findLast((line) => line['worker'] === worker)?.['pid'])
  }

  /** A device of `user` on that worker: connects until it is handed there. */
  async device(user: string, worker: WorkerNumber): Promise<TestClient> {
    return until(`${user} is handed to worker ${worker}`, async () => {
      const client = await this.cluster.login(this.cluster.nodes.indexOf(this.node), user)
      this.#clients.push(client)
      if ((await this.sessions(worker)).has(client.jid)) return client
      await client.close()
      return undefined
    })
  }

  async end(): Promise<void> {
    for (const client of this.#clients) client.socket.destroy()
    await this.node.stop()
    await this.cluster.end()
  }

  async #admin<T>(worker: WorkerNumber, path: string): Promise<T> {
    return await (await fetch(`http://127.0.0.1:${this.node.ports.admin + worker - 1}${path}`)).json() as T
  }
}

/** A node whose ports have room for the second worker's. */
async function roomy(cluster: Cluster): Promise<NodeProcess> {
  for (;;) {
    const node = await cluster.plan('box')
    const { c2s, admin, cluster: links } = node.ports
    if ((await Promise.all([c2s + 1, admin + 1, links + 1].map(isFree))).every(Boolean)) return node
    cluster.nodes.pop()
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => { resolve(false) })
    server.listen({ host: '127.0.0.1', port }, () => { server.close(() => { resolve(true) }) })
  })
}
