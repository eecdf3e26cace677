/**
 * The strict parser for byte streams (TCP): one document that stays open, first-level elements as they complete.
 */
import type { RawElement, StreamHeader, XmlFault } from './raw.js'

/** Receives what a stream parser finds. Returning `false` from `element` or `header` holds the parser until `release()`. */
export interface ParserSink {
  header(header: StreamHeader): boolean
  element(element: RawElement): boolean
  /** The closing tag of the stream. */
  end(): void
  /** The parser is dead after this. */
  fault(fault: XmlFault): void
}
