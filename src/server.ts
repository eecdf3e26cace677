/**
 * One node's life: the rooms are assembled (`assembly.ts`), started in order, stopped in reverse. Several nodes may live in
 * one process.
 */
import { mkdirSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import { dirname } from 'node:path'
import { assemble, type Assembly } from './assembly.js'
import { aloneMesh } from './cluster/alone.js'
import { clusterSettings, nodeName, sayDurability } from './cluster/configure.js'
import { createMesh, type NodeMesh } from './cluster/mesh.js'
import type { ServerSettings } from './groups.js'
import type { Found } from './pipeline/catalog.js'
import { Sessions } from './session/sessions.js'
import type { OpenStore } from './storage/open.js'
import { openWhenThere } from './storage/patience.js'
import { systemClock } from './telemetry/clock.js'
import { Health } from './telemetry/health.js'
import type { Log } from './telemetry/log.js'
import { createMetrics } from './telemetry/metrics.js'
import type { Logs } from './telemetry/pino-log.js'
import { HybridClock } from './xmpp/hlc.js'

/** How long clients may take to go when the node stops, milliseconds; a node drains within 120 s in all. */
const LEAVE_MS = 5_000

export interface ServerParts {
  readonly settings: ServerSettings
  readonly found: readonly Found[]
  readonly logs: Logs
  readonly version: string
}

export class Server {
  readonly #parts: ServerParts
  readonly #log: Log
  readonly #clock = systemClock()
  readonly #metrics = createMetrics()
  readonly #health: Health
  readonly #name: string
  readonly #sessions: Sessions
  #open: OpenStore | undefined
  #mesh: NodeMesh | undefined
  #rooms: Assembly | undefined
  #ended: (error: Error) => void = () => undefined
  /** Settles when the node cannot go on by itself. */
  readonly over: Promise<Error>

  constructor(parts: ServerParts) {
    this.#parts = parts
    this.#log = parts.logs.room('server')
    this.#health = new Health(this.#clock, (part, { state, why }) => this.#log.warn({ part, state, why }, 'health.changed'))
    this.#name = nodeName(parts.settings.values.cluster)
    this.#sessions = new Sessions(this.#name)
    this.over = new Promise((resolve) => { this.#ended = resolve })
  }

  /** Resolves when clients may come. Rejects with what an operator must do, nothing left open. */
  async start(): Promise<void> {
    try {
      await this.#start()
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** Drains: no new clients, the others are told to go, the row says `left`. */
  async stop(): Promise<void> {
    this.#health.setWaiting('stopping')
    this.#health.stop()
    await this.#mesh?.drain().catch((error: unknown) => this.#log.warn({ error: String(error) }, 'node.drain-unwritten'))
    await this.#rooms?.doors.pause()
    this.#sessions.shutdown()
    const until = this.#clock.now() + LEAVE_MS
    while (this.#sessions.size > 0 && this.#clock.now() < until) await new Promise((done) => { setTimeout(done, 20) })
    await this.#rooms?.strategy.stop()
    await this.#mesh?.stop()
    this.#rooms?.router.stop()
    await this.#rooms?.doors.close()
    await this.#open?.close()
    this.#log.info({ node: this.#name }, 'node.stopped')
  }

  async #start(): Promise<void> {
    const { settings, version } = this.#parts
    const { values, database } = settings
    if (database.kind === 'sqlite') mkdirSync(dirname(database.file), { recursive: true })
    const clock = this.#clock
    const open = await openWhenThere(database, { waitMs: database.waitSeconds * 1000, log: this.#parts.logs.room('storage'), clock })
    this.#open = open
    await open.migrate()
    open.database.onState((state) => {
      this.#health.set('database', state === 'up' ? 'ok' : 'degraded', state === 'up' ? '' : 'the database is away')
    })
    const hlc = new HybridClock(() => clock.wall())
    const mesh = values.cluster.mode ? this.#clusterMesh(open, hlc) : aloneMesh(this.#name, version, { tables: open.cluster, clock })
    this.#mesh = mesh
    mesh.onEnd((error) => { this.#ended(error) })
    const { router, strategy, doors } = this.#rooms = await assemble({
      ...this.#parts, clock, hlc, metrics: this.#metrics, health: this.#health, sessions: this.#sessions, open, mesh
    })
    await mesh.start()
    router.start()
    await strategy.start(mesh.host(() => router.records()))
    await doors.listenAdmin()
    this.#health.setWaiting('the other nodes')
    await mesh.ready()
    await doors.listen()
    const services = doors.services(this.#name)
    await mesh.up(services)
    this.#health.setReady()
    this.#health.watch('cluster', () => mesh.problems())
    this.#log.info({ node: this.#name, version, services, strategy: strategy.name }, 'node.ready')
  }

  #clusterMesh(open: OpenStore, hlc: HybridClock): NodeMesh {
    const { settings: { values, database }, logs, version } = this.#parts
    const facts = { version, database: database.kind, hostId: hostname(), interfaces: networkInterfaces() }
    const log = logs.room('cluster')
    sayDurability(values.cluster, log)
    return createMesh({
      settings: clusterSettings(values.cluster, facts), tables: open.cluster, clock: this.#clock, log, hlc, metrics: this.#metrics
    })
  }
}
