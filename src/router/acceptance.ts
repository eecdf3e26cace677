/**
 * The destination's half: which devices of this node take a stanza, each exactly once and in order (I5). Owns the
 * watermarks' rule and the stanzas that wait for a device to finish reading what was stored for it.
 */
import { Drop, type Delivery } from '../pipeline/api.js'
import type { Pipeline } from '../pipeline/compile.js'
import { HandlerContext, type Services } from '../pipeline/context.js'
import { audienceOf, runDelivering } from '../pipeline/run.js'
import { eligible } from '../rules/addressing.js'
import type { Session } from '../session/session.js'
import type { Mark } from '../session/session.js'
import type { Fork } from '../session/unacked.js'
import type { Jid } from '../xmpp/jid.js'
import type { Stanza } from '../xmpp/stanza.js'
import { ordinal, type Mesh, type StanzaKey, type Verdict } from './envelope.js'
import type { Eventually } from './eventually.js'
import type { LocalSessions } from './local-sessions.js'
import { Parking } from './parking.js'
import type { OfflineRows } from './offline-rows.js'
import type { Shown } from './shown.js'
import type { NodeRef } from './strategy.js'

/** One question to the devices of this node. */
export interface Offer {
  readonly key: StanzaKey
  readonly stanza: Stanza
  readonly address: Jid
  readonly audience: string
  readonly except: Jid | undefined
  readonly prev: number
  readonly row: number
  readonly state: boolean
  readonly readdress: boolean
  readonly again: boolean
  /** The life that asks; `undefined` when it is this one. */
  readonly owner: NodeRef | undefined
}

export interface AcceptanceDeps {
  readonly sessions: LocalSessions
  readonly pipeline: Pipeline
  readonly services: Services
  readonly mesh: Mesh
  readonly shown: Shown
  readonly rows: OfflineRows
  /** Sends what a handler gives instead of, or besides, a stanza. */
  readonly send: (deliveries: readonly Delivery[]) => void
}

const NONE: Verdict = { kind: 'none' }
const ACCEPT: Verdict = { kind: 'accept' }
const GAP: Verdict = { kind: 'reject', why: 'gap' }

/** Origin sessions that one device remembers; beyond half of it the one that has been silent for longest is forgotten. */
const WATERMARKS_MAX = 4_096

export class Acceptance {
  readonly #deps: AcceptanceDeps
  readonly #parking: Parking<Offer>
  /** Of what is for this device and nobody else: nothing is done for it when the device is gone. */
  readonly #own: Fork = { done: true }
  /** All that is in the log is stable when this is `true`. */
  #stable: true | Promise<void> = true

  constructor(deps: AcceptanceDeps) {
    this.#deps = deps
    this.#parking = new Parking((offer) => this.#decide(offer))
  }

  /** Until `opened`, what arrives for the device waits, so that stored messages come first. */
  opening(session: Session): void {
    this.#parking.close(session.account.jid.toString(), session)
  }

  opened(session: Session): void {
    this.#parking.open(session.account.jid.toString(), session, this.#deps.mesh.serving())
  }

  /** This node may serve again. */
  ungate(): void {
    this.#parking.releaseAll()
  }

  /** This life is over: nobody waits for an answer any more. */
  reset(): void {
    this.#parking.clear()
  }

  get parked(): number {
    return this.#parking.size
  }

  offer(offer: Offer): Eventually<Verdict> {
    if (!this.#deps.mesh.serving() || (!offer.state && this.#parking.closed(offer.address))) {
      offer.stanza.pack()
      return this.#parking.park(offer, offer.stanza.inside.length)
    }
    return this.#decide(offer)
  }

  /** A stored stanza for a device that is opening: by its row and its key, past those that wait (D.7b, Bind). */
  takeStored(session: Session, stanza: Stanza, row: number, key: StanzaKey | undefined): void {
    if (!this.#deps.rows.take(session, row)) return
    if (key !== undefined) {
      const mark = markOf(session, key.osid)
      mark.last = Math.max(mark.last, ordinal(key))
    }
    const stable = this.#write(session, { stanza, key, to: undefined, fork: undefined })
    if (stable === true) this.#deps.rows.taken(session, row)
    else void stable.then(() => this.#deps.rows.taken(session, row), () => undefined)
  }

  #decide(offer: Offer): Eventually<Verdict> {
    const takers = this.#eligible(offer)
    if (takers.length === 0) return NONE
    if (offer.state) return this.#giveState(offer, takers)
    const { osid } = offer.key
    if (offer.prev > 0 && !offer.again && takers.some((session) => offer.prev > (session.watermarks?.get(osid)?.last ?? 0))) return GAP
    return this.#give(offer, takers)
  }

  #give(offer: Offer, takers: readonly Session[]): Eventually<Verdict> {
    const fork = this.#forkOf(offer, takers)
    for (const session of takers) {
      if (!takes(markOf(session, offer.key.osid), offer)) continue
      void this.#write(session, { stanza: offer.stanza, key: offer.key, to: addressFor(session, offer), fork })
    }
    const room = roomOf(takers)
    if (this.#stable === true && room === undefined) return this.#accepted(offer, takers)
    return Promise.all([this.#stable, room]).then(() => this.#accepted(offer, takers))
  }

  #forkOf({ audience, readdress }: Offer, takers: readonly Session[]): Fork | undefined {
    if (readdress || audience !== '') return this.#own
    return takers.length > 1 ? { done: false } : undefined
  }

  #accepted(offer: Offer, takers: readonly Session[]): Verdict {
    if (offer.row > 0 && takers[0] !== undefined) this.#deps.rows.remove(takers[0].account, offer.row)
    return ACCEPT
  }

  #giveState(offer: Offer, takers: readonly Session[]): Verdict {
    for (const session of takers) {
      if (offer.stanza.kind === 'presence' && !this.#isNews(session, offer)) continue
      void this.#write(session, { stanza: offer.stanza, key: offer.key, to: addressFor(session, offer), fork: this.#own })
    }
    return ACCEPT
  }

  #isNews(session: Session, { stanza, owner }: Offer): boolean {
    const late = owner !== undefined && stanza.type === 'unavailable' && stanza.from !== undefined &&
      this.#deps.sessions.byFull(stanza.from)?.presence !== undefined
    return !late && this.#deps.shown.passes(session, stanza, owner)
  }

  #eligible(offer: Offer): readonly Session[] {
    const { address, audience, except, stanza } = offer
    const { resource } = address
    if (resource !== '' && audience === '') {
      const session = this.#deps.sessions.byFull(address)
      return session === undefined || session.jid.equals(except) ? [] : [session]
    }
    const holds = audience === '' ? undefined : audienceOf(this.#deps.pipeline, audience, this.#deps.services.log)
    const takers: Session[] = []
    for (const session of this.#deps.sessions.byAccount(address)) {
      if (session.jid.equals(except) || (resource !== '' && session.jid.resource !== resource)) continue
      const facts = { resource: session.jid.resource, priority: session.priority }
      if (holds === undefined ? eligible(stanza, resource, facts) : holds(session)) takers.push(session)
    }
    return takers
  }

  /** The device's own handlers, the log, then the stream (I1). */
  #write(session: Session, what: Written): true | Promise<void> {
    const { pipeline, services, send } = this.#deps
    const key = what.key ?? { osid: session.session, index: 0, k: 0 }
    const tables = what.stanza.kind === 'iq' ? null : pipeline[what.stanza.kind].delivering
    let stanza: Stanza = what.stanza
    if (tables !== null) {
      const result = runDelivering(tables, stanza, session, new HandlerContext(services, session.account, session, key))
      if (result instanceof Drop) {
        send(result.instead)
        return true
      }
      stanza = result
    }
    if (stanza.kind === 'presence' && stanza.type === 'probe') return true      // between servers only (RFC 6121 §4.3)
    const stable = session.deliver(stanza, what.to, key, what.fork)
    if (stable !== true) this.#whenStable(stable)
    return this.#stable
  }

  #whenStable(stable: Promise<void>): void {
    const both = Promise.all([this.#stable, stable]).then(() => undefined)
    this.#stable = both
    void both.then(() => {
      if (this.#stable === both) this.#stable = true
    }, () => undefined)     // this life is fenced: nothing is accepted any more
  }
}

interface Written {
  readonly stanza: Stanza
  readonly key: StanzaKey | undefined
  readonly to: Jid | undefined
  readonly fork: Fork | undefined
}

function markOf(session: Session, osid: string): Mark {
  const watermarks = session.watermarks ??= new Map<string, Mark>()
  const known = watermarks.get(osid)
  if (known !== undefined && watermarks.size <= WATERMARKS_MAX / 2) return known
  const mark = known ?? { last: 0, since: Infinity, again: undefined }
  trim(watermarks, osid)
  watermarks.set(osid, mark)
  return mark
}

/** Whether the device has not got it yet; then it has it from now on. */
function takes(mark: Mark, offer: Offer): boolean {
  const number = ordinal(offer.key)
  if (offer.again) return takesAgain(mark, number, offer.stanza)
  if (number <= mark.last) return false
  mark.last = number
  if (mark.since === Infinity && offer.row === 0 && offer.audience === '' && offer.address.resource === '') mark.since = number
  return true
}

/**
 * What another device has left: below the mark there may be stanzas that went to that device alone. A device has it when it
 * was for all devices and this one took part in everything before and after, or when it was taken like this already.
 */
function takesAgain(mark: Mark, number: number, { to }: Stanza): boolean {
  if (to?.resource === '' && mark.since <= number && number <= mark.last) return false
  if (mark.again?.has(number) === true) return false
  mark.again = (mark.again ?? new Set()).add(number)
  mark.last = Math.max(mark.last, number)
  return true
}

/** Taken it is; but whoever sent it goes on when the slowest of them has room again. */
function roomOf(takers: readonly Session[]): Promise<unknown> | undefined {
  let all: Promise<unknown> | undefined
  for (const session of takers) {
    const room = session.room()
    if (room !== undefined) all = all === undefined ? room : Promise.all([all, room])
  }
  return all
}

/** The stanza's own `to` stays as it is (RFC 6121 §8.5.2.1.1); one that has none shows the address it went to. */
function addressFor(session: Session, offer: Offer): Jid | undefined {
  if (offer.readdress) return session.jid
  return offer.stanza.to === undefined ? offer.address : undefined
}

/** Keeps the order of the last use, as soon as there are many. */
function trim(watermarks: Map<string, Mark>, osid: string): void {
  watermarks.delete(osid)
  for (const oldest of watermarks.keys()) {
    if (watermarks.size < WATERMARKS_MAX) return
    watermarks.delete(oldest)
  }
}
