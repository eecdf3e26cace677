/**
 * What may wait while nobody looks at a client (XEP-0352 §3.2): presence and typing notices, of which only the newest word
 * counts. Pure.
 */
import type { Stanza } from '../xmpp/stanza.js'

/** XEP-0085. */
const NS_CHAT_STATES = 'http://jabber.org/protocol/chatstates'
const NS_MUC_USER = 'http://jabber.org/protocol/muc#user'
/** What may stand beside a chat state and tells a person nothing: the state, hints (XEP-0334), ids (XEP-0359). */
const WORDLESS: ReadonlySet<string> = new Set([NS_CHAT_STATES, 'urn:xmpp:hints', 'urn:xmpp:sid:0'])

/** On what the stanza is the newest word: it may wait, and an earlier one is void. `undefined`: it must not wait. */
export function topicOf(stanza: Stanza): string | undefined {
  switch (stanza.kind) {
    case 'presence': return isAvailability(stanza) ? `presence ${stanza.from?.toString()}` : undefined
    case 'message': return isTyping(stanza) ? `typing ${stanza.type} ${stanza.from?.toString()}` : undefined
    case 'iq': return undefined
    default: return stanza.kind satisfies never
  }
}

// Who asks for a subscription or hears of an error wants to know, as does who is let into a room or thrown out (XEP-0045).
function isAvailability(presence: Stanza): boolean {
  if (presence.type !== '' && presence.type !== 'unavailable') return false
  return presence.child('x', NS_MUC_USER)?.getChild('status') === undefined
}

function isTyping({ type, children }: Stanza): boolean {
  return type !== 'error' && children.some(({ ns }) => ns === NS_CHAT_STATES)
    && children.every(({ name, ns }) => WORDLESS.has(ns) || name === 'thread')
}
