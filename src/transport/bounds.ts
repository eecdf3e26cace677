/**
 * What every transport is given: the clock's wheel, the end of the turn, and the limits of one connection. And the
 * place in the per-address counts that a connection holds while it lives.
 */
import type { XmlLimits } from '../xml/raw.js'
import type { Log } from '../telemetry/log.js'
import type { QueueBounds } from './write-queue.js'
import type { TurnEnd } from './turn-end.js'
import type { Wheel } from './wheel.js'

export interface Bounds extends QueueBounds {
  readonly before: XmlLimits
  readonly after: XmlLimits
  /** All bytes that a peer may send before it is authenticated. */
  readonly beforeBytes: number
  /** From the connection to the first header. */
  readonly headerMs: number
  /** From the first byte of a stanza to its last. */
  readonly stanzaMs: number
  readonly handshakeMs: number
}

/** Gone this long after `end()`, whatever the peer does. */
export const END_MS = 5_000

export interface TransportRoom {
  readonly wheel: Wheel
  readonly turn: TurnEnd
  readonly bounds: Bounds
  readonly log: Log
}

/** A connection's place in the counts per address. */
export interface Ticket {
  authenticated(): void
  release(): void
}

/** For connections that nobody counts. */
export const FREE_TICKET: Ticket = { authenticated() {}, release() {} }

/** The other end of an accepted socket: the client's own address, also behind the PROXY protocol. */
export interface Origin {
  readonly address: string
  readonly port: number
  readonly secure: boolean
}
