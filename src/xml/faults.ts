/** The refusals of the parser, by condition (RFC 6120 §4.9.3). */
import { XmlFault } from './raw.js'

/** RFC 6120 §4.9.3.13. */
export function malformed(what: string): XmlFault {
  return new XmlFault('not-well-formed', what)
}

/** RFC 6120 §4.9.3.18 and §11.1: comments, processing instructions, DTDs, entities of one's own. */
export function restricted(what: string): XmlFault {
  return new XmlFault('restricted-xml', what)
}

/** RFC 6120 §4.9.3.22 and §11.6. */
export function badEncoding(what: string): XmlFault {
  return new XmlFault('unsupported-encoding', what)
}

/** A limit of ours, RFC 6120 §4.9.3.14. */
export function tooMuch(what: string): XmlFault {
  return new XmlFault('policy-violation', what)
}

/** RFC 6120 §13.12; the application condition of XEP-0205 §4.5. */
export function tooBig(limit: number): XmlFault {
  return new XmlFault('policy-violation', `an element of more than ${limit} bytes`, 'stanza-too-big')
}

/** RFC 6120 §4.9.3.2. */
export function badPrefix(what: string): XmlFault {
  return new XmlFault('bad-namespace-prefix', what)
}
