/**
 * Between this node and the others: state that goes to many addresses as one envelope for each node, and what comes
 * from other nodes. Stanzas that must arrive exactly once go through `asks.ts`.
 */
import type { Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import type { Jid } from '../xmpp/jid.js'
import type { Stanza } from '../xmpp/stanza.js'
import type { Acceptance, Offer } from './acceptance.js'
import type { AskTable, Question } from './ask-table.js'
import type { Backpressure } from './backpressure.js'
import type { Cause } from './cause.js'
import type { Addressee, Envelope, Mesh, StanzaKey, Verdict } from './envelope.js'
import { isPromise } from './eventually.js'
import { OPEN_HEAD_BYTES } from './open-stanza.js'
import type { LocalSessions } from './local-sessions.js'
import type { NodeRef, Strategy } from './strategy.js'

/** Addressees of one envelope: a frame is at most 1 MiB, an address at most 3 KiB but mostly 40 bytes. */
const ADDRESSEES_MAX = 200

/** Where one state stanza goes. */
export interface Target {
  readonly address: Jid
  readonly audience: string
  readonly except: Jid | undefined
}

export interface DeliveryDeps {
  readonly mesh: Mesh
  readonly sessions: LocalSessions
  readonly strategy: Strategy
  readonly acceptance: Acceptance
  readonly table: AskTable
  readonly pressure: Backpressure
  readonly log: Log
  readonly clock: Clock
}

interface Batch {
  readonly node: NodeRef
  readonly targets: Target[]
}

export class DeliveryDesk {
  readonly #deps: DeliveryDeps

  constructor(deps: DeliveryDeps) {
    this.#deps = deps
  }

  /** Presence and pushes: idempotent, never stranded; answered only so that `h` stays honest. */
  state(cause: Cause, stanza: Stanza, targets: readonly Target[], readdress: boolean): void {
    const key = cause.next() ?? cause.itself
    const batches = new Map<string, Batch>()
    for (const target of targets) {
      const { address, audience, except } = target
      const verdict = this.#deps.acceptance.offer({
        key, stanza, address, audience, except, prev: 0, row: 0, state: true, readdress, again: false, owner: undefined
      })
      if (!isPromise(verdict) && verdict.kind === 'accept' && address.resource !== '') continue
      this.#batch(batches, target)
    }
    for (const { node, targets: some } of batches.values()) {
      for (let i = 0; i < some.length; i += ADDRESSEES_MAX) {
        this.#route(cause, key, { node, targets: some.slice(i, i + ADDRESSEES_MAX) }, { stanza, readdress })
      }
    }
  }

  /** No device of the account is anywhere. */
  nobody(address: Jid): boolean {
    const { mesh, sessions, strategy } = this.#deps
    if (sessions.byAccount(address).length > 0 || !mesh.serving()) return false
    const { nodes, complete } = strategy.locate(address)
    return complete && nodes.length === 0
  }

  /** Another node asks. */
  incoming(from: NodeRef, envelope: Envelope): void {
    const { acceptance, mesh } = this.#deps
    let shared: Verdict | undefined                        // all addressees of a state envelope share one question
    for (const addressee of envelope.addressees) {
      const verdict = acceptance.offer(offerOf(envelope, addressee, from))
      if (isPromise(verdict)) void verdict.then((settled) => mesh.answer(from, addressee.ask, settled), () => undefined)
      else if (!envelope.state) mesh.answer(from, addressee.ask, verdict)
      else if (shared?.kind !== 'accept') shared = verdict
    }
    const ask = envelope.addressees[0]?.ask
    if (shared !== undefined && ask !== undefined) mesh.answer(from, ask, shared)
  }

  #batch(batches: Map<string, Batch>, target: Target): void {
    const { mesh, strategy } = this.#deps
    const { nodes, complete } = strategy.locate(target.address)
    for (const node of complete ? nodes : mesh.view()) {
      if (node.name === mesh.self.name) continue
      const batch = batches.get(node.name)
      if (batch === undefined) batches.set(node.name, { node, targets: [target] })
      else batch.targets.push(target)
    }
  }

  #route(cause: Cause, key: StanzaKey, { node, targets }: Batch, what: { stanza: Stanza; readdress: boolean }): void {
    const { mesh, clock, table, pressure } = this.#deps
    const wait = new StateWait(node, cause, pressure, what.stanza.inside.length + OPEN_HEAD_BYTES)
    wait.since = clock.now()
    table.put(wait)
    const addressees = targets.map((target) => addresseeFor(target, wait.ask))
    const { stanza, readdress } = what
    const moves = mesh.route(node, { key, view: mesh.viewNo, addressees, stanza, state: true, readdress, again: false })
    if (!moves) pressure.full(node)
  }
}

/** All addressees of a state envelope share one question. */
class StateWait implements Question {
  ask = 0
  since = 0
  readonly #cause: Cause
  readonly #pressure: Backpressure
  readonly #bytes: number

  constructor(readonly node: NodeRef, cause: Cause, pressure: Backpressure, bytes: number) {
    this.#cause = cause
    this.#pressure = pressure
    this.#bytes = bytes
    cause.begin()
    pressure.opened(cause.osid, bytes)
  }

  answered(): void {
    this.#pressure.moves(this.node)
    this.gone()
  }

  gone(): void {
    this.#pressure.closed(this.#cause.osid, this.#bytes)
    this.#cause.end()
  }
}

/** Field by field: a spread costs twenty times as much here. */
function addresseeFor({ address, audience, except }: Target, ask: number): Addressee {
  return { ask, address, audience, except, prev: 0, row: 0 }
}

function offerOf(envelope: Envelope, { address, audience, except, prev, row }: Addressee, owner: NodeRef): Offer {
  const { key, stanza, state, readdress, again } = envelope
  return { key, stanza, address, audience, except, prev, row, state, readdress, again, owner }
}
