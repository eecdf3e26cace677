/**
 * Requests to the devices of one account about its own presence: presence of type `probe` that each device answers for
 * itself, where it is, and never shows its client. A plain probe asks for the last presence; marks ask for less.
 */
import { xml } from '../xml/element.js'
import type { Jid } from '../xmpp/jid.js'
import { Stanza } from '../xmpp/stanza.js'

const NS_REQUEST = 'urn:starling:presence-request'

/**
 * - `show`: the last presence to whoever asks
 * - `hide`: unavailable to whoever asks
 * - `directed`: mere presence, and only if this device has sent some to whoever asks (RFC 6121 §4.6.6)
 * - `blocked`: unavailable to all whom the sender's address covers and directed presence has shown this device (XEP-0191 §3.3)
 * - `granted`: nothing; the sender has shown itself to this device directly, which may therefore ask it things
 */
export type PresenceRequest = 'show' | 'hide' | 'directed' | 'blocked' | 'granted'

/** @param from who gets the answers  @param to the account, or one of its devices */
export function presenceRequest(what: PresenceRequest, from: Jid, to: Jid): Stanza & { readonly to: Jid } {
  const mark = what === 'show' ? [] : [xml(what, { xmlns: NS_REQUEST })]
  return Stanza.of({ kind: 'presence', type: 'probe', from, to }, ...mark) as Stanza & { readonly to: Jid }
}

/** What the probe asks for. */
export function requested(probe: Stanza): PresenceRequest {
  const mark = probe.children.find((child) => child.ns === NS_REQUEST)?.name
  switch (mark) {
    case 'hide': case 'directed': case 'blocked': case 'granted': return mark
    default: return 'show'
  }
}
