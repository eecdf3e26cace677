/**
 * Who lives, by the table: pure decisions over rows that were read and times of our own monotonic clock. A node is
 * suspected when its beat stood still for T on *our* clock, in reads that we sent; clocks of two machines are never
 * compared, and a cut link is never a reason.
 */
import type { NodeRow } from '../storage/cluster-tables.js'

export const BEAT_MS = 1000
const DEAD_MIN_MS = 5000
const DEAD_SLACK_MS = 2000
const DEAD_LATENCIES = 3
/** A node whose own renewals take longer, or that was away longer between two, fences nobody. */
const LATE_MS = 2500
const LATENCIES_KEPT = 5

export type MemberEvent =
  | { readonly kind: 'seen' | 'changed' | 'left' | 'lost'; readonly row: NodeRow }

interface Watched {
  readonly row: NodeRow
  /** When the read that first showed this row's incarnation and beat came back. */
  readonly changedAt: number
  readonly over: 'left' | 'lost' | undefined
  /** When the last read was sent that had the row. */
  readonly readAt: number
}

/** States of one life; its row's number starts anew with the next life, whose incarnation weighs more. */
const STATES_OF_LIFE = 16
/** Keeps the sum inside its field of a frame whatever somebody writes into the table. */
const INCARNATIONS_MAX = 2 ** 36

/** The same number from the same rows on every node; a claim, a change of state and a fence make it grow. */
function viewNumber(rows: readonly NodeRow[]): number {
  const weigh = (row: NodeRow): number =>
    Math.min(row.incarnation, INCARNATIONS_MAX) * STATES_OF_LIFE + Math.min(row.viewNo, STATES_OF_LIFE - 1)
  return rows.reduce((sum, row) => sum + weigh(row), 0)
}

const alive = (row: NodeRow): boolean => row.state === 'joining' || row.state === 'up' || row.state === 'draining'

export class Membership {
  readonly #nodes = new Map<string, Watched>()
  #latencies: number[] = []
  #confirmedAt = Number.NEGATIVE_INFINITY
  /** Beats count as standing still from here at the earliest. */
  #watchFrom = Number.NEGATIVE_INFINITY
  #readSentAt = Number.NEGATIVE_INFINITY
  #viewNo = 0

  constructor(private readonly selfName: string) {}

  /** Grows with every change of state of any node, as far as we have read. */
  get viewNo(): number {
    return this.#viewNo
  }

  /** A peer has a higher number, and we have read the table since: rows may have gone that made its sum. */
  adoptView(viewNo: number): void {
    this.#viewNo = Math.max(this.#viewNo, viewNo)
  }

  /** Rows of other nodes that live, as last read. */
  live(): readonly NodeRow[] {
    return [...this.#nodes.values()].filter((node) => node.over === undefined).map((node) => node.row)
  }

  row(name: string): NodeRow | undefined {
    return this.#nodes.get(name)?.row
  }

  seen(name: string): { readonly incarnation: number; readonly over: boolean } | undefined {
    const node = this.#nodes.get(name)
    return node && { incarnation: node.row.incarnation, over: node.over !== undefined }
  }

  /** The time that a beat must stand still: longer when the database is slow for us. */
  get deadMs(): number {
    const latency = Math.max(0, ...this.#latencies)
    return Math.max(DEAD_MIN_MS, DEAD_LATENCIES * latency + DEAD_SLACK_MS)
  }

  renewed(sentAt: number, now: number): void {
    if (now - this.#confirmedAt > LATE_MS + BEAT_MS || now - sentAt > LATE_MS) this.#watchFrom = now
    this.#confirmedAt = now
    this.#latencies = [...this.#latencies, now - sentAt].slice(-LATENCIES_KEPT)
  }

  /** The watch begins anew after it: nobody is fenced for an outage of the database. */
  renewalFailed(now: number): void {
    this.#watchFrom = now
  }

  /** @param sentAt when the read was sent, on our clock */
  read(rows: readonly NodeRow[], sentAt: number, now: number): readonly MemberEvent[] {
    this.#readSentAt = sentAt
    this.#viewNo = Math.max(this.#viewNo, viewNumber(rows))
    const others = rows.filter((row) => row.hostname !== this.selfName)
    const events = others.flatMap((row) => this.#readOne(row, sentAt, now))
    const names = new Set(rows.map((row) => row.hostname))
    return [...events, ...this.#vanished(names, sentAt)]
  }

  /** Nodes to fence, by exactly the row that was seen. */
  suspects(now: number): readonly NodeRow[] {
    if (now - this.#confirmedAt > LATE_MS) return []
    const nodes = [...this.#nodes.values()]
    return nodes.filter((node) => this.#forgotten(node) || (node.over === undefined && this.#still(node))).map((node) => node.row)
  }

  /** That life is over: we fenced it, or another node says that it did. */
  lost(name: string, incarnation: number): MemberEvent | undefined {
    const node = this.#nodes.get(name)
    if (node === undefined || node.row.incarnation !== incarnation || node.over !== undefined) return undefined
    this.#nodes.set(name, { ...node, over: 'lost' })
    return { kind: 'lost', row: node.row }
  }

  /** We know of the fence and the table does not (any more): a database that went back in time hears of it again. */
  #forgotten(node: Watched): boolean {
    return node.over === 'lost' && alive(node.row) && node.readAt === this.#readSentAt
  }

  #still(node: Watched): boolean {
    return this.#readSentAt - Math.max(node.changedAt, this.#watchFrom) >= this.deadMs
  }

  #readOne(row: NodeRow, sentAt: number, now: number): readonly MemberEvent[] {
    const before = this.#nodes.get(row.hostname)
    if (before !== undefined && row.incarnation < before.row.incarnation) return []
    const sameLife = before?.row.incarnation === row.incarnation
    const over = sameLife ? before.over : undefined
    const ended = row.state === 'left' ? 'left' : 'lost'
    const nowOver = over ?? (alive(row) ? undefined : ended)
    const moved = !sameLife || before.row.beat !== row.beat
    this.#nodes.set(row.hostname, { row, changedAt: moved ? now : before.changedAt, over: nowOver, readAt: sentAt })
    // a grown incarnation means that the earlier life is over
    const previous = before !== undefined && !sameLife && before.over === undefined
    const events: MemberEvent[] = previous ? [{ kind: 'lost', row: before.row }] : []
    if (nowOver === undefined) {
      if (!sameLife) events.push({ kind: 'seen', row })
      else if (before.row.state !== row.state) events.push({ kind: 'changed', row })
    } else if (sameLife && over === undefined) events.push({ kind: nowOver, row })
    return events
  }

  /** A row that somebody deleted: its node's next renewal hits nothing and ends it; we take it for lost as late as for any. */
  #vanished(names: ReadonlySet<string>, sentAt: number): readonly MemberEvent[] {
    const gone = [...this.#nodes.values()].filter((node) => {
      const late = sentAt - Math.max(node.changedAt, this.#watchFrom) >= this.deadMs
      return node.over === undefined && !names.has(node.row.hostname) && late
    })
    return gone.flatMap((node) => this.lost(node.row.hostname, node.row.incarnation) ?? [])
  }
}
