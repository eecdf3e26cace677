/**
 * A session: one bound device and its stream. Owns JID, presence, priority, slots; stamps `from`, counts what comes in.
 */
import type { Jid } from '../xmpp/jid.js'
import type { StreamError } from '../xmpp/errors.js'
import type { StreamClosedReason } from '../telemetry/reasons.js'
import type { Stanza } from '../xmpp/stanza.js'
import type { Device } from './device.js'

/** What pipeline and router use of a session. */
export interface Session extends Device {
  /** Writes a stanza to the client, with another `to` for pushes. False: the client is slow, the caller should wait for `drained`. */
  deliver(stanza: Stanza, to?: Jid): boolean
  /** The router has dealt with stanza `index` of this session; out of order is allowed, `h` grows as a prefix (I6). */
  handled(index: number): void
  /** The last available presence and its priority; `undefined` for unavailable. */
  setPresence(presence: Stanza | undefined, priority: number | undefined): void
  close(error: StreamError | undefined, reason: StreamClosedReason): void
  /** Origin sessions' highest accepted index, by `osid` (I5). */
  readonly watermarks: Map<string, number>
}
