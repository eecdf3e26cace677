/**
 * What plugins may know of the server and do with accounts, and what the node does when the command line or another
 * node has changed one. Ties credentials, caches, sessions and the router together.
 */
import type { AccountCaches } from './pipeline/account-caches.js'
import type { DiscoFacts, ServerFacts } from './pipeline/api.js'
import type { Pipeline } from './pipeline/compile.js'
import type { Mesh } from './router/envelope.js'
import type { Router } from './router/router.js'
import type { NodeRef } from './router/strategy.js'
import type { Credentials } from './session/credentials.js'
import { isAccountEnd, type Sessions } from './session/sessions.js'
import { ACCOUNT_NOTICES, type ClusterTables } from './storage/cluster-tables.js'
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
  readonly nodes: Pick<Mesh, 'self' | 'view'>
  readonly tlsRequired: (domain: string) => boolean
  readonly exempt: (address: string) => boolean
}

export class ServerAccounts implements ServerFacts {
  readonly version: string
  readonly domains: readonly string[]
  readonly admins: readonly Jid[]
  readonly #parts: ServerAccountsParts
  readonly #startedAt: number
  #streamFeatures: string | undefined

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

  tlsRequired(domain: string): boolean {
    return this.#parts.tlsRequired(domain)
  }

  exempt(address: string): boolean {
    return this.#parts.exempt(address)
  }

  get node(): string {
    return nodeText(this.#parts.nodes.self)
  }

  isLive(node: string): boolean {
    return this.#parts.nodes.view().some((one) => nodeText(one) === node)
  }

  /** Every node, this one too, reads the notice and closes the account's other devices. */
  async setPassword(account: AccountRef, password: string, by: Jid = account.jid): Promise<void> {
    await this.#parts.credentials.setPassword(account, password)
    await this.#parts.cluster.notify(ACCOUNT_NOTICES.password, by.toString())
  }

  checkPassword(account: AccountRef, password: string): Promise<boolean> {
    return this.#parts.credentials.check(account, password)
  }

  createAccount(jid: Jid, password: string): Promise<AccountRef | undefined> {
    return this.#parts.credentials.create(jid, password)
  }

  /** The rows first: a device that is closed must not be able to come back. */
  async removeAccount(account: AccountRef): Promise<void> {
    await this.#parts.store.accounts.remove(account.jid)
    await this.#parts.cluster.notify(ACCOUNT_NOTICES.removed, account.jid.toString())
    setImmediate(() => { this.#forget(account.jid, () => this.#parts.router().removeAccount(account)) })
  }

  /** Somebody changed an account: the command line, or a plugin on another node. */
  notice(kind: string, subject: string): void {
    if (!isAccountEnd(kind)) return
    const jid = this.#parsed(subject)
    if (jid === undefined) return
    const { caches, router, sessions, clock, log } = this.#parts
    const [device] = sessions.byAccount(jid)
    if (kind === ACCOUNT_NOTICES.removed && device !== undefined) {
      this.#forget(jid, () => router().removeAccount(device.account))
      return
    }
    const closed = sessions.closeAccount(jid, kind, clock.now())
    if (kind !== ACCOUNT_NOTICES.password) this.#forget(jid, () => caches.forgetAccount(jid))
    if (closed > 0) log.info({ account: jid.bare.toString(), why: kind, devices: closed }, 'account.devices-closed')
  }

  /** Whoever may write to the database may write anything there. */
  #parsed(subject: string): Jid | undefined {
    try {
      return parseJid(subject)
    } catch {
      this.#parts.log.warn({ subject: subject.slice(0, 100) }, 'account.notice-unreadable')
      return undefined
    }
  }

  #forget(jid: Jid, forget: () => Promise<void>): void {
    forget().catch((error: unknown) => this.#parts.log.warn({ jid: jid.toString(), error: String(error) }, 'account.removal-incomplete'))
  }

  /** What plugins say in the stream features after authentication: they are asked once. */
  streamFeatures(): string {
    const tables = this.#parts.pipeline.streamFeatures ?? []
    this.#streamFeatures ??= tables.flatMap(({ run }) => run(this)).map((element) => serializeElement(element, 'jabber:client')).join('')
    return this.#streamFeatures
  }
}

const nodeText = ({ name, incarnation }: NodeRef): string => `${name}#${incarnation}`
