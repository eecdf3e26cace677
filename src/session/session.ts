/**
 * A session: one bound device and its stream. Owns JID, presence, priority, slots; stamps `from`, counts what comes in.
 */
import type { Jid } from '../xmpp/jid.js'
import type { StreamError } from '../xmpp/errors.js'
import type { StreamClosedReason } from '../telemetry/reasons.js'
import type { Stanza } from '../xmpp/stanza.js'
import type { Device } from './device.js'
import type { OriginKey } from './stable-log.js'
import type { Fork } from './unacked.js'

/** Of one origin session, as ordinals. */
export interface Mark {
  /** The highest that was accepted. */
  last: number
  /** Since here the device takes part in everything for the account; `Infinity`: not yet. */
  since: number
  /** What it took later, because another device had left it. */
  again: Set<number> | undefined
}

/** What pipeline and router use of a session. */
export interface Session extends Device {
  /**
   * Accepts a stanza for the client, with another `to` for pushes. `true`: it is stable, an ACCEPT may go; otherwise once the
   * promise resolves (I1). `fork` is shared by all devices that take it.
   */
  deliver(stanza: Stanza, to?: Jid, key?: OriginKey, fork?: Fork): true | Promise<void>
  /** Much waits for the client: resolves when it has taken some of it, or after a while. Until then no ACCEPT goes. */
  room(): Promise<void> | undefined
  /** The router has dealt with stanza `index` of this session; out of order is allowed, `h` grows as a prefix (I6). */
  handled(index: number): void
  /** The last available presence and its priority; `undefined` for unavailable. */
  setPresence(presence: Stanza | undefined, priority: number | undefined): void
  close(error: StreamError | undefined, reason: StreamClosedReason): void
  /** What the device has of other sessions, by `osid` (I5); nothing before the first. Kept as long as the session (trap 13). */
  watermarks: Map<string, Mark> | undefined
}
