/**
 * What travels between nodes, and between rooms of one node: envelopes and answers. Pure values; the byte layout is
 * `cluster/frames.ts`.
 */
import type { Hlc } from '../xmpp/hlc.js'
import type { Jid } from '../xmpp/jid.js'
import type { StanzaCondition, StanzaErrorType } from '../xmpp/errors.js'
import type { Stanza } from '../xmpp/stanza.js'
import type { NodeRef } from './strategy.js'

/**
 * Origin key: which stanza of which session. `index` is the value `h` would have after it; `k` tells apart what one
 * inbound stanza makes (0 itself, 1 carbon, 2 an error or answer, 3 a push, 4 presence on behalf of the account).
 */
export interface StanzaKey {
  /** 32 hexadecimal digits; the session's, or the node's life for stanzas that no client caused. */
  readonly osid: string
  readonly index: number
  readonly k: number
}

/** Codes for `k`. Deliveries that handlers add are numbered from `first` in the order in which the pipeline makes them. */
export const K = { itself: 0, carbon: 1, answer: 2, push: 3, account: 4, first: 16, max: 255 } as const

/** `(index, k)` as one number in their order: what watermarks and `prev` hold. Fits 48 bits. */
export function ordinal(key: StanzaKey): number {
  return key.index * (K.max + 1) + key.k
}

/** Where one stanza goes on one node. */
export interface Addressee {
  /** Number of this question; only the answer to the latest ask of a stanza to a node counts. */
  readonly ask: number
  /** A bare or full JID. */
  readonly address: Jid
  /** Name of a predicate over one device; '' means the rules of RFC 6121 §8. */
  readonly audience: string
  /** A full JID that must not get it, for example the sender's own device. */
  readonly except: Jid | undefined
  /** `ordinal()` of the latest earlier stanza of the origin session to this account that is not closed; 0 if none. */
  readonly prev: number
  /** Number of the offline row that a taker deletes; 0 if none. */
  readonly row: number
}

export interface Envelope {
  readonly key: StanzaKey
  /** The origin's view number. */
  readonly view: number
  readonly addressees: readonly Addressee[]
  readonly stanza: Stanza
  /** State (presence, pushes): idempotent, neither deduplicated nor moving a watermark. */
  readonly state: boolean
  /** Each device gets its own full JID as `to` (pushes). */
  readonly readdress: boolean
  /** A device that is gone left it unacknowledged: taken by those that do not have it, out of order. */
  readonly again: boolean
}

export type Verdict =
  | { readonly kind: 'accept' }
  | { readonly kind: 'none' }
  | { readonly kind: 'reject'; readonly why: 'gap' }
  | { readonly kind: 'reject'; readonly why: 'error'; readonly type: StanzaErrorType; readonly condition: StanzaCondition }

/** The other nodes, as the router sees them; `cluster/` implements it, `aloneMesh` serves a single node. */
export interface Mesh {
  readonly self: NodeRef
  readonly viewNo: number
  /** Live nodes, self included. */
  view(): readonly NodeRef[]
  /** A peer's view is newer than ours: read the table now rather than with the next beat. */
  refresh?(): void
  /** Queues an envelope on the route lane. Answers come to `onAnswers`. Returns false when the sender should pause. */
  route(to: NodeRef, envelope: Envelope): boolean
  answer(to: NodeRef, ask: number, verdict: Verdict): void
  /** A device bound here: every node compares and closes its own older device of that full JID. */
  bound(jid: Jid, hlc: Hlc): void
  /** Caches of all other live nodes forget `key`; resolves when all have acked or gone. */
  invalidate(cache: string, key: string): Promise<void>
  /** True while this node may serve clients (isolation rule, waking up). */
  serving(): boolean
  listen(handlers: MeshHandlers): void
}

export interface MeshHandlers {
  envelope(from: NodeRef, envelope: Envelope): void
  /** To `count` questions, numbered from `first` on. */
  answers(from: NodeRef, first: number, count: number, verdict: Verdict): void
  bound(from: NodeRef, jid: Jid, hlc: Hlc): void
  invalidate(cache: string, key: string): void
  /** `up`: linked and live. `lost`: fenced. `left`: stopped cleanly. Also a new incarnation of a known name ends the old one. */
  node(change: 'up' | 'lost' | 'left', node: NodeRef): void
  /** This node may not serve: stop reading from and writing to clients; true again when it may. */
  gate(open: boolean): void
  /** This life is over (fenced): close every client at once. The process rejoins with a new incarnation. */
  fenced(): void
}
