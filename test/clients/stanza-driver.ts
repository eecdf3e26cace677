/** stanza over WebSocket and over BOSH. */
import { createRequire } from 'node:module'
import { Journal, Line, presenceSeen, type Account, type Contact, type Door, type ResumingDriver, type Show } from './driver.js'

interface PresenceEvent {
  readonly from?: string
  readonly type?: string
  readonly show?: string
  readonly status?: string
}

interface MessageEvent {
  readonly from?: string
  readonly body?: string
}

/** The part of stanza that is used here. Its own types bring another version of Node's, for all tests. */
interface Agent {
  readonly jid: string
  readonly transport?: unknown
  readonly sm: {
    on(event: 'resend', listener: (again: { readonly kind: string, readonly stanza: object }) => void): void
    track(kind: string, stanza: object): Promise<boolean>
  }
  on(event: 'presence', listener: (presence: PresenceEvent) => void): void
  on(event: 'message', listener: (message: MessageEvent) => void): void
  on(event: 'stream:management:resumed' | 'session:end' | 'disconnected' | 'connected', listener: () => void): void
  on(event: 'stanza:failed', listener: (lost: unknown) => void): void
  emit(event: '--transport-disconnected'): void
  once(event: 'session:started' | 'auth:failed' | 'disconnected', listener: () => void): void
  connect(): void
  disconnect(): void
  getRoster(): Promise<{ readonly items: readonly Contact[] }>
  sendPresence(presence?: PresenceEvent): void
  sendMessage(message: { readonly to: string, readonly body: string, readonly type: 'chat' }): void
  subscribe(jid: string): void
  acceptSubscription(jid: string): void
}

interface AgentOptions {
  readonly jid: string
  readonly password: string
  readonly server: string
  readonly autoReconnect: boolean
  /** Seconds. */
  readonly maxReconnectBackoff: number
  readonly transports: { readonly websocket: string | false, readonly bosh: string | false }
}

/** The library's own backing off would make up most of a test with many cuts. */
const RECONNECT_S = 0.05

const { createClient } = createRequire(import.meta.url)('stanza') as { createClient(options: AgentOptions): Agent }

export class StanzaDriver implements ResumingDriver {
  readonly journal: Journal
  readonly line = new Line()
  #agent: Agent | undefined
  #over = false

  constructor(readonly over: 'websocket' | 'bosh', private readonly resumes = false) {
    this.journal = new Journal(`stanza over ${over}`)
  }

  async login({ ports, security }: Door, { user, domain, password }: Account): Promise<string> {
    const [s, port] = security === 'plain' ? ['', ports.http] : ['s', ports.https]
    const agent = createClient({
      jid: `${user}@${domain}`, password, server: domain, autoReconnect: this.resumes, maxReconnectBackoff: RECONNECT_S,
      transports: this.over === 'websocket'
        ? { websocket: `ws${s}://localhost:${port}/xmpp-websocket`, bosh: false }
        : { bosh: `http${s}://localhost:${port}/http-bind`, websocket: false }
    })
    this.#agent = agent
    if (!this.resumes) agent.once('disconnected', () => { this.#over = true })
    agent.on('presence', ({ from = '', type, show, status }) => { this.journal.saw(presenceSeen(from, type, show, status)) })
    agent.on('message', ({ from = '', body }) => { if (body !== undefined) this.journal.saw({ what: 'message', from, body }) })
    await new Promise<void>((done, failed) => {
      agent.once('session:started', () => { done() })
      for (const event of ['auth:failed', 'disconnected'] as const) agent.once(event, () => { failed(new Error(`${this.over}: ${event}`)) })
      agent.connect()
    })
    if (this.over === 'bosh') inOrder(agent)
    if (this.resumes) this.#watch(agent)
    await agent.getRoster()
    agent.sendPresence()
    return agent.jid
  }

  async roster(): Promise<readonly Contact[]> {
    const { items } = await this.#live.getRoster()
    return items.map(({ jid, subscription }) => ({ jid, subscription }))
  }

  async subscribe(bare: string): Promise<void> {
    this.#live.subscribe(bare)
  }

  async accept(bare: string): Promise<void> {
    this.#live.acceptSubscription(bare)
  }

  async setShow(show: Show, status: string): Promise<void> {
    this.#live.sendPresence({ show, status })
  }

  async send(to: string, body: string): Promise<void> {
    if (this.resumes) await this.line.live()
    this.#live.sendMessage({ to, body, type: 'chat' })
  }

  /**
   * The library reconnects and resumes by itself. What is given to it while a stream lives it keeps until it is acknowledged;
   * between a connection and the end of resuming it would write stanzas to a stream that has not logged in, so that none are
   * given to it then. What it writes again after resuming it does not keep a second time: the next cut would lose it, and its
   * count of what is acknowledged would be off by so many (version 12.22.1). Here it is told to keep that, too.
   */
  #watch(agent: Agent): void {
    const { line } = this
    bearing(agent)
    agent.on('connected', () => { bearing(agent) })
    agent.on('disconnected', () => { line.down() })
    agent.sm.on('resend', ({ kind, stanza }) => { void agent.sm.track(kind, stanza) })
    agent.on('stream:management:resumed', () => { line.up(true) })
    agent.on('session:end', () => { line.failed('a new session, not the old one') })
    agent.on('stanza:failed', (lost) => { line.failed(`lost: ${JSON.stringify(lost)}`) })
    line.up(false)
  }

  /** What the library does itself when its keep-alive has no answer. */
  async changeNetworks(): Promise<void> {
    const transport = this.#live.transport as { hasStream: boolean, disconnect(clean: boolean): void } | undefined
    if (transport === undefined) return
    transport.hasStream = false
    transport.disconnect(false)
  }

  async leave(): Promise<void> {
    const gone = new Promise<void>((done) => this.#live.once('disconnected', () => { done() }))
    this.#live.disconnect()
    await gone
  }

  async end(): Promise<void> {
    if (!this.#over) this.#agent?.disconnect()
  }

  get #live(): Agent {
    if (this.#agent === undefined) throw new Error('not logged in')
    return this.#agent
  }
}

interface BoshTransport {
  readonly channels: readonly { send(rid: number, body: string): Promise<string> }[]
}

/**
 * stanza takes answers as they come in, and two connections do not keep the order of requests that XEP-0124 §12 wants
 * kept: each answer waits here for the ones before it.
 */
export function inOrder(agent: { readonly transport?: unknown }): void {
  let before: Promise<unknown> = Promise.resolve()
  for (const channel of (agent.transport as BoshTransport).channels) {
    const send = channel.send.bind(channel)
    channel.send = (rid, body) => {
      const earlier = before
      const answer = send(rid, body)
      before = Promise.allSettled([earlier, answer])
      return earlier.then(() => answer)
    }
  }
}

interface SocketTransport extends NodeJS.EventEmitter {
  send(kind: string, data: unknown): Promise<void>
}

/**
 * Two things that stanza does not bear. With each stanza it asks for an acknowledgement and leaves the outcome unhandled, which
 * ends the process when the connection has gone. And what it writes to a socket that has gone destroys its transport before
 * that has said `end`, which it waits for in order to reconnect: here `close` stands in for it.
 */
function bearing(agent: Agent): void {
  const transport = agent.transport as SocketTransport
  let ended = false
  transport.once('end', () => { ended = true })
  transport.once('close', () => { if (!ended && agent.transport === transport) agent.emit('--transport-disconnected') })
  const send = transport.send.bind(transport)
  transport.send = (kind, data) => {
    const sent = send(kind, data)
    if (kind === 'sm') sent.catch(() => {})
    return sent
  }
}
