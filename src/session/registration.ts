/**
 * Accounts that people make themselves (XEP-0077 §3.1): which domains allow it, which names, how many for an address and
 * in all. Owns the counts, which are this node's.
 */
import { type AccountRecord, type Accounts, StorageError } from '../storage/store.js'
import type { AccountWish, Registrar } from '../stream/registrar.js'
import type { Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import { countedAs } from '../transport/networks.js'
import { StanzaError } from '../xmpp/errors.js'
import { Jid, JidError, prepareLocal } from '../xmpp/jid.js'
import { type Credentials, PasswordRefused } from './credentials.js'
import type { RegistrationSettings } from './options.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

export interface RegistrationParts {
  readonly accounts: Pick<Accounts, 'find' | 'count'>
  readonly credentials: Pick<Credentials, 'create'>
  readonly settings: RegistrationSettings
  /** Domains where people may register, with the number of accounts they may have; 0 for no limit. */
  readonly domains: ReadonlyMap<string, number>
  /** Names that mean something to the server, whether they have an account or not: administrators. */
  readonly reserved: readonly Jid[]
  /** Addresses that are not counted. */
  readonly exempt: (address: string) => boolean
  readonly clock: Clock
  readonly log: Log
}

export class Registration implements Registrar {
  readonly #parts: RegistrationParts
  readonly #counts: RegistrationCounts

  constructor(parts: RegistrationParts) {
    this.#parts = parts
    this.#counts = new RegistrationCounts(parts.settings, parts.clock)
  }

  isOpen(domain: string): boolean {
    return this.#parts.domains.has(domain)
  }

  async register({ username, domain, password, address }: AccountWish): Promise<string> {
    const jid = accountOf(username, domain)
    if (this.#parts.reserved.some((other) => other.equals(jid))) throw conflict()
    const counted = this.#parts.exempt(address) ? undefined : countedAs(address)
    if (counted !== undefined) this.#counts.take(counted)
    try {
      await this.#make(jid, password)
    } catch (error) {
      if (counted !== undefined) this.#counts.giveBack(counted)
      throw this.#refusalOf(error)
    }
    return jid.toString()
  }

  // The cheap questions first: hashing is for names that can be had.
  async #make(jid: Jid, password: string): Promise<AccountRecord> {
    const { accounts, credentials, domains } = this.#parts
    if (await accounts.find(jid) !== undefined) throw conflict()
    const most = domains.get(jid.domain) ?? 0
    if (most > 0 && await accounts.count(jid.domain) >= most) {
      throw new StanzaError('cancel', 'not-allowed', 'This domain has as many accounts as it may')
    }
    const made = await credentials.create(jid, password)
    if (made === undefined) throw conflict()
    return made
  }

  #refusalOf(error: unknown): StanzaError {
    if (error instanceof StanzaError) return error
    if (error instanceof PasswordRefused) return new StanzaError('modify', 'not-acceptable', error.message)
    if (error instanceof StorageError) this.#parts.log.warn({ err: error }, 'registration.store-failed')
    else this.#parts.log.error({ err: error }, 'registration.error')
    return new StanzaError('wait', 'resource-constraint', 'The account cannot be made now; try again later')
  }
}

interface Count {
  count: number
  /** A new period begins. */
  until: number
}

/** So many for an address in an hour, so many for all in a day; taken before the work, so that nobody overtakes. */
class RegistrationCounts {
  readonly #settings: RegistrationSettings
  readonly #clock: Clock
  /** No more than the registrations of two days. */
  readonly #addresses = new Map<string, Count>()
  #all: Count = { count: 0, until: 0 }

  constructor(settings: RegistrationSettings, clock: Clock) {
    this.#settings = settings
    this.#clock = clock
  }

  /** Throws `StanzaError` when there are too many. */
  take(address: string): void {
    const { registrationsPerAddress, registrationsPerDay } = this.#settings
    const now = this.#clock.now()
    if (now >= this.#all.until) this.#newDay(now)
    const own = this.#of(address, now)
    if (own.count >= registrationsPerAddress || this.#all.count >= registrationsPerDay) {
      throw new StanzaError('wait', 'resource-constraint', 'Too many new accounts; try again later')
    }
    own.count++
    this.#all.count++
    this.#addresses.set(address, own)
  }

  giveBack(address: string): void {
    const own = this.#addresses.get(address)
    if (own !== undefined && own.count > 0) own.count--
    if (this.#all.count > 0) this.#all.count--
  }

  #of(address: string, now: number): Count {
    const known = this.#addresses.get(address)
    return known !== undefined && now < known.until ? known : { count: 0, until: now + HOUR_MS }
  }

  #newDay(now: number): void {
    this.#all = { count: 0, until: now + DAY_MS }
    for (const [address, { until }] of this.#addresses) if (now >= until) this.#addresses.delete(address)
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
