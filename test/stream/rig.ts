/** A whole client door without sockets or a database: what the tests of `stream/` and `session/` stand on. */
import { valuesOf } from '../config/values-of.js'
import { Credentials } from '../../src/session/credentials.js'
import { createClientDoor } from '../../src/session/door.js'
import { sessionOptions, type SessionSettings } from '../../src/session/options.js'
import { offLog, type StableLog } from '../../src/session/stable-log.js'
import type { Entry } from '../../src/session/unacked.js'
import { Registration } from '../../src/session/registration.js'
import type { SlowBounds } from '../../src/session/slow-reader.js'
import type { SessionHandler } from '../../src/session/handler.js'
import type { Session } from '../../src/session/session.js'
import { Sessions } from '../../src/session/sessions.js'
import { AccountTokens } from '../../src/session/tokens.js'
import type { AccountRecord, AccountRef, Accounts, ScramKeys } from '../../src/storage/store.js'
import type { StreamSettings } from '../../src/stream/options.js'
import type { StreamClosedReason } from '../../src/telemetry/reasons.js'
import type { Log } from '../../src/telemetry/log.js'
import { BINDING_TYPES, type Accept } from '../../src/transport/transport.js'
import type { Admittance } from '../../src/transport/bounds.js'
import { Networks } from '../../src/transport/networks.js'
import { NewAccounts } from '../../src/transport/new-accounts.js'
import { type AddressLimitSettings, addressLimitOptions } from '../../src/transport/options.js'
import { Wheel } from '../../src/transport/wheel.js'
import { HybridClock } from '../../src/xmpp/hlc.js'
import { type Jid, JidCache, parseJid } from '../../src/xmpp/jid.js'
import type { Stanza } from '../../src/xmpp/stanza.js'
import { MemoryTokenRows } from '../support/memory-tokens.js'
import { HandClock } from './hand-clock.js'
import { Wire, type WireOptions } from './wire.js'

export const DAY_MS = 86_400_000
export const ITERATIONS = 64                             // tests want no security

export interface Line {
  readonly level: string
  readonly event: string
  readonly fields: Readonly<Record<string, unknown>>
}

export function memoryLog(lines: Line[], bound: object = {}): Log {
  const write = (level: string) => (fields: object, event: string): void => {
    lines.push({ level, event, fields: { ...bound, ...fields } })
  }
  return {
    error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug'), trace: write('trace'),
    child: (fields) => memoryLog(lines, { ...bound, ...fields }),
    isLevelEnabled: () => false
  }
}

export class Counted {
  readonly counts: Record<string, number> = {}

  add(label: string): void {
    this.counts[label] = this.get(label) + 1
  }

  get(label: string): number {
    return this.counts[label] ?? 0
  }
}

const nobodyCounts = { add() {}, get: () => 0 }

export class MemoryAccounts implements Accounts {
  readonly #rows = new Map<string, AccountRecord>()
  /** Set to make every query wait for it or fail with it. */
  weather: () => Promise<void> = () => Promise.resolve()
  asked = 0

  async find(jid: Jid): Promise<AccountRecord | undefined> {
    this.asked++
    await this.weather()
    return this.#rows.get(jid.toString())
  }

  async create(jid: Jid, keys: readonly ScramKeys[]): Promise<AccountRecord | undefined> {
    if (this.#rows.has(jid.toString())) return undefined
    const row = { id: this.#rows.size + 1, jid, keys, disabled: false, createdAt: 0 }
    this.#rows.set(jid.toString(), row)
    return row
  }

  readonly tokens = new MemoryTokenRows()

  async setKeys(account: AccountRef, keys: readonly ScramKeys[]): Promise<void> {
    this.change(account.jid, { keys })
    await this.tokens.dropAll(account)
  }

  async setDisabled(account: AccountRef, disabled: boolean): Promise<void> {
    this.change(account.jid, { disabled })
    if (disabled) await this.tokens.dropAll(account)
  }

  async addKeys(account: AccountRef, keys: ScramKeys): Promise<void> {
    await this.weather()
    const others = this.#rows.get(account.jid.toString())?.keys.filter(({ hash }) => hash !== keys.hash) ?? []
    this.change(account.jid, { keys: [...others, keys] })
  }

  change(jid: Jid, change: Partial<AccountRecord>): void {
    const row = this.#rows.get(jid.toString())
    if (row !== undefined) this.#rows.set(jid.toString(), { ...row, ...change })
  }

  async remove(jid: Jid): Promise<boolean> {
    return this.#rows.delete(jid.toString())
  }

  async count(): Promise<number> {
    return this.#rows.size
  }

  async list(): Promise<readonly Jid[]> {
    return [...this.#rows.values()].map((row) => row.jid)
  }
}

export class RecordingHandler implements SessionHandler {
  readonly received: { readonly session: Session; readonly stanza: Stanza; readonly index: number }[] = []
  readonly over: { readonly jid: string; readonly reason: StreamClosedReason }[] = []
  readonly bad: string[] = []
  /** What sessions left, in the order of their ends. */
  readonly left: (readonly Entry[])[] = []
  devices = 0
  onBound: (session: Session) => Promise<void> = () => Promise.resolve()
  onReceive: (session: Session, stanza: Stanza, index: number) => void | Promise<void> = (session, _stanza, index) =>
    session.handled(index)

  bound(session: Session): Promise<void> {
    return this.onBound(session)
  }

  receive(session: Session, stanza: Stanza, index: number): void | Promise<void> {
    this.received.push({ session, stanza, index })
    return this.onReceive(session, stanza, index)
  }

  ended(session: Session, reason: StreamClosedReason, left: readonly Entry[]): void {
    this.left.push(left)
    this.over.push({ jid: session.jid.toString(), reason })
  }

  malformed(_session: Session, kind: Stanza['kind'], id: string | undefined, type: string, badTo: string): void {
    this.bad.push([kind, id, type, badTo].join(' '))
  }

  devicesOf(): number {
    return this.devices
  }
}

const DOMAINS = new Set(['im.test', 'other.test'])

export const SETTINGS: StreamSettings = {
  vhostTlsRequired: true, saslPlain: true, saslBindings: BINDING_TYPES, saslPlainWithoutTls: false,
  idleSeconds: 360, authenticatedSeconds: 60, bindSeconds: 15, saslTries: 5, saslDelayMs: 200
}

export interface RigOptions {
  readonly settings?: Partial<StreamSettings>
  readonly session?: Partial<SessionSettings>
  readonly stableLog?: StableLog
  readonly strain?: Admittance
  /** What stream management counts from. */
  readonly smStart?: number
  readonly slow?: SlowBounds
  readonly extras?: string
  /** Domains where people may register, with the most accounts they may have. */
  readonly open?: Readonly<Record<string, number>>
  readonly registration?: Partial<AddressLimitSettings>
  /** All domains have guests. */
  readonly guests?: boolean
}

export class Rig {
  readonly clock = new HandClock()
  readonly wheel = new Wheel(this.clock)
  readonly lines: Line[] = []
  readonly accounts = new MemoryAccounts()
  readonly handler = new RecordingHandler()
  readonly resumes = new Counted()
  readonly sessions = new Sessions('node1')
  readonly credentials: Credentials
  readonly registration: Registration
  readonly tokens: AccountTokens
  readonly #settings: StreamSettings
  readonly door: Accept

  constructor(
    { settings, session, extras, open = {}, registration, stableLog = offLog, smStart, slow, strain, guests = false }: RigOptions = {}
  ) {
    this.wheel.start()
    this.#settings = { ...SETTINGS, ...settings }
    const { clock, wheel, handler, sessions, accounts } = this
    const log = memoryLog(this.lines)
    const secret = Buffer.alloc(32, 7)
    this.credentials = new Credentials({ accounts, clock, log, secret, iterations: ITERATIONS, admitsGuests: () => guests })
    this.tokens = this.tokensWith([secret])
    this.registration = new Registration({
      accounts, credentials: this.credentials, log,
      limits: new NewAccounts({ ...valuesOf(addressLimitOptions), ...registration }, Networks.of(['127.0.0.0/8']), clock),
      domains: new Map(Object.entries(open)), reserved: [parseJid('admin@im.test')]
    })
    this.door = createClientDoor({
      clock, log, handler, sessions,
      deadlines: wheel,
      hlc: new HybridClock(() => clock.wall()),
      jids: new JidCache(100),
      settings: { ...valuesOf(sessionOptions), resourcesMax: 20, scramIterations: ITERATIONS, ...session },
      stableLog, strain,
      ...(smStart !== undefined && { smStart }),
      metrics: {
        contents: { copied: 0, rewritten: 0, tree: 0 }, resumes: this.resumes,
        stanzasIn: nobodyCounts, stanzasOut: nobodyCounts, streamsOpened: nobodyCounts, streamsClosed: nobodyCounts
      },
      slow: slow ?? { slowBytes: 1024, slowMs: 10_000 },
      streamSettings: this.#settings,
      domains: { first: 'im.test', serves: (d) => DOMAINS.has(d), tlsRequired: () => this.#settings.vhostTlsRequired },
      authenticator: this.credentials,
      registrar: this.registration,
      loginSecret: Buffer.alloc(32, 9),
      tokens: this.tokens,
      limits: { beforeBytes: 8_192, afterBytes: 262_144, idleSeconds: 360 },
      extras: () => extras ?? ''
    })
  }

  async user(jid: string, password = 'secret'): Promise<void> {
    await this.credentials.create(parseJid(jid), password)
  }

  tokensWith(secrets: readonly Buffer[]): AccountTokens {
    const { accounts, credentials, clock } = this
    return new AccountTokens({
      rows: accounts.tokens, credentials, clock, log: memoryLog(this.lines), secrets, lifetimeMs: 21 * DAY_MS, rotateMs: 7 * DAY_MS
    })
  }

  connect(options: WireOptions = {}): Wire {
    const wire = new Wire(options)
    this.door(wire)
    return wire
  }

  /** Over TLS, logged in as `jid` (account and resource), its address told. */
  async login(jid: string, options: WireOptions = {}): Promise<Wire> {
    const { local, domain, resource } = parseJid(jid)
    const wire = this.connect(options)
    wire.says(header(wire, { to: domain }))
    wire.says(plainAuth(local))
    await wire.until(/<success/)
    wire.says(header(wire, { to: domain }))
    wire.says(bindIq(resource))
    await wire.until(/<jid>/)
    return wire
  }

  session(jid: string): Session {
    const found = this.sessions.byFull(parseJid(jid))
    if (found === undefined) throw new Error(`${jid} is not here`)
    return found
  }

  /** Lines about the end of streams. */
  closings(): readonly Line[] {
    return this.lines.filter((line) => line.event === 'stream.closed')
  }
}

/** Attributes of a header; `undefined` leaves one out. */
export type HeaderAttributes = Readonly<Record<string, string | undefined>>

export function header(wire: Wire, attributes: HeaderAttributes = {}): string {
  const all: HeaderAttributes = { 'to': 'im.test', 'version': '1.0', 'xml:lang': 'en', ...attributes }
  const text = Object.entries(all).map(([name, value]) => value === undefined ? '' : ` ${name}='${value}'`).join('')
  if (wire.form === 'framed') return `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'${text}/>`
  return `<?xml version='1.0'?><stream:stream${text} xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`
}

export const base64 = (text: string): string => Buffer.from(text).toString('base64')

export function auth(mechanism: string, data = ''): string {
  return `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='${mechanism}'>${data}</auth>`
}

export function response(data = ''): string {
  return `<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>${data}</response>`
}

export function plainAuth(username: string, password = 'secret', authzid = ''): string {
  return auth('PLAIN', base64(`${authzid}\0${username}\0${password}`))
}

export function bindIq(resource = '', id = 'b'): string {
  const wanted = resource === '' ? '' : `<resource>${resource}</resource>`
  return `<iq xmlns='jabber:client' type='set' id='${id}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>${wanted}</bind></iq>`
}

/** What a stream error and the end after it look like. */
export function streamError(condition: string): RegExp {
  const element = `<stream:error[^>]*><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>.*</stream:error>`
  return new RegExp(`${element}(</stream:stream>|<close/>)$`)
}

export function failure(condition: string): RegExp {
  return new RegExp(`<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><${condition}/></failure>$`)
}
