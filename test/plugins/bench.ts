/**
 * A bench for plugins: stanzas in, stanzas out. The real pipeline and the real router of one node with a store in memory;
 * no sockets, no time but the hand-moved one.
 */
import { send, type Delivery, type PluginDeclaration, type ServerFacts } from '../../src/pipeline/api.js'
import type { Pipeline } from '../../src/pipeline/compile.js'
import type { Services } from '../../src/pipeline/context.js'
import type { Destination } from '../../src/router/dispatch.js'
import type { Router } from '../../src/router/router.js'
import { parseJid } from '../../src/xmpp/jid.js'
import type { Stanza } from '../../src/xmpp/stanza.js'
import { readStanza } from '../../src/xmpp/stored-stanza.js'
import { HandClock } from '../stream/hand-clock.js'
import { short, type FakeSession } from '../router/fake-session.js'
import { quiet, Rig } from '../router/rig.js'
import type { MemoryStore } from './memory-store.js'

export { short }

export interface BenchOptions {
  readonly domains?: readonly string[]
  readonly settings?: Services['settings']
  readonly exempt?: boolean
}

/** `accounts`: bare JIDs that exist. */
export async function pluginBench(
  plugins: readonly PluginDeclaration[], accounts: readonly string[], options: BenchOptions = {}
): Promise<Bench> {
  return new Bench(plugins, accounts, options)
}

/** A client's side of a device. */
export class BenchDevice {
  readonly session: FakeSession
  readonly #bench: Bench

  constructor(bench: Bench, session: FakeSession) {
    this.#bench = bench
    this.session = session
  }

  get jid(): FakeSession['jid'] {
    return this.session.jid
  }

  get account(): FakeSession['account'] {
    return this.session.account
  }

  get presence(): Stanza | undefined {
    return this.session.presence
  }

  get priority(): number | undefined {
    return this.session.priority
  }

  get<T>(slot: Parameters<FakeSession['get']>[0] & { readonly initial: T }): T {
    return this.session.get(slot) as T
  }

  /** One stanza as a client writes it; resolves when everything that follows from it has happened. */
  async sends(xml: string): Promise<void> {
    await this.#bench.sends(this.session, xml)
  }

  /** The one answer to a request: the condition of an error, else what is inside. */
  async asks(type: 'get' | 'set', to: string, payload: string): Promise<string> {
    this.stanzas()
    await this.sends(`<iq type='${type}' id='ask'${to === '' ? '' : ` to='${to}'`}>${payload}</iq>`)
    const answers = this.stanzas().filter((stanza) => stanza.kind === 'iq' && stanza.id === 'ask')
    const [answer] = answers
    if (answer === undefined || answers.length > 1) throw new Error(`${answers.length} answers to ${payload}`)
    if (answer.type === 'result') return short(answer.with({ from: undefined, to: undefined })).slice('iq result - > - '.length)
    const error = answer.elements().at(-1)
    return `${error?.attrs['type']}/${error?.getChildElements()[0]?.name}`
  }

  /** What came since the last call. */
  stanzas(): readonly Stanza[] {
    return this.session.stanzas()
  }

  /** The same in short: kind, type, from, to, and what is inside. */
  got(): readonly string[] {
    return this.session.got()
  }
}

export class Bench {
  /** Stanzas for other domains. */
  readonly abroad: Stanza[] = []
  readonly #rig: Rig

  constructor(plugins: readonly PluginDeclaration[], accounts: readonly string[], options: BenchOptions) {
    const clock = new HandClock()
    clock.wall = () => clock.now()              // stamps count from 1970 on
    this.#rig = new Rig({ plugins, clock, ...options, abroad: collect(this.abroad) })
    for (const account of accounts) this.#rig.store.add(parseJid(account))
  }

  get store(): MemoryStore {
    return this.#rig.store
  }

  /** What was changed in the store behind the plugins' backs is seen. */
  forget(): void {
    this.#rig.services.caches.clear()
  }

  get server(): ServerFacts {
    return this.#rig.services.server
  }

  /** Set by plugins, by bare JID. */
  get passwords(): Map<string, string> {
    return this.#rig.passwords
  }

  get pipeline(): Pipeline {
    return this.#rig.pipeline
  }

  get router(): Router {
    return this.#rig.router
  }

  /** Milliseconds of the hand-moved clock, monotonic; moving it runs what falls due. Wall time is the same. */
  get now(): number {
    return this.#rig.clock.now()
  }

  set now(ms: number) {
    this.#rig.clock.advance(ms - this.#rig.clock.now())
  }

  /** A device bound. With presence, when some is given. */
  async binds(jid: string, presence?: string): Promise<BenchDevice> {
    const session = await this.#rig.binds(jid, presence)
    await this.#settled()
    return new BenchDevice(this, session)
  }

  /** The stream is gone. */
  async ends(device: BenchDevice): Promise<void> {
    device.session.close(undefined, 'connection-lost')
    await this.#settled()
  }

  async sends(session: FakeSession, xml: string): Promise<void> {
    await this.#rig.sends(session, xml)
    await this.#settled()
  }

  /** A stanza from elsewhere, with its addresses. */
  async arrives(xml: string): Promise<void> {
    const stanza = readStanza(xml)
    if (stanza?.to === undefined) throw new Error(`no stanza with an address: ${xml}`)
    await this.deliver([send(stanza as typeof stanza & { to: typeof stanza.to })])
  }

  /** What a plugin would return. */
  async deliver(deliveries: readonly Delivery[]): Promise<void> {
    for (const delivery of deliveries) this.#rig.router.submit(delivery)
    await this.#settled()
  }

  /** Whatever a handler threw that is no refusal fails the test. */
  async #settled(): Promise<void> {
    await quiet()
    const [fault] = this.#rig.faults.splice(0)
    if (fault !== undefined) throw new Error('a handler failed', { cause: fault })
  }
}

function collect(abroad: Stanza[]): Destination {
  return {
    enter: (_cause, _key, stanza) => {
      abroad.push(stanza)
    },
    presence: (_cause, stanza, to) => {
      abroad.push(...to.map(({ address }) => stanza.with({ to: address })))
    }
  }
}
