/**
 * The stage of the overload plays: a cluster whose ways to each other and to the database pass through the test, a
 * crowd, and canaries in a process of their own. A play has three times: before, during, after.
 */
import { expect } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { freshDatabase } from '../databases.js'
import { Cluster } from '../support/cluster.js'
import { Forwarder } from '../support/forwarder.js'
import type { NodeProcess, NodeSpec } from '../support/node-process.js'
import { until } from '../support/until.js'
import { Crowd, jidOf, type Seat, type Tally } from './crowd.js'
import { Watch } from './watch.js'

/** The same play, short or at length. */
export interface Form {
  readonly calmMs: number
  /** Of the overload. */
  readonly seconds: number
  /** Of one message: the bounds are of bytes, and the short form must reach them too. */
  readonly bodyBytes: number
  /** Pings of those whom it does not concern: p99. Wide in the short tier: of so few it is the one that finds nothing cached. */
  readonly pingMs: number
  /** Any of them while it catches up: a second of all that waited, in a few pings of which none is the hundredth. */
  readonly catchUpMs: number
}

export const SHORT: Form = { calmMs: 500, seconds: 3, bodyBytes: 16 * 1024, pingMs: 3000, catchUpMs: 5000 }
export const LONG: Form = { calmMs: 5000, seconds: 60, bodyBytes: 4 * 1024, pingMs: 100, catchUpMs: 250 }
/** After the bottleneck has gone (limits, E.3). */
export const RECOVERY_MS = 5000

export interface StageSpec {
  readonly title: string
  readonly nodes: number
  readonly users: readonly string[]
  readonly lines?: readonly string[]
  readonly more?: Partial<NodeSpec>
}

export const seats = (name: string, count: number, resource = 'r'): Seat[] =>
  Array.from({ length: count }, (_, i) => ({ user: `${name}${i}`, resource }))
export const names = (name: string, count: number): string[] => seats(name, count).map(({ user }) => user)

export class Stage {
  watch: Watch
  /** Of the nodes' links, one for each node. */
  readonly ways: Forwarder[] = []

  private constructor(
    private readonly spec: StageSpec, readonly cluster: Cluster, readonly toDatabase: Forwarder,
    readonly crowd: Crowd, readonly birds: Crowd
  ) {
    this.watch = new Watch(spec.title, [])
  }

  static async of(spec: StageSpec): Promise<Stage> {
    const database = await freshDatabase('postgresql')
    const port = Number(/:(\d+)\//.exec(database.jdbc)?.[1])
    const toDatabase = await Forwarder.open(port)
    const canaries = Array.from({ length: spec.nodes }, (_, n) => [`canary${n}`, `listener${n}`]).flat()
    const cluster = await Cluster.of({ nodes: 0, database, accounts: [...canaries, ...spec.users] })
    const stage = new Stage(spec, cluster, toDatabase, await Crowd.start(), await Crowd.start())
    await stage.#open(database.jdbc.replace(`:${port}/`, `:${toDatabase.port}/`)).catch(async (error: unknown) => {
      await stage.end()
      throw error
    })
    return stage
  }

  node(n: number): NodeProcess {
    return this.cluster.node(n)
  }

  /** Why node `n` says that streams ended. */
  closings(n: number): Record<string, number> {
    const reasons: Record<string, number> = {}
    for (const { reason } of this.node(n).events('stream.closed')) reasons[String(reason)] = (reasons[String(reason)] ?? 0) + 1
    return reasons
  }

  /** Logs the seats in at node `n`; every one of them must get in. */
  async seat(n: number, logins: readonly Seat[], more: { readonly sm?: boolean, readonly available?: boolean } = {}): Promise<string[]> {
    const { failures } = await this.crowd.login({ port: this.node(n).ports.c2s, logins, ...more })
    expect(failures).toEqual({})
    return logins.map(jidOf)
  }

  /** Before, during, after: `overload` begins and ends the bottleneck; `recovered` is asked until it says yes. */
  async play(form: Form, acts: { overload(): Promise<void>, heal(): Promise<void>, recovered(): Promise<boolean> }): Promise<number> {
    await this.watch.begin()
    await sleep(form.calmMs)
    await this.watch.close('before')
    await acts.overload()
    await this.watch.close('during')
    await acts.heal()
    const since = performance.now()
    await until('it has recovered', () => acts.recovered(), 60_000)
    const took = performance.now() - since
    this.watch.note(`recovered ${took.toFixed(0)} ms after the bottleneck had gone`)
    await sleep(form.calmMs)
    await this.watch.close('after')
    return took
  }

  /** A message between two who have nothing to do with the overload, from node `a` to node `b`, within a second. */
  async delivers(a: number, b: number): Promise<boolean> {
    const { arrived } = await this.birds.tally()
    await this.birds.flood({ from: [`canary${a}@localhost/r`], to: [`listener${b}@localhost/r`], perSecond: 100, seconds: 0.05, bytes: 10 })
    for (let i = 0; i < 20; i++) {
      if ((await this.birds.tally()).arrived > arrived) return true
      await sleep(50)
    }
    return false
  }

  /** Both ways between two nodes, and the senders are read. */
  async crosses(from: readonly string[]): Promise<boolean> {
    return await this.delivers(0, 1) && await this.delivers(1, 0) && await this.crowd.barrier(from, 5000) === from.length
  }

  /** Every numbered message arrived or was refused; says how many are still open after a while. */
  async settled(patienceMs = 20_000): Promise<Tally> {
    const giveUp = performance.now() + patienceMs
    for (;;) {
      const tally = await this.crowd.tally()
      if (tally.open === 0 || performance.now() > giveUp) return tally
      await sleep(100)
    }
  }

  tell({ sent, arrived, refused, open, doubled, disordered, errors, latency, closings }: Tally): void {
    this.watch.note(`${sent} sent: ${arrived} arrived, ${refused} refused ${JSON.stringify(errors)}, ${open} neither; `
      + `${doubled} twice, ${disordered} out of order; latency p50 ${latency.p50.toFixed(0)} ms, p99 ${latency.p99.toFixed(0)} ms; `
      + `streams closed: ${JSON.stringify(closings)}`)
  }

  /**
   * What every play asks: the canaries sang, memory stayed within its bound, every node lives its first life.
   * @param still the node that was the bottleneck itself: its own canary was silent
   */
  judge(form: Form, growthMb: number, tookMs: number, still?: string): void {
    this.watch.print()
    for (const node of this.cluster.nodes) {
      for (const time of ['during', 'after'] as const) {
        const { canary, rssMaxMb } = this.watch.of(node, time)
        if (node.name !== still) {
          expect({ node: node.name, time, unanswered: canary.unanswered }).toEqual({ node: node.name, time, unanswered: 0 })
          if (time === 'during') expect(canary.p99).toBeLessThan(form.pingMs)
          else expect(canary.max).toBeLessThan(form.catchUpMs)
        }
        expect(rssMaxMb - this.watch.of(node, 'before').rssMb).toBeLessThan(growthMb)
      }
      expect(node.events('process.unhandled-rejection')).toEqual([])
      expect(node.events('cluster.fenced')).toEqual([])
    }
    expect(tookMs).toBeLessThan(RECOVERY_MS)
  }

  async end(): Promise<void> {
    this.watch.print()               // also of a play that failed
    this.watch.stop()
    this.crowd.end()
    this.birds.end()
    await this.cluster.end()
    for (const way of [...this.ways, this.toDatabase]) await way.close()
  }

  async #open(jdbc: string): Promise<void> {
    for (let n = 0; n < this.spec.nodes; n++) {
      const way = await Forwarder.open()
      this.ways.push(way)
      const lines = [`--cluster-advertise=127.0.0.1:${way.port}`, '--cluster-notify-admins=false', ...this.spec.lines ?? []]
      const node = await this.cluster.plan(`node${n + 1}`, lines, { jdbc, ...this.spec.more })
      way.target = node.ports.cluster
    }
    await Promise.all(this.cluster.nodes.map((node) => node.start()))
    for (const [n, node] of this.cluster.nodes.entries()) {
      const logins = [{ user: `canary${n}`, resource: 'r' }, { user: `listener${n}`, resource: 'r' }]
      const { failures } = await this.birds.login({ port: node.ports.c2s, logins })
      expect(failures).toEqual({})
    }
    this.watch.stop()
    this.watch = new Watch(this.spec.title, this.cluster.nodes.map((node, n) => ({ node, crowd: this.birds, jid: `canary${n}@localhost/r` })))
  }
}
