/**
 * What WebSocket and the transport in memory share: each message is a document of its own, and `<open/>` and `<close/>`
 * stand for the tags of the stream (RFC 7395 §3.3).
 */
import { isBlank, parseDocument } from '../xml/document.js'
import type { RawElement, StreamHeader, XmlLimits } from '../xml/raw.js'
import type { Pace } from './pace.js'
import type { TransportSink } from './transport.js'

export const FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing'

export class Framing {
  #awaitsOpen = true

  restart(): void {
    this.#awaitsOpen = true
  }

  get awaitsOpen(): boolean {
    return this.#awaitsOpen
  }

  /**
   * Hands one message to the sink, its name to `count` first; throws `XmlFault`. True for `<close/>`, which is the caller's to
   * pass on.
   */
  deliver(message: Buffer, limits: XmlLimits, sink: TransportSink, count?: Pick<Pace, 'stanza'>): boolean {
    if (isBlank(message)) return false
    const element = parseDocument(message, limits)
    // RFC 7395 §3.6: <close/> ends the stream, whatever came before it
    if (element.ns === FRAMING && element.name === 'close') return true
    if (this.#awaitsOpen) {
      this.#awaitsOpen = false
      sink.header(headerOf(element))
    } else {
      count?.stanza(element.name)
      sink.element(element)
    }
    return false
  }
}

/** RFC 7395 §3.4: `<open/>` stands for the stream header; anything else in its place is judged by the stream. */
function headerOf(element: RawElement): StreamHeader {
  return { name: element.name, ns: element.ns, contentNs: 'jabber:client', attrs: element.attrs }
}
