/**
 * Accounts and passwords: what SASL asks (`Authenticator`) and how a password is set, on the account store and the rules
 * of SCRAM. Passwords are never kept and never logged.
 */
import { randomBytes } from 'node:crypto'
import {
  deriveAllKeys, inventedKeys, SALT_BYTES, SCRAM_HASHES, verifyPassword, type ScramHash, type ScramKeys
} from '../rules/scram.js'
import type { AccountRecord, AccountRef, Accounts } from '../storage/store.js'
import { SaslFailure, type Authenticator, type Identity, type ScramSecret } from '../stream/authenticator.js'
import type { Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import { StanzaError } from '../xmpp/errors.js'
import { isGuest, newGuest } from '../xmpp/guest.js'
import { Jid, JidError, prepareLocal } from '../xmpp/jid.js'
import { preparePassword } from '../xmpp/saslprep.js'
import { HashQueue } from './hash-queue.js'

/** A login gets its answer within this time, whatever the database does. */
const STORE_MS = 5000
/** What a password that nobody can have is hashed as, so that it costs the same. */
const NO_PASSWORD = '\u{FFFD}'

export interface CredentialParts {
  readonly accounts: Accounts
  readonly clock: Clock
  readonly log: Log
  /** Makes up the salts of names that nobody has; the same on all nodes and after a restart. */
  readonly secret: Buffer
  /** For passwords that are set from now on. */
  readonly iterations: number
  readonly queue?: HashQueue
  /** Nobody logs in without an account where this is absent. */
  readonly admitsGuests?: (domain: string) => boolean
}

export class PasswordRefused extends Error {
  constructor() {
    super('This cannot be a password: empty, longer than 1024 bytes, or with characters that SASLprep forbids')
    this.name = 'PasswordRefused'
  }
}

export class Credentials implements Authenticator {
  /** Best first. */
  readonly hashes: readonly ScramHash[] = [...SCRAM_HASHES].reverse()
  readonly #parts: CredentialParts
  readonly #queue: HashQueue

  constructor(parts: CredentialParts) {
    this.#parts = parts
    this.#queue = parts.queue ?? new HashQueue()
  }

  async scram(username: string, domain: string, hash: ScramHash): Promise<ScramSecret> {
    const account = await this.find(username, domain)
    const keys = account?.keys.find((known) => known.hash === hash)
    if (account === undefined || keys === undefined) {
      return { keys: this.#invent(username, domain, hash), identity: undefined, disabled: false }
    }
    return { keys, identity: identityOf(account), disabled: account.disabled }
  }

  async plain(username: string, domain: string, password: string): Promise<Identity> {
    const account = await this.find(username, domain)
    const keys = this.#bestOf(account) ?? this.#invent(username, domain, this.#best)
    const prepared = preparePassword(password)
    const right = await this.#hashed(() => verifyPassword(keys, prepared ?? NO_PASSWORD))
    if (account === undefined) throw new SaslFailure('not-authorized', 'a name that nobody has')
    if (!right || prepared === undefined) throw new SaslFailure('not-authorized', 'a wrong password')
    if (account.disabled) throw new SaslFailure('account-disabled', 'a disabled account')
    return identityOf(account)
  }

  async external(jid: Jid): Promise<Identity> {
    const account = await this.inTime(this.#parts.accounts.find(jid))
    if (account === undefined || isGuest(account)) throw new SaslFailure('not-authorized', 'a certificate for a name that nobody has')
    if (account.disabled) throw new SaslFailure('account-disabled', 'a disabled account')
    return identityOf(account)
  }

  get iterations(): number {
    return this.#parts.iterations
  }

  async weakHashes({ jid }: Identity): Promise<readonly ScramHash[]> {
    const keys = (await this.inTime(this.#parts.accounts.find(jid)))?.keys ?? []
    return this.hashes.filter((hash) => !keys.some((known) => known.hash === hash && known.iterations >= this.iterations))
  }

  async addKeys(identity: Identity, keys: ScramKeys): Promise<void> {
    await this.inTime(this.#parts.accounts.addKeys(identity, keys))
    this.#parts.log.info({ account: identity.jid.toString(), hash: keys.hash }, 'auth.upgraded')
  }

  admitsGuests(domain: string): boolean {
    return this.#parts.admitsGuests?.(domain) ?? false
  }

  guest(domain: string): Identity {
    return newGuest(domain)
  }

  /** For those who have logged in and must show again who they are. Rejects with `StanzaError` when nobody can say. */
  async check({ jid }: AccountRef, password: string): Promise<boolean> {
    try {
      await this.plain(jid.local, jid.domain, password)
      return true
    } catch (error) {
      if (error instanceof SaslFailure && error.condition === 'not-authorized') return false
      throw new StanzaError('wait', 'resource-constraint', 'The password cannot be checked now; try again later')
    }
  }

  /** Keys of all hashes for a new password, off the event loop. Rejects with `PasswordRefused`, or `StanzaError` when busy. */
  async keysFor(password: string): Promise<readonly ScramKeys[]> {
    const prepared = preparePassword(password)
    if (prepared === undefined) throw new PasswordRefused()
    const salt = randomBytes(SALT_BYTES)
    const running = this.#queue.run(() => deriveAllKeys(prepared, salt, this.#parts.iterations))
    if (running === undefined) throw new StanzaError('wait', 'resource-constraint', 'Too many passwords wait to be hashed')
    return running
  }

  async setPassword(account: AccountRef, password: string): Promise<void> {
    await this.#parts.accounts.setKeys(account, await this.keysFor(password))
  }

  /** `undefined` when the account exists already. */
  async create(jid: Jid, password: string): Promise<AccountRecord | undefined> {
    return this.#parts.accounts.create(jid, await this.keysFor(password))
  }

  get #best(): ScramHash {
    return this.hashes[0] ?? 'SHA-512'
  }

  #bestOf(account: AccountRecord | undefined): ScramKeys | undefined {
    for (const hash of this.hashes) {
      const keys = account?.keys.find((known) => known.hash === hash)
      if (keys !== undefined) return keys
    }
    return undefined
  }

  #invent(username: string, domain: string, hash: ScramHash): ScramKeys {
    const local = localpart(username) ?? username
    return inventedKeys(this.#parts.secret, `${local}@${domain}`, hash, this.#parts.iterations)
  }

  /** A name that cannot be a localpart is looked up like any other: as nobody. Rejects with `SaslFailure` only. */
  async find(username: string, domain: string): Promise<AccountRecord | undefined> {
    const local = localpart(username)
    if (local === undefined) return undefined
    return this.inTime(this.#parts.accounts.find(new Jid(local, domain, '')))
  }

  /** What the database answers, or a `SaslFailure` in good time (RFC 6120 §6.5.11). */
  inTime<T>(query: Promise<T>): Promise<T> {
    const { clock, log } = this.#parts
    return new Promise((resolve, reject) => {
      const late = (): void => reject(new SaslFailure('temporary-auth-failure', 'the database does not answer'))
      const cancel = clock.after(STORE_MS, late)
      query.then(resolve, (error: unknown) => {
        log.warn({ err: error }, 'auth.store-failed')
        reject(new SaslFailure('temporary-auth-failure', 'the database failed'))
      }).finally(cancel)
    })
  }

  #hashed<T>(job: () => Promise<T>): Promise<T> {
    const running = this.#queue.run(job)
    if (running === undefined) throw new SaslFailure('temporary-auth-failure', 'too many passwords wait to be hashed')
    return running
  }
}

/** The keys stay here. */
function identityOf({ id, jid }: AccountRecord): Identity {
  return { id, jid }
}

function localpart(username: string): string | undefined {
  try {
    return prepareLocal(username)
  } catch (error) {
    if (error instanceof JidError) return undefined
    throw error
  }
}
