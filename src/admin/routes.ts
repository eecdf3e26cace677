/** The admin listener's pages: metrics for Prometheus, the state of cluster and sessions as JSON with stable names. */
import type { Member } from '../cluster/settings.js'
import type { NodeRef } from '../router/strategy.js'
import type { Session } from '../session/session.js'
import type { HealthReport } from '../telemetry/health.js'
import type { HttpReply, HttpRoute } from '../transport/http.js'

export interface AdminFacts {
  metrics(): Promise<string>
  health(): HealthReport
  self(): NodeRef
  viewNo(): number
  serving(): boolean
  members(): readonly Member[]
  problems(): readonly string[]
  strategy(): string
  sessions(): Iterable<Session>
  /** Open ports, by kind. */
  doors(): object
  /** What clients are shown, and how often it was read again. */
  certificates(): object
  /** Counts of what waits in the router. */
  router(): object
}

const PROMETHEUS = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }
/** Sessions listed on one page; the count is always whole. */
const SESSIONS_MAX = 1_000

export function adminRoutes(facts: AdminFacts): readonly HttpRoute[] {
  return [
    { path: '/metrics', handler: async () => ({ status: 200, headers: PROMETHEUS, body: await facts.metrics() }) },
    { path: '/cluster', handler: () => json(clusterPage(facts)) },
    { path: '/sessions', handler: () => json(sessionsPage(facts)) }
  ]
}

const json = (value: object): HttpReply => ({
  status: 200, headers: { 'content-type': 'application/json', 'cache-control': 'no-store' }, body: `${JSON.stringify(value, null, 2)}\n`
})

function clusterPage(facts: AdminFacts): object {
  const self = facts.self()
  return {
    self: { name: self.name, incarnation: self.incarnation },
    strategy: facts.strategy(),
    view: facts.viewNo(),
    serving: facts.serving(),
    health: facts.health(),
    problems: facts.problems(),
    members: facts.members(),
    doors: facts.doors(),
    certificates: facts.certificates(),
    router: facts.router()
  }
}

function sessionsPage(facts: AdminFacts): object {
  const sessions: object[] = []
  let count = 0
  for (const session of facts.sessions()) {
    if (++count <= SESSIONS_MAX) sessions.push(sessionFacts(session))
  }
  return { node: facts.self().name, count, sessions }
}

const sessionFacts = (session: Session): object => ({
  jid: session.jid.toString(),
  session: session.session,
  address: session.address,
  secure: session.secure,
  available: session.presence !== undefined,
  priority: session.priority ?? null
})
