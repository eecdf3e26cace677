/** stanza over WebSocket and over BOSH. */
import { createClient, type Agent } from 'stanza'
import { Journal, presenceSeen, type Account, type Contact, type Door, type Driver, type Show } from './driver.js'

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
