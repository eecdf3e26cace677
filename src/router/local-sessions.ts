/** The devices of this node, as the router uses them; `session/sessions.ts` is one. */
import type { Session } from '../session/session.js'
import type { StreamClosedReason } from '../telemetry/reasons.js'
import type { Hlc } from '../xmpp/hlc.js'
import type { Jid } from '../xmpp/jid.js'

export interface LocalSessions extends Iterable<Session> {
  byFull(jid: Jid): Session | undefined
  /** By the account's bare JID, oldest first. The list never changes; ask again. */
  byAccount(jid: Jid): readonly Session[]
  /** A device of `jid` bound on another node. True: ours was the older bind and is closed. */
  conflictWith(jid: Jid, hlc: Hlc, node: string): boolean
  /** Returns how many devices were closed. */
  closeAccount(jid: Jid, why: 'account-removed', now: number): number
  /** Nothing is read from or written to any client while shut. */
  gate(open: boolean): void
  /** At once and without a word. */
  abort(reason: Extract<StreamClosedReason, 'fenced' | 'isolated'>): void
}
