/**
 * What a row of the corpus is: bytes that a peer sends in some state of its stream, and what must come of it. Data only;
 * `runner.ts` plays it over every transport that the row names.
 */
export type Form = 'tcp' | 'starttls' | 'tls' | 'websocket' | 'bosh'

export const FORMS: readonly Form[] = ['tcp', 'starttls', 'tls', 'websocket', 'bosh']
/** Of stanzas, which no longer know how TLS began: one way of TLS is enough. */
export const STANZA_FORMS: readonly Form[] = ['tcp', 'tls', 'websocket', 'bosh']
/** Byte streams: one parser state, whatever is around the socket. */
export const STREAMS: readonly Form[] = ['tcp', 'starttls', 'tls']
/** Streams that TLS protects. */
export const SECURE: readonly Form[] = ['starttls', 'tls']

/**
 * `RAW`: connected, nothing sent. `PRE`: header sent, features received. `AUTH`: logged in, no resource bound.
 * `ON`: alice is logged in without stream management, has bound, asked for her roster and sent initial presence.
 * `SM`: the same with stream management enabled, to be resumed.
 */
export type State = 'RAW' | 'PRE' | 'AUTH' | 'ON' | 'SM'

/**
 * Text may have the placeholders {ns} (the stanza's namespace where the transport needs it), {alice} (her full address),
 * {bob} (his, on the other node), {trap} (a port where nobody may ever connect). Pieces are joined.
 */
export type Bytes = string | Uint8Array | readonly (string | Uint8Array)[]

export type Expect =
  /** Stream error, end of the stream, end of the connection. `xml`: found by the parser, so that BOSH refuses the request. */
  | { readonly is: 'SE', readonly condition: string, readonly application?: string, readonly xml?: boolean, readonly level?: 'warn' }
  /** One error stanza, and the stream stays open. */
  | { readonly is: 'XE', readonly type: string, readonly condition: string, readonly from?: string, readonly application?: string,
    /** Id of the error; `x` when not given, which is what rows send. */
    readonly id?: string,
    /** Must not be in the answer: what was secret in the question. */
    readonly hides?: string }
  /** One SASL failure, and the stream stays open. */
  | { readonly is: 'SF', readonly condition: string }
  /** One failure of stream management, and the stream stays open. */
  | { readonly is: 'FAILED', readonly condition: string }
  /** Nothing comes back, and the stream stays open. */
  | { readonly is: 'drop' }
  /**
   * Handled as usual. `answer`: what comes back, as text. `delivers`: what bob gets, as text; without it nothing.
   */
  | { readonly is: 'pass', readonly answer?: RegExp, readonly delivers?: RegExp }
  /** The connection ends without a stream error; `code` is WebSocket's. */
  | { readonly is: 'close', readonly code?: number, readonly text?: RegExp }

export interface Case {
  /** Tells cases of one row apart. */
  readonly what?: string
  readonly send: Bytes
  readonly expect: Expect
  /** Where a transport's own rules say otherwise. */
  readonly on?: Partial<Record<Form, Expect>>
  /** `byte`: each byte in a segment of its own, where there are segments. */
  readonly cut?: 'byte'
  /** Stanzas that make the scene, each answered without an error, and what clears it away again. */
  readonly before?: readonly string[]
  readonly after?: readonly string[]
  /** One failure of stream management before the stream error. */
  readonly also?: string
  /** But for addresses the answers of all such cases of a row are the same, byte for byte. */
  readonly alike?: boolean
  /** Log lines besides the one of the stream's end, by event. */
  readonly alsoLogged?: readonly string[]
}

export interface Row {
  readonly id: string
  /** What is sent and what comes of it, in a sentence. */
  readonly says: string
  /** Sections of the specifications, or `ours` where they leave it open. */
  readonly spec: string
  readonly state: State
  readonly forms: readonly Form[]
  readonly cases: readonly Case[]
}

export const SE = (condition: string, application?: string): Expect =>
  ({ is: 'SE', condition, ...application !== undefined && { application } })
export const XML = (condition: string, application?: string): Expect =>
  ({ is: 'SE', condition, xml: true, ...application !== undefined && { application } })
type StanzaErrorMore = Pick<Extract<Expect, { is: 'XE' }>, 'from' | 'application' | 'id' | 'hides'>
export const XE = (type: string, condition: string, more: StanzaErrorMore = {}): Expect =>
  ({ is: 'XE', type, condition, ...more })
export const SF = (condition: string): Expect => ({ is: 'SF', condition })
export const FAILED = (condition: string): Expect => ({ is: 'FAILED', condition })
export const DROP: Expect = { is: 'drop' }
export const CLOSE: Expect = { is: 'close' }
export const pass = (delivers?: RegExp, answer?: RegExp): Expect =>
  ({ is: 'pass', ...delivers !== undefined && { delivers }, ...answer !== undefined && { answer } })

export const hex = (digits: string): Uint8Array => Buffer.from(digits.replace(/\s/g, ''), 'hex')
