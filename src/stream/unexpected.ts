/** First-level elements that nobody wants: what the stream ends with (RFC 6120 §4.8, §4.9). */
import type { RawElement } from '../xml/raw.js'
import { StreamError } from '../xmpp/errors.js'
import { NS_CLIENT, NS_SERVER, NS_STREAMS } from './namespaces.js'

/** The peer has said a stream error. */
export class PeerError extends Error {
  constructor(condition: string) {
    super(`the client said ${condition.slice(0, 100)}`)
    this.name = 'PeerError'
  }
}

export function isStanza(name: string): boolean {
  return name === 'message' || name === 'presence' || name === 'iq'
}

export function refuseUnexpected(element: RawElement): never {
  if (element.ns === NS_STREAMS && element.name === 'error') {          // §4.9.1.1
    throw new PeerError(element.children[0]?.name ?? 'no condition')
  }
  if (element.ns === NS_SERVER) {                                       // §4.8.3
    throw new StreamError('invalid-namespace', `Stanzas here are in ${NS_CLIENT}`)
  }
  if (element.ns === NS_CLIENT && isStanza(element.name)) {             // §4.3.5, §4.9.3.12
    throw new StreamError('not-authorized', 'Log in and bind a resource first')
  }
  throw new StreamError('unsupported-stanza-type')                      // §4.8.4
}
