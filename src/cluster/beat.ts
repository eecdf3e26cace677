/**
 * The beat of one life: each second renew our row, read all rows and notices, fence who stood still. Feeds
 * `membership.ts` and `gate.ts` with what came back and when it was asked.
 */
import type { ClusterTables, Life as TableLife, NodeRow, NodeServices, NodeState } from '../storage/cluster-tables.js'
import type { Cancel, Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import { Gate } from './gate.js'
import { LoadMeter } from './load.js'
import { BEAT_MS, Membership, type MemberEvent } from './membership.js'

/** A renewal without an answer for this long counts as failed, though its answer still counts when it comes. */
const HUNG_MS = 2500

/** One read may have been sent before our change; two in a row are no accident. */
const ASTRAY_READS = 2

export interface BeatParts {
  readonly tables: ClusterTables
  readonly clock: Clock
  readonly log: Log
  readonly clusterName: string
  readonly life: TableLife
  links(): number
  /** When a link that stands was last known to work. */
  provenAt(): number
  /** The view has other nodes. */
  others(): boolean
  events(events: readonly MemberEvent[]): void
  /** A life that we have fenced. */
  suspect(row: NodeRow): void
  notice(kind: string, subject: string): void
  /** Whether we may serve has changed. */
  gate(): void
  /** Our own life was fenced, or its row is gone. */
  over(): void
}

export class Beat {
  readonly membership: Membership
  readonly gate: Gate
  #state: 'joining' | 'up' | 'draining' | 'left' = 'joining'
  #services: NodeServices | undefined
  /** Reads in a row in which our row said another state than ours. */
  #astray = 0
  #open = true
  #away = false
  #stopped = false
  #sentAt: number | undefined
  #again = false
  #timer: Cancel | undefined
  /** The highest view number that peers have named. */
  #peersView = 0
  readonly #load: LoadMeter

  constructor(private readonly parts: BeatParts, private notice: number) {
    this.membership = new Membership(parts.life.hostname)
    this.gate = new Gate(parts.clock.now())
    this.#load = new LoadMeter(parts.clock)
  }

  get state(): NodeState {
    return this.#state
  }

  get databaseAway(): boolean {
    return this.#away
  }

  async start(): Promise<void> {
    await this.now()
    this.#timer = this.parts.clock.every(BEAT_MS, () => this.#onTime())
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.()
  }

  /** A peer sent under this view: adopted once the table was read after it. */
  sawView(viewNo: number): void {
    this.#peersView = Math.max(this.#peersView, viewNo)
    if (viewNo > this.membership.viewNo) void this.now()
  }

  /** Decides, and tells a change after this turn: the asker may be in the middle of a read. */
  serving(): boolean {
    const open = this.gate.serving(this.parts.clock.now())
    if (open !== this.#open) {
      this.#open = open
      if (open) this.parts.log.info({}, 'cluster.serving')
      else this.parts.log.warn({ woken: this.gate.woken, databaseAway: this.#away, links: this.parts.links() }, 'cluster.isolated')
      queueMicrotask(() => this.parts.gate())
    }
    return open
  }

  /** Links came, went or answered. */
  linked(): void {
    this.gate.linked(this.parts.provenAt(), this.parts.others())
  }

  ponged(sentAt: number): void {
    this.linked()
    this.gate.ponged(sentAt)
    this.serving()
  }

  /** A beat out of turn; when one is under way another follows it. */
  async now(): Promise<void> {
    if (this.#stopped) return
    if (this.#sentAt !== undefined) {
      this.#again = true
      return
    }
    this.#sentAt = this.parts.clock.now()
    try {
      await this.#once(this.#sentAt)
    } catch (error) {
      this.#failed(this.#sentAt, error instanceof Error ? error.message : String(error))
    } finally {
      const again = this.#again
      this.#sentAt = undefined
      this.#again = false
      if (again) void this.now()
    }
  }

  /** The row of a node, as last read or read now. */
  async row(name: string, fresh: boolean): Promise<NodeRow | undefined> {
    if (fresh) {
      try {
        await this.#read()
      } catch (error) {
        this.parts.log.debug({ error }, 'cluster.read') // the database is away: what we know must do
      }
    }
    return this.membership.row(name)
  }

  async setState(state: 'up' | 'draining' | 'left', services?: NodeServices): Promise<boolean> {
    const done = await this.parts.tables.setState(this.parts.life, state, services)
    if (!done) return false
    this.#state = state
    this.#services = services ?? this.#services
    this.#astray = 0
    return true
  }

  /** A death certificate: fences that life whatever its beat does. @returns its row, nothing if it was over already */
  async fence(name: string, incarnation: number): Promise<NodeRow | undefined> {
    return fenceLife(this.parts.tables, this.parts.clusterName, name, incarnation)
  }

  #onTime(): void {
    if (this.#sentAt === undefined) void this.now()
    else if (this.parts.clock.now() - this.#sentAt > HUNG_MS) this.#failed(this.#sentAt, 'no answer')
  }

  async #once(sentAt: number): Promise<void> {
    const { tables, life, clock } = this.parts
    const renewed = await tables.renew(life, { ...this.#load.read(), links: this.parts.links() })
    if (this.#stopped) return
    if (!renewed) { this.parts.over(); return }
    this.membership.renewed(sentAt, clock.now())
    this.gate.renewed(sentAt)
    this.serving()
    if (this.#away) this.parts.log.info({}, 'cluster.database.back')
    this.#away = false
    await this.#read()
    for (const row of this.membership.suspects(clock.now())) {
      if (await tables.fence(row)) this.parts.suspect(row)
    }
    await this.#notices()
  }

  async #read(): Promise<void> {
    const sentAt = this.parts.clock.now()
    const peersView = this.#peersView
    const rows = await this.parts.tables.rows(this.parts.clusterName)
    if (this.#stopped) return
    this.parts.events(this.membership.read(rows, sentAt, this.parts.clock.now()))
    this.membership.adoptView(peersView)
    await this.#correct(rows.find((row) => row.hostname === this.parts.life.hostname))
  }

  /** A database that came back without its last moments may have forgotten our state: it is said again. */
  async #correct(own: NodeRow | undefined): Promise<void> {
    const state = this.#state
    const ours = own?.incarnation === this.parts.life.incarnation && own.bootNonce === this.parts.life.bootNonce
    this.#astray = ours && own.state !== state ? this.#astray + 1 : 0
    if (this.#astray < ASTRAY_READS || state === 'joining' || this.#stopped) return
    this.parts.log.warn({ row: own?.state, ours: state }, 'cluster.state.corrected')
    await this.setState(state, this.#services)
  }

  async #notices(): Promise<void> {
    for (const notice of await this.parts.tables.notices(this.notice)) {
      this.notice = Math.max(this.notice, notice.id)
      if (!this.#stopped) this.parts.notice(notice.kind, notice.subject)
    }
  }

  #failed(sentAt: number, error: string): void {
    if (this.#stopped) return
    this.membership.renewalFailed(this.parts.clock.now())
    this.membership.adoptView(this.#peersView) // a fence that we cannot read comes as a FENCE
    this.gate.renewalFailed(sentAt)
    this.serving()
    if (!this.#away) this.parts.log.error({ error }, 'cluster.database.away')
    this.#away = true
  }
}

const FENCE_TRIES = 3

/** Fences one life by its row as read just now; its last beat may come between, so it tries more than once. */
export async function fenceLife(
  tables: Pick<ClusterTables, 'rows' | 'fence'>, clusterName: string, name: string, incarnation: number
): Promise<NodeRow | undefined> {
  for (let tries = 0; tries < FENCE_TRIES; tries++) {
    const row = (await tables.rows(clusterName)).find((other) => other.hostname === name && other.incarnation === incarnation)
    if (row === undefined || row.state === 'fenced' || row.state === 'left') return undefined
    if (await tables.fence(row)) return row
  }
  return undefined
}
