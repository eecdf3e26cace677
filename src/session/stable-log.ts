/**
 * The log of a node's shard (records as in the zero-loss design): what must be stable before an acknowledgement, an
 * ACCEPT or a write to a resumable client. The interface lives with its caller; `off` is the back end that makes
 * every record stable at once, because it promises nothing beyond the life of the process.
 */
export type LogRecord =
  | { readonly type: 'OPEN'; readonly session: string }
  | { readonly type: 'OUT'; readonly session: string; readonly outNo: number; readonly origin: string }
  | { readonly type: 'IN'; readonly session: string; readonly h: number }
  | { readonly type: 'TRIM'; readonly session: string; readonly h: number }
  | { readonly type: 'CLOSE'; readonly session: string }

export interface StableLog {
  /** `true`: stable already; otherwise a promise that resolves when it is. Rejects when this life of the node is fenced. */
  append(record: LogRecord): true | Promise<void>
}

export const offLog: StableLog = { append: () => true }
