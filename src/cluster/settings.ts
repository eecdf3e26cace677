/** What the cluster room is told about its node, and what it tells of the cluster. Plain values. */
import type { NodeServices, NodeState } from '../storage/cluster-tables.js'
import type { Metrics } from '../telemetry/metrics.js'
import type { NodeChangeReason } from '../telemetry/reasons.js'
import type { Endpoint } from './listeners.js'

export type Discovery = 'table' | 'static'

export interface ClusterSettings {
  readonly name: string
  /** Public name, used in redirects. */
  readonly secondary: string | undefined
  readonly clusterName: string
  /** `host` or `host:port` that others dial; port 0 or none: the one we listen on. */
  readonly advertise: string
  readonly listen: readonly Endpoint[]
  /** `--cluster-nodes`: `host:port` each. */
  readonly contacts: readonly string[]
  readonly discovery: readonly Discovery[]
  readonly secrets: readonly string[]
  readonly tls: boolean
  /** Short name of the strategy, the same on all nodes. */
  readonly strategy: string
  /** The machine, so that a backup is chosen elsewhere. */
  readonly hostId: string
  readonly version: string
  /** An earlier life of this name whose process is known to be gone: it is fenced when the name is taken. */
  readonly dead?: number | undefined
}

/** One line of the member list. */
export interface Member {
  readonly name: string
  readonly incarnation: number
  readonly address: string
  readonly state: NodeState
  readonly self: boolean
  readonly linked: boolean
  readonly roundTripMs: number | undefined
  readonly services: NodeServices
  readonly version: string
}

export interface MemberChange {
  readonly reason: NodeChangeReason
  readonly node: string
  readonly address: string
  readonly members: readonly Member[]
}

/** What the room counts. */
export type ClusterMetrics = Pick<
  Metrics, 'contents' | 'nodeChanges' | 'linksRefused' | 'framesIn' | 'framesOut' | 'linkBytesIn' | 'linkBytesOut' | 'linksReady' | 'nodes'
>

/** `Members [2] { node1:5777 this, node2:5777 }` */
export function printMembers(members: readonly Member[]): string {
  const listed = members.map((member) => (member.self ? `${member.address} this` : member.address))
  return `Members [${members.length}] { ${listed.join(', ')} }`
}
