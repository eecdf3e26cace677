/**
 * What a clustering strategy is: it knows where the devices of an address are, and how nodes learn it. Who owns a
 * session, fencing, re-sending and the rules of RFC 6121 §8 are not its business. Implementations: `cluster/strategies/`,
 * or a module of the operator's.
 */
import type { Hlc } from '../xmpp/hlc.js'
import type { Jid } from '../xmpp/jid.js'

/** One life of one node. */
export interface NodeRef {
  readonly name: string
  readonly incarnation: number
}

export interface DeviceRecord {
  readonly node: NodeRef
  readonly jid: Jid
  /** Session id: 32 hexadecimal digits. */
  readonly session: string
  /** When it bound. */
  readonly hlc: Hlc
  /** `undefined` while it has not sent initial presence. */
  readonly priority: number | undefined
  /** The last available presence as text, `undefined` like `priority`. */
  readonly presence: string | undefined
}

export interface Location {
  readonly nodes: readonly NodeRef[]
  readonly devices?: readonly DeviceRecord[]
  /** An empty or fully answered list means that nobody else has the address. */
  readonly complete: boolean
}

export interface Strategy {
  /** The short name that all nodes must share: `broadcast`, `online-users-caching`, or a module's own. */
  readonly name: string
  start(host: StrategyHost): Promise<void>
  stop(): Promise<void>
  /** A device bound, or its presence changed. Resolves when a stanza from any node of the view finds the device. */
  announce(device: DeviceRecord): Promise<void>
  withdraw(device: DeviceRecord): void
  /** Where to ask, this node not included. Synchronous: it is on the hot path. */
  locate(address: Jid): Location
}

export interface StrategyHost {
  readonly self: NodeRef
  /** Live nodes, self included. */
  view(): readonly NodeRef[]
  /** Devices of this node. */
  devices(): Iterable<DeviceRecord>
  /** Ordered, once; resolves when acked, rejects when the node is gone. */
  send(to: NodeRef, message: Uint8Array): Promise<void>
  onMessage(handler: (from: NodeRef, message: Uint8Array) => void): void
  /** `lost` = fenced. */
  onNode(handler: (change: 'up' | 'lost' | 'left', node: NodeRef, successor?: NodeRef) => void): void
  onMoved(handler: (device: DeviceRecord, to: NodeRef) => void): void
}
