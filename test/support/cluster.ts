/**
 * A cluster of real node processes on one database of their own, for tests. Everything it starts it also ends.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TestClient, type Login } from './client.js'
import { NodeProcess, type NodeSpec } from './node-process.js'
import { openAccounts, type AccountDoor, type TestDatabase } from './database.js'
import { until } from './until.js'

export type StrategyName = 'broadcast' | 'online-users-caching'

export interface ClusterSpec {
  readonly nodes: number
  readonly database: TestDatabase
  readonly strategy?: StrategyName
  readonly accounts?: readonly string[]
  readonly lines?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** False: the nodes are planned, not started. */
  readonly start?: boolean
}

export class Cluster {
  readonly #clients: TestClient[] = []

  private constructor(readonly nodes: NodeProcess[], readonly dir: string, readonly database: TestDatabase, readonly accounts: AccountDoor,
    private readonly spec: ClusterSpec) {}

  static async of(spec: ClusterSpec): Promise<Cluster> {
    const dir = mkdtempSync(join(tmpdir(), 'starling-test-'))
    const accounts = await openAccounts(spec.database)
    const cluster = new Cluster([], dir, spec.database, accounts, spec)
    for (let n = 1; n <= spec.nodes; n++) await cluster.plan(`node${n}`)
    for (const account of spec.accounts ?? ['romeo', 'juliet']) await accounts.add(account, 'localhost', 'secret')
    if (spec.start ?? true) {
      await cluster.#start().catch(async (error: unknown) => {
        await cluster.end()
        throw error
      })
    }
    return cluster
  }

  /** What comes from a node with a newer view of the table waits for the next look at it: here all have the same one. */
  async #start(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.start()))
    const view = async (node: NodeProcess): Promise<unknown> => (await node.admin('/cluster') as { view: unknown }).view
    await until('all see the same nodes', async () => new Set(await Promise.all(this.nodes.map(view))).size < 2)
  }

  /** One node more; start it yourself. */
  async plan(name: string, lines: readonly string[] = [], more: Partial<NodeSpec> = {}): Promise<NodeProcess> {
    const { database, strategy = 'broadcast', env = {} } = this.spec
    const node = await NodeProcess.plan({
      name, dir: this.dir, jdbc: database.jdbc, userDb: database.userDb, strategy, env, lines: [...this.spec.lines ?? [], ...lines],
      ...more
    })
    this.nodes.push(node)
    return node
  }

  node(n: number): NodeProcess {
    const node = this.nodes[n]
    if (node === undefined) throw new Error(`there is no node ${n}`)
    return node
  }

  /** Logs in at node `n`, over plain TCP unless told otherwise; closed with the cluster. */
  async login(n: number, user: string, more: Partial<Login> = {}): Promise<TestClient> {
    const { ports } = this.node(n)
    const client = await TestClient.login({ port: more.tls === 'direct' ? ports.c2sTls : ports.c2s, user, ...more })
    this.#clients.push(client)
    return client
  }

  async end(): Promise<void> {
    for (const client of this.#clients) if (!client.closed) client.socket.destroy()
    await Promise.all(this.nodes.map((node) => node.kill()))
    await this.accounts.close()
    await this.database.drop()
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** Both subscribe to each other and accept, as people do. */
export async function befriend(a: TestClient, b: TestClient): Promise<void> {
  const [bareA, bareB] = [a.jid.split('/')[0] ?? '', b.jid.split('/')[0] ?? '']
  // Answers to requests go to devices that have asked for the roster (RFC 6121 §3.1.6).
  for (const client of [a, b]) await client.iq('get', '', `<query xmlns='jabber:iq:roster'/>`)
  for (const [from, to, fromJid, toJid] of [[a, b, bareA, bareB], [b, a, bareB, bareA]] as const) {
    from.write(`<presence to='${toJid}' type='subscribe'/>`)
    await to.presence(fromJid, 'subscribe')
    to.write(`<presence to='${fromJid}' type='subscribed'/>`)
    await from.presence(toJid, 'subscribed')
    await from.presence(to.jid)
  }
}
