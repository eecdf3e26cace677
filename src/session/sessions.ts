/**
 * The devices of this node: by full JID, by account, by session id. Decides who keeps a full JID (the bind with the
 * higher clock and node name), holds and closes them all.
 */
import { StreamError } from '../xmpp/errors.js'
import { compareHlc, type Hlc } from '../xmpp/hlc.js'
import type { Jid } from '../xmpp/jid.js'
import type { Session } from './session.js'

/** What the node itself may do to a session of its own. */
export interface LocalSession extends Session {
  gate(open: boolean): void
  /** Without a stream, until its client comes back. */
  readonly detached: boolean
  /** Stanzas that its client has not acknowledged. */
  readonly unacked: number
}

/** Whoever holds streams, bound or not: the door of the clients. */
export interface StreamHolder {
  gate(open: boolean): void
  shutdown(): void
  abort(reason: 'fenced' | 'isolated'): void
}

/** One bind of a full JID. */
export interface BindClaim {
  readonly hlc: Hlc
  readonly node: string
}

/** Of two binds of one full JID exactly one wins, whoever compares. */
export function wins(a: BindClaim, b: BindClaim): boolean {
  const order = compareHlc(a.hlc, b.hlc)
  return order === 0 ? a.node > b.node : order > 0
}

/** Why all of an account's devices are closed at once, and what they hear. */
const ENDS = {
  'account-removed': ['not-authorized', 'This account was removed'],
  'account-disabled': ['not-authorized', 'This account was disabled'],
  'password-changed': ['reset', 'The password was changed: log in again']                 // RFC 6120 §4.9.3.16
} as const
export type AccountEnd = keyof typeof ENDS
export const isAccountEnd = (kind: string): kind is AccountEnd => Object.hasOwn(ENDS, kind)

const NONE: readonly Session[] = []
const NOBODY: readonly LocalSession[] = []
/** Longer than any login takes. */
const ENDS_KEPT_MS = 600_000
const ENDS_MAX = 10_000

export class Sessions implements Iterable<Session> {
  readonly #node: string
  readonly #byFull = new Map<string, LocalSession>()
  readonly #byAccount = new Map<string, readonly LocalSession[]>()
  readonly #byId = new Map<string, LocalSession>()
  readonly #holders: StreamHolder[] = []
  #gateOpen = true
  /** By bare JID, in the order of their times. */
  readonly #ends = new Map<string, { readonly why: AccountEnd, readonly at: number }>()

  /** @param node this node's name */
  constructor(node: string) {
    this.#node = node
  }

  get node(): string {
    return this.#node
  }

  get size(): number {
    return this.#byFull.size
  }

  /** Those that wait for their client, and stanzas that clients have not acknowledged. */
  count(): { readonly detached: number; readonly unacked: number } {
    let [detached, unacked] = [0, 0]
    for (const session of this.#byFull.values()) {
      if (session.detached) detached++
      unacked += session.unacked
    }
    return { detached, unacked }
  }

  /** False while this node may not serve. */
  get gateOpen(): boolean {
    return this.#gateOpen
  }

  byFull(jid: Jid): Session | undefined {
    return this.#byFull.get(jid.toString())
  }

  /** By the account's bare JID, oldest first. The list never changes; ask again. */
  byAccount(jid: Jid): readonly Session[] {
    return this.#byAccount.get(jid.bare.toString()) ?? NONE
  }

  byId(session: string): Session | undefined {
    return this.#byId.get(session)
  }

  [Symbol.iterator](): Iterator<Session> {
    return this.#byFull.values()
  }

  /** Newer wins: an older device of the same full JID is closed with `conflict` (RFC 6120 §7.7.2.2, the third way). */
  add(session: LocalSession): void {
    const full = session.jid.toString()
    const bare = session.jid.bare.toString()
    const older = this.#byFull.get(full)
    if (older !== undefined) this.remove(older)
    this.#byFull.set(full, session)
    this.#byId.set(session.session, session)
    this.#byAccount.set(bare, (this.#byAccount.get(bare) ?? NOBODY).concat(session))
    if (!this.#gateOpen) session.gate(false)
    if (older !== undefined) this.#replace(older)       // what it leaves goes to the newer one
  }

  remove(session: LocalSession): void {
    const full = session.jid.toString()
    const bare = session.jid.bare.toString()
    if (this.#byId.get(session.session) !== session) return
    this.#byId.delete(session.session)
    if (this.#byFull.get(full) === session) this.#byFull.delete(full)
    const rest = (this.#byAccount.get(bare) ?? []).filter((other) => other !== session)
    if (rest.length === 0) this.#byAccount.delete(bare)
    else this.#byAccount.set(bare, rest)
  }

  /**
   * A device of `jid` bound on another node. True: ours had the lower claim and is closed. The other node compares the
   * same pair and does the opposite.
   */
  conflictWith(jid: Jid, hlc: Hlc, node: string): boolean {
    const ours = this.#byFull.get(jid.toString())
    if (ours === undefined || wins({ hlc: ours.bound, node: this.#node }, { hlc, node })) return false
    this.#replace(ours)
    return true
  }

  /**
   * Nobody stays, and nobody binds who came before; but with a changed password the device that has `jid`, if that is a full JID,
   * and devices without a stream, for who resumes them must log in first. Returns how many were closed.
   */
  closeAccount(jid: Jid, why: AccountEnd, now: number): number {
    this.#remember(jid.bare.toString(), why, now)
    const devices = (this.#byAccount.get(jid.bare.toString()) ?? []).filter((device) =>
      why !== 'password-changed' || !(device.detached || device.jid.equals(jid)))
    for (const device of devices) device.close(endOf(why), why)
    return devices.length
  }

  /** Of a connection that came at `since`, and may have logged in with what is good for nothing by now. @throws StreamError */
  checkLogin(account: Jid, since: number): void {
    const end = this.#ends.get(account.toString())
    if (end !== undefined && end.at >= since) throw endOf(end.why)
  }

  #remember(account: string, why: AccountEnd, at: number): void {
    this.#ends.delete(account)
    this.#ends.set(account, { why, at })
    for (const [oldest, end] of this.#ends) {
      if (end.at > at - ENDS_KEPT_MS && this.#ends.size <= ENDS_MAX) return
      this.#ends.delete(oldest)
    }
  }

  /** What happens to all devices happens to the streams of `holder` that are not bound, too. */
  attach(holder: StreamHolder): void {
    this.#holders.push(holder)
  }

  /** The isolation rule: while shut nothing is read from and nothing written to any client. */
  gate(open: boolean): void {
    this.#gateOpen = open
    for (const session of [...this.#byFull.values()]) session.gate(open)
    for (const holder of this.#holders) holder.gate(open)
  }

  /** RFC 6120 §4.9.3.20: everybody is told and closed. */
  shutdown(): void {
    for (const holder of this.#holders) holder.shutdown()
    this.#closeDetached('shutdown')
  }

  /** At once, without a word: nothing more may reach or leave a client of this node. */
  abort(reason: 'fenced' | 'isolated'): void {
    for (const holder of this.#holders) holder.abort(reason)
    if (reason === 'fenced') this.#closeDetached(reason)
  }

  #closeDetached(reason: 'shutdown' | 'fenced'): void {
    for (const session of [...this.#byFull.values()]) if (session.detached) session.close(undefined, reason)
  }

  #replace(session: LocalSession): void {
    this.remove(session)
    session.close(new StreamError('conflict', 'Another device took this resource'), 'conflict')
  }
}

function endOf(why: AccountEnd): StreamError {
  const [condition, text] = ENDS[why]
  return new StreamError(condition, text)
}
