/**
 * The other nodes, as the rooms below see them: `Mesh` for cluster mode. Outlives lives: a fenced node rejoins with a
 * new incarnation behind the same object.
 */
import { addressText, parseAddress } from '../config/address.js'
import type { Envelope, Mesh, MeshHandlers, Verdict } from '../router/envelope.js'
import type { DeviceRecord, NodeRef, StrategyHost } from '../router/strategy.js'
import type { ClusterTables, NodeServices } from '../storage/cluster-tables.js'
import type { Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import type { Hlc, HybridClock } from '../xmpp/hlc.js'
import type { Jid } from '../xmpp/jid.js'
import { fenceLife } from './beat.js'
import { BoshExchange, type BoshAnswer, type BoshHandler, type BoshRequest } from './bosh.js'
import { StartRefused } from './claim.js'
import { FrameWriter } from './frames.js'
import { Life } from './life.js'
import { encodeBound, encodeInvalidate } from './link-frames.js'
import { openListeners, type Listeners } from './listeners.js'
import { Hosting } from './hosting.js'
import type { ClusterMetrics, ClusterSettings, Member, MemberChange } from './settings.js'

/** Client ports open at the latest this long after the start, linked to all or not. */
export const READY_MS = 60_000
/**
 * A change waits at most this long for other nodes to forget what they had cached. Behind a cut link they forget when it
 * is back; nothing that their clients send comes to us before that.
 */
const INVALIDATE_MS = 10_000
const LOOK_MS = 100
const SAY_EVERY_MS = 5000
const REJOIN_MS = 1000
/** So long a stopping node tries to say that it has left: a lock, or a database that starts again. It may drain for 120 s in all. */
const LEAVE_MS = 30_000
const LEAVE_EVERY_MS = 250

export interface MeshParts {
  readonly settings: ClusterSettings
  readonly tables: ClusterTables
  readonly clock: Clock
  readonly log: Log
  readonly hlc: HybridClock
  readonly metrics: ClusterMetrics
  /** This node has taken its name: each life, before any link. */
  began?(node: NodeRef): void
}

/** What the composition root uses besides `Mesh`. */
export interface NodeMesh extends Mesh {
  /** Takes the name, listens, dials. `listen` comes first. @throws StartRefused with the exit code */
  start(): Promise<void>
  /** Resolves when client ports may open: linked to every live node, or alone, or after a minute. */
  ready(): Promise<void>
  /** The client ports are open. */
  up(services: NodeServices): Promise<void>
  /** No new clients: the row says `draining`. */
  drain(): Promise<void>
  /** Sends what waits, says `left`, closes everything. */
  stop(): Promise<void>
  /** @param devices of this node; asked by the strategy */
  host(devices: () => Iterable<DeviceRecord>): StrategyHost
  boshTo(node: string, request: BoshRequest): Promise<BoshAnswer>
  onBosh(handler: BoshHandler): void
  onNotice(handler: (kind: string, subject: string) => void): void
  onMembers(handler: (change: MemberChange) => void): void
  /** The node could not rejoin after it was fenced: the process should end with this. */
  onEnd(handler: (error: StartRefused) => void): void
  members(): readonly Member[]
  /** What is wrong, in sentences; empty when nothing is. */
  problems(): readonly string[]
  /** A death certificate: that life has ended, and the caller has seen it. True when this call fenced it. */
  fenceLife(name: string, incarnation: number): Promise<boolean>
}

export function createMesh(parts: MeshParts): NodeMesh {
  return new ClusterMesh(parts)
}

class ClusterMesh implements NodeMesh {
  #life: Life | undefined
  #self: NodeRef
  #listeners: Listeners | undefined
  #handlers: MeshHandlers | undefined
  #services: NodeServices | undefined
  #stopping = false
  #rejoining = false
  #viewNo = 0
  #heard = 0
  /** False from a fence until the next life is linked. */
  #joined = true
  /** What the rooms below were told last. */
  #gate = true
  readonly #hosting: Hosting
  readonly #bosh: BoshExchange
  #onNotice: (kind: string, subject: string) => void = () => {}
  #onMembers: (change: MemberChange) => void = () => {}
  #onEnd: (error: StartRefused) => void = () => {}

  constructor(private readonly parts: MeshParts) {
    this.#self = { name: parts.settings.name, incarnation: 0 }
    parts.metrics.nodes.from(() => this.view().length)
    parts.metrics.linksReady.from(() => this.#life?.linkedPeers().length ?? 0)
    const idle = new FrameWriter(parts.hlc)
    this.#bosh = new BoshExchange(() => this.#life?.frames ?? idle, parts.clock)
    this.#hosting = new Hosting({
      self: () => this.#self,
      view: () => this.view(),
      register: (to, message) => this.#life?.peer(to)?.register(message)
    })
  }

  get self(): NodeRef {
    return this.#self
  }

  get viewNo(): number {
    this.#viewNo = Math.max(this.#viewNo, this.#life?.viewNo ?? 0)
    return this.#viewNo
  }

  view(): readonly NodeRef[] {
    return this.#life?.view ?? [this.#self]
  }

  refresh(): void {
    this.#life?.refresh()
  }

  serving(): boolean {
    return this.#joined && (this.#life?.serving() ?? false)
  }

  listen(handlers: MeshHandlers): void {
    this.#handlers = handlers
  }

  route(to: NodeRef, envelope: Envelope): boolean {
    return this.#life?.route(to, envelope) ?? true
  }

  answer(to: NodeRef, ask: number, verdict: Verdict): void {
    this.#life?.peer(to)?.answer(ask, verdict)       // without it nobody is left who waits for it
  }

  bound(jid: Jid, hlc: Hlc): void {
    const life = this.#life
    if (life === undefined) return
    for (const peer of life.peers()) {
      peer.control(encodeBound(life.frames, jid.toString(), hlc)).catch((error: unknown) => this.#lost('bound', error))
    }
  }

  async invalidate(cache: string, key: string): Promise<void> {
    const life = this.#life
    if (life === undefined) return
    const told = Promise.all(life.peers().map((peer) => peer.control(encodeInvalidate(life.frames, cache, key))))
    let cancel = (): void => {}
    const late = new Promise<void>((resolve) => {
      cancel = this.parts.clock.after(INVALIDATE_MS, () => {
        this.parts.log.warn({ cache, without: life.missing() }, 'cluster.invalidate.late')
        resolve()
      })
    })
    await Promise.race([told, late]).finally(() => { cancel() })
  }

  async start(): Promise<void> {
    const { settings, log } = this.parts
    this.#listeners = await openListeners(settings.listen, (socket) => {
      if (this.#life === undefined) socket.destroy()
      else this.#life.accept(socket)
    }, log)
    try {
      await this.#begin()
    } catch (error) {
      this.#listeners.close()
      throw error
    }
  }

  async ready(): Promise<void> {
    const { clock, log } = this.parts
    const until = clock.now() + READY_MS
    let sayAt = clock.now() + SAY_EVERY_MS / 5
    while (clock.now() < until && !this.#stopping) {
      const missing = this.#life?.missing()
      if (missing === undefined || missing.length === 0) return
      if (clock.now() >= sayAt) {
        log.info({ for: missing, databaseAway: this.#life?.databaseAway }, 'cluster.waiting')
        sayAt = clock.now() + SAY_EVERY_MS
      }
      await this.#pause(LOOK_MS)
    }
    if (this.#stopping) return
    log.warn({ without: this.#life?.missing() ?? [] }, 'cluster.incomplete')
  }

  async up(services: NodeServices): Promise<void> {
    this.#services = services
    await this.#life?.setState('up', services)
  }

  async drain(): Promise<void> {
    await this.#life?.setState('draining')
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#life?.flushed()
    await this.#leave()
    this.#listeners?.close()
  }

  host(devices: () => Iterable<DeviceRecord>): StrategyHost {
    return this.#hosting.host(devices)
  }

  boshTo(node: string, request: BoshRequest): Promise<BoshAnswer> {
    const peer = this.#life?.peers().find((other) => other.node.name === node)
    return peer ? this.#bosh.ask(peer, request) : Promise.reject(new Error(`node ${node} is not in the cluster`))
  }

  onBosh(handler: BoshHandler): void {
    this.#bosh.listen(handler)
  }

  onNotice(handler: (kind: string, subject: string) => void): void {
    this.#onNotice = handler
  }

  onMembers(handler: (change: MemberChange) => void): void {
    this.#onMembers = handler
  }

  onEnd(handler: (error: StartRefused) => void): void {
    this.#onEnd = handler
  }

  members(): readonly Member[] {
    return this.#life?.members() ?? []
  }

  problems(): readonly string[] {
    const life = this.#life
    if (life === undefined) return ['this node is not a member: it was fenced and has not rejoined yet']
    const away = life.databaseAway ? ['the database is away: no logins, nobody is fenced'] : []
    const isolated = life.serving() ? [] : ['isolated: neither database nor links, clients are not served']
    return [...away, ...isolated, ...life.missing().map((name) => `no link to ${name}: what is for it waits`)]
  }

  async fenceLife(name: string, incarnation: number): Promise<boolean> {
    const life = this.#life
    if (life !== undefined) return life.fenceLife(name, incarnation)
    return await fenceLife(this.parts.tables, this.parts.settings.clusterName, name, incarnation) !== undefined
  }

  async #leave(): Promise<void> {
    const { clock } = this.parts
    const life = this.#life
    const until = clock.now() + LEAVE_MS
    while (life !== undefined && !await this.#left(life) && clock.now() < until) await this.#pause(LEAVE_EVERY_MS)
    life?.end('left')
  }

  async #left(life: Life): Promise<boolean> {
    try {
      await life.setState('left')
      return true
    } catch (error) {
      this.parts.log.warn({ error: String(error) }, 'cluster.left.unwritten') // the others would fence this life
      return false
    }
  }

  async #begin(): Promise<void> {
    const { settings, tables, clock, log, hlc, metrics } = this.parts
    const handlers = this.#handlers
    if (handlers === undefined) throw new Error('listen comes before start')
    const port = this.#listeners?.ports[0] ?? 0
    await Life.begin({
      settings, tables, clock, log, hlc, metrics, handlers, port, heard: this.#heard,
      advertise: advertised(settings.advertise, port),
      bosh: this.#bosh,
      began: (life) => {
        this.#life = life
        this.#self = life.node
        this.parts.began?.(life.node)
      },
      registration: (from, message) => this.#hosting.message(from, message),
      notice: (kind, subject) => this.#guarded('accounts', () => this.#onNotice(kind, subject)),
      changed: (change, node) => {
        this.#guarded('strategy', () => this.#hosting.node(change, node))
        this.#guarded('router', () => handlers.node(change, node))
      },
      members: (change) => this.#guarded('members', () => this.#onMembers(change)),
      gate: () => this.#tellGate(handlers),
      fenced: () => void this.#rejoin(handlers)
    })
  }

  /** This life is over: clients go at once, and a new one begins. */
  async #rejoin(handlers: MeshHandlers): Promise<void> {
    const over = this.#life
    this.#life = undefined
    this.#joined = false
    this.#heard = Math.max(this.#heard, ...(over?.view ?? []).map(({ incarnation }) => incarnation))
    this.#guarded('router', () => { handlers.fenced() })
    this.#tellGate(handlers)
    for (const node of over?.view ?? []) {
      if (node !== over?.node) this.#guarded('strategy', () => { this.#hosting.node('lost', node) })
    }
    if (this.#rejoining) return // fenced once more: the loop that runs sees it
    this.#rejoining = true
    while (!await this.#tryRejoin(handlers)) await this.#pause(REJOIN_MS)
    this.#rejoining = false
  }

  /** False: once more, from where it failed. */
  async #tryRejoin(handlers: MeshHandlers): Promise<boolean> {
    try {
      if (this.#life === undefined && !this.#stopping) await this.#begin()
      await this.ready()
      await (this.#stopping ? this.#leave() : this.#resume(handlers))
      return this.#joined || this.#stopping
    } catch (error) {
      if (error instanceof StartRefused) this.#onEnd(error)
      else this.parts.log.error({ error: String(error) }, 'cluster.rejoin')
      return error instanceof StartRefused
    }
  }

  async #resume(handlers: MeshHandlers): Promise<void> {
    const life = this.#life
    if (life === undefined) return
    this.#joined = this.#services === undefined || await life.setState('up', this.#services)
    this.#tellGate(handlers)
  }

  #tellGate(handlers: MeshHandlers): void {
    const open = this.serving()
    // "open" is said again: somebody may have asked, and begun to wait, between two changes that met in one turn
    if (open === this.#gate && !open) return
    this.#gate = open
    this.#guarded('router', () => { handlers.gate(open) })
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.parts.clock.after(ms, resolve))
  }

  /** A fault of another room must not pass for one of the table. */
  #guarded(room: string, tell: () => void): void {
    try {
      tell()
    } catch (error) {
      this.parts.log.error({ room, error: error instanceof Error ? error.stack : String(error) }, 'cluster.handler.failed')
    }
  }

  #lost(what: string, error: unknown): void {
    this.parts.log.error({ what, error: String(error) }, 'cluster.control.lane-full')
  }
}

/** What others dial: the port that was bound, unless the operator named one. */
function advertised(advertise: string, port: number): string {
  const address = parseAddress(advertise)
  return addressText({ ...address, port: address.port === undefined || address.port === 0 ? port : address.port })
}
