/**
 * What a session needs from the rooms above it: the pipeline and the router implement this.
 */
import type { StreamClosedReason } from '../telemetry/reasons.js'
import type { Jid } from '../xmpp/jid.js'
import type { Stanza } from '../xmpp/stanza.js'
import type { Session } from './session.js'
import type { Entry } from './unacked.js'

export interface SessionHandler {
  /**
   * The device is registered here; resolves when a stanza from any node finds it, and the bind result may be sent.
   * Rejects with a `StanzaError`.
   */
  bound(session: Session): Promise<void>
  /**
   * One stanza, `from` stamped, `to` parsed. `index` counts from 1. A returned promise pauses reading until it settles:
   * one stream, one stanza at a time. When all destinations have answered, the router calls `session.handled(index)`.
   */
  receive(session: Session, stanza: Stanza, index: number): void | Promise<void>
  /**
   * The session is over for good and already out of the registry. `presence` was what contacts knew last; `left` is what
   * its client has not acknowledged, in order.
   */
  ended(session: Session, reason: StreamClosedReason, left: readonly Entry[]): void
  /** A stanza with an address that cannot be parsed; answer or drop it (RFC 6120 §8.3.3.8). */
  malformed(session: Session, kind: Stanza['kind'], id: string | undefined, type: string, badTo: string): void
  /** Devices of this account in the whole cluster, for the limit of resources; may be an estimate. */
  devicesOf(account: Jid): number
}
