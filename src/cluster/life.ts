/**
 * One life of this node: its name in the table with one incarnation, its beat, its links and channels, until it is
 * stopped or fenced. Owns the peers. What it decides with is pure: `membership.ts`, `gate.ts`, `dialler.ts`.
 */
import type { Socket } from 'node:net'
import type { Envelope, MeshHandlers, Verdict } from '../router/envelope.js'
import type { NodeRef } from '../router/strategy.js'
import type { ClusterTables, NodeRow, NodeServices } from '../storage/cluster-tables.js'
import type { Cancel, Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import type { HybridClock } from '../xmpp/hlc.js'
import { Beat } from './beat.js'
import type { BoshExchange } from './bosh.js'
import { makeCertificate, type LinkCertificate } from './certificate.js'
import { claimOf, takeName, type Claimed } from './claim.js'
import { dispatch, type DispatchParts } from './dispatch.js'
import { FrameWriter } from './frames.js'
import type { HandshakeFacts, Handshaken } from './handshake.js'
import type { Link, LinkHandler } from './link.js'
import { encodeFence, encodePeers, type GoodbyeReason, type PeerAddress } from './link-frames.js'
import { Links } from './links.js'
import type { MemberEvent } from './membership.js'
import { NonceMemory } from './nonces.js'
import { Peer, PING_EVERY_MS, type PeerParts } from './peer.js'
import { printMembers, type ClusterMetrics, type ClusterSettings, type Member, type MemberChange } from './settings.js'

/** How often dials, silence and the clock's gap are looked at. */
const TICK_MS = 250
/** The other side has left, or takes us for dead: the table knows. */
const ENDS: readonly GoodbyeReason[] = ['left', 'fenced', 'old-incarnation']
/** What a stopping node waits for its frames to be acknowledged. */
export const FLUSH_MS = 5000

export interface LifeParts {
  readonly settings: ClusterSettings
  /** As the others dial it. */
  readonly advertise: string
  readonly port: number
  readonly tables: ClusterTables
  readonly clock: Clock
  readonly log: Log
  readonly hlc: HybridClock
  readonly handlers: MeshHandlers
  readonly bosh: BoshExchange
  readonly metrics: ClusterMetrics
  /** The highest incarnation of anybody that the lives before this one have seen. */
  readonly heard: number
  /** The name is taken; links may come up from here on. */
  began(life: Life): void
  registration(from: NodeRef, message: Buffer): void
  notice(kind: string, subject: string): void
  /** The view changed; the strategy and the mesh's listeners follow. */
  changed(change: 'up' | 'lost' | 'left', node: NodeRef): void
  members(change: MemberChange): void
  /** `serving()` may have changed. */
  gate(): void
  /** This life was fenced. */
  fenced(): void
}

export class Life {
  readonly node: NodeRef
  readonly frames: FrameWriter
  #view: readonly NodeRef[]
  #over = false
  #pingedAt: number
  #services: NodeServices = {}
  readonly #peers = new Map<string, Peer>()
  readonly #inView = new Set<Peer>()
  readonly #links: Links
  readonly #beat: Beat
  readonly #nonces: NonceMemory
  readonly #dispatch: DispatchParts
  readonly #peerParts: PeerParts
  readonly #timers: Cancel[]

  private constructor(private readonly parts: LifeParts, claimed: Claimed, certificate: LinkCertificate | undefined, notice: number) {
    const { clock, hlc, settings } = parts
    this.node = { name: settings.name, incarnation: claimed.life.incarnation }
    this.#view = [this.node]
    this.#pingedAt = clock.now()
    this.frames = new FrameWriter(hlc)
    this.#nonces = new NonceMemory(clock)
    this.#beat = new Beat({
      tables: parts.tables, clock, log: parts.log, clusterName: settings.clusterName, life: claimed.life,
      links: () => this.linkedPeers().length,
      provenAt: () => Math.max(...this.peers().map((peer) => peer.provenAt)),
      others: () => this.#peers.size > 0,
      events: (events) => events.forEach((event) => this.#member(event)),
      suspect: (row) => this.#fence(row),
      notice: (kind, subject) => this.#notice(kind, subject),
      gate: () => parts.gate(),
      over: () => this.#fencedSelf()
    }, notice)
    this.#peerParts = this.#makePeerParts()
    this.#dispatch = {
      handlers: parts.handlers, log: parts.log, bosh: parts.bosh,
      registration: (from, message) => parts.registration(from, message),
      view: (viewNo) => this.#beat.sawView(viewNo), fence: (node) => this.#heardFence(node)
    }
    this.#links = new Links({
      clock, log: parts.log, certificate, facts: this.#facts(claimed.row.password), defaultPort: parts.port,
      contacts: settings.contacts,
      linked: (node) => this.#peers.get(node)?.linked ?? false,
      ready: (link, shaken) => this.#ready(link, shaken),
      outdated: () => void this.#beat.now(),
      refused: (reason) => parts.metrics.linksRefused.add(reason)
    })
    this.#timers = [clock.every(TICK_MS, () => this.#tick())]
  }

  /** Takes the name and reads the table once. @throws StartRefused */
  static async begin(parts: LifeParts): Promise<Life> {
    const { settings, tables, clock, log, heard } = parts
    const certificate = settings.tls ? await makeCertificate(settings.name) : undefined
    const claimed = await takeName(claimOf(parts, certificate), { tables, clock, log, dead: settings.dead, heard })
    const life = new Life(parts, claimed, certificate, await tables.lastNotice())
    parts.began(life)
    await life.#beat.start()
    life.#tick()
    return life
  }

  get viewNo(): number { return this.#beat.membership.viewNo }

  /** Live nodes, self included. */
  get view(): readonly NodeRef[] { return this.#view }

  get databaseAway(): boolean { return this.#beat.databaseAway }

  serving(): boolean {
    return !this.#over && this.#beat.serving()
  }

  refresh(): void { void this.#beat.now() }

  /** The peer of exactly that life, while it is not over. */
  peer(node: NodeRef): Peer | undefined {
    const peer = this.#peers.get(node.name)
    return peer?.node.incarnation === node.incarnation ? peer : undefined
  }

  peers(): readonly Peer[] {
    return [...this.#peers.values()]
  }

  linkedPeers(): readonly Peer[] {
    return this.peers().filter((peer) => peer.linked)
  }

  /** Live nodes without a link: what a start waits for. */
  missing(): readonly string[] {
    return this.peers().filter((peer) => !peer.linked).map((peer) => peer.node.name)
  }

  accept(socket: Socket): void {
    if (this.#over) socket.destroy()
    else void this.#links.accept(socket)
  }

  /** False: senders should pause. */
  route(to: NodeRef, envelope: Envelope): boolean {
    const peer = this.peer(to)
    if (peer !== undefined) return peer.route(envelope)
    for (const { ask } of envelope.addressees) queueMicrotask(() => this.#answered(to, ask, { kind: 'none' })) // it holds nobody
    return true
  }

  /** Tells the others what we are; false when this life is over. */
  async setState(state: 'up' | 'draining' | 'left', services?: NodeServices): Promise<boolean> {
    if (services !== undefined) this.#services = services
    const done = !this.#over && await this.#beat.setState(state, services)
    // who has left may have said so before, and the answer was lost; whoever was fenced has left all the same
    if (!done && state !== 'left') this.#fencedSelf()
    else if (state === 'up') this.#tell('joined', this.node.name, this.parts.advertise)
    return done
  }

  /** Acknowledged by everybody, or late. */
  async flushed(): Promise<void> {
    const until = this.parts.clock.now() + FLUSH_MS
    for (const peer of this.linkedPeers()) peer.ping() // what is acknowledged comes with the PONG
    while (this.parts.clock.now() < until && this.linkedPeers().some((peer) => !peer.idle)) {
      await new Promise<void>((resolve) => void this.parts.clock.after(TICK_MS / 10, resolve))
    }
  }

  /** The end of this life, for whatever reason. */
  end(reason: GoodbyeReason): void {
    if (this.#over) return
    this.#over = true
    for (const cancel of this.#timers) cancel()
    this.#beat.stop()
    for (const peer of this.#peers.values()) this.#drop(peer, reason)
    this.#links.stop(reason)
  }

  async fenceLife(name: string, incarnation: number): Promise<boolean> {
    const row = await this.#beat.fence(name, incarnation)
    if (row !== undefined) this.#announceFence(row)
    return row !== undefined
  }

  members(): readonly Member[] {
    const self: Member = {
      ...this.node, address: this.parts.advertise, state: this.#beat.state, self: true, linked: true, roundTripMs: undefined,
      services: this.#services, version: this.parts.settings.version
    }
    const others = [...this.#inView].map((peer): Member => {
      const row = this.#beat.membership.row(peer.node.name)
      return {
        ...peer.node, address: peer.advertise, state: row?.state ?? 'joining', self: false, linked: peer.linked,
        roundTripMs: peer.roundTripMs, services: row?.services ?? {}, version: row?.version ?? ''
      }
    })
    return [self, ...others].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  #tick(): void {
    if (this.#over) return
    const now = this.parts.clock.now()
    if (!this.serving() && this.#beat.gate.woken) {
      void this.#beat.now()
      for (const peer of this.#peers.values()) peer.ping()
    }
    this.#links.tick()
    const ping = now - this.#pingedAt >= PING_EVERY_MS || this.#beat.gate.doubtful(now)
    if (ping) this.#pingedAt = now
    for (const peer of this.#peers.values()) {
      if (ping) peer.ping()
      peer.look(now)
    }
  }

  #answered(node: NodeRef, ask: number, verdict: Verdict): void {
    if (!this.#over) this.parts.handlers.answers(node, ask, 1, verdict)
  }

  #ready(link: Link, shaken: Handshaken): LinkHandler | GoodbyeReason {
    const { name } = shaken.peer
    const peer = this.peer(shaken.peer)
    if (peer === undefined) return 'old-incarnation'
    const dialler = link.role === 'dialler' ? this.node.name : name
    // of two simultaneous dials the one by the smaller name stays; a second one by the same side replaces a dead first
    if (peer.linked && peer.dialler !== dialler && dialler > (peer.dialler ?? '')) {
      peer.probe()
      return 'duplicate'
    }
    const again = peer.linkedOnce
    peer.advertise = shaken.peer.advertise
    const handler = peer.attach(link, dialler, shaken.positions)
    this.parts.log.info({ node: name, address: link.address, dialler, again }, 'cluster.link.up')
    this.#linksChanged()
    this.#enter(peer)
    return handler
  }

  #makePeerParts(): PeerParts {
    const { hlc, clock, log, metrics } = this.parts
    return {
      frames: this.frames, hlc, clock, metrics,
      dispatch: (peer, frame) => dispatch(peer, frame, this.#dispatch),
      peers: (peers) => this.#learn(peers),
      ponged: (sentAt) => this.#beat.ponged(sentAt),
      linkClosed: (peer, why) => {
        log[why === 'goodbye: left' ? 'info' : 'warn']({ node: peer.node.name, why }, 'cluster.link.down')
        this.#links.dialler.broken(peer.node.name, clock.now())
        this.#linksChanged()
      },
      goodbye: (_peer, reason) => {
        if (ENDS.includes(reason)) this.refresh()
      },
      dropped: (peer) => log.debug({ node: peer.node.name }, 'cluster.frame.of-the-dead'),
      refused: (peer, ask, verdict) => this.#answered(peer.node, ask, verdict),
      answersLost: (peer) => log.error({ node: peer.node.name }, 'cluster.answer.lane-full') // the questions will be asked again
    }
  }

  #facts(password: string): HandshakeFacts {
    const { settings, advertise } = this.parts
    return {
      frames: this.frames,
      self: { ...this.node, advertise },
      clusterName: settings.clusterName, strategy: settings.strategy, password, secrets: settings.secrets,
      row: (name, fresh) => this.#beat.row(name, fresh),
      seen: (name) => this.#beat.membership.seen(name),
      replayed: (nonce) => this.#nonces.replayed(nonce),
      positions: (peer) => this.peer(peer)?.channel.positions() ?? { received: [0, 0, 0, 0], granted: { route: 0, repl: 0 } }
    }
  }

  #member(event: MemberEvent): void {
    const { row } = event
    const node = { name: row.hostname, incarnation: row.incarnation }
    const peer = this.peer(node)
    switch (event.kind) {
      case 'seen': {
        const fresh = new Peer(node, row.advertise, this.#peerParts)
        this.#peers.set(node.name, fresh)
        if (this.parts.settings.discovery.includes('table')) {
          this.#links.dialler.want(row.advertise, node.name, this.parts.clock.now())
        }
        if (row.state !== 'joining') this.#enter(fresh)
        this.#linksChanged()
        return
      }
      case 'changed': if (peer) this.#enter(peer); return
      case 'left': case 'lost': if (peer) this.#leave(peer, event.kind); return
      default: return event.kind satisfies never
    }
  }

  /** The node takes part: it is linked, or its row says that it serves. */
  #enter(peer: Peer): void {
    if (this.#inView.has(peer)) return
    this.#inView.add(peer)
    this.#viewChanged()
    this.#tell('joined', peer.node.name, peer.advertise)
    this.parts.changed('up', peer.node)
  }

  #leave(peer: Peer, change: 'left' | 'lost'): void {
    this.#peers.delete(peer.node.name)
    this.#drop(peer, change === 'left' ? 'left' : 'old-incarnation')
    this.#links.dialler.forget(peer.node.name, this.parts.settings.contacts)
    this.#linksChanged()
    if (!this.#inView.delete(peer)) return
    this.#viewChanged()
    this.#tell(change, peer.node.name, peer.advertise)
    this.parts.changed(change, peer.node)
  }

  #drop(peer: Peer, reason: GoodbyeReason): void {
    peer.end(reason)
    this.parts.bosh.gone(peer.node)
  }

  #viewChanged(): void {
    this.#view = [this.node, ...[...this.#inView].map((peer) => peer.node)]
  }

  #linksChanged(): void {
    const linked = this.linkedPeers()
    this.#beat.linked()
    const known: readonly PeerAddress[] = linked.map((peer) => ({ ...peer.node, advertise: peer.advertise }))
    for (const peer of linked) peer.say(encodePeers(this.frames, known))
  }

  /** Addresses that a peer holds links to: one contact is enough to find everybody. */
  #learn(peers: readonly PeerAddress[]): void {
    for (const peer of peers) {
      const seen = this.#beat.membership.seen(peer.name)
      if (peer.name === this.node.name || seen?.over === true) continue
      this.#links.dialler.want(peer.advertise, peer.name, this.parts.clock.now())
    }
  }

  #tell(reason: MemberChange['reason'], node: string, address: string): void {
    const members = this.members()
    this.parts.log.info({ node, address, reason, members: printMembers(members) }, `cluster.${reason}`)
    this.parts.metrics.nodeChanges.add(reason)
    this.parts.members({ reason, node, address, members })
  }

  #fence(row: NodeRow): void {
    if (this.#over) return
    this.parts.log.warn({ node: row.hostname, incarnation: row.incarnation, beat: row.beat }, 'cluster.fence')
    this.#announceFence(row)
  }

  #announceFence(row: NodeRow): void {
    const node = { name: row.hostname, incarnation: row.incarnation }
    const frame = encodeFence(this.frames, node)
    for (const peer of this.#peers.values()) {
      if (peer.node.name !== row.hostname) void peer.control(Buffer.from(frame)).catch(() => {}) // the table says it too
    }
    const event = this.#beat.membership.lost(node.name, node.incarnation)
    if (event !== undefined) this.#member(event)
  }

  #heardFence(node: NodeRef): void {
    if (node.name === this.node.name && node.incarnation === this.node.incarnation) return void this.#beat.now()
    const event = this.#beat.membership.lost(node.name, node.incarnation)
    if (event !== undefined) this.#member(event)
  }

  #notice(kind: string, subject: string): void {
    if (kind !== 'fence') { this.parts.notice(kind, subject); return }
    const [name = '', incarnation = ''] = subject.split(' ')
    if (name !== this.node.name) void this.fenceLife(name, Number(incarnation)).catch(() => {}) // others are asked too
  }

  #fencedSelf(): void {
    if (this.#over) return
    this.#tell('fenced', this.node.name, this.parts.advertise)
    this.end('fenced')
    this.parts.fenced()
  }
}
