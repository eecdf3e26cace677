/**
 * What the strict parser yields: *head and inside*. The head is parsed; the inside stays bytes that are safe to
 * copy into any stream of ours. Owns the shapes and the limits; the parsers are `stream-parser.ts` and `document.ts`.
 */
export interface ChildName {
  readonly name: string
  readonly ns: string
}

/** Attributes without prefix, and `xml:lang`; a null-prototype record. Attributes in foreign namespaces are dropped from a root tag. */
export type Attributes = Readonly<Record<string, string>>

/** One first-level element of a stream, or one whole document. */
export interface RawElement {
  /** Local name; the namespace is resolved, the prefix gone. */
  readonly name: string
  readonly ns: string
  readonly attrs: Attributes
  /** Names of the child elements, in order. */
  readonly children: readonly ChildName[]
  /**
   * UTF-8 bytes between the root's start and end tag, empty if none. Self-contained: they need no declaration from
   * outside but the default namespace, which is this element's `ns`. Never a view on a socket's buffer that is reused.
   */
  readonly inside: Buffer
  /** True: copied as they came, they keep to the boring grammar. False: rewritten by our serializer. Both are safe to copy. */
  readonly boring: boolean
  /** Bytes of the whole element as received. */
  readonly size: number
  /**
   * An element in the namespace of streams or of framing stood inside, at any depth: nothing to route (RFC 6120 §8.4,
   * answer `not-acceptable`). `inside` and `children` are empty then.
   */
  readonly reserved?: true
}

/** The opening tag of a stream, as sent; the stream room judges it. */
export interface StreamHeader {
  readonly name: string
  readonly ns: string
  /** The default namespace declared (`xmlns`), '' if none. */
  readonly contentNs: string
  readonly attrs: Attributes
}

export type XmlCondition =
  | 'not-well-formed' | 'restricted-xml' | 'unsupported-encoding' | 'bad-namespace-prefix' | 'policy-violation'
  | 'bad-format' | 'invalid-namespace'

/** The bytes are refused. `condition` is the stream error to send, `application` an element name in `urn:xmpp:errors`. */
export class XmlFault extends Error {
  constructor(readonly condition: XmlCondition, message: string, readonly application?: 'stanza-too-big') {
    super(message)
    this.name = 'XmlFault'
  }
}

export interface XmlLimits {
  /** Bytes of one first-level element. */
  readonly stanzaBytes: number
  readonly elements: number
  readonly depth: number
  readonly attributes: number
  readonly namespaces: number
  readonly nameBytes: number
}
