/**
 * The log of a node's shard (records as in the zero-loss design): what must be stable before an acknowledgement, an
 * ACCEPT or a write to a resumable client. The interface lives with its caller; `off` is the back end that makes
 * every record stable at once, because it promises nothing beyond the life of the process.
 */
import type { Jid } from '../xmpp/jid.js'
import type { Stanza } from '../xmpp/stanza.js'

/** Which stanza of which session, and what of it (zero-loss design, D.4). */
export interface OriginKey {
  readonly osid: string
  readonly index: number
  readonly k: number
}

export type LogRecord =
  | { readonly type: 'OPEN'; readonly session: string }
  | OutRecord
  /** The newest on its topic, which waits until somebody looks (XEP-0352). It has no number yet (I4). */
  | { readonly type: 'HOLD'; readonly session: string; readonly topic: string } & Pick<OutRecord, 'key' | 'stanza' | 'to'>
  /** Whatever was held has its `OUT` by now. */
  | { readonly type: 'RELEASE'; readonly session: string }
  | { readonly type: 'IN'; readonly session: string; readonly h: number }
  | { readonly type: 'TRIM'; readonly session: string; readonly h: number }
  | { readonly type: 'CLOSE'; readonly session: string }

/** A stanza that a resumable client will get, in the order of `outNo`, without a gap (I4). Not copied: read it at once. */
export interface OutRecord {
  readonly type: 'OUT'
  readonly session: string
  readonly outNo: number
  readonly key: OriginKey | undefined
  readonly stanza: Stanza
  /** Instead of the stanza's own. */
  readonly to: Jid | undefined
  /** When it was accepted, milliseconds since 1970. */
  readonly at: number
}

export interface StableLog {
  /** `true`: stable already; otherwise a promise that resolves when it is. Rejects when this life of the node is fenced. */
  append(record: LogRecord): true | Promise<void>
}

export const offLog: StableLog = { append: () => true }
