/** stanza over WebSocket and over BOSH. */
import { createRequire } from 'node:module'
import { Journal, presenceSeen, type Account, type Contact, type Door, type Driver, type Show } from './driver.js'

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
  on(event: 'presence', listener: (presence: PresenceEvent) => void): void
  on(event: 'message', listener: (message: MessageEvent) => void): void
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
  readonly transports: { readonly websocket: string | false, readonly bosh: string | false }
}

const { createClient } = createRequire(import.meta.url)('stanza') as { createClient(options: AgentOptions): Agent }

export class StanzaDriver implements Driver {
  readonly journal: Journal
  #agent: Agent | undefined
  #over = false

  constructor(readonly over: 'websocket' | 'bosh') {
    this.journal = new Journal(`stanza over ${over}`)
  }

  async login({ ports, security }: Door, { user, domain, password }: Account): Promise<string> {
    const [s, port] = security === 'plain' ? ['', ports.http] : ['s', ports.https]
    const agent = createClient({
      jid: `${user}@${domain}`, password, server: domain, autoReconnect: false,
      transports: this.over === 'websocket'
        ? { websocket: `ws${s}://localhost:${port}/xmpp-websocket`, bosh: false }
        : { bosh: `http${s}://localhost:${port}/http-bind`, websocket: false }
    })
    this.#agent = agent
    agent.once('disconnected', () => { this.#over = true })
    agent.on('presence', ({ from = '', type, show, status }) => { this.journal.saw(presenceSeen(from, type, show, status)) })
    agent.on('message', ({ from = '', body }) => { if (body !== undefined) this.journal.saw({ what: 'message', from, body }) })
    await new Promise<void>((done, failed) => {
      agent.once('session:started', () => { done() })
      for (const event of ['auth:failed', 'disconnected'] as const) agent.once(event, () => { failed(new Error(`${this.over}: ${event}`)) })
      agent.connect()
    })
    if (this.over === 'bosh') inOrder(agent)
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
    this.#live.sendMessage({ to, body, type: 'chat' })
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
function inOrder(agent: Agent): void {
  let before: Promise<unknown> = Promise.resolve()
  for (const channel of (agent.transport as unknown as BoshTransport).channels) {
    const send = channel.send.bind(channel)
    channel.send = (rid, body) => {
      const earlier = before
      const answer = send(rid, body)
      before = Promise.allSettled([earlier, answer])
      return earlier.then(() => answer)
    }
  }
}
