/**
 * A bound resource as the rest of the house sees it: read-only facts and slots. The session behind it is
 * `session/session.ts`.
 */
import type { Hlc } from '../xmpp/hlc.js'
import type { Jid } from '../xmpp/jid.js'
import type { Stanza } from '../xmpp/stanza.js'
import type { AccountRef } from '../storage/store.js'
import type { Slot } from './slot.js'

export interface Device {
  /** The full JID. */
  readonly jid: Jid
  readonly account: AccountRef
  /** Session id, 32 hexadecimal digits; the `osid` of what it sends. */
  readonly session: string
  /** When it bound; decides resource conflicts. */
  readonly bound: Hlc
  /** The last available presence; `undefined` before initial presence and after unavailable. */
  readonly presence: Stanza | undefined
  /** -128 to 127; `undefined` like `presence`. */
  readonly priority: number | undefined
  readonly secure: boolean
  /** The client's address. */
  readonly address: string
  get<T>(slot: Slot<T>): T
  set<T>(slot: Slot<T>, value: T): void
}
