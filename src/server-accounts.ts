/**
 * What plugins may know of the server and do with accounts, and what the node does when the command line or another
 * node has changed one. Ties credentials, caches, sessions and the router together.
 */
import type { AccountCaches } from './pipeline/account-caches.js'
import type { DiscoFacts, ServerFacts } from './pipeline/api.js'
import type { Pipeline } from './pipeline/compile.js'
import type { Router } from './router/router.js'
import type { Credentials } from './session/credentials.js'
import type { Sessions } from './session/sessions.js'
import type { ClusterTables } from './storage/cluster-tables.js'
import type { AccountRef, Store } from './storage/store.js'
import type { Clock } from './telemetry/clock.js'
import type { Log } from './telemetry/log.js'
import { serializeElement } from './xml/element.js'
import { parseJid, type Jid } from './xmpp/jid.js'

export interface ServerAccountsParts {
  readonly version: string
  readonly domains: readonly string[]
  readonly admins: readonly Jid[]
  readonly clock: Clock
  readonly log: Log
  readonly credentials: Credentials
  readonly caches: AccountCaches
  readonly pipeline: Pipeline
  readonly store: Store
  readonly cluster: ClusterTables
  readonly sessions: Sessions
  readonly router: () => Router
}

/** Kinds of `cluster_notices`. */
export const NOTICES = { added: 'account-added', removed: 'account-removed', password: 'password-changed' } as const

export class ServerAccounts implements ServerFacts {
  readonly version: string
  readonly domains: readonly string[]
  readonly admins: readonly Jid[]
  readonly #parts: ServerAccountsParts
  readonly #startedAt: number

  constructor(parts: ServerAccountsParts) {
    this.version = parts.version
    this.domains = parts.domains
    this.admins = parts.admins
    this.#parts = parts
    this.#startedAt = parts.clock.now()
  }

  upMs(): number {
    return this.#parts.clock.now() - this.#startedAt
  }

  disco(of: 'host' | 'account'): DiscoFacts {
    return this.#parts.pipeline.disco[of]
  }

  setPassword(account: AccountRef, password: string): Promise<void> {
    return this.#parts.credentials.setPassword(account, password)
  }

  createAccount(jid: Jid, password: string): Promise<AccountRef | undefined> {
    return this.#parts.credentials.create(jid, password)
  }

  /** The rows first: a device that is closed must not be able to come back. */
  async removeAccount(account: AccountRef): Promise<void> {
    await this.#parts.store.accounts.remove(account.jid)
    await this.#parts.cluster.notify(NOTICES.removed, account.jid.toString())
    await this.#parts.router().removeAccount(account)
  }

  /** Somebody changed an account: the command line, or a plugin on another node. */
  notice(kind: string, subject: string): void {
    if (kind !== NOTICES.removed) return
    const jid = parseJid(subject)
    const device = this.#parts.sessions.byAccount(jid)[0]
    const gone = device === undefined ? this.#parts.caches.forgetAccount(jid) : this.#parts.router().removeAccount(device.account)
    gone.catch((error: unknown) => this.#parts.log.warn({ jid: subject, error: String(error) }, 'account.removal-incomplete'))
  }

  /** What plugins say in the stream features after authentication. */
  streamFeatures(): string {
    const tables = this.#parts.pipeline.streamFeatures ?? []
    return tables.flatMap(({ run }) => run(this)).map((element) => serializeElement(element, 'jabber:client')).join('')
  }
}
