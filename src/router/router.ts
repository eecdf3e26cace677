/**
 * Where a stanza goes. Owns the way of a client's stanza through its sender's half to a destination, and ties the rooms
 * of one node together: sessions above the stream, the mesh of other nodes, the strategy that knows who is where.
 */
import { randomBytes } from 'node:crypto'
import type { Delivery } from '../pipeline/api.js'
import type { Pipeline, Step } from '../pipeline/compile.js'
import { HandlerContext, type Services } from '../pipeline/context.js'
import { Passage, refusalOf } from '../pipeline/run.js'
import { presenceType } from '../rules/presence.js'
import type { SessionHandler } from '../session/handler.js'
import type { Session } from '../session/session.js'
import type { StableLog } from '../session/stable-log.js'
import type { AccountRef } from '../storage/store.js'
import { errorReply } from '../xmpp/error-stanza.js'
import { StanzaError } from '../xmpp/errors.js'
import type { HybridClock } from '../xmpp/hlc.js'
import { Jid } from '../xmpp/jid.js'
import { Stanza } from '../xmpp/stanza.js'
import type { RouterMetrics } from './ask-table.js'
import { Cause, type NodeLife } from './cause.js'
import type { Destination } from './dispatch.js'
import type { Mesh } from './envelope.js'
import { isPromise, type Eventually } from './eventually.js'
import { checkIq, isRequest } from './iq-doors.js'
import type { LocalSessions } from './local-sessions.js'
import { createParts, type Parts } from './parts.js'
import type { DeviceRecord, NodeRef, Strategy } from './strategy.js'

export interface RouterDeps {
  readonly pipeline: Pipeline
  readonly services: Services
  /** Served domains, prepared. */
  readonly domains: readonly string[]
  readonly sessions: LocalSessions
  readonly mesh: Mesh
  readonly strategy: Strategy
  readonly stableLog: StableLog
  readonly hlc: HybridClock
  readonly metrics?: RouterMetrics
  /** For domains that are not served; without it they do not exist. */
  readonly abroad?: Destination
  /** 32 hexadecimal digits for this life of the node; drawn when absent. */
  readonly life?: string
}

export interface RouterFacts {
  /** Stanzas that are not closed, and their bytes. */
  readonly open: number
  readonly openBytes: number
  /** Questions to other nodes without an answer. */
  readonly asks: number
  /** Stanzas that wait here: for a device that is opening, for a newer view. */
  readonly parked: number
  readonly viewWaits: number
  readonly fullChannels: readonly string[]
  /** Accounts whose taken offline rows are not deleted yet. */
  readonly rowDeletes: number
  /** Remote devices shown as available to devices here. */
  readonly shown: number
}

export interface Router {
  readonly handler: SessionHandler
  start(): void
  stop(): void
  /** Something of this node's clients is still on its way: farewells, stanzas that are not closed, unanswered questions. */
  readonly busy: boolean
  /** For what no client caused. A refusal goes to the stanza's own sender, a failure to the log. */
  submit(delivery: Delivery): void
  /** The account is gone: its handlers, its devices here, all that nodes remember of it. */
  removeAccount(account: AccountRef): Promise<void>
  /** For the strategy. */
  records(): Iterable<DeviceRecord>
  facts(): RouterFacts
}

export function createRouter(deps: RouterDeps): Router {
  const parts = createParts(deps, randomBytes(16).toString('hex'))
  const handler = new ClientStanzas(deps, parts)
  listen(deps, parts, handler)
  return {
    handler,
    start: () => parts.asks.start(),
    stop: () => {
      parts.asks.stop()
      parts.inbound.stop()
    },
    get busy() {
      return parts.devices.leaving > 0 || parts.asks.open > 0 || parts.table.size > 0
    },
    submit: (delivery) => parts.dispatch.sendOwn([delivery]),
    removeAccount: (account) => removeAccount(deps, parts.life, account),
    records: () => parts.devices.records(),
    facts: () => ({
      open: parts.asks.open, openBytes: parts.pressure.openBytes, asks: parts.table.size, parked: parts.acceptance.parked,
      viewWaits: parts.inbound.waiting, fullChannels: parts.pressure.fullNodes, rowDeletes: parts.rows.pending, shown: parts.shown.size
    })
  }
}

function listen(deps: RouterDeps, parts: Parts, clients: ClientStanzas): void {
  const { mesh, sessions, hlc, services } = deps
  const over = (node: NodeRef): void => {
    parts.pressure.moves(node)
    parts.table.lost(node)
    parts.asks.lost(node)
    parts.shown.lost(node)
  }
  mesh.listen({
    envelope: (from, envelope) => parts.inbound.envelope(from, envelope),
    answers: (from, first, count, verdict) => {
      if (parts.inbound.isOver(from)) return
      for (let ask = first; ask < first + count; ask++) parts.table.answered(from, ask, verdict)
    },
    bound: (from, jid, bound) => {
      hlc.seen(bound)
      const ours = sessions.byFull(jid)
      if (!sessions.conflictWith(jid, bound, from.name) && ours !== undefined) mesh.bound(ours.jid, ours.bound)   // they missed it
    },
    invalidate: (cache, key) => services.caches.invalidated(cache, key),
    node: (change, node) => {
      const ended = change === 'up' ? { name: node.name, incarnation: node.incarnation - 1 } : node
      if (change !== 'left') parts.inbound.over(ended)        // what a node that left cleanly has sent still counts
      over(ended)
      if (change === 'up') parts.asks.up(node)
      parts.inbound.look()
    },
    gate: (open) => {
      sessions.gate(open)
      if (open) {
        parts.acceptance.ungate()
        clients.ungate()
      }
    },
    fenced: () => {
      sessions.abort('fenced')
      clients.fenced()
      parts.inbound.stop()
      parts.asks.reset()
      parts.table.reset()
      parts.acceptance.reset()
      services.caches.clear()
    }
  })
}

async function removeAccount(deps: RouterDeps, life: NodeLife, account: AccountRef): Promise<void> {
  const { pipeline, services, sessions } = deps
  const ctx = new HandlerContext(services, account, undefined, life.cause().itself)
  const forgotten = services.caches.forgetAccount(account.jid)    // before its devices say goodbye
  sessions.closeAccount(account.jid, 'account-removed', services.clock.now())
  for (const { plugin, run } of pipeline.accountRemoved ?? []) {
    try {
      await run(account, ctx)
    } catch (thrown) {
      refusalOf(thrown, plugin, ctx)
    }
  }
  await forgotten
  await services.caches.forgetAccount(account.jid)
}

/** What sessions bring: the sender's half, then the destination. */
class ClientStanzas implements SessionHandler {
  readonly #deps: RouterDeps
  readonly #parts: Parts
  #gated: (() => void)[] = []

  constructor(deps: RouterDeps, parts: Parts) {
    this.#deps = deps
    this.#parts = parts
  }

  bound(session: Session): Promise<void> {
    return this.#parts.devices.bound(session)
  }

  ended(...end: Parameters<SessionHandler['ended']>): void {
    this.#parts.devices.ended(...end)
  }

  devicesOf(account: Jid): number {
    const remote = this.#deps.strategy.locate(account).devices?.filter((device) => device.node.name !== this.#deps.mesh.self.name)
    return this.#deps.sessions.byAccount(account).length + (remote?.length ?? 0)
  }

  // RFC 6120 §8.3.3.8; the malformed address is not repeated in `from` (§8.3.1).
  malformed(...[session, kind, id, type, badTo]: Parameters<SessionHandler['malformed']>): void {
    const stanza = Stanza.of({ kind, id, type, from: session.jid })
    const error = new StanzaError('modify', 'jid-malformed', `Not an address: ${badTo.slice(0, 100)}`)
    const reply = errorReply(stanza, error, new Jid('', session.jid.domain, ''))
    if (reply !== undefined) void session.deliver(reply, session.jid)
  }

  /** Synchronous unless something waits. */
  receive(session: Session, stanza: Stanza, index: number): void | Promise<void> {
    if (!this.#deps.mesh.serving()) return this.#whenServing(session, stanza, index)
    const cause = new Cause(session.session, index, session)
    const { pressure } = this.#parts
    try {
      if (pressure.strained && pressure.exhausted(session.session) && stanza.type !== 'unavailable') throw tooMuch()
      const done = this.#enter(cause, session, stanza)
      if (isPromise(done)) return this.#finish(cause, stanza, done)
    } catch (thrown) {
      this.#parts.dispatch.refuse(cause, stanza, thrown)
    }
    cause.end()
    return pressure.room(session.session)
  }

  /** This node may serve again. */
  ungate(): void {
    for (const go of this.#gated.splice(0)) go()
  }

  /** What was read and not entered goes with its sessions: a later life must not speak for them. */
  fenced(): void {
    this.#gated = []
  }

  async #finish(cause: Cause, stanza: Stanza, done: Promise<void>): Promise<void> {
    try {
      await done
    } catch (thrown) {
      this.#parts.dispatch.refuse(cause, stanza, thrown)
    }
    cause.end()
    await this.#parts.pressure.room(cause.osid)
  }

  async #whenServing(session: Session, stanza: Stanza, index: number): Promise<void> {
    await new Promise<void>((resolve) => this.#gated.push(resolve))
    if (this.#deps.sessions.byFull(session.jid) === session) await this.receive(session, stanza, index)
  }

  #enter(cause: Cause, session: Session, stanza: Stanza): Eventually<void> {
    switch (stanza.kind) {
      case 'message': {
        const to = stanza.to ?? session.account.jid       // RFC 6120 §10.3.1
        const addressed = stanza.to === undefined ? stanza.with({ to }) : stanza
        return this.#leave(cause, session, addressed, this.#deps.pipeline.message.leaving)
      }
      case 'presence': return this.#presence(cause, session, stanza)
      case 'iq': return this.#iq(cause, session, stanza)
      default: return stanza.kind satisfies never
    }
  }

  #presence(cause: Cause, session: Session, stanza: Stanza): Eventually<void> {
    const type = presenceType(stanza.type)
    if (type === undefined) throw new StanzaError('modify', 'bad-request', 'Not a type of presence')     // RFC 6121 §4.7.1
    if (stanza.to !== undefined) return this.#leave(cause, session, stanza, this.#deps.pipeline.presence.leaving)
    if (type === 'available' || type === 'unavailable') return this.#parts.devices.presence(cause, session, stanza)
    if (type !== 'error' && type !== 'probe') throw new StanzaError('modify', 'bad-request', 'Subscriptions are with somebody')
  }

  #iq(cause: Cause, session: Session, stanza: Stanza): Eventually<void> {
    if (stanza.type === 'error' || stanza.type === 'result') {
      if (stanza.id === undefined || stanza.to === undefined) return            // nobody asked us
    } else checkIq(stanza)
    const { to } = stanza
    if (to === undefined) {             // RFC 6120 §10.3.3
      if (!isRequest(stanza.type)) return
      return this.#parts.doors.request(cause, stanza, ['self', 'account', 'host'], session.account)
    }
    const toOther = (to.local !== '' || !this.#deps.domains.includes(to.domain)) && !to.bare.equals(session.account.jid)
    return this.#leave(cause, session, stanza, toOther ? this.#deps.pipeline.iq.leaving : null)
  }

  #leave(cause: Cause, session: Session, stanza: Stanza, steps: readonly Step[] | null): Eventually<void> {
    const { dispatch } = this.#parts
    if (steps === null) return dispatch.route(cause, cause.itself, stanza)
    const ctx = new HandlerContext(this.#deps.services, session.account, session, cause.itself)
    const passage = new Passage(steps, stanza, ctx).run()
    return isPromise(passage) ? passage.then((through) => this.#left(cause, through)) : this.#left(cause, passage)
  }

  #left(cause: Cause, { dropped, stanza, copies }: Passage): Eventually<void> {
    const { dispatch } = this.#parts
    if (dropped !== undefined) return dispatch.send(cause, dropped.instead)
    const routed = dispatch.route(cause, cause.itself, stanza)
    if (copies.length === 0) return routed
    return isPromise(routed) ? routed.then(() => dispatch.send(cause, copies)) : dispatch.send(cause, copies)
  }
}

function tooMuch(): StanzaError {
  return new StanzaError('wait', 'resource-constraint', 'The cluster does not answer; try again later')
}
