/**
 * The repositories in domain words; implemented once on knex for SQLite, PostgreSQL and MariaDB. Every method may
 * reject with `StorageError` (database away, time-out, constraint of ours), which becomes `wait / resource-constraint`
 * or `temporary-auth-failure` in one place each.
 */
import type { Jid } from '../xmpp/jid.js'

/** The database did not do it. `away`: worth trying again later. `unknown`: the commit may or may not have happened. */
export class StorageError extends Error {
  constructor(message: string, readonly kind: 'away' | 'unknown' | 'refused', options?: ErrorOptions) {
    super(message, options)
    this.name = 'StorageError'
  }
}

/** An account by its number; JIDs are never keys. */
export interface AccountRef {
  readonly id: number
  /** Bare. */
  readonly jid: Jid
}

export type ScramHash = 'SHA-1' | 'SHA-256' | 'SHA-512'

/** SCRAM keys of one hash (RFC 5802 §3). The password itself is never kept. */
export interface ScramKeys {
  readonly hash: ScramHash
  readonly salt: Buffer
  readonly iterations: number
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

export interface AccountRecord extends AccountRef {
  readonly keys: readonly ScramKeys[]
  readonly disabled: boolean
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

export interface Accounts {
  find(jid: Jid): Promise<AccountRecord | undefined>
  /** `undefined` when it exists already. */
  create(jid: Jid, keys: readonly ScramKeys[]): Promise<AccountRecord | undefined>
  /** A new password: all tokens are dropped with the old keys. */
  setKeys(account: AccountRef, keys: readonly ScramKeys[]): Promise<void>
  /** Who is disabled cannot log in; all tokens are dropped. */
  setDisabled(account: AccountRef, disabled: boolean): Promise<void>
  /** Keys of the same password for one hash more, or better ones (XEP-0480). */
  addKeys(account: AccountRef, keys: ScramKeys): Promise<void>
  /** With everything that belongs to it. False when it was not there. */
  remove(jid: Jid): Promise<boolean>
  /** Accounts of one domain. */
  count(domain: string): Promise<number>
  /** Sorted; one page of at most `limit`, starting behind `after`. */
  list(domain: string, limit: number, after?: string): Promise<readonly Jid[]>
}

export type Subscription = 'none' | 'to' | 'from' | 'both'

export interface RosterItem {
  /** Bare. */
  readonly jid: Jid
  readonly name: string
  readonly groups: readonly string[]
  readonly subscription: Subscription
  /** We have asked for theirs: `ask='subscribe'`. */
  readonly ask: boolean
  /** Pre-approved (RFC 6121 §3.4). */
  readonly approved: boolean
  /** Their pending request as the stanza's text, with its payload; `undefined` if none. */
  readonly pendingIn: string | undefined
  /** False: only a pending request or an approval is stored, no roster item is shown (RFC 6121 §3.1.3). */
  readonly listed: boolean
}

export interface Roster {
  readonly version: number
  /** By bare JID text. */
  readonly items: ReadonlyMap<string, RosterItem>
}

export interface Rosters {
  load(account: AccountRef): Promise<Roster>
  /**
   * Reads, changes and writes one item in one transaction; the version grows when what is shown has changed.
   * `change` gets the present item and returns the new one, the same one (nothing to do) or `undefined` (remove);
   * it may throw `StanzaError`, and may be called again when the transaction is retried.
   */
  update(
    account: AccountRef,
    contact: Jid,
    change: (item: RosterItem | undefined, size: number) => RosterItem | undefined
  ): Promise<RosterChange>
  /** Items shown that changed after `version`, removed ones too; `undefined` if that is too long ago to know. */
  changesSince(account: AccountRef, version: number): Promise<RosterChanges | undefined>
}

export interface RosterChange {
  readonly before: RosterItem | undefined
  readonly after: RosterItem | undefined
  /** The roster's version after it. */
  readonly version: number
}

export interface RosterChanges {
  readonly version: number
  readonly changed: readonly { readonly version: number; readonly jid: Jid; readonly item: RosterItem | undefined }[]
}

/** Shape one: a value under a key of an account. */
export interface Values {
  get(account: AccountRef, key: string): Promise<string | undefined>
  set(account: AccountRef, key: string, value: string): Promise<void>
  /** In one transaction with a row lock; returns what stands there afterwards. */
  update(account: AccountRef, key: string, change: (value: string | undefined) => string | undefined): Promise<string | undefined>
  /**
   * A change that nobody waits for: made within a second, together with others, or at the next look at the value from this node.
   * It is lost when the process dies before, and a fault is only logged.
   */
  note(account: AccountRef, key: string, change: (value: string | undefined) => string | undefined): void
  remove(account: AccountRef, key: string): Promise<void>
}

export interface OfflineRow {
  readonly row: number
  /** `osid:index:k` of the origin. */
  readonly key: string
  readonly stanza: string
  /** Milliseconds since 1970 when it was stored. */
  readonly at: number
}

export interface OfflineMessages {
  /** The row's number; the same number again for a key that is there already. `undefined` when the account's limit is reached. */
  add(account: AccountRef, key: string, stanza: string, at: number, limit: OfflineLimit): Promise<number | undefined>
  /** In the order of rows, sorted by index within an origin session. */
  read(account: AccountRef): Promise<readonly OfflineRow[]>
  remove(account: AccountRef, rows: readonly number[]): Promise<void>
}

export interface OfflineLimit {
  readonly messages: number
  readonly bytes: number
}

/** What a FAST token (XEP-0484) is derived from, and what has become of it; never the token itself. */
export interface TokenRow {
  /** Random; names the row within its client. */
  readonly nonce: string
  readonly mechanism: string
  /** `new`: its client has not shown it yet. `current`: it has, or it has no other. */
  readonly state: 'new' | 'current' | 'dropped'
  /** Milliseconds since 1970. */
  readonly issuedAt: number
  readonly expiresAt: number
  /** The highest count that was shown with it; 0 for none. */
  readonly count: number
}

/** `agent` is the id of one client of the account. */
export interface TokenRows {
  /** Dropped and expired ones too, while they are remembered. */
  of(account: AccountRef, agent: string): Promise<readonly TokenRow[]>
  /**
   * In the place of the client's `new` one, which is `current` from now on if it has no other that is good; the account's oldest go
   * beyond `max`. Rejects when the account is gone.
   */
  issue(account: AccountRef, agent: string, row: TokenRow, max: number): Promise<void>
  /**
   * The client has shown it: `current` from now on, those that expire earlier are dropped. False when it is dropped, or `count`
   * was shown with it before; of two at once one gets true.
   */
  use(account: AccountRef, agent: string, row: TokenRow, count: number | undefined): Promise<boolean>
  /** All of one client. False when the one named was dropped before. */
  drop(account: AccountRef, agent: string, nonce: string): Promise<boolean>
  /** All of the account. */
  dropAll(account: AccountRef): Promise<void>
  /** Forgets what expired before this time. */
  forget(expiredBefore: number): Promise<void>
}

export interface Store {
  readonly accounts: Accounts
  readonly rosters: Rosters
  readonly values: Values
  readonly offline: OfflineMessages
}
