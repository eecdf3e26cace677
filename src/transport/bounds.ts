/**
 * What every transport is given: the clock's wheel, the end of the turn, and the limits of one connection. And the
 * place in the per-address counts that a connection holds while it lives.
 */
import type { Desks } from '../xml/desk.js'
import type { XmlLimits } from '../xml/raw.js'
import type { Log } from '../telemetry/log.js'
import type { Metrics } from '../telemetry/metrics.js'
import type { Strain } from '../telemetry/strain.js'
import type { StreamLimitSettings } from './options.js'
import type { TlsFacts } from './transport.js'
import { PendingTotal } from './pending.js'
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
  /** Of an established stream; `undefined` for none. */
  readonly rates?: RateBounds
}

/** In a second, 0 for no limit; and how much may come at once. */
export interface RateBounds {
  readonly bytes: number
  readonly bytesBurst: number
  readonly stanzas: number
  readonly stanzasBurst: number
  readonly presences: number
  readonly presencesBurst: number
  readonly iqs: number
  readonly iqsBurst: number
}

/**
 * Who sends as much has more: the loop would read two megabytes from one socket before it looks at the next. The least
 * of what one read can give: a full record of TLS (RFC 8446 §5.1); without TLS it is 64 KiB.
 */
export const FULL_READ_BYTES = 16_384

/** No honest stanza comes near these (XML level: attributes and declarations of one element, bytes of one name). */
const ATTRIBUTES = 64
const NAMESPACES = 32
const NAME_BYTES = 1_024
/** Nesting before authentication: SASL and stream features are flat. */
const DEPTH_BEFORE = 8
/** A client that comes into all its rooms at once. */
const PRESENCES_BURST = 50
/** A client that asks for all that it needs when it starts. */
const IQS_BURST = 100

/** @param now monotonic milliseconds */
export function boundsOf(settings: StreamLimitSettings, now: () => number = () => performance.now()): Bounds {
  const fixed = { attributes: ATTRIBUTES, namespaces: NAMESPACES, nameBytes: NAME_BYTES }
  const { beforeAuthStanzaBytes, beforeAuthElements, beforeAuthBytes, headerMs, handshakeMs, stanzaMs, pendingBytesMax, slowMs } = settings
  return {
    before: { ...fixed, stanzaBytes: beforeAuthStanzaBytes, elements: beforeAuthElements, depth: DEPTH_BEFORE },
    after: { ...fixed, stanzaBytes: settings.stanzaBytes, elements: settings.stanzaElements, depth: settings.stanzaDepth },
    beforeBytes: beforeAuthBytes, headerMs, handshakeMs, stanzaMs, pendingBytesMax, slowMs, rates: ratesOf(settings),
    total: new PendingTotal(settings.pendingTotalMax, now)
  }
}

function ratesOf(settings: StreamLimitSettings): RateBounds {
  return {
    bytes: settings.rateBytes, bytesBurst: settings.burstBytes, stanzas: settings.rateStanzas, stanzasBurst: settings.burstStanzas,
    presences: settings.ratePresences, presencesBurst: PRESENCES_BURST, iqs: settings.rateIqs, iqsBurst: IQS_BURST
  }
}

/** Gone this long after `end()`, whatever the peer does. */
export const END_MS = 5_000

export type Admittance = Pick<Strain, 'strained' | 'relief'>

export interface TransportRoom {
  readonly wheel: Wheel
  readonly turn: TurnEnd
  readonly bounds: Bounds
  readonly desks: Desks
  readonly log: Log
  readonly refused: Pick<Metrics['connectionsRefused'], 'add'>
  /** While the node is strained no new client comes in. */
  readonly strain?: Admittance
}

/** A connection's place in the counts per address. */
export interface Ticket {
  /** Its address is of `--limits-exempt`: no rate holds. */
  readonly exempt: boolean
  authenticated(): void
  /** Counts a failed login; true when the address has had too many. */
  failed(): boolean
  release(): void
}

/** For connections that nobody counts. */
export const FREE_TICKET: Ticket = { exempt: true, authenticated() {}, failed: () => false, release() {} }

/** The other end of an accepted socket: the client's own address, also behind the PROXY protocol. */
export interface Origin {
  readonly address: string
  readonly port: number
  readonly secure: boolean
  readonly tls?: TlsFacts | undefined
}
