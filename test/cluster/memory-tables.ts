/** The cluster's tables in memory, by the words of the contract; one object is one database. */
import type {
  ClaimResult, ClusterTables, Life, NodeClaim, NodeRow, NodeServices, NodeState, Notice, Renewal
} from '../../src/storage/cluster-tables.js'

const LIVE: readonly NodeState[] = ['joining', 'up', 'draining']

export class MemoryTables implements ClusterTables {
  readonly byName = new Map<string, NodeRow>()
  readonly fencedLives = new Set<string>()
  #incarnation = 0
  readonly #notices: Notice[] = []
  /** Reads and writes of everybody fail. */
  away = false
  /** Only of these nodes' renewals, so that one node can be cut from the database. */
  readonly awayFor = new Set<string>()

  async claim(claim: NodeClaim, replacing?: NodeRow, above = 0): Promise<ClaimResult> {
    this.#reach(claim.hostname)
    const held = this.byName.get(claim.hostname)
    if (held !== undefined && LIVE.includes(held.state)) {
      if (held.clusterName !== claim.clusterName) return { outcome: 'other-cluster', by: held }
      const same = replacing?.incarnation === held.incarnation && replacing.beat === held.beat && replacing.viewNo === held.viewNo
      if (!same) return { outcome: 'held', by: held }
      this.fencedLives.add(lifeOf(held))
    }
    const incarnation = this.#incarnation = Math.max(this.#incarnation, above) + 1
    const row: NodeRow = {
      ...claim, incarnation, state: 'joining', beat: 0, viewNo: 0, backup: undefined, backupIncarnation: undefined, links: 0, services: {}
    }
    this.byName.set(claim.hostname, row)
    return { outcome: 'claimed', life: { hostname: claim.hostname, incarnation, bootNonce: claim.bootNonce }, row }
  }

  async rows(clusterName: string): Promise<readonly NodeRow[]> {
    this.#reach()
    return [...this.byName.values()].filter((row) => row.clusterName === clusterName)
  }

  async renew(life: Life, renewal: Renewal): Promise<boolean> {
    return this.#own(life, (row) => ({ ...renewal, beat: row.beat + 1 }))
  }

  async setState(life: Life, state: NodeState, services?: NodeServices): Promise<boolean> {
    return this.#own(life, (row) => ({ state, viewNo: row.viewNo + 1, ...(services && { services }) }))
  }

  async fence(seen: NodeRow): Promise<boolean> {
    this.#reach()
    const row = this.byName.get(seen.hostname)
    const same = row?.incarnation === seen.incarnation && row.beat === seen.beat && row.viewNo === seen.viewNo
    if (row === undefined || !same || !LIVE.includes(row.state)) return false
    this.fencedLives.add(lifeOf(row))
    this.byName.set(row.hostname, { ...row, state: 'fenced', viewNo: row.viewNo + 1 })
    return true
  }

  async isFenced(hostname: string, incarnation: number): Promise<boolean> {
    this.#reach()
    return this.fencedLives.has(`${hostname} ${incarnation}`)
  }

  async notices(after: number): Promise<readonly Notice[]> {
    this.#reach()
    return this.#notices.filter((notice) => notice.id > after)
  }

  async lastNotice(): Promise<number> {
    this.#reach()
    return this.#notices.length
  }

  async notify(kind: string, subject: string): Promise<void> {
    this.#notices.push({ id: this.#notices.length + 1, kind, subject })
  }

  /** A power cut, and the last claim was not on the disk yet. */
  forgetLast(hostname: string): void {
    this.byName.delete(hostname)
    this.#incarnation--
  }

  /** What an operator does with SQL. */
  tamper(hostname: string, change: Partial<NodeRow> | undefined): void {
    const row = this.byName.get(hostname)
    if (change === undefined) this.byName.delete(hostname)
    else if (row !== undefined) this.byName.set(hostname, { ...row, ...change })
  }

  #own(life: Life, change: (row: NodeRow) => Partial<NodeRow>): boolean {
    this.#reach(life.hostname)
    const row = this.byName.get(life.hostname)
    if (row === undefined || row.incarnation !== life.incarnation || row.bootNonce !== life.bootNonce) return false
    if (!LIVE.includes(row.state)) return false
    this.byName.set(life.hostname, { ...row, ...change(row) })
    return true
  }

  #reach(node = ''): void {
    if (this.away || this.awayFor.has(node)) throw new Error('the database is away')
  }
}

const lifeOf = (row: NodeRow): string => `${row.hostname} ${row.incarnation}`
