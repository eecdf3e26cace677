/**
 * What registration before login needs to know of accounts. The interface lives with its caller;
 * `session/registration.ts` implements it on the account store.
 */

/** What somebody without an account asks for; `username` and `password` as the peer sent them. */
export interface AccountWish {
  readonly username: string
  readonly domain: string
  readonly password: string
  /** The peer's, for limits. */
  readonly address: string
}

export interface Registrar {
  /** Whether people may make accounts of this domain themselves. */
  isOpen(domain: string): boolean
  /** Makes the account; the answer is its bare JID. Rejects with `StanzaError` only. */
  register(wish: AccountWish): Promise<string>
}
