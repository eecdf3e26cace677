/**
 * A domain that this server answers for: the host's IQ door, and the account half of every stanza for one of its users
 * (RFC 6121 §8.5), run once, on the node where the stanza entered.
 */
import type { Context } from '../pipeline/api.js'
import type { Pipeline, Step } from '../pipeline/compile.js'
import { HandlerContext, type Services } from '../pipeline/context.js'
import { Passage } from '../pipeline/run.js'
import { whenNoAccount } from '../rules/addressing.js'
import type { AccountRef } from '../storage/store.js'
import { StanzaError } from '../xmpp/errors.js'
import type { Jid } from '../xmpp/jid.js'
import { Stanza } from '../xmpp/stanza.js'
import type { Asks } from './asks.js'
import type { Cause } from './cause.js'
import type { DeliveryDesk, Target } from './delivery.js'
import type { Destination, Dispatch } from './dispatch.js'
import type { StanzaKey } from './envelope.js'
import { inOrder, isPromise, type Eventually } from './eventually.js'
import { isRequest, type IqDoors } from './iq-doors.js'

export interface ServedDomainDeps {
  readonly pipeline: Pipeline
  readonly services: Services
  readonly delivery: DeliveryDesk
  readonly asks: () => Asks
  readonly dispatch: () => Dispatch
  readonly doors: () => IqDoors
}

/** One presence stanza on its way to many. */
interface Fan {
  readonly cause: Cause
  readonly shared: Stanza
  readonly steps: readonly Step[] | null
  readonly targets: Target[]
  readonly errors: boolean
}

const target = (address: Jid): Target => ({ address, audience: '', except: undefined })
const withoutTo = (stanza: Stanza): Stanza => (stanza.to === undefined ? stanza : stanza.with({ to: undefined }))
const isBroadcast = ({ to, type }: Stanza): boolean => to === undefined && (type === '' || type === 'unavailable')
const unavailable = (): StanzaError => new StanzaError('cancel', 'service-unavailable')

export class ServedDomain implements Destination {
  readonly #deps: ServedDomainDeps

  constructor(deps: ServedDomainDeps) {
    this.#deps = deps
  }

  enter(cause: Cause, key: StanzaKey, stanza: Stanza): Eventually<void> {
    const { to } = stanza
    if (to === undefined) return
    if (to.local === '') return this.#host(cause, stanza, to)
    if (stanza.kind === 'presence') return this.presence(cause, stanza, [target(to)])
    const account = this.#find(cause, to)
    if (isPromise(account)) return account.then((found) => this.#account(cause, key, stanza, found))
    return this.#account(cause, key, stanza, account)
  }

  /** Contacts of one user, mostly: one envelope for each node. */
  presence(cause: Cause, stanza: Stanza, to: readonly Target[]): Eventually<void> {
    const directed = to.length === 1 && stanza.to?.equals(to[0]?.address) === true
    const shared = directed ? stanza : withoutTo(stanza)
    const fan: Fan = { cause, shared, steps: this.#deps.pipeline.presence.arriving, targets: [], errors: directed }
    const done = inOrder(to, (target) => this.#presenceTo(fan, target))
    if (isPromise(done)) return done.then(() => this.#flush(fan))
    this.#flush(fan)
  }

  /** RFC 6120 §10.5.1, §10.5.2. */
  #host(cause: Cause, stanza: Stanza, to: Jid): Eventually<void> {
    const account = cause.session?.account
    if (stanza.kind === 'iq' && isRequest(stanza.type) && to.resource === '' && account !== undefined) {
      return this.#deps.doors().request(cause, stanza, ['host'], account)
    }
    return this.#noAccount(cause, stanza)
  }

  /** RFC 6121 §8.5.1; a probe gets what a stranger's gets (§4.3.2). */
  #noAccount(cause: Cause, stanza: Stanza): Eventually<void> {
    const { from, to } = stanza
    const sender = cause.session?.account
    if (stanza.kind === 'iq' && isRequest(stanza.type) && to?.isBare === true && to.local !== '' && sender !== undefined) {
      return this.#deps.doors().request(cause, stanza, ['nobody'], sender)
    }
    const fate = whenNoAccount(stanza, to?.resource ?? '')
    if (fate === 'bounce') this.#deps.dispatch().refuse(cause, stanza, unavailable())
    if (fate !== 'unsubscribed' || from === undefined || to === undefined || to.local === '') return
    this.#deps.dispatch().answer(cause, Stanza.of({ kind: 'presence', type: 'unsubscribed', from: to.bare, to: from.bare }))
  }

  #account(cause: Cause, key: StanzaKey, stanza: Stanza, account: AccountRef | undefined): Eventually<void> {
    if (account === undefined) return this.#noAccount(cause, stanza)
    const { pipeline } = this.#deps
    const own = cause.session?.account.id === account.id
    const steps = stanza.kind === 'message' ? pipeline.message.arriving : pipeline.iq.arriving
    if (steps === null || (own && stanza.kind === 'iq')) return this.#arrived(cause, key, stanza, account)
    const passage = new Passage(steps, stanza, this.#context(cause, key, account)).run()
    if (isPromise(passage)) return passage.then((through) => this.#passed(cause, key, through, account))
    return this.#passed(cause, key, passage, account)
  }

  #passed(cause: Cause, key: StanzaKey, passage: Passage, account: AccountRef): Eventually<void> {
    const dispatch = this.#deps.dispatch()
    if (passage.dropped !== undefined) return dispatch.send(cause, passage.dropped.instead)
    const arrived = this.#arrived(cause, key, passage.stanza, account)
    const { copies } = passage
    if (copies.length === 0) return arrived
    return isPromise(arrived) ? arrived.then(() => dispatch.send(cause, copies)) : dispatch.send(cause, copies)
  }

  /** RFC 6121 §8.5.2.1.3: an IQ for a bare JID is answered here; all else is for devices. */
  #arrived(cause: Cause, key: StanzaKey, stanza: Stanza, account: AccountRef): Eventually<void> {
    const { to } = stanza
    if (to === undefined) return
    if (stanza.kind === 'iq' && to.resource === '') {
      const own = cause.session?.account.id === account.id
      if (isRequest(stanza.type)) return this.#deps.doors().request(cause, stanza, own ? ['self', 'account'] : ['account'], account)
      return
    }
    cause.begin()
    this.#deps.asks().submit({ cause, key, stanza, to, audience: '', except: undefined, readdress: false, mayStrand: true })
  }

  #flush({ cause, shared, targets }: Fan): void {
    if (targets.length > 0) this.#deps.delivery.state(cause, shared, targets, false)
  }

  #presenceTo(fan: Fan, to: Target): Eventually<void> {
    if (to.address.local === '') return
    if (fan.steps === null && fan.shared.type !== 'probe') {
      fan.targets.push(to)         // no account: no devices either
      return
    }
    if (isBroadcast(fan.shared) && this.#deps.delivery.nobody(to.address)) return       // RFC 6121 §8.5.2.2.2
    const account = this.#find(fan.cause, to.address)
    return isPromise(account) ? account.then((found) => this.#contact(fan, to, found)) : this.#contact(fan, to, account)
  }

  #contact(fan: Fan, to: Target, account: AccountRef | undefined): Eventually<void> {
    const seen = fan.shared.to === undefined ? fan.shared.with({ to: to.address }) : fan.shared
    if (account === undefined) return this.#noAccount(fan.cause, seen)
    const refuse = (thrown: unknown): void => {
      if (fan.errors) this.#deps.dispatch().refuse(fan.cause, seen, thrown)   // one of many does not answer with an error
    }
    try {
      const passage = new Passage(fan.steps ?? [], seen, this.#context(fan.cause, fan.cause.itself, account)).run()
      if (!isPromise(passage)) return this.#through(fan, { to, seen }, passage)
      return passage.then((through) => this.#through(fan, { to, seen }, through)).catch(refuse)
    } catch (thrown) {
      refuse(thrown)
    }
  }

  #through(fan: Fan, { to, seen }: { to: Target; seen: Stanza }, { dropped, stanza, copies }: Passage): Eventually<void> {
    const dispatch = this.#deps.dispatch()
    if (dropped !== undefined) return dispatch.send(fan.cause, dropped.instead)
    if (stanza === seen) fan.targets.push(to)
    else this.#deps.delivery.state(fan.cause, stanza, [to], false)
    return dispatch.send(fan.cause, copies)
  }

  /** A device that is there has an account: when that goes, the device goes with it. */
  #find({ session }: Cause, jid: Jid): Eventually<AccountRef | undefined> {
    return session?.account.jid.sameBare(jid) === true ? session.account : this.#deps.services.caches.findAccount(jid)
  }

  #context(cause: Cause, key: StanzaKey, account: AccountRef): Context {
    const device = cause.session?.account.id === account.id ? cause.session : undefined
    return new HandlerContext(this.#deps.services, account, device, key)
  }
}
