/**
 * Every room between the database and the sockets, made once and tied together, in the order of the floors. What starts
 * and stops them is `server.ts`.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { adminRoutes } from './admin/routes.js'
import { pipelineOf } from './chosen-plugins.js'
import { machineName, secretsOf } from './cluster/configure.js'
import type { NodeMesh } from './cluster/mesh.js'
import { loadStrategy } from './cluster/strategies/load.js'
import type { ServerSettings } from './groups.js'
import { AccountCaches } from './pipeline/account-caches.js'
import type { Found } from './pipeline/catalog.js'
import { createRouter, type Router } from './router/router.js'
import type { Strategy } from './router/strategy.js'
import { ServerAccounts } from './server-accounts.js'
import { Credentials } from './session/credentials.js'
import { createClientDoor } from './session/door.js'
import { Registration } from './session/registration.js'
import type { Sessions } from './session/sessions.js'
import { AccountTokens } from './session/tokens.js'
import { offLog } from './session/stable-log.js'
import { RELOAD_NOTICE } from './storage/cluster-tables.js'
import { withGuests } from './storage/guests.js'
import type { OpenStore } from './storage/open.js'
import type { Clock } from './telemetry/clock.js'
import type { Health } from './telemetry/health.js'
import type { Metrics } from './telemetry/metrics.js'
import type { Logs } from './telemetry/pino-log.js'
import { Strain, systemProbes } from './telemetry/strain.js'
import { Certificates } from './transport/certificates.js'
import { ClientDoors } from './transport/doors.js'
import { Networks } from './transport/networks.js'
import { NewAccounts } from './transport/new-accounts.js'
import type { Accept } from './transport/transport.js'
import type { HybridClock } from './xmpp/hlc.js'
import { JidCache, parseJid } from './xmpp/jid.js'

export interface Ground {
  readonly settings: ServerSettings
  readonly found: readonly Found[]
  readonly logs: Logs
  readonly version: string
  readonly clock: Clock
  readonly hlc: HybridClock
  readonly metrics: Metrics
  readonly health: Health
  readonly sessions: Sessions
  readonly open: OpenStore
  readonly mesh: NodeMesh
}

export interface Assembly {
  readonly router: Router
  readonly strategy: Strategy
  readonly doors: ClientDoors
  readonly certificates: Certificates
}

/** Addresses kept prepared: the ones that are busy at one time on one node. */
const JIDS_MAX = 50_000
/** A slow client is told by its session first; its transport waits that much longer before it cuts, milliseconds. */
const SLOW_GRACE_MS = 5_000

interface Host {
  readonly domain: string
  readonly tlsRequired?: boolean | undefined
  readonly register?: boolean | undefined
  readonly anonymous?: boolean | undefined
  readonly maxUsers?: number | undefined
}

export async function assemble(ground: Ground): Promise<Assembly> {
  const { settings: { values }, logs, clock, mesh } = ground
  const given: readonly Host[] = values.server.virtualHosts
  const hosts = given.length > 0 ? given : [{ domain: machineName(mesh.self.name) }]
  const { strategy: name, clusterName } = values.cluster
  const strategy = await loadStrategy(name, { node: mesh.self.name, clusterName, clock, log: logs.room('cluster') })
  const rooms = await engine(ground, strategy, hosts)
  const { router, accounts } = rooms
  const certificates = await certificatesOf(ground, hosts)
  mesh.onNotice((kind, subject) => {
    if (kind === RELOAD_NOTICE) void certificates.reload()
    else accounts.notice(kind, subject)
  })
  const doors = clientDoors(ground, { accept: (transport) => door(transport), strategy, router, hosts, certificates })
  const door = clientDoor(ground, { ...rooms, doors, hosts })
  return { router, strategy, doors, certificates }
}

interface Engine {
  readonly router: Router
  readonly accounts: ServerAccounts
  readonly credentials: Credentials
  readonly loginSecret: Buffer
}

async function engine(ground: Ground, strategy: Strategy, hosts: readonly Host[]): Promise<Engine> {
  const { settings, found, logs, version, clock, hlc, metrics, sessions, open: { cluster, values: drawn, store: rows }, mesh } = ground
  const { server, session, stream, addressLimits } = settings.values
  const log = logs.room('session')
  const exempt = Networks.of(addressLimits.exempt)
  const pipeline = pipelineOf(found, settings)
  const domains = hosts.map(({ domain }) => domain)
  const admitsGuests = saidBy(hosts, 'anonymous', server.anonymous)
  const store = withGuests(rows, { admits: admitsGuests, clock })
  const caches = new AccountCaches({ store, invalidate: (cache, key) => mesh.invalidate(cache, key) })
  const draw = async (name: string): Promise<Buffer> =>
    Buffer.from(await drawn.once(name, () => randomBytes(32).toString('hex')), 'hex')
  const secret = await draw('invented-salts')
  const credentials = new Credentials({
    accounts: store.accounts, clock, log, secret, iterations: session.scramIterations, admitsGuests
  })
  const accounts: ServerAccounts = new ServerAccounts({
    version, domains, clock, credentials, caches, pipeline, store, cluster, sessions, log,
    admins: server.admins.map(parseJid), nodes: mesh, router: () => router,
    tlsRequired: saidBy(hosts, 'tlsRequired', stream.vhostTlsRequired), exempt: (address) => exempt.has(address)
  })
  const options = new Map<object | undefined, object | undefined>(
    found.map(({ declaration: { id, config } }) => [config, settings.pluginSettings.get(id)])
  )
  const services = {
    store, clock, log: logs.room('plugins'), server: accounts, caches, settings: (group: object) => options.get(group)
  }
  const router: Router = createRouter({
    pipeline, services, domains, sessions, mesh, strategy, stableLog: offLog, hlc, metrics
  })
  return { router, accounts, credentials, loginSecret: await draw('login') }
}

/** A served domain may say otherwise than the option for all. */
function saidBy(hosts: readonly Host[], flag: 'tlsRequired' | 'anonymous', otherwise: boolean): (domain: string) => boolean {
  const own = new Map(hosts.map((host) => [host.domain, host[flag]]))
  return (domain) => own.get(domain) ?? otherwise
}

/** Room for the key of TLS session tickets in the database's shared values. */
const TICKET_KEY = 'tls-ticket-key'
const TICKET_KEY_BYTES = 48

async function certificatesOf({ settings, logs, clock, health, metrics, open }: Ground, hosts: readonly Host[]): Promise<Certificates> {
  const certificates = await Certificates.load({
    settings: settings.values.tls, domains: hosts.map(({ domain }) => domain), log: logs.room('transport'), clock,
    async ticketKey(span) {
      return Buffer.from(await open.values.forSpan(TICKET_KEY, span, () => randomBytes(TICKET_KEY_BYTES).toString('hex')), 'hex')
    }
  })
  health.watch('certificates', () => certificates.problems())
  metrics.certificateDays.from(() => certificates.remainingDays())
  return certificates
}

interface DoorNeeds {
  readonly certificates: Certificates
  readonly accept: Accept
  readonly strategy: Strategy
  readonly router: Router
  readonly hosts: readonly Host[]
}

function clientDoors(ground: Ground, { accept, strategy, router, hosts, certificates }: DoorNeeds): ClientDoors {
  const { settings: { values }, logs, clock, health, metrics, mesh, sessions } = ground
  const log = logs.room('transport')
  const domains = hosts.map(({ domain }) => domain)
  metrics.sessions.from(() => sessions.size)
  const strain = new Strain(values.strain, clock, systemProbes())
  health.watch('load', () => strain.problems())
  metrics.overload.from(() => strain.readings())
  metrics.detached.from(() => sessions.count().detached)
  metrics.unacked.from(() => sessions.count().unacked)
  const doors: ClientDoors = new ClientDoors({
    doors: values.doors, addressLimits: values.addressLimits, httpLimits: values.httpLimits,
    streamLimits: { ...values.streamLimits, slowMs: values.streamLimits.slowMs + SLOW_GRACE_MS },
    clock, log, strain, nodeName: mesh.self.name, contextOf: (name) => certificates.contextOf(name),
    requestCert: values.tls.tlsClientCa !== '', refused: metrics.connectionsRefused, accept,
    serves: (domain) => domains.includes(domain),
    forward: (node, request) => (mesh.view().some((other) => other.name === node) ? mesh.boshTo(node, request) : undefined),
    healthy: () => health.alive, ready: () => health.ready && mesh.serving(),
    adminRoutes: adminRoutes({
      metrics: () => metrics.text(), health: () => health.report(), self: () => mesh.self, viewNo: () => mesh.viewNo,
      serving: () => mesh.serving(), members: () => mesh.members(), problems: () => mesh.problems(),
      strategy: () => strategy.name, sessions: () => sessions, router: () => router.facts(), doors: () => doors.ports(),
      certificates: () => ({ reloads: certificates.reloads, domains: certificates.facts() })
    })
  })
  mesh.onBosh((_from, request) => doors.bosh.serveForwarded(request))
  return doors
}

interface ClientNeeds extends Engine {
  readonly doors: ClientDoors
  readonly hosts: readonly Host[]
}

function clientDoor(ground: Ground, { router, accounts, credentials, loginSecret, doors, hosts }: ClientNeeds): Accept {
  const { settings: { values }, logs, clock, hlc, metrics, sessions } = ground
  const { pendingBytesMax, slowMs } = values.streamLimits
  const served = new Set(hosts.map(({ domain }) => domain))
  return createClientDoor({
    streamSettings: values.stream, settings: values.session, sessions, stableLog: offLog, handler: router.handler, hlc, clock, metrics,
    slow: { slowBytes: pendingBytesMax, slowMs }, jids: new JidCache(JIDS_MAX), deadlines: doors.room.wheel, strain: doors.room.strain,
    authenticator: credentials, loginSecret, tokens: tokensOf(ground, credentials, loginSecret),
    registrar: registrationOf(ground, credentials, hosts),
    limits: {
      beforeBytes: values.streamLimits.beforeAuthStanzaBytes, afterBytes: values.streamLimits.stanzaBytes,
      idleSeconds: values.stream.idleSeconds
    },
    log: logs.room('stream'), extras: () => accounts.streamFeatures(),
    domains: {
      first: hosts[0]?.domain ?? '',
      serves: (domain) => served.has(domain),
      tlsRequired: (domain) => accounts.tlsRequired(domain)
    }
  })
}

const DAY_MS = 86_400_000

/** A secret of the cluster outside the database: with it, what stands in the database is not enough to make a token. */
function tokensOf({ settings: { values }, open, clock, logs }: Ground, credentials: Credentials, drawn: Buffer): AccountTokens | undefined {
  const { tokenDays, tokenRotateDays } = values.session
  if (tokenDays === 0) return undefined
  const outside = secretsOf(values.cluster)
  return new AccountTokens({
    rows: open.tokens, credentials, clock, log: logs.room('session'),
    secrets: outside.length === 0 ? [drawn] : outside.map((secret) => createHmac('sha256', drawn).update(secret).digest()),
    lifetimeMs: tokenDays * DAY_MS, rotateMs: tokenRotateDays * DAY_MS
  })
}

const REGISTER_PLUGIN = 'jabber:iq:register'

/** Without the plugin nobody registers, whatever the domains say. */
function registrationOf(ground: Ground, credentials: Credentials, hosts: readonly Host[]): Registration {
  const { settings, open, clock, logs } = ground
  const { server: { plugins, register, admins }, addressLimits } = settings.values
  const off = plugins.findLast(({ id }) => id === REGISTER_PLUGIN)?.on === false
  const allowed = off ? [] : hosts.filter((host) => host.register ?? register)
  return new Registration({
    accounts: open.store.accounts, credentials, log: logs.room('session'), reserved: admins.map(parseJid),
    limits: new NewAccounts(addressLimits, Networks.of(addressLimits.exempt), clock),
    domains: new Map(allowed.map(({ domain, maxUsers = 0 }) => [domain, maxUsers]))
  })
}
