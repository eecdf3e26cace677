/** One node as the router sees it: registry, services, pipeline, and clients that write stanzas. */
import { AccountCaches } from '../../src/pipeline/account-caches.js'
import type { PluginDeclaration, ServerFacts } from '../../src/pipeline/api.js'
import { compile, type Pipeline } from '../../src/pipeline/compile.js'
import type { Services } from '../../src/pipeline/context.js'
import { aloneMesh, aloneStrategy } from './alone.js'
import type { Mesh } from '../../src/router/envelope.js'
import { createRouter, type Router, type RouterDeps } from '../../src/router/router.js'
import type { Strategy } from '../../src/router/strategy.js'
import type { Session } from '../../src/session/session.js'
import { Sessions } from '../../src/session/sessions.js'
import { offLog, type StableLog } from '../../src/session/stable-log.js'
import type { Entry } from '../../src/session/unacked.js'
import type { StreamClosedReason } from '../../src/telemetry/reasons.js'
import type { Log } from '../../src/telemetry/log.js'
import { HybridClock } from '../../src/xmpp/hlc.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { readStanza } from '../../src/xmpp/stored-stanza.js'
import { MemoryStore } from '../plugins/memory-store.js'
import { HandClock } from '../stream/hand-clock.js'
import { FakeSession } from './fake-session.js'

const SUBSCRIPTIONS = ['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed']

export interface RigOptions {
  readonly plugins: readonly PluginDeclaration[]
  readonly store?: MemoryStore
  readonly domains?: readonly string[]
  readonly settings?: Services['settings']
  readonly mesh?: Mesh
  readonly strategy?: Strategy
  readonly stableLog?: StableLog
  readonly clock?: HandClock
  /** The address of all clients is of `--limits-exempt`. */
  readonly exempt?: boolean
  readonly abroad?: NonNullable<RouterDeps['abroad']>
}

/** All that is pending in this process has run. */
export const quiet = async (): Promise<void> => new Promise((resolve) => {
  setImmediate(resolve)
})

export class Rig {
  readonly store: MemoryStore
  readonly clock: HandClock
  readonly pipeline: Pipeline
  readonly router: Router
  readonly sessions: Sessions
  readonly services: Services
  /** Set by plugins, by bare JID. */
  readonly passwords = new Map<string, string>()
  /** Events that were logged as our own faults. */
  readonly faults: object[] = []
  readonly hlc: HybridClock
  readonly #mesh: Mesh
  readonly #stableLog: StableLog
  #made = 0

  constructor(options: RigOptions) {
    this.store = options.store ?? new MemoryStore()
    this.#stableLog = options.stableLog ?? offLog
    this.clock = options.clock ?? new HandClock()
    this.pipeline = compile(options.plugins)
    const domains = options.domains ?? ['im.test']
    this.#mesh = options.mesh ?? aloneMesh({ name: 'a', incarnation: 1 })
    this.sessions = new Sessions(this.#mesh.self.name)
    this.sessions.attach({
      gate: () => undefined,
      shutdown: () => this.#all().forEach((session) => session.close(undefined, 'shutdown')),
      abort: (reason) => this.#all().forEach((session) => session.close(undefined, reason))
    })
    this.hlc = new HybridClock(() => this.clock.wall())
    const caches = new AccountCaches({ store: this.store, invalidate: (cache, key) => this.#mesh.invalidate(cache, key) })
    const settings = options.settings ?? (() => undefined)
    const server = this.#facts(domains, options.exempt ?? false)
    this.services = { store: this.store, clock: this.clock, log: this.#log(), server, caches, settings }
    this.router = createRouter({
      pipeline: this.pipeline, services: this.services, domains, sessions: this.sessions, mesh: this.#mesh, hlc: this.hlc,
      strategy: options.strategy ?? aloneStrategy, stableLog: this.#stableLog,
      ...(options.abroad !== undefined && { abroad: options.abroad })
    })
    this.router.start()
  }

  /** A device bound and, when some is given, sent presence. */
  async binds(jid: string, presence?: string): Promise<FakeSession> {
    const full = parseJid(jid)
    const account = await this.services.caches.findAccount(full)
    if (account === undefined) throw new Error(`no account ${jid}`)
    const id = `${this.#mesh.self.name.charCodeAt(0).toString(16)}${(++this.#made).toString(16)}`.padStart(32, '0')
    const facts = { jid: full, account, session: id, bound: this.hlc.next(), log: this.#stableLog }
    const session = new FakeSession(facts, (...end) => this.#ended(...end))
    this.sessions.add(session)
    await this.router.handler.bound(session)
    if (presence !== undefined) await this.sends(session, presence)
    return session
  }

  /** One stanza as a client writes it; resolves when its reading would go on. */
  async sends(session: FakeSession, xml: string): Promise<void> {
    await this.writes(session, xml)
  }

  /** The same without waiting: what the handler returned. */
  writes(session: FakeSession, xml: string): void | Promise<void> {
    const stanza = readStanza(xml)
    if (stanza === undefined) throw new Error(`no stanza: ${xml}`)
    const from = stanza.kind === 'presence' && SUBSCRIPTIONS.includes(stanza.type) ? session.account.jid : session.jid
    return this.router.handler.receive(session, stanza.with({ from }), ++session.index)
  }

  #all(): readonly Session[] {
    return [...this.sessions]
  }

  #ended(session: FakeSession, reason: StreamClosedReason, left: readonly Entry[]): void {
    this.sessions.remove(session)
    this.router.handler.ended(session, reason, left)
  }

  #facts(domains: readonly string[], exempt: boolean): ServerFacts {
    return {
      version: '0', domains, admins: [], upMs: () => this.clock.now(), disco: (of) => this.pipeline.disco[of],
      tlsRequired: () => true, exempt: () => exempt, node: 'a#1', isLive: (node) => node === 'a#1',
      setPassword: async (account, password) => void this.passwords.set(account.jid.toString(), password),
      checkPassword: async (account, password) => this.passwords.get(account.jid.toString()) === password,
      createAccount: async () => undefined,
      removeAccount: async (account) => void await this.store.accounts.remove(account.jid)
    }
  }

  #log(): Log {
    const log: Log = {
      error: (fields, event) => {
        this.faults.push({ event, ...fields })
      },
      warn: () => undefined, info: () => undefined, debug: () => undefined, trace: () => undefined,
      child: () => log, isLevelEnabled: () => false
    }
    return log
  }
}
