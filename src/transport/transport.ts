/**
 * The border between bytes and streams: one `Transport` is one client connection of any kind. Transports feed the
 * strict parser and hand over parsed elements; they own sockets, TLS, pending bytes and pausing. The stream room
 * (`stream/`) is the only caller.
 */
import type { RawElement, StreamHeader, XmlFault } from '../xml/raw.js'

export type TransportKind = 'tcp' | 'websocket' | 'bosh' | 'memory'

/** Facts about the other end; `address` is the client's own, also behind a trusted proxy. */
export interface PeerFacts {
  readonly address: string
  readonly port: number
  /** TLS on this connection, or ended at a trusted proxy. Changes once, with STARTTLS. */
  readonly secure: boolean
  /** True if `startTls` can be called (plain TCP). */
  readonly canStartTls: boolean
  /** When the last byte came, monotonic milliseconds; absent where nobody knows. */
  readonly heardAt?: () => number
  /** What this connection's TLS says; absent without TLS, where a proxy ended it, and for BOSH, which has many connections. */
  readonly tls?: TlsFacts | undefined
}

/** Channel-binding types of RFC 9266 and RFC 5929, the stronger one first. */
export const BINDING_TYPES = ['tls-exporter', 'tls-server-end-point'] as const
export type BindingType = (typeof BINDING_TYPES)[number]

export interface TlsFacts {
  /** Those that this connection has. */
  readonly bindings: readonly BindingType[]
  channelBinding(type: BindingType): Buffer | undefined
  /** XMPP addresses of the client's certificate, if one was asked for and an authority that we trust has signed it; unprepared. */
  readonly addresses: readonly string[]
}

/** What we say when a stream opens. */
export interface OpenReply {
  readonly from: string
  readonly to: string | undefined
  readonly id: string
  /** Absent for a peer that does not speak version 1.0. */
  readonly version: '1.0' | undefined
  readonly lang: string
}

/**
 * How first-level elements are written. `stream`: `jabber:client` and the prefix `stream` are declared on the open
 * stream tag (TCP). `framed`: every element stands alone and declares what it uses (WebSocket, BOSH).
 */
export type WriteForm = 'stream' | 'framed'

export interface Transport {
  readonly kind: TransportKind
  readonly form: WriteForm
  readonly peer: PeerFacts
  /** Bytes written but not yet taken by the system. */
  readonly pendingBytes: number
  /** Starts delivering to `sink`. Called once. */
  attach(sink: TransportSink): void
  open(reply: OpenReply): void
  /**
   * Writes one complete first-level element, in pieces that are joined: text, or UTF-8 bytes. Collected and flushed
   * once a turn. Returns false when the sender should wait for `drained`.
   */
  send(first: string, inside?: Buffer, last?: string): boolean
  /** Expects a new stream header next (after SASL, RFC 6120 §6.4.6); unparsed bytes are kept. */
  restart(): void
  /** After `<proceed/>`: throws away unparsed bytes, takes up TLS, expects a new header. Rejects when TLS fails. */
  startTls(): Promise<void>
  /**
   * The peer has proved who it is: the larger limits apply from the next element on, and the connection leaves the
   * count of unauthenticated ones. Call it before the reply that lets the peer go on.
   */
  authenticated(): void
  /**
   * The peer has failed to prove who it is. True when its address has failed too often: it may not connect for a while, and
   * this stream should end too.
   */
  authFailed(): boolean
  /** No element is delivered until `resume()`; the socket stops reading. */
  pause(): void
  resume(): void
  /** Sends the closing tag or frame, flushes, half-closes; gone within 5 s even if the peer does nothing. */
  end(): void
  /** Drops the connection at once. */
  destroy(): void
}

export interface TransportSink {
  /** A stream header, WebSocket `<open/>` or BOSH session request. */
  header(header: StreamHeader): void
  element(element: RawElement): void
  /** White space between elements, where the transport has such a thing. */
  blank?(): void
  /** The peer closed its stream in the protocol's way. */
  closed(): void
  fault(fault: XmlFault): void
  drained(): void
  /** The connection is over; nothing follows. `error` when it broke. */
  gone(error: Error | undefined): void
}

/** A listener or HTTP door gives each new connection to this. */
export type Accept = (transport: Transport) => void
