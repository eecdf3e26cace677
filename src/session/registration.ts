/** Accounts that people make themselves (XEP-0077 §3.1): which domains allow it, which names can be had. */
import { type Accounts, StorageError } from '../storage/store.js'
import type { AccountWish, Registrar } from '../stream/registrar.js'
import type { Log } from '../telemetry/log.js'
import type { NewAccounts } from '../transport/new-accounts.js'
import { StanzaError } from '../xmpp/errors.js'
import { Jid, JidError, prepareLocal } from '../xmpp/jid.js'
import { type Credentials, PasswordRefused } from './credentials.js'

export interface RegistrationParts {
  readonly accounts: Pick<Accounts, 'find' | 'count'>
  readonly credentials: Pick<Credentials, 'create'>
  readonly limits: Pick<NewAccounts, 'take' | 'giveBack'>
  /** Domains where people may register, with the number of accounts they may have; 0 for no limit. */
  readonly domains: ReadonlyMap<string, number>
  /** Names that mean something to the server, whether they have an account or not: administrators. */
  readonly reserved: readonly Jid[]
  readonly log: Log
}

export class Registration implements Registrar {
  readonly #parts: RegistrationParts

  constructor(parts: RegistrationParts) {
    this.#parts = parts
  }

  isOpen(domain: string): boolean {
    return this.#parts.domains.has(domain)
  }

  async register({ username, domain, password, address }: AccountWish): Promise<string> {
    const { reserved, limits } = this.#parts
    const jid = accountOf(username, domain)
    if (reserved.some((other) => other.equals(jid))) throw conflict()
    if (!limits.take(address)) throw new StanzaError('wait', 'resource-constraint', 'Too many new accounts; try again later')
    try {
      await this.#make(jid, password)
    } catch (error) {
      limits.giveBack(address)
      throw this.#refusalOf(error)
    }
    return jid.toString()
  }

  // The cheap questions first: hashing is for names that can be had.
  async #make(jid: Jid, password: string): Promise<void> {
    const { accounts, credentials, domains } = this.#parts
    if (await accounts.find(jid) !== undefined) throw conflict()
    const most = domains.get(jid.domain) ?? 0
    if (most > 0 && await accounts.count(jid.domain) >= most) {
      throw new StanzaError('cancel', 'not-allowed', 'This domain has as many accounts as it may')
    }
    if (await credentials.create(jid, password) === undefined) throw conflict()
  }

  #refusalOf(error: unknown): StanzaError {
    if (error instanceof StanzaError) return error
    if (error instanceof PasswordRefused) return new StanzaError('modify', 'not-acceptable', error.message)
    if (error instanceof StorageError) this.#parts.log.warn({ err: error }, 'registration.store-failed')
    else this.#parts.log.error({ err: error }, 'registration.error')
    return new StanzaError('wait', 'resource-constraint', 'The account cannot be made now; try again later')
  }
}

// RFC 8265 §3.3 by way of RFC 7622 §3.3: what is stored is the prepared name.
function accountOf(username: string, domain: string): Jid {
  try {
    return new Jid(prepareLocal(username), domain, '')
  } catch (error) {
    if (error instanceof JidError) throw new StanzaError('modify', 'not-acceptable', 'This cannot be a name')
    throw error
  }
}

function conflict(): StanzaError {
  return new StanzaError('cancel', 'conflict', 'Somebody has this name')
}
