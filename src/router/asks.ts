/**
 * The origin's half: puts each stanza to the nodes that may have its address, counts their answers, closes the stanzas
 * of one session to one account in order, and finds out what happens when nobody takes one (zero-loss design, D.7b).
 */
import { isForDevices, whenLeft, whenNobodyTookIt, type Fate } from '../rules/addressing.js'
import type { Cancel, Clock } from '../telemetry/clock.js'
import { StanzaError } from '../xmpp/errors.js'
import type { Acceptance } from './acceptance.js'
import { type AskTable, isOver, sameLife } from './ask-table.js'
import type { Backpressure } from './backpressure.js'
import type { Mesh, Verdict } from './envelope.js'
import { isPromise, type Eventually } from './eventually.js'
import { Lane, OpenStanza, Place, type Sent } from './open-stanza.js'
import type { NodeRef, Strategy } from './strategy.js'

/** An ask that is open for this long is repeated to all nodes, so that no counted NONE is old. */
export const REPEAT_MS = 30_000
const LOOK_MS = 10_000
const NOBODY: readonly NodeRef[] = []
/** Lanes of one session that are kept when they are empty: most have the next stanza soon. */
const LANES_KEPT = 4

export interface AsksDeps {
  readonly mesh: Mesh
  readonly strategy: Strategy
  readonly clock: Clock
  readonly acceptance: Acceptance
  readonly table: AskTable
  readonly pressure: Backpressure
  /** The account's storage: the row's number, 0 when it was dealt with, `undefined` when it is not wanted. */
  readonly strand: (stanza: OpenStanza) => Eventually<number | undefined>
  /** Tells the sender. */
  readonly bounce: (stanza: OpenStanza, error: StanzaError) => void
}

export class Asks {
  readonly #deps: AsksDeps
  /** By origin session, then by account. Empty ones go when they are too many, and in time. */
  readonly #origins = new Map<string, Map<string, Lane>>()
  #cancel: Cancel | undefined

  constructor(deps: AsksDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#cancel = this.#deps.clock.every(LOOK_MS, () => this.#repeatOld())
  }

  stop(): void {
    this.#cancel?.()
  }

  /** Stanzas that are not closed. */
  get open(): number {
    let sum = 0
    for (const lane of this.#lanes()) sum += lane.open.length + lane.waiting.length
    return sum
  }

  /** The stanza's cause has been begun; it is ended when the stanza is closed. */
  submit(sent: Sent): void {
    const stanza = new OpenStanza(sent)
    const { pressure } = this.#deps
    if (pressure.anyFull && pressure.refuses(this.#elsewhere(stanza))) {    // trap 4: an error only before anybody was asked
      this.#deps.bounce(stanza, new StanzaError('wait', 'resource-constraint', 'A node of the cluster cannot be reached'))
      stanza.cause.end()
      return
    }
    const lane = this.#origins.get(stanza.flow)?.get(stanza.address.bare.toString())
    if (lane === undefined || lane.idle) {
      this.#first(stanza)
      return
    }
    pressure.opened(stanza.flow, stanza.bytes)
    if (lane.admits(stanza.address)) this.#enter(lane, stanza)
    else lane.waiting.push(stanza)
  }

  /** A node has joined: it is asked for all that is not closed. */
  up(node: NodeRef): void {
    for (const lane of this.#lanes()) {
      for (const stanza of lane.open) {
        if (stanza.stage !== 'asking' && stanza.stage !== 'stored') continue
        if (stanza.place(node) === undefined && this.#elsewhere(stanza).some((n) => n.name === node.name)) this.#askNode(lane, stanza, node)
      }
    }
  }

  /** This life is over, and its clients with it. */
  reset(): void {
    for (const lane of this.#lanes()) {
      lane.over = true
      for (const stanza of [...lane.open, ...lane.waiting]) this.#deps.pressure.closed(lane.osid, stanza.bytes)
    }
    this.#origins.clear()
  }

  /** Its answers count no more: what only its devices had is lost with them, and somebody else may take it. */
  lost(node: NodeRef): void {
    for (const lane of [...this.#lanes()]) {
      for (const stanza of lane.open) {
        const place = stanza.place(node)
        if (place === undefined || !isOver(place.node, node)) continue
        place.over = true
        stanza.places = stanza.places.filter((other) => other !== place)
      }
      this.#advance(lane)
    }
  }

  /** Nothing is open: what this node has answers at once, and mostly that is all. No lane is made for it. */
  #first(stanza: OpenStanza): void {
    if (!isForDevices(stanza.stanza, stanza.address.resource) && stanza.audience === '') {
      this.#enlist(stanza)
      return
    }
    const nodes = this.#elsewhere(stanza)
    const verdict = this.#deps.acceptance.offer(stanza)
    if (!isPromise(verdict) && verdict.kind === 'accept' && (nodes.length === 0 || stanza.address.resource !== '')) {
      stanza.cause.end()
      return
    }
    const lane = this.#enlist(stanza, verdict)
    for (const node of nodes) this.#askNode(lane, stanza, node)
    this.#advance(lane)
  }

  #laneOf({ flow, address }: OpenStanza): Lane {
    let lanes = this.#origins.get(flow)
    if (lanes === undefined) this.#origins.set(flow, lanes = new Map<string, Lane>())
    const account = address.bare.toString()
    let lane = lanes.get(account)
    if (lane === undefined) lanes.set(account, lane = new Lane(flow, account))
    return lane
  }

  #enlist(stanza: OpenStanza, verdict?: Eventually<Verdict>): Lane {
    const lane = this.#laneOf(stanza)
    this.#deps.pressure.opened(lane.osid, stanza.bytes)
    stanza.since = this.#deps.clock.now()
    lane.open.push(stanza)
    if (verdict === undefined) this.#advance(lane)
    else this.#here(lane, stanza, verdict)
    return lane
  }

  #enter(lane: Lane, stanza: OpenStanza): void {
    lane.open.push(stanza)
    if (isForDevices(stanza.stanza, stanza.address.resource) || stanza.audience !== '') this.#askAll(lane, stanza)
    else this.#advance(lane)
  }

  /** Other nodes that may have a device of the address. */
  #elsewhere(stanza: OpenStanza): readonly NodeRef[] {
    const { strategy, mesh } = this.#deps
    const location = strategy.locate(stanza.address)
    if (location.complete) return location.nodes.length === 0 ? NOBODY : location.nodes
    return mesh.view().filter((node) => node.name !== mesh.self.name)
  }

  /** Everybody, anew. */
  #askAll(lane: Lane, stanza: OpenStanza): void {
    for (const place of stanza.places) {
      this.#deps.table.drop(place.ask)
      place.over = true
    }
    stanza.places = []
    stanza.since = this.#deps.clock.now()
    stanza.prev = lane.before(stanza)
    const verdict = this.#deps.acceptance.offer(stanza)
    const hasIt = !isPromise(verdict) && verdict.kind === 'accept' && stanza.address.resource !== ''
    const nodes = hasIt ? NOBODY : this.#elsewhere(stanza)
    for (const node of nodes) this.#askNode(lane, stanza, node)
    this.#here(lane, stanza, verdict)
    this.#advance(lane)
  }

  #askNode(lane: Lane, stanza: OpenStanza, node: NodeRef): void {
    const { table, mesh, pressure } = this.#deps
    const place = this.#placeOf(lane, stanza, node)
    table.drop(place.ask)
    place.since = stanza.since
    place.verdict = undefined
    place.stuck = false
    place.prev = stanza.prev = lane.before(stanza)
    table.put(place)
    const { key, address, audience, except, prev, row, readdress, again } = stanza
    const addressees = [{ ask: place.ask, address, audience, except, prev, row }]
    const moves = mesh.route(node, {
      key, view: mesh.viewNo, addressees, stanza: stanza.stanza, state: false, readdress, again
    })
    if (!moves) pressure.full(node)
  }

  /** This node's own answer. */
  #here(lane: Lane, stanza: OpenStanza, verdict: Eventually<Verdict>): void {
    const { self } = this.#deps.mesh
    stanza.asked = true
    if (!isPromise(verdict) && verdict.kind === 'none' && stanza.place(self) === undefined) return
    const place = this.#placeOf(lane, stanza, self)
    place.ask--             // below zero: never a number of the table
    place.prev = stanza.prev
    place.verdict = undefined
    place.stuck = false
    if (!isPromise(verdict)) {
      this.#take(place, verdict)
      return
    }
    const ask = place.ask
    void verdict.then((settled) => {
      if (place.ask === ask && !place.over) this.#took(place, settled)
    }, () => undefined)     // this life is fenced
  }

  readonly #took = (place: Place, verdict: Verdict): void => {
    this.#deps.pressure.moves(place.node)
    if (place.lane.over || place.over) return
    this.#take(place, verdict)
    this.#advance(place.lane)
  }

  #take(place: Place, verdict: Verdict): void {
    const { lane, stanza } = place
    if (verdict.kind !== 'reject' || verdict.why !== 'gap') {
      place.verdict = verdict
      place.gapped = false
    } else if (!place.gapped) this.#askInOrder(lane, place.node)
    else if (lane.before(stanza) < place.prev) this.#askOne(lane, stanza, place.node)    // an earlier one was closed meanwhile
    else place.stuck = lane.hasStuck = true
  }

  /** A device there has missed something: it is asked again for everything that is not closed (I5). */
  #askInOrder(lane: Lane, node: NodeRef): void {
    const again = lane.open.filter((stanza) => stanza.stage !== 'settled' && this.#wasAsked(stanza, node))
    for (const stanza of again) this.#placeOf(lane, stanza, node).gapped = true
    for (const stanza of again) this.#askOne(lane, stanza, node)
  }

  #askOne(lane: Lane, stanza: OpenStanza, node: NodeRef): void {
    if (node.name !== this.#deps.mesh.self.name) {
      this.#askNode(lane, stanza, node)
      return
    }
    stanza.prev = lane.before(stanza)
    this.#here(lane, stanza, this.#deps.acceptance.offer(stanza))
  }

  #advance(lane: Lane): void {
    lane.again = true
    if (lane.busy) return
    lane.busy = true
    while (lane.again) {
      lane.again = false
      this.#closeFirst(lane)
      this.#dealWithNext(lane)
    }
    lane.busy = false
    if (lane.empty && (this.#origins.get(lane.osid)?.size ?? 0) > LANES_KEPT) this.#remove(lane)
  }

  /** Closed are those that all have answered for and somebody or the store took, in their order. */
  #closeFirst(lane: Lane): void {
    let closed = 0
    for (let head = lane.open[0]; head !== undefined && isComplete(head); head = lane.open[0]) {
      lane.open.shift()
      closed++
      this.#deps.pressure.closed(lane.osid, head.bytes)
      head.cause.end()
    }
    if (closed === 0) return
    if (lane.hasStuck) this.#askStuck(lane)
    while (lane.waiting[0] !== undefined && lane.fits(lane.waiting[0].address)) {
      const next = lane.waiting.shift()
      if (next !== undefined) this.#enter(lane, next)
    }
  }

  #askStuck(lane: Lane): void {
    lane.hasStuck = false
    for (const stanza of [...lane.open]) {
      for (const place of stanza.places) if (place.stuck) this.#askOne(lane, stanza, place.node)
    }
  }

  /** The first that nobody took, if all before it are taken or stored. */
  #dealWithNext(lane: Lane): void {
    for (const stanza of lane.open) {
      if (stanza.stage === 'dealing') return
      if (stanza.stage === 'settled' || stanza.row > 0) continue
      if (!stanza.answered) return
      if (stanza.accepted) continue
      this.#nobody(lane, stanza)
      return
    }
  }

  #nobody(lane: Lane, stanza: OpenStanza): void {
    const fresh = this.#elsewhere(stanza).filter((node) => stanza.place(node) === undefined)
    if (fresh.length > 0 && stanza.asked) {       // it has gone there since we asked
      for (const node of fresh) this.#askNode(lane, stanza, node)
      return
    }
    const fate = stanza.mayStrand ? fateOf(stanza) : 'ignore'
    const refusal = refusalOf(stanza)
    if (refusal !== undefined && fate !== 'ignore') this.#settle(lane, stanza, refusal)
    else if (fate === 'bare') {
      stanza.address = stanza.address.bare
      this.#askAll(lane, stanza)
    } else if (fate === 'store') this.#store(lane, stanza)
    else this.#settle(lane, stanza, fate === 'bounce' ? new StanzaError('cancel', 'service-unavailable') : undefined)
  }

  #store(lane: Lane, stanza: OpenStanza): void {
    stanza.stage = 'dealing'
    const row = this.#deps.strand(stanza)
    if (!isPromise(row)) {
      this.#stored(lane, stanza, row)
      return
    }
    void row.then((settled) => this.#stored(lane, stanza, settled), (thrown: unknown) => {
      this.#settle(lane, stanza, thrown instanceof StanzaError ? thrown : new StanzaError('cancel', 'internal-server-error'))
    })
  }

  #stored(lane: Lane, stanza: OpenStanza, row: number | undefined): void {
    if (lane.over) return
    if (row === undefined || row === 0) {
      this.#settle(lane, stanza, row === 0 ? undefined : new StanzaError('cancel', 'service-unavailable'))
      return
    }
    stanza.row = row
    stanza.stage = 'stored'
    this.#askAll(lane, stanza)
  }

  #settle(lane: Lane, stanza: OpenStanza, error: StanzaError | undefined): void {
    if (lane.over) return
    stanza.stage = 'settled'
    if (error !== undefined) this.#deps.bounce(stanza, error)
    this.#advance(lane)
  }

  #remove(lane: Lane): void {
    const lanes = this.#origins.get(lane.osid)
    if (lanes?.get(lane.account) === lane) lanes.delete(lane.account)
    if (lanes?.size === 0) this.#origins.delete(lane.osid)
  }

  #wasAsked(stanza: OpenStanza, node: NodeRef): boolean {
    return stanza.place(node) !== undefined || (stanza.asked && node.name === this.#deps.mesh.self.name)
  }

  #placeOf(lane: Lane, stanza: OpenStanza, node: NodeRef): Place {
    const known = stanza.place(node)
    if (known !== undefined && sameLife(known.node, node)) return known
    const place = new Place(node, lane, stanza, this.#took)
    stanza.asked = true
    if (known !== undefined) {
      known.over = true
      stanza.places = stanza.places.filter((other) => other !== known)
    }
    stanza.places.push(place)
    return place
  }

  #repeatOld(): void {
    const now = this.#deps.clock.now()
    this.#deps.pressure.sweep()
    for (const lane of [...this.#lanes()]) {
      if (lane.idle) this.#remove(lane)
      for (const stanza of [...lane.open]) {
        const asking = stanza.stage === 'asking' || stanza.stage === 'stored'
        if (asking && now - stanza.since >= REPEAT_MS && lane.open.includes(stanza)) this.#askAll(lane, stanza)
      }
    }
  }

  * #lanes(): Iterable<Lane> {
    for (const lanes of this.#origins.values()) yield * lanes.values()
  }
}

function isComplete(stanza: OpenStanza): boolean {
  if (stanza.stage === 'settled') return true
  return stanza.stage !== 'dealing' && stanza.answered && (stanza.row > 0 || stanza.accepted)
}

function fateOf({ again, stanza, address: { resource } }: OpenStanza): Fate {
  return again ? whenLeft(stanza, resource, stanza.to?.resource ?? '') : whenNobodyTookIt(stanza, resource)
}

/** A node could not take it just now. */
function refusalOf(stanza: OpenStanza): StanzaError | undefined {
  for (const { verdict } of stanza.places) {
    if (verdict?.kind === 'reject' && verdict.why === 'error') return new StanzaError(verdict.type, verdict.condition)
  }
  return undefined
}
