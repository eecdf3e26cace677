/** A session without a stream: what it was given lies in its inbox. */
import type { Mark } from '../../src/session/session.js'
import { offLog, type OriginKey, type StableLog } from '../../src/session/stable-log.js'
import { Entry, type Fork } from '../../src/session/unacked.js'
import type { LocalSession } from '../../src/session/sessions.js'
import type { Slot } from '../../src/session/slot.js'
import type { AccountRef } from '../../src/storage/store.js'
import type { StreamClosedReason } from '../../src/telemetry/reasons.js'
import { treesOf } from '../../src/xml/inside.js'
import type { Hlc } from '../../src/xmpp/hlc.js'
import type { Jid } from '../../src/xmpp/jid.js'
import type { Stanza } from '../../src/xmpp/stanza.js'

export interface FakeFacts {
  readonly jid: Jid
  readonly account: AccountRef
  readonly session: string
  readonly bound: Hlc
  readonly log?: StableLog
}

export class FakeSession implements LocalSession {
  readonly jid: Jid
  readonly account: AccountRef
  readonly session: string
  readonly bound: Hlc
  readonly secure = true
  readonly address = '127.0.0.1'
  readonly watermarks = new Map<string, Mark>()
  readonly detached = false
  unacked = 0
  /** With stream management: keeps what its client has not acknowledged. */
  managed = false
  #left: Entry[] = []
  readonly #log: StableLog
  #stable: Promise<void> | undefined
  presence: Stanza | undefined
  priority: number | undefined
  /** Why it was closed, and the condition of the error if there was one. */
  closed: string | undefined
  gateOpen = true
  index = 0
  /** Numbers of the stanzas that the router has dealt with. */
  readonly dealtWith = new Set<number>()
  readonly #slots = new Map<unknown, unknown>()
  readonly #onClose: (session: FakeSession, reason: StreamClosedReason, left: readonly Entry[]) => void
  #inbox: Stanza[] = []

  constructor(facts: FakeFacts, onClose: (session: FakeSession, reason: StreamClosedReason, left: readonly Entry[]) => void) {
    this.jid = facts.jid
    this.account = facts.account
    this.session = facts.session
    this.bound = facts.bound
    this.#onClose = onClose
    this.#log = facts.log ?? offLog
  }

  get<T>(slot: Slot<T>): T {
    return this.#slots.has(slot) ? this.#slots.get(slot) as T : slot.initial
  }

  set<T>(slot: Slot<T>, value: T): void {
    this.#slots.set(slot, value)
  }

  room(): undefined {}

  deliver(stanza: Stanza, to?: Jid, key?: OriginKey, fork?: Fork): true | Promise<void> {
    if (this.closed !== undefined) return true
    const entry = new Entry(stanza, to, key, fork)
    if (this.managed) this.#left.push(entry)
    else if (fork !== undefined) fork.done = true
    const write = (): void => void this.#inbox.push(to === undefined ? stanza : stanza.with({ to }))
    const stable = this.#log.append(entry)
    if (stable === true && this.#stable === undefined) {
      write()
      return true
    }
    this.#stable = Promise.all([this.#stable, stable]).then(write)
    return this.#stable
  }

  /** The client has acknowledged everything. */
  acknowledges(): void {
    for (const { fork } of this.#left.splice(0)) if (fork !== undefined) fork.done = true
  }

  handled(index: number): void {
    this.dealtWith.add(index)
  }

  /** The number up to which all are dealt with. */
  get h(): number {
    let h = 0
    while (this.dealtWith.has(h + 1)) h++
    return h
  }

  setPresence(presence: Stanza | undefined, priority: number | undefined): void {
    this.presence = presence
    this.priority = priority
  }

  close(error: { readonly condition: string } | undefined, reason: StreamClosedReason): void {
    if (this.closed !== undefined) return
    this.closed = error === undefined ? reason : `${reason} ${error.condition}`
    this.#onClose(this, reason, this.#left.splice(0))
  }

  gate(open: boolean): void {
    this.gateOpen = open
  }

  /** What came since the last call. */
  stanzas(): readonly Stanza[] {
    const all = this.#inbox
    this.#inbox = []
    return all
  }

  /** The same in short: kind, type, from, to, and what is inside. */
  got(): readonly string[] {
    return this.stanzas().map(short)
  }
}

/** `presence unsubscribed juliet@im.test > romeo@im.test <status>no</status>`; a type that is absent is left out. */
export function short(stanza: Stanza): string {
  const inside = treesOf(stanza.inside, 'jabber:client').map(String).join('').replaceAll('"', "'").replaceAll(" xmlns='jabber:client'", '')
  const addresses = `${stanza.from?.toString() ?? '-'} > ${stanza.to?.toString() ?? '-'}`
  return [stanza.kind, stanza.type, addresses, inside].filter((part) => part !== '').join(' ')
}
