/** The devices of this node, as the router looks them up; the session room's registry is one. */
import type { Session } from '../session/session.js'
import type { Jid } from '../xmpp/jid.js'

export interface LocalSessions {
  byFull(jid: Jid): Session | undefined
  /** Empty when there are none. Not changed while it is being read. */
  byBare(jid: Jid): Iterable<Session>
  all(): Iterable<Session>
}
