/**
 * What a stream and whoever owns its stanzas are to each other. The session room implements the consumer.
 */
import type { Log } from '../telemetry/log.js'
import type { StreamClosedReason } from '../telemetry/reasons.js'
import type { PeerFacts, WriteForm } from '../transport/transport.js'
import type { RawElement } from '../xml/raw.js'
import type { StreamError } from '../xmpp/errors.js'

/** Gets the stanzas of a stream on which a resource is bound. */
export interface StanzaConsumer {
  /** `<message/>`, `<presence/>` or `<iq/>` in `jabber:client`. Throws `StreamError` to end the stream. */
  stanza(element: RawElement): void
  /** Nothing has come for long: ask the peer for a sign of life. */
  probe(): void
  /** `<r/>` (XEP-0198 §4). */
  asked(): void
  /** `<a/>`: the peer has handled so many, modulo 2^32. Throws `StreamError` to end the stream. */
  acknowledged(h: number): void
  /** `<enable/>` (XEP-0198 §3): stanzas count from now on. Throws `StanzaError`. */
  enable(wish: EnableWish): Enabled
  /** Somebody looks at the client, or nobody does (XEP-0352). Each stream begins with somebody. */
  look(active: boolean): void
  /** The transport has room again after `write` said no. */
  drained(): void
  /** The stream is about to close: last words. */
  closing(): void
  /** Nothing follows on `stream` and nothing can be written. Called once for each stream that the consumer has had. */
  ended(reason: StreamClosedReason, stream: OpenStream): void
}

/** What a stream may be. */
export type StreamState =
  | { readonly kind: 'opening' }
  | { readonly kind: 'negotiating' }
  | { readonly kind: 'open'; readonly consumer: StanzaConsumer }
  | { readonly kind: 'closing' }
  | { readonly kind: 'closed' }

/** What a client asks for with `<enable/>`. */
export interface EnableWish {
  readonly resume: boolean
  /** Seconds. */
  readonly max: number | undefined
}

/** What it gets. With an `id` the stream can be resumed. */
export interface Enabled {
  readonly id?: string
  /** Seconds for which the session is kept without a connection. */
  readonly max?: number
  /** Where the client should come back to, host and port. */
  readonly location?: string
}

/** Why reading rests; reading goes on when nobody holds it. */
export const HOLD = { negotiation: 1, handler: 2, gate: 4, window: 8 } as const
export type Hold = (typeof HOLD)[keyof typeof HOLD]

export interface OpenStream {
  readonly form: WriteForm
  readonly peer: PeerFacts
  /** Default language of the peer's stanzas (RFC 6120 §4.7.4). */
  readonly lang: string | undefined
  readonly log: Log
  /** When the connection came, by the node's clock. */
  readonly since: number
  /** False once the stream ends. */
  readonly alive: boolean
  /** Bytes written that the system has not taken. */
  readonly pendingBytes: number
  /** Writes what is no stanza. */
  send(text: string): void
  /** Writes a whole stanza. False: the peer is slow; wait for `drained`. */
  write(first: string, inside: Buffer, last: string): boolean
  hold(why: Hold): void
  release(why: Hold): void
  /** Says `error`, closes the stream, then the connection. */
  close(error: StreamError | undefined, reason: StreamClosedReason): void
  /** Drops the connection: nothing more is read or written. */
  abort(reason: StreamClosedReason): void
}
