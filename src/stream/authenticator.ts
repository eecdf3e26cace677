/**
 * What SASL needs to know of accounts. The interface lives with its caller; `session/credentials.ts` implements it on
 * the account store.
 */
import type { ScramHash, ScramKeys } from '../rules/scram.js'
import type { Jid } from '../xmpp/jid.js'

/** Who has proved to be whom. */
export interface Identity {
  /** The account's number in the store. */
  readonly id: number
  /** Bare. */
  readonly jid: Jid
}

/** RFC 6120 §6.5; those that this server never has a reason for are left out. */
export type SaslCondition =
  | 'aborted' | 'account-disabled' | 'credentials-expired' | 'encryption-required' | 'incorrect-encoding' | 'invalid-authzid'
  | 'invalid-mechanism' | 'malformed-request' | 'not-authorized' | 'temporary-auth-failure'

/** An authentication that failed: the condition for the peer, the message for the operator. */
export class SaslFailure extends Error {
  /** Nobody has been named yet and no secret tried: it says nothing about who guesses. */
  readonly beforeNames: boolean

  constructor(readonly condition: SaslCondition, message: string, options: ErrorOptions & { readonly beforeNames?: boolean } = {}) {
    super(message, options)
    this.name = 'SaslFailure'
    this.beforeNames = options.beforeNames ?? false
  }
}

/** The SCRAM keys of one account and hash, or invented ones that no proof fits. */
export interface ScramSecret {
  readonly keys: ScramKeys
  /** Who the right proof would show; `undefined` for a name that nobody has. */
  readonly identity: Identity | undefined
  readonly disabled: boolean
}

/** Every method rejects with `SaslFailure` only; `username` is a localpart as the peer sent it. */
export interface Authenticator {
  /** What every account can do, best first; the same for all names, so that it tells nothing about any of them. */
  readonly hashes: readonly ScramHash[]
  scram(username: string, domain: string, hash: ScramHash): Promise<ScramSecret>
  /** Takes the same work and time for a wrong password and for a name that nobody has. */
  plain(username: string, domain: string, password: string): Promise<Identity>
  /** Rounds of hashing for new keys. */
  readonly iterations: number
  /** Hashes for which the account has no keys, or keys of fewer rounds than new ones get. */
  weakHashes(identity: Identity): Promise<readonly ScramHash[]>
  /** In the place of those of the same hash. */
  addKeys(identity: Identity, keys: ScramKeys): Promise<void>
  /** Somebody else has proved who the peer is (a certificate): is there such an account, and may it log in? */
  external(jid: Jid): Promise<Identity>
  /** Whether people without an account may log in to `domain` (RFC 4505). */
  admitsGuests(domain: string): boolean
  guest(domain: string): Identity
}

/** A FAST token as a client shows it (XEP-0484 §3.4). */
export interface TokenShown {
  readonly username: string
  readonly domain: string
  /** The client's id. */
  readonly agent: string
  readonly mechanism: string
  /** Data of the channel; empty for a mechanism without channel binding. */
  readonly binding: Buffer
  /** What only who has the token can compute; 32 bytes. */
  readonly proof: Buffer
  /** Counts the uses of this token, if the client counts. */
  readonly count: number | undefined
  /** The token is to be good for nothing from now on. */
  readonly invalidate: boolean
}

export interface TokenLogin {
  readonly identity: Identity
  /** Proves to the client that we have the token too. */
  readonly answer: Buffer
  /** The token should be replaced. */
  readonly due: boolean
}

export interface NewToken {
  /** ASCII that needs no escaping. */
  readonly token: string
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

export interface Tokens {
  /** Rejects with `SaslFailure` only. */
  login(shown: TokenShown): Promise<TokenLogin>
  /** `undefined` when none can be had now. The one that the client has stays good until it shows the new one. */
  issue(identity: Identity, agent: string, mechanism: string): Promise<NewToken | undefined>
}
