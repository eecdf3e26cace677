/**
 * `Context`: what a handler may use besides its stanza. One small object for each half that has handlers; everything
 * that is the same for all stanzas is in `Services`.
 */
import type { Option, Values } from '../config/option.js'
import type { Device } from '../session/device.js'
import type { AccountRef, Store } from '../storage/store.js'
import type { Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import type { Jid } from '../xmpp/jid.js'
import type { AccountCaches } from './account-caches.js'
import type { AccountCache, Context, ServerFacts } from './api.js'

export interface Services {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly server: ServerFacts
  readonly caches: AccountCaches
  /** Values of a plugin's group of options; `undefined`: as declared. */
  readonly settings: (group: object) => object | undefined
}

/** Which stanza of which session: read when a handler asks for `key`. */
export interface KeyFacts {
  readonly osid: string
  readonly index: number
  readonly k: number
}

export class HandlerContext implements Context {
  readonly #services: Services
  readonly #key: KeyFacts

  constructor(services: Services, readonly account: AccountRef, readonly device: Device | undefined, key: KeyFacts) {
    this.#services = services
    this.#key = key
  }

  get key(): string {
    return `${this.#key.osid}:${this.#key.index}:${this.#key.k}`
  }

  get store(): Store {
    return this.#services.store
  }

  get clock(): Clock {
    return this.#services.clock
  }

  get log(): Log {
    return this.#services.log
  }

  get server(): ServerFacts {
    return this.#services.server
  }

  read<T>(cache: AccountCache<T>, account: AccountRef = this.account): T | Promise<T> {
    return this.#services.caches.read(cache, account)
  }

  forget<T>(cache: AccountCache<T>, account: AccountRef = this.account): Promise<void> {
    return this.#services.caches.forget(cache, account)
  }

  findAccount(jid: Jid): AccountRef | undefined | Promise<AccountRef | undefined> {
    return this.#services.caches.findAccount(jid)
  }

  settings<G extends Record<string, Option<unknown>>>(group: G): Values<G> {
    const values = this.#services.settings(group) ?? initialOf(group)
    return values as Values<G>
  }
}

function initialOf(group: Record<string, Option<unknown>>): object {
  return Object.fromEntries(Object.entries(group).map(([key, option]) => [key, option.initial]))
}
