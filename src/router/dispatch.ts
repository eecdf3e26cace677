/**
 * Destinations by domain, and what handlers want sent: deliveries in their order, neighbours with the same stanza as one.
 * Answers and errors back to whoever sent a stanza.
 */
import type { Delivery } from '../pipeline/api.js'
import { refusalOf } from '../pipeline/run.js'
import type { Log } from '../telemetry/log.js'
import { errorReply } from '../xmpp/error-stanza.js'
import { StanzaError } from '../xmpp/errors.js'
import type { Stanza } from '../xmpp/stanza.js'
import type { Acceptance } from './acceptance.js'
import type { Asks } from './asks.js'
import type { Cause, NodeLife } from './cause.js'
import type { DeliveryDesk, Target } from './delivery.js'
import type { StanzaKey } from './envelope.js'
import { inOrder, isPromise, type Eventually } from './eventually.js'
import type { LocalSessions } from './local-sessions.js'

/** Whoever answers for a domain. */
export interface Destination {
  /** One stanza with its `to`. */
  enter(cause: Cause, key: StanzaKey, stanza: Stanza): Eventually<void>
  /** One presence stanza to many of its addresses. */
  presence(cause: Cause, stanza: Stanza, to: readonly Target[]): Eventually<void>
}

export interface DispatchDeps {
  readonly destinations: ReadonlyMap<string, Destination>
  /** For domains that are not served here. */
  readonly abroad: Destination | undefined
  readonly sessions: LocalSessions
  readonly acceptance: Acceptance
  readonly delivery: DeliveryDesk
  readonly life: NodeLife
  readonly log: Log
  readonly asks: () => Asks
}

/** Neighbours that share stanza and way. */
type Run = readonly [Delivery, ...Delivery[]]

export class Dispatch {
  readonly #deps: DispatchDeps

  constructor(deps: DispatchDeps) {
    this.#deps = deps
  }

  route(cause: Cause, key: StanzaKey, stanza: Stanza): Eventually<void> {
    const destination = stanza.to === undefined ? undefined : this.#destination(stanza.to.domain)
    if (destination !== undefined) return destination.enter(cause, key, stanza)
    this.refuse(cause, stanza, new StanzaError('cancel', 'remote-server-not-found'))      // RFC 6120 §8.3.3.16
  }

  send(cause: Cause, deliveries: readonly Delivery[]): Eventually<void> {
    if (deliveries.length > 0) return inOrder(runsOf(deliveries), (run) => this.#run(cause, run))
  }

  /** For what the node does by itself: nobody waits for it, and a failure is only logged. */
  sendOwn(deliveries: readonly Delivery[]): void {
    if (deliveries.length === 0) return
    const cause = this.#deps.life.cause()
    try {
      const sending = this.send(cause, deliveries)
      if (isPromise(sending)) sending.catch((thrown: unknown) => this.#log(cause, thrown)).finally(() => cause.end())
      else cause.end()
    } catch (thrown) {
      this.#log(cause, thrown)
    }
  }

  /** To whoever sent the stanza: mostly the session that waits for it. */
  answer(cause: Cause, reply: Stanza): void {
    const { session } = cause
    const { to } = reply
    if (session !== undefined && (to === undefined || to.equals(session.jid) || to.equals(session.account.jid))) {
      void session.deliver(reply, session.jid, cause)
    } else if (to !== undefined) {
      this.sendOwn([{ stanza: reply, to, via: 'route', audience: '', except: undefined, readdress: false, row: 0 }])
    }
  }

  /** The error that answers `stanza`, if one may (RFC 6120 §8.3.1). */
  refuse(cause: Cause, stanza: Stanza, thrown: unknown): void {
    const key = `${cause.osid}:${cause.index}:0`
    const error = refusalOf(thrown, 'router', { key, log: this.#deps.log })
    const reply = stanza.from === undefined ? undefined : errorReply(stanza, error)
    if (reply !== undefined) this.answer(cause, reply)
  }

  #run(cause: Cause, run: Run): Eventually<void> {
    const [first] = run
    if (first.via === 'devices') this.#toDevices(cause, run)
    else if (first.stanza.kind === 'presence') return this.#presences(cause, run)
    else return inOrder(run, (delivery) => this.#own(cause, addressed(delivery)))
  }

  /** A refusal of what a handler sent is not one of the stanza that made it do so: it goes to its own sender (trap 17). */
  #own(cause: Cause, stanza: Stanza): Eventually<void> {
    const refuse = (thrown: unknown): void => this.refuse(cause, stanza, thrown)
    try {
      const routing = this.route(cause, this.#key(cause), stanza)
      return isPromise(routing) ? routing.catch(refuse) : routing
    } catch (thrown) {
      refuse(thrown)
    }
  }

  #toDevices(cause: Cause, run: Run): void {
    const [{ stanza, readdress }] = run
    for (const delivery of run) {
      const { to, audience, except, row, key } = delivery
      const session = row > 0 ? this.#deps.sessions.byFull(to) : undefined
      if (session !== undefined) this.#deps.acceptance.takeStored(session, stanza, row, keyOf(key))
      if (row > 0 || stanza.kind !== 'message') continue
      cause.begin()
      const sent = { cause, key: this.#key(cause), stanza, to, audience, except, readdress, mayStrand: false }
      this.#deps.asks().submit(sent)
    }
    if (stanza.kind === 'message' || run[0].row > 0) return
    this.#deps.delivery.state(cause, stanza, run.map(({ to, audience, except }) => ({ address: to, audience, except })), readdress)
  }

  #presences(cause: Cause, run: Run): Eventually<void> {
    const [{ stanza }] = run
    const byDomain = new Map<string, Target[]>()
    for (const { to, audience, except } of run) {
      const target = { address: to, audience, except }
      const targets = byDomain.get(to.domain)
      if (targets === undefined) byDomain.set(to.domain, [target])
      else targets.push(target)
    }
    return inOrder([...byDomain], ([domain, targets]) => this.#destination(domain)?.presence(cause, stanza, targets))
  }

  #destination(domain: string): Destination | undefined {
    return this.#deps.destinations.get(domain) ?? this.#deps.abroad
  }

  #key(cause: Cause): StanzaKey {
    return cause.next() ?? this.#deps.life.cause().itself
  }

  #log(cause: Cause, thrown: unknown): void {
    refusalOf(thrown, 'router', { key: `${cause.osid}:${cause.index}:0`, log: this.#deps.log })
  }
}

function addressed({ stanza, to }: Delivery): Stanza {
  return stanza.to?.equals(to) === true ? stanza : stanza.with({ to })
}

function runsOf(deliveries: readonly Delivery[]): readonly Run[] {
  const runs: [Delivery, ...Delivery[]][] = []
  for (const delivery of deliveries) {
    const last = runs[runs.length - 1]
    const first = last?.[0]
    const same = first?.stanza === delivery.stanza && first.via === delivery.via && first.readdress === delivery.readdress
    if (last !== undefined && same) last.push(delivery)
    else runs.push([delivery])
  }
  return runs
}

/** `osid:index:k` as a row keeps it. */
function keyOf(text: string | undefined): StanzaKey | undefined {
  const [, osid, index, k] = /^([0-9a-f]{32}):(\d{1,15}):(\d{1,3})$/.exec(text ?? '') ?? []
  return osid === undefined ? undefined : { osid, index: Number(index), k: Number(k) }
}
