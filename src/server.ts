/**
 * The composition root: every `new` once, in the order of the floors; started in order, stopped in reverse. One
 * `Server` is one node; several may live in one process.
 */
import { hostname, networkInterfaces } from 'node:os'
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { adminRoutes } from './admin/routes.js'
import { pipelineOf } from './chosen-plugins.js'
import { aloneMesh } from './cluster/alone.js'
import { clusterSettings, nodeName, sayDurability } from './cluster/configure.js'
import { createMesh, type NodeMesh } from './cluster/mesh.js'
import { loadStrategy } from './cluster/strategies/load.js'
import type { ServerSettings } from './groups.js'
import { AccountCaches } from './pipeline/account-caches.js'
import type { Found } from './pipeline/catalog.js'
import { createRouter, type Router } from './router/router.js'
import type { Strategy } from './router/strategy.js'
import { Credentials } from './session/credentials.js'
import { createClientDoor } from './session/door.js'
import { Sessions } from './session/sessions.js'
import { offLog } from './session/stable-log.js'
import { ServerAccounts } from './server-accounts.js'
import type { OpenStore } from './storage/open.js'
import { openWhenThere } from './storage/patience.js'
import { systemClock } from './telemetry/clock.js'
import { Health } from './telemetry/health.js'
import type { Log } from './telemetry/log.js'
import { createMetrics } from './telemetry/metrics.js'
import type { Logs } from './telemetry/pino-log.js'
import { loadCertificate } from './transport/certificate.js'
import { ClientDoors } from './transport/doors.js'
import type { Accept } from './transport/transport.js'
import { HybridClock } from './xmpp/hlc.js'
import { JidCache, parseJid } from './xmpp/jid.js'

/** Addresses kept prepared: the ones that are busy at one time on one node. */
const JIDS_MAX = 50_000
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
  #strategy: Strategy | undefined
  #router: Router | undefined
  #doors: ClientDoors | undefined
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
    this.#health.stop('stopping')
    await this.#mesh?.drain().catch((error: unknown) => this.#log.warn({ error: String(error) }, 'node.drain-unwritten'))
    await this.#doors?.pause()
    this.#sessions.shutdown()
    const until = this.#clock.now() + LEAVE_MS
    while (this.#sessions.size > 0 && this.#clock.now() < until) await new Promise((done) => { setTimeout(done, 20) })
    await this.#strategy?.stop()
    await this.#mesh?.stop()
    this.#router?.stop()
    await this.#doors?.close()
    await this.#open?.close()
    this.#log.info({ node: this.#name }, 'node.stopped')
  }

  async #start(): Promise<void> {
    const { settings, version } = this.#parts
    const { values, database } = settings
    if (database.kind === 'sqlite') mkdirSync(dirname(database.file), { recursive: true })
    const open = await openWhenThere(database, { waitMs: database.waitSeconds * 1000, log: this.#parts.logs.room('storage'), clock: this.#clock })
    this.#open = open
    await open.migrate()
    open.database.onState((state) => { this.#health.set('database', state === 'up' ? 'ok' : 'degraded', state === 'up' ? '' : 'the database is away') })
    const hlc = new HybridClock(() => this.#clock.wall())
    const mesh = values.cluster.mode ? this.#clusterMesh(open, hlc) : aloneMesh(this.#name, version, { tables: open.cluster, clock: this.#clock })
    this.#mesh = mesh
    mesh.onEnd((error) => { this.#ended(error) })
    const router = await this.#rooms(open, mesh, hlc)
    await mesh.start()
    router.start()
    await this.#strategy?.start(mesh.host(() => router.records()))
    await this.#doors?.listenAdmin()
    this.#health.setWaiting('the other nodes')
    await mesh.ready()
    await this.#doors?.listen()
    const services = this.#doors?.services(this.#name) ?? {}
    await mesh.up(services)
    this.#health.setReady()
    this.#health.watch('cluster', () => mesh.problems())
    this.#log.info({ node: this.#name, version, services, strategy: this.#strategy?.name }, 'node.ready')
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

  /** Everything between the database and the sockets. */
  async #rooms(open: OpenStore, mesh: NodeMesh, hlc: HybridClock): Promise<Router> {
    const { settings, found, logs, version } = this.#parts
    const { values } = settings
    const clock = this.#clock
    const pipeline = pipelineOf(found, settings)
    const strategy = await loadStrategy(values.cluster.strategy, { node: this.#name, clusterName: values.cluster.clusterName, clock, log: logs.room('cluster') })
    this.#strategy = strategy
    const caches = new AccountCaches({ store: open.store, invalidate: (cache, key) => mesh.invalidate(cache, key) })
    const secret = Buffer.from(await open.values.once('invented-salts', () => randomBytes(32).toString('hex')), 'hex')
    const credentials = new Credentials({
      accounts: open.store.accounts, clock, log: logs.room('session'), secret, iterations: values.session.scramIterations
    })
    const hosts = values.server.virtualHosts.length > 0 ? values.server.virtualHosts : [{ domain: this.#name, tlsRequired: undefined }]
    const domains = hosts.map(({ domain }) => domain)
    const accounts: ServerAccounts = new ServerAccounts({
      version, domains, clock, credentials, caches, pipeline, store: open.store, cluster: open.cluster,
      admins: values.server.admins.map(parseJid), sessions: this.#sessions, log: logs.room('session'), router: () => router
    })
    const pluginSettings = new Map(found.map(({ declaration }) => [declaration.config as object, settings.pluginSettings.get(declaration.id)]))
    const services = {
      store: open.store, clock, log: logs.room('plugins'), server: accounts, caches, settings: (group: object) => pluginSettings.get(group)
    }
    const router: Router = createRouter({ pipeline, services, domains, sessions: this.#sessions, mesh, strategy, stableLog: offLog, hlc })
    mesh.onNotice((kind, subject) => { accounts.notice(kind, subject) })
    const tlsRequired = new Map(hosts.map(({ domain, tlsRequired: own }) => [domain, own ?? values.stream.vhostTlsRequired]))
    const accept: Accept = (transport) => door(transport)
    const doors = await this.#clientDoors(accept, mesh, domains)
    this.#doors = doors
    const door = createClientDoor({
      streamSettings: values.stream, settings: values.session, sessions: this.#sessions, handler: router.handler, hlc, clock,
      slow: { slowBytes: values.streamLimits.pendingBytesMax, slowMs: values.streamLimits.slowMs },
      jids: new JidCache(JIDS_MAX), deadlines: doors.room.wheel, authenticator: credentials, log: logs.room('stream'),
      domains: { first: domains[0] ?? this.#name, serves: (d) => tlsRequired.has(d), tlsRequired: (d) => tlsRequired.get(d) ?? true },
      extras: () => accounts.streamFeatures()
    })
    return router
  }

  async #clientDoors(accept: Accept, mesh: NodeMesh, domains: readonly string[]): Promise<ClientDoors> {
    const { values } = this.#parts.settings
    const log = this.#parts.logs.room('transport')
    const certificate = await loadCertificate(values.tls, { dataDirectory: values.tls.sslCertsLocation, domains, log, now: this.#clock.wall() })
    this.#metrics.sessions.from(() => this.#sessions.size)
    const doors = new ClientDoors({
      doors: values.doors, streamLimits: values.streamLimits, addressLimits: values.addressLimits, httpLimits: values.httpLimits,
      clock: this.#clock, log, nodeName: this.#name, certificate, accept, serves: (domain) => domains.includes(domain),
      forward: (node, request) => (mesh.view().some((other) => other.name === node) ? mesh.boshTo(node, request) : undefined),
      healthy: () => this.#health.alive, ready: () => this.#health.ready && mesh.serving(), adminRoutes: this.#adminRoutes(mesh)
    })
    mesh.onBosh((_from, request) => doors.bosh.serveForwarded(request))
    return doors
  }

  #adminRoutes(mesh: NodeMesh): ReturnType<typeof adminRoutes> {
    return adminRoutes({
      metrics: () => this.#metrics.text(), health: () => this.#health.report(), self: () => mesh.self, viewNo: () => mesh.viewNo,
      serving: () => mesh.serving(), members: () => mesh.members(), problems: () => mesh.problems(),
      strategy: () => this.#strategy?.name ?? '', sessions: () => this.#sessions, router: () => this.#router?.facts() ?? {}
    })
  }
}
