/**
 * The cluster's tables in domain words: `cluster_nodes`, `cluster_seq`, `cluster_fence`, `cluster_notices`. Each change
 * is one compare-and-set; nobody's clock is compared with anybody's. Implemented in `storage/nodes.ts`.
 */
export type NodeState = 'joining' | 'up' | 'draining' | 'fenced' | 'left'

/** Where a node's doors are: `host:port` each, absent when closed. */
export interface NodeServices {
  readonly c2s?: string
  readonly c2sTls?: string
  readonly http?: string
  readonly https?: string
  readonly admin?: string
}

export interface NodeRow {
  readonly hostname: string
  readonly secondary: string | undefined
  readonly password: string
  readonly port: number
  readonly cpuUsage: number
  readonly memUsage: number
  readonly clusterName: string
  readonly incarnation: number
  readonly bootNonce: string
  readonly state: NodeState
  readonly beat: number
  readonly viewNo: number
  /** `host:port` that the others dial. */
  readonly advertise: string
  readonly hostId: string
  readonly backup: string | undefined
  readonly backupIncarnation: number | undefined
  readonly strategy: string
  readonly links: number
  readonly certSha256: string | undefined
  readonly protocolMin: number
  readonly protocolMax: number
  readonly version: string
  readonly services: NodeServices
}

/** What a node says of itself when it starts. */
export type NodeClaim = Omit<NodeRow, 'incarnation' | 'state' | 'beat' | 'viewNo' | 'backup' | 'backupIncarnation' | 'links' | 'services'>

export interface Life {
  readonly hostname: string
  readonly incarnation: number
  readonly bootNonce: string
}

export type ClaimResult =
  | { readonly outcome: 'claimed'; readonly life: Life; readonly row: NodeRow }
  /** The row is `up`, `draining` or `joining`: its holder must be watched; call again with `replacing` once its beat stood still. */
  | { readonly outcome: 'held'; readonly by: NodeRow }
  | { readonly outcome: 'other-cluster'; readonly by: NodeRow }

export interface Renewal {
  readonly cpuUsage: number
  readonly memUsage: number
  readonly links: number
}

/** Kinds of notices about accounts; the subject is the bare JID, or the full one of the device that changed the password and stays. */
export const ACCOUNT_NOTICES = {
  added: 'account-added', removed: 'account-removed', disabled: 'account-disabled', password: 'password-changed'
} as const

/** Asks every node to read its certificates again; the subject is empty. */
export const RELOAD_NOTICE = 'reload'

export interface Notice {
  readonly id: number
  readonly kind: string
  readonly subject: string
}

export interface ClusterTables {
  /**
   * Takes the name with a new incarnation, state `joining`, in one transaction with its row in `cluster_fence`.
   * `replacing`: the row as last seen of a holder whose beat stood still; it is fenced in the same transaction. The incarnation
   * is higher than `above` also where the counter is not: a database that came back without its last moments counts them again.
   */
  claim(claim: NodeClaim, replacing?: NodeRow, above?: number): Promise<ClaimResult>
  /** All rows of this cluster, tombstones too, and rows of other clusters never. */
  rows(clusterName: string): Promise<readonly NodeRow[]>
  /** Beat plus one. False: this life is fenced or its row is gone. */
  renew(life: Life, renewal: Renewal): Promise<boolean>
  /** Compare-and-set of our own state (and view number plus one). False like `renew`. */
  setState(life: Life, state: NodeState, services?: NodeServices): Promise<boolean>
  /** Fences exactly the row that was seen. False: it has moved on since. */
  fence(seen: NodeRow): Promise<boolean>
  /** Lives of `hostname` that are fenced, for a node that must know whether a frame's sender is dead. */
  isFenced(hostname: string, incarnation: number): Promise<boolean>
  notices(after: number): Promise<readonly Notice[]>
  /** The newest notice's number, to start from. */
  lastNotice(): Promise<number>
  notify(kind: string, subject: string): Promise<void>
}
