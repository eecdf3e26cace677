/**
 * One node's life: the rooms are assembled (`assembly.ts`), started in order, stopped in reverse. Several nodes may live in
 * one process.
 */
import { hostname, networkInterfaces } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { assemble, type Assembly } from './assembly.js'
import { aloneMesh } from './cluster/alone.js'
import { clusterSettings, machineName, nodeName, sayDurability } from './cluster/configure.js'
import { createMesh, type NodeMesh } from './cluster/mesh.js'
import type { ServerSettings } from './groups.js'
import type { Found } from './pipeline/catalog.js'
import type { Router } from './router/router.js'
import { Sessions } from './session/sessions.js'
import type { OpenStore } from './storage/open.js'
import { openWhenThere } from './storage/patience.js'
import { systemClock } from './telemetry/clock.js'
import { Health } from './telemetry/health.js'
import type { Log } from './telemetry/log.js'
import { createMetrics } from './telemetry/metrics.js'
import type { Logs } from './telemetry/pino-log.js'
import { tellAdmins } from './tell-admins.js'
import type { WorkerSelf } from './worker.js'
import { HybridClock } from './xmpp/hlc.js'

/** How long clients and what they leave behind may take when the node stops, milliseconds; a node drains within 120 s in all. */
const LEAVE_MS = 5_000
const LOOK_MS = 20

export interface ServerParts {
  readonly settings: ServerSettings
  readonly found: readonly Found[]
  readonly logs: Logs
  readonly version: string
  /** This node is a worker of `--workers`. */
  readonly worker?: Pick<WorkerSelf, 'dead' | 'began'> | undefined
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
  #starting: Promise<void> | undefined
  #stopping = false
  #ended: (error: Error) => void = () => undefined
  /** Settles when the node cannot go on by itself. */
  readonly over: Promise<Error>

  constructor(parts: ServerParts) {
    this.#parts = parts
    this.#log = parts.logs.room('server')
    this.#health = new Health(this.#clock, (part, { state, why }) => this.#log.warn({ part, state, why }, 'health.changed'))
    this.#name = nodeName(parts.settings.values.cluster)
    this.#sessions = new Sessions(this.#name)
    this.#metrics.logDropped.from(() => parts.logs.dropped)
    this.over = new Promise((resolve) => { this.#ended = resolve })
  }

  /** Resolves when clients may come. Rejects with what an operator must do, nothing left open. */
  start(): Promise<void> {
    this.#starting = this.#begin()
    return this.#starting
  }

  /** Drains: no new clients, the others are told to go, the row says `left`. A start that is under way is given up. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#health.setWaiting('stopping')
    const starting = this.#starting
    if (starting === undefined) return this.#close()
    await this.#mesh?.stop()                          // it may be waiting for other nodes
    await starting.catch(() => undefined)             // it closes what it has opened
  }

  /** Reads the certificates again, and nothing else. False: they stay as they were, and the log says why. */
  async reload(): Promise<boolean> {
    return await this.#rooms?.certificates.reload() ?? false
  }

  async #begin(): Promise<void> {
    try {
      await this.#start()
    } catch (error) {
      await this.#close()
      throw error
    } finally {
      this.#starting = undefined
    }
  }

  async #start(): Promise<void> {
    const { settings, version } = this.#parts
    const { values } = settings
    const open = await this.#openStore()
    const hlc = new HybridClock(() => this.#clock.wall())
    const mesh = values.cluster.mode
      ? this.#clusterMesh(open, hlc)
      : aloneMesh(this.#name, version, { tables: open.cluster, clock: this.#clock })
    this.#mesh = mesh
    mesh.onEnd((error) => { this.#ended(error) })
    const { router, strategy, doors, certificates } = this.#rooms = await assemble({
      ...this.#parts, clock: this.#clock, hlc, metrics: this.#metrics, health: this.#health, sessions: this.#sessions, open, mesh
    })
    await this.#step(mesh.start())
    router.start()
    await this.#step(strategy.start(mesh.host(() => router.records())))
    await this.#step(doors.listenAdmin())
    this.#health.setWaiting('the other nodes')
    await this.#step(mesh.ready())
    await this.#step(doors.listen())
    const services = doors.services(machineName(this.#name))
    if (values.cluster.notifyAdmins) tellAdmins(values.server, { mesh, router })
    await this.#step(mesh.up(services))
    this.#health.setReady()
    this.#health.watch('cluster', () => mesh.problems())
    certificates.watch()
    this.#log.info({ node: this.#name, version, services, strategy: strategy.name }, 'node.ready')
  }

  async #openStore(): Promise<OpenStore> {
    const { settings: { database }, logs } = this.#parts
    const patience = {
      waitMs: database.waitSeconds * 1000, log: logs.room('storage'), clock: this.#clock, stopped: () => this.#stopping
    }
    const open = await openWhenThere(database, patience)
    this.#open = open
    await this.#step(open.migrate())
    open.database.onState((state) => {
      this.#health.set('database', state === 'up' ? 'ok' : 'degraded', state === 'up' ? '' : 'the database is away')
    })
    return open
  }

  /** One step of the start; the last one when somebody stops the node meanwhile. */
  async #step(step: Promise<void>): Promise<void> {
    await step
    if (this.#stopping) throw new Error('stopped while it was starting')
  }

  /** What is open, in reverse; a step that fails does not keep the next ones from closing theirs. */
  async #close(): Promise<void> {
    this.#health.stop('stopping')
    const { strategy, router, doors, certificates } = this.#rooms ?? {}
    certificates?.stop()
    await this.#closing('drain', () => this.#mesh?.drain())
    await this.#closing('doors', () => doors?.pause())
    this.#sessions.shutdown()
    await this.#leave(router)
    await this.#closing('strategy', () => strategy?.stop())
    await this.#closing('mesh', () => this.#mesh?.stop())
    router?.stop()
    await this.#closing('doors', () => doors?.close())
    await this.#closing('database', () => this.#open?.close())
    this.#metrics.stop()
    this.#log.info({ node: this.#name }, 'node.stopped')
  }

  /** Contacts on all nodes hear that the clients are gone before the links close. */
  async #leave(router: Router | undefined): Promise<void> {
    const until = this.#clock.now() + LEAVE_MS
    do await pause(LOOK_MS)
    while ((this.#sessions.size > 0 || router?.busy === true) && this.#clock.now() < until)
  }

  async #closing(room: string, step: () => Promise<void> | undefined): Promise<void> {
    try {
      await step()
    } catch (error) {
      this.#log.warn({ room, error: String(error) }, 'node.stop-incomplete')
    }
  }

  #clusterMesh(open: OpenStore, hlc: HybridClock): NodeMesh {
    const { settings: { values, database }, logs, version, worker } = this.#parts
    const facts = { version, database: database.kind, hostId: hostname(), interfaces: networkInterfaces(), dead: worker?.dead }
    const log = logs.room('cluster')
    sayDurability(values.cluster, log)
    return createMesh({
      settings: clusterSettings(values.cluster, facts), tables: open.cluster, clock: this.#clock, log, hlc, metrics: this.#metrics,
      began: (node) => worker?.began(node)
    })
  }
}
