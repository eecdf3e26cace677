/**
 * The life of a device as the rest of the cluster sees it: bound, available, unavailable, gone. Owns the order of these
 * against each other, and the `unavailable` of a stream that ends without one (RFC 6121 §4.5.2).
 */
import type { Delivery } from '../pipeline/api.js'
import type { Owned, Pipeline, Table } from '../pipeline/compile.js'
import type { LifeHandler } from '../pipeline/api.js'
import { HandlerContext, type Services } from '../pipeline/context.js'
import { Passage, runLife } from '../pipeline/run.js'
import { parsePriority } from '../rules/presence.js'
import type { Session } from '../session/session.js'
import type { Entry } from '../session/unacked.js'
import type { StableLog } from '../session/stable-log.js'
import type { StreamClosedReason } from '../telemetry/reasons.js'
import { StanzaError } from '../xmpp/errors.js'
import type { Hlc } from '../xmpp/hlc.js'
import type { Jid } from '../xmpp/jid.js'
import { NS_CLIENT, Stanza } from '../xmpp/stanza.js'
import type { Acceptance } from './acceptance.js'
import type { Cause, NodeLife } from './cause.js'
import type { Dispatch } from './dispatch.js'
import type { Mesh } from './envelope.js'
import type { Leftovers } from './leftovers.js'
import type { LocalSessions } from './local-sessions.js'
import { Pace } from './pace.js'
import type { Shown } from './shown.js'
import type { DeviceRecord, NodeRef, Strategy } from './strategy.js'

/** Of a presence that strategies tell other nodes: a batch must fit into a frame, whatever stanzas may hold. */
const TOLD_BYTES_MAX = 64 * 1024

export interface DevicesDeps {
  readonly pipeline: Pipeline
  readonly services: Services
  readonly sessions: LocalSessions
  readonly mesh: Mesh
  readonly strategy: Strategy
  readonly stableLog: StableLog
  readonly acceptance: Acceptance
  readonly shown: Shown
  readonly dispatch: Dispatch
  readonly life: NodeLife
  readonly leftovers: Leftovers
}

export class Devices {
  readonly #deps: DevicesDeps
  /** Farewells under way, by full JID: the next device of that name waits for them. */
  readonly #leaving = new Map<string, Promise<void>>()
  readonly #pace = new Pace()
  /** Changes of presence under way: a farewell waits for them, so that nothing is shown after it. */
  readonly #changing = new Map<Session, Promise<void>>()

  constructor(deps: DevicesDeps) {
    this.#deps = deps
  }

  /** For the strategy. */
  * records(): Iterable<DeviceRecord> {
    for (const session of this.#deps.sessions) yield this.#record(session)
  }

  async bound(session: Session): Promise<void> {
    const { mesh, strategy, stableLog, pipeline } = this.#deps
    await this.#leaving.get(session.jid.toString())
    const open = stableLog.append({ type: 'OPEN', session: session.session })
    if (open !== true) await open
    if (!this.#isHere(session)) return
    mesh.bound(session.jid, session.bound)
    await strategy.announce(this.#record(session))
    await this.#run(pipeline.life.bound, session)
  }

  /** Presence without `to` (RFC 6121 §4.2, §4.4, §4.5), and all that hangs on it. */
  async presence(cause: Cause, session: Session, stanza: Stanza): Promise<void> {
    const changing = this.#change(cause, session, stanza)
    this.#changing.set(session, changing)
    try {
      await changing
    } finally {
      this.#changing.delete(session)
    }
  }

  async #change(cause: Cause, session: Session, stanza: Stanza): Promise<void> {
    await this.#leaving.get(session.jid.toString())
    const available = stanza.type === ''
    const priority = available ? priorityOf(stanza) : undefined
    const passage = await this.#leave(cause, session, stanza)
    if (!this.#isHere(session)) return
    if (passage.dropped !== undefined) return this.#deps.dispatch.send(cause, passage.dropped.instead)
    if (available && priority !== undefined) await this.#available(session, { passage, priority, cause })
    else await this.#unavailable(session, passage.copies, cause)
  }

  /** Farewells that contacts have not heard yet. */
  get leaving(): number {
    return this.#leaving.size
  }

  ended(session: Session, reason: StreamClosedReason, left: readonly Entry[]): void {
    this.#deps.shown.forget(session)
    this.#deps.strategy.withdraw(this.#record(session))     // also when fenced: the next life must not name it again
    if (reason === 'fenced') return               // the others know; this life says nothing more
    this.#deps.acceptance.opened(session)
    this.#deps.leftovers.pass(session, left)
    const full = session.jid.toString()
    const farewell = this.#farewell(session, this.#leaving.get(full)).finally(() => {
      if (this.#leaving.get(full) === farewell) this.#leaving.delete(full)
    })
    this.#leaving.set(full, farewell)
  }

  async #available(session: Session, change: { passage: Passage; priority: number; cause: Cause }): Promise<void> {
    const { acceptance, strategy, dispatch, pipeline } = this.#deps
    const { passage, priority, cause } = change
    const before = session.priority
    const opens = before === undefined || (before < 0 && priority >= 0)
    if (opens && pipeline.life.available !== null) acceptance.opening(session)
    try {
      show(session, passage.stanza, priority)
      await strategy.announce(this.#record(session))
      await dispatch.send(cause, passage.copies)
      if (opens) await this.#run(pipeline.life.available, session)
    } finally {
      acceptance.opened(session)
    }
  }

  async #unavailable(session: Session, copies: readonly Delivery[], cause: Cause): Promise<void> {
    const { strategy, dispatch, pipeline, shown } = this.#deps
    const was = session.presence !== undefined
    show(session, undefined, undefined)
    shown.forget(session)
    await strategy.announce(this.#record(session))
    await dispatch.send(cause, copies)
    if (was) await this.#run(pipeline.life.unavailable, session)
  }

  /** @param earlier of a device of the same name */
  async #farewell(session: Session, earlier: Promise<void> | undefined): Promise<void> {
    const { dispatch, life, pipeline, services, stableLog } = this.#deps
    const cause = life.cause()
    try {
      if (earlier !== undefined) await earlier
      await this.#pace.turn()
      await this.#changing.get(session)?.catch(() => undefined)       // its sender has heard of it
      const replaced = this.#deps.sessions.byFull(session.jid)?.presence !== undefined
      if (session.presence !== undefined && !replaced) {
        const passage = await this.#leave(cause, session, Stanza.of({ kind: 'presence', type: 'unavailable', from: session.jid }))
        session.setPresence(undefined, undefined)
        await dispatch.send(cause, passage.dropped?.instead ?? passage.copies)
        await this.#run(pipeline.life.unavailable, session)
      }
      await this.#run(pipeline.life.ended, session)
      await stableLog.append({ type: 'CLOSE', session: session.session })
    } catch (err) {
      services.log.warn({ jid: session.jid.toString(), err }, 'device.farewell-failed')
    }
    cause.end()
  }

  #isHere(session: Session): boolean {
    return this.#deps.sessions.byFull(session.jid) === session
  }

  #leave(cause: Cause, session: Session, stanza: Stanza): Passage | Promise<Passage> {
    const { pipeline, services } = this.#deps
    const ctx = new HandlerContext(services, session.account, session, cause.itself)
    return new Passage(pipeline.presence.leaving ?? [], stanza, ctx).run()
  }

  async #run(table: Table<LifeHandler>, session: Session): Promise<void> {
    if (table === null) return
    const deliveries = await runLife(table satisfies readonly Owned<LifeHandler>[], session, this.#context(session))
    if (deliveries.length === 0) return
    const cause = this.#deps.life.cause()
    await this.#deps.dispatch.send(cause, deliveries)
    cause.end()
  }

  #context(session: Session): HandlerContext {
    return new HandlerContext(this.#deps.services, session.account, session, this.#deps.life.cause().itself)
  }

  #record(session: Session): DeviceRecord {
    return new SessionRecord(this.#deps.mesh.self, session)
  }
}

/** A device that begins or ceases to take what is for all takes part from then on (or no more). */
function show(session: Session, presence: Stanza | undefined, priority: number | undefined): void {
  const takes = (session.priority ?? -1) >= 0
  if (takes !== ((priority ?? -1) >= 0)) for (const mark of session.watermarks?.values() ?? []) mark.since = Infinity
  session.setPresence(presence, priority)
}

/** As it is at this moment; the presence becomes text only for a strategy that reads it. */
class SessionRecord implements DeviceRecord {
  readonly jid: Jid
  readonly session: string
  readonly hlc: Hlc
  readonly priority: number | undefined
  readonly #presence: Stanza | undefined

  constructor(readonly node: NodeRef, session: Session) {
    this.jid = session.jid
    this.session = session.session
    this.hlc = session.bound
    this.priority = session.priority
    this.#presence = session.presence
  }

  get presence(): string | undefined {
    const presence = this.#presence
    return (presence !== undefined && presence.inside.length > TOLD_BYTES_MAX ? presence.withChildren([]) : presence)?.toString()
  }
}

/** RFC 6121 §4.7.2.3. @throws StanzaError */
function priorityOf(stanza: Stanza): number {
  if (!stanza.has('priority', NS_CLIENT)) return 0
  const texts = stanza.children.flatMap((child, i) => {
    return child.name === 'priority' && child.ns === NS_CLIENT ? [stanza.elements()[i]?.text() ?? ''] : []
  })
  const priority = parsePriority(texts)
  if (priority === undefined) throw new StanzaError('modify', 'bad-request', 'A priority is a whole number from -128 to 127')
  return priority
}
