/**
 * A bench for plugins: stanzas in, stanzas out. The compiled pipeline with a store in memory and the plainest router that
 * keeps the rules: one node, no sockets, no time but the hand-moved one.
 */
import { AccountCaches } from '../../src/pipeline/account-caches.js'
import { Drop, Reply, type Delivery, type IqRequest, type PluginDeclaration, type ServerFacts } from '../../src/pipeline/api.js'
import { compile, type Door, type Pipeline, type Step } from '../../src/pipeline/compile.js'
import { HandlerContext, type Services } from '../../src/pipeline/context.js'
import { audienceOf, Passage, runDelivering, runIq, runLife, runStranded } from '../../src/pipeline/run.js'
import { eligible, whenNoAccount, whenNobodyTookIt } from '../../src/rules/addressing.js'
import { parsePriority } from '../../src/rules/presence.js'
import type { Device } from '../../src/session/device.js'
import type { Slot } from '../../src/session/slot.js'
import type { AccountRef } from '../../src/storage/store.js'
import type { Clock } from '../../src/telemetry/clock.js'
import type { Log } from '../../src/telemetry/log.js'
import { treesOf } from '../../src/xml/inside.js'
import { errorReply } from '../../src/xmpp/error-stanza.js'
import { StanzaError } from '../../src/xmpp/errors.js'
import { parseJid, type Jid } from '../../src/xmpp/jid.js'
import { Stanza } from '../../src/xmpp/stanza.js'
import { readStanza } from '../../src/xmpp/stored-stanza.js'
import { MemoryStore } from './memory-store.js'

export class BenchDevice implements Device {
  readonly session: string
  readonly bound = { ms: 0, count: 0 }
  readonly secure = true
  readonly address = '127.0.0.1'
  presence: Stanza | undefined
  priority: number | undefined
  index = 0
  readonly #bench: Bench
  readonly #slots = new Map<unknown, unknown>()
  #inbox: Stanza[] = []

  constructor(bench: Bench, readonly jid: Jid, readonly account: AccountRef, number: number) {
    this.#bench = bench
    this.session = number.toString(16).padStart(32, '0')
  }

  get<T>(slot: Slot<T>): T {
    return this.#slots.has(slot) ? this.#slots.get(slot) as T : slot.initial
  }

  set<T>(slot: Slot<T>, value: T): void {
    this.#slots.set(slot, value)
  }

  take(stanza: Stanza): void {
    this.#inbox.push(stanza)
  }

  /** One stanza as a client writes it; resolves when everything that follows from it has happened. */
  async sends(xml: string): Promise<void> {
    const stanza = readStanza(xml)
    if (stanza === undefined) throw new Error(`no stanza: ${xml}`)
    await this.#bench.receive(this, stanza.with({ from: this.jid }))
  }

  /** What came since the last call. */
  stanzas(): readonly Stanza[] {
    const all = this.#inbox
    this.#inbox = []
    return all
  }

  /** The same in short: kind, type, from, to, and what is inside. */
  got(): readonly string[] {
    return this.stanzas().map(short)
  }
}

/** `presence unsubscribed juliet@im.test > romeo@im.test <status>no</status>`; a type that is absent is left out. */
export function short(stanza: Stanza): string {
  const inside = treesOf(stanza.inside, 'jabber:client').map(String).join('').replaceAll('"', "'")
  const addresses = `${stanza.from?.toString() ?? '-'} > ${stanza.to?.toString() ?? '-'}`
  return [stanza.kind, stanza.type, addresses, inside].filter((part) => part !== '').join(' ')
}

export interface BenchOptions {
  readonly domains?: readonly string[]
  readonly settings?: Services['settings']
}

export async function pluginBench(
  plugins: readonly PluginDeclaration[], accounts: readonly string[], options: BenchOptions = {}
): Promise<Bench> {
  return new Bench(compile(plugins), accounts, options)
}

const silent: Log = {
  error: (fields, event) => {
    throw new Error(event, { cause: fields })
  },
  warn: () => undefined, info: () => undefined, debug: () => undefined, trace: () => undefined,
  child: () => silent, isLevelEnabled: () => false
}

interface Route {
  readonly delivery: Delivery
  /** Where to look; a full address in its second round is bare. */
  readonly address: Jid
  readonly account: AccountRef
  readonly key: { readonly osid: string; readonly index: number; readonly k: number }
}

export class Bench {
  readonly store = new MemoryStore()
  readonly pipeline: Pipeline
  /** Stanzas for other domains. */
  readonly abroad: Stanza[] = []
  now = 1_000_000
  readonly #devices: BenchDevice[] = []
  readonly #services: Services
  #made = 0

  constructor(pipeline: Pipeline, accounts: readonly string[], options: BenchOptions) {
    this.pipeline = pipeline
    for (const account of accounts) this.store.add(parseJid(account))
    const domains = options.domains ?? ['im.test']
    const clock: Clock = { now: () => this.now, wall: () => this.now, after: () => () => undefined, every: () => () => undefined }
    const server: ServerFacts = {
      version: '0', domains, admins: [], upMs: () => this.now, disco: (of) => pipeline.disco[of],
      setPassword: async () => undefined, createAccount: async () => undefined, removeAccount: async () => undefined
    }
    const caches = new AccountCaches({ store: this.store, invalidate: async () => undefined })
    this.#services = { store: this.store, clock, log: silent, server, caches, settings: options.settings ?? (() => undefined) }
  }

  /** A device bound. With presence, when some is given. */
  async binds(jid: string, presence?: string): Promise<BenchDevice> {
    const full = parseJid(jid)
    const account = await this.#services.caches.findAccount(full)
    if (account === undefined) throw new Error(`no account ${jid}`)
    const device = new BenchDevice(this, full, account, this.#devices.length + 1)
    this.#devices.push(device)
    await this.#life('bound', device)
    if (presence !== undefined) await device.sends(presence)
    return device
  }

  /** The stream is gone. */
  async ends(device: BenchDevice): Promise<void> {
    this.#devices.splice(this.#devices.indexOf(device), 1)
    const wasAvailable = device.presence !== undefined
    device.presence = device.priority = undefined
    if (wasAvailable) await this.#life('unavailable', device)
    await this.#life('ended', device)
  }

  async receive(device: BenchDevice, stanza: Stanza): Promise<void> {
    device.index += 1
    const ctx = this.#ctx(device.account, device, { osid: device.session, index: device.index, k: 0 })
    const { kind } = stanza
    try {
      if (kind === 'iq') await this.#iqFromClient(device, stanza, ctx)
      else await this.#leaving(device, stanza, await this.#pass(this.pipeline[kind].leaving, stanza, ctx))
    } catch (error) {
      this.#refuse(device, stanza, error)
    }
  }

  #refuse(device: BenchDevice, stanza: Stanza, error: unknown): void {
    if (!(error instanceof StanzaError)) throw error
    const answer = errorReply(stanza, error, stanza.to ?? device.account.jid)
    if (answer !== undefined) device.take(answer)
  }

  async #leaving(device: BenchDevice, stanza: Stanza, passage: Passage): Promise<void> {
    if (passage.dropped !== undefined) return this.deliver(passage.dropped.instead, device)
    if (stanza.to !== undefined) await this.deliver([routed(passage.stanza)], device)
    else if (stanza.kind === 'presence') await this.#setPresence(device, passage.stanza)
    else await this.deliver([routed(passage.stanza.with({ to: device.account.jid }))], device)
    await this.deliver(passage.copies, device)
  }

  async #setPresence(device: BenchDevice, stanza: Stanza): Promise<void> {
    const before = device.priority
    const available = stanza.type === ''
    const texts = stanza.elements().filter((e) => e.name === 'priority').map((e) => e.getText())
    device.presence = available ? stanza : undefined
    device.priority = available ? parsePriority(texts) : undefined
    if (available && (before === undefined || (before < 0 && (device.priority ?? -1) >= 0))) await this.#life('available', device)
    if (!available && before !== undefined) await this.#life('unavailable', device)
  }

  async #life(event: 'bound' | 'available' | 'unavailable' | 'ended', device: BenchDevice): Promise<void> {
    const ctx = this.#ctx(device.account, device, { osid: device.session, index: device.index, k: 4 })
    await this.deliver(await runLife(this.pipeline.life[event] ?? [], device, ctx), device)
  }

  async #iqFromClient(device: BenchDevice, stanza: Stanza, ctx: HandlerContext): Promise<void> {
    const own = device.account.jid
    if (stanza.to === undefined || stanza.to.equals(own)) {
      const doors: readonly Door[] = stanza.to === undefined ? ['self', 'account', 'host'] : ['self', 'account']
      return this.#answerIq(doors, stanza, ctx, device)
    }
    const passage = await this.#pass(this.pipeline.iq.leaving, stanza, ctx)
    if (passage.dropped === undefined) await this.deliver([routed(passage.stanza)], device)
  }

  async #answerIq(doors: readonly Door[], stanza: Stanza, ctx: HandlerContext, device: BenchDevice | undefined): Promise<void> {
    if (stanza.type === 'result' || stanza.type === 'error') return
    const [child] = stanza.children
    const payload = stanza.elements()[0]
    const type = stanza.type === 'get' ? 'get' : 'set'
    const found = doors.map((door) => this.pipeline.doors[door].get(child?.ns ?? '')?.get(child?.name ?? '')?.[type]).find(Boolean)
    if (found === undefined || payload === undefined || stanza.from === undefined) throw new StanzaError('cancel', 'service-unavailable')
    const request: IqRequest = { stanza, type, from: stanza.from, payload }
    const result = await runIq(found, request, ctx)
    const { payload: answer, deliveries } = result instanceof Reply ? result : { payload: result ?? undefined, deliveries: [] }
    const head = { kind: 'iq', type: 'result', id: stanza.id, from: stanza.to, to: stanza.from } as const
    await this.deliver([routed(Stanza.of(head, ...(answer === undefined ? [] : [answer])))], device)
    await this.deliver(deliveries, device)
  }

  async deliver(deliveries: readonly Delivery[], cause?: BenchDevice): Promise<void> {
    for (const delivery of deliveries) {
      this.#made += 1
      const key = { osid: cause?.session ?? 'f'.repeat(32), index: cause === undefined ? this.#made : cause.index, k: delivery.row }
      await this.#deliver(delivery, key, cause)
    }
  }

  async #deliver(delivery: Delivery, key: Route['key'], cause: BenchDevice | undefined): Promise<void> {
    const { to, via } = delivery
    const stanza = via === 'route' ? delivery.stanza.with({ to }) : delivery.stanza
    if (!this.#services.server.domains.includes(to.domain)) {
      this.abroad.push(stanza)
      return
    }
    const account = to.local === '' ? undefined : await this.#services.caches.findAccount(to)
    if (account === undefined) return via === 'route' ? this.#nobody(stanza, to, cause) : undefined
    const route = { delivery: { ...delivery, stanza }, address: to, account, key }
    if (via === 'devices') await this.#toDevices(route)
    else await this.#bouncing(stanza, () => this.#arriving(route))
  }

  async #nobody(stanza: Stanza, to: Jid, cause: BenchDevice | undefined): Promise<void> {
    if (to.local === '' && stanza.kind === 'iq' && cause !== undefined) {
      const ctx = this.#ctx(cause.account, cause, { osid: '', index: 0, k: 0 })
      return this.#bouncing(stanza, () => this.#answerIq(['host'], stanza, ctx, cause))
    }
    const fate = whenNoAccount(stanza)
    if (fate === 'bounce') await this.#bouncing(stanza, () => Promise.reject(new StanzaError('cancel', 'service-unavailable')))
    else if (fate === 'unsubscribed' && stanza.from !== undefined) {
      await this.deliver([routed(Stanza.of({ kind: 'presence', type: 'unsubscribed', from: to.bare, to: stanza.from.bare }))])
    }
  }

  async #bouncing(stanza: Stanza, attempt: () => Promise<void>): Promise<void> {
    try {
      await attempt()
    } catch (error) {
      if (!(error instanceof StanzaError)) throw error
      const answer = errorReply(stanza, error)
      if (answer?.to !== undefined) await this.deliver([routed(answer)])
    }
  }

  async #arriving(route: Route): Promise<void> {
    const { stanza } = route.delivery
    const ctx = this.#ctx(route.account, undefined, route.key)
    const steps = stanza.kind === 'iq' ? this.pipeline.iq.arriving : this.pipeline[stanza.kind].arriving
    const passage = await this.#pass(steps, stanza, ctx)
    if (passage.dropped !== undefined) return this.deliver(passage.dropped.instead)
    if (stanza.kind === 'iq' && route.address.isBare) return this.#answerIq(['account'], passage.stanza, ctx, undefined)
    await this.#toDevicesOrElse({ ...route, delivery: { ...route.delivery, stanza: passage.stanza } }, ctx)
    await this.deliver(passage.copies)
  }

  async #toDevicesOrElse(route: Route, ctx: HandlerContext): Promise<void> {
    if (await this.#toDevices(route) > 0) return
    const { stanza } = route.delivery
    const fate = whenNobodyTookIt(stanza, route.address.resource)
    if (fate === 'bare') return this.#toDevicesOrElse({ ...route, address: route.address.bare }, ctx)
    if (fate === 'ignore' || stanza.kind === 'iq' && fate !== 'bounce') return
    const table = stanza.kind === 'iq' ? null : this.pipeline[stanza.kind].stranded
    const row = fate === 'store' && table !== null ? await runStranded(table, stanza, ctx) : undefined
    if (row === undefined) throw new StanzaError('cancel', 'service-unavailable')
  }

  async #toDevices({ delivery, address, account, key }: Route): Promise<number> {
    const { stanza, audience, except, readdress, row } = delivery
    const mine = this.#devices.filter((device) => device.account.id === account.id && !device.jid.equals(except))
    const takers = mine.filter((device) => (audience === ''
      ? eligible(stanza, address.resource, { resource: device.jid.resource, priority: device.priority })
      : (address.isBare || address.equals(device.jid)) && audienceOf(this.pipeline, audience, silent)(device)))
    for (const device of takers) {
      const table = stanza.kind === 'iq' ? null : this.pipeline[stanza.kind].delivering
      const shaped = runDelivering(table ?? [], stanza, device, this.#ctx(account, device, key))
      if (shaped instanceof Drop) await this.deliver(shaped.instead)
      else device.take(readdress ? shaped.with({ to: device.jid }) : shaped)
    }
    if (takers.length > 0 && row > 0) await this.store.offline.remove(account, [row])
    return takers.length
  }

  async #pass(steps: readonly Step[] | null, stanza: Stanza, ctx: HandlerContext): Promise<Passage> {
    return new Passage(steps ?? [], stanza, ctx).run()
  }

  #ctx(account: AccountRef, device: Device | undefined, key: Route['key']): HandlerContext {
    return new HandlerContext(this.#services, account, device, key)
  }
}

function routed(stanza: Stanza): Delivery {
  if (stanza.to === undefined) throw new Error('nobody to route to')
  return { stanza, to: stanza.to, via: 'route', audience: '', except: undefined, readdress: false, row: 0 }
}
