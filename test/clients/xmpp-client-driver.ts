/** @xmpp/client over TCP (plain, STARTTLS, direct TLS) and over WebSocket. */
import { client, xml, type XmppClient } from '@xmpp/client'
import type { Element } from 'ltx'
import { WebSocket } from 'ws'
import { Journal, Line, presenceSeen, type Account, type Contact, type Door, type ResumingDriver, type Show } from './driver.js'

/** The library's own two seconds for each step are too short while fourteen clients log in on a busy machine. */
const STEP_MS = 20_000
/** The library's own second would make up most of a test with many cuts. */
const RECONNECT_MS = 50
const NS_ROSTER = 'jabber:iq:roster'

export class XmppClientDriver implements ResumingDriver {
  readonly journal: Journal
  readonly line = new Line()
  #xmpp: XmppClient | undefined

  constructor(readonly over: 'tcp' | 'websocket', private readonly resumes = false) {
    this.journal = new Journal(`@xmpp/client over ${over}`)
    // The library takes the platform's WebSocket, and Node has one from version 22 on.
    if (over === 'websocket') Object.assign(globalThis, { WebSocket })
  }

  async login(door: Door, { user, domain, password }: Account): Promise<string> {
    const xmpp = client({ service: serviceOf(this.over, door), domain, username: user, password, timeout: STEP_MS })
    this.#xmpp = xmpp
    xmpp.on('error', () => {})
    xmpp.on('stanza', (stanza: Element) => { this.#saw(stanza) })
    // There is no switch for it: the library uses STARTTLS wherever it is offered.
    if (door.security === 'plain') xmpp.prependListener('element', withoutTls)
    const jid = await startOf(xmpp)
    if (this.resumes) await this.#watch(xmpp)
    else xmpp.reconnect.stop()
    await this.roster()
    await xmpp.send(xml('presence'))
    return jid.toString()
  }

  async roster(): Promise<readonly Contact[]> {
    const query = await this.#live.iqCaller.get(xml('query', { xmlns: NS_ROSTER }))
    const items = query?.getChildren('item') ?? []
    return items.map(({ attrs }) => ({ jid: String(attrs['jid']), subscription: String(attrs['subscription']) }))
  }

  async subscribe(bare: string): Promise<void> {
    await this.#live.send(xml('presence', { to: bare, type: 'subscribe' }))
  }

  async accept(bare: string): Promise<void> {
    await this.#live.send(xml('presence', { to: bare, type: 'subscribed' }))
  }

  async setShow(show: Show, status: string): Promise<void> {
    await this.#live.send(xml('presence', {}, xml('show', {}, show), xml('status', {}, status)))
  }

  async send(to: string, body: string): Promise<void> {
    const message = xml('message', { to, type: 'chat' }, xml('body', {}, body))
    if (this.resumes) await this.#sendSurely(message)
    else await this.#live.send(message)
  }

  /**
   * The library reconnects and resumes by itself. It answers for a stanza from the moment when the system has taken its bytes,
   * which is when `send` resolves: then it is kept until it is acknowledged, and written again with a delay after resuming.
   * A stanza that `send` rejects it forgets, and it takes none while there is no connection: those are given to it again.
   */
  async #sendSurely(message: Element): Promise<void> {
    for (;;) {
      await this.line.live()
      const { resumptions } = this.line
      try {
        return await this.#live.send(message)
      } catch {
        while (this.line.resumptions === resumptions) await this.line.back()
      }
    }
  }

  async #watch(xmpp: XmppClient): Promise<void> {
    const { line } = this
    // It is online before stream management is enabled, and does not bear stanzas in between.
    while (!xmpp.streamManagement.enabled) await new Promise((resolve) => { setTimeout(resolve, 5) })
    xmpp.reconnect.delay = RECONNECT_MS
    xmpp.on('disconnect', () => { line.down() })
    xmpp.streamManagement.on('resumed', () => { line.up(true) })
    xmpp.streamManagement.on('fail', (lost: Element) => { line.failed(`not resumed, ${lost.toString()} is lost`) })
    xmpp.on('online', () => { line.failed('a new session, not the old one') })
    // It does not count answers to its own requests, so its `h` would be short by them and the last messages would come again.
    xmpp.on('stanza', ({ name, attrs }: Element) => {
      if (name === 'iq' && (attrs['type'] === 'result' || attrs['type'] === 'error')) xmpp.streamManagement.inbound++
    })
    line.up(false)
  }

  async changeNetworks(): Promise<void> {
    const { socket } = this.#live
    if (socket?.destroy !== undefined) socket.destroy()
    else socket?.socket?.destroy()
  }

  async leave(): Promise<void> {
    await this.#live.stop()
  }

  async end(): Promise<void> {
    this.#xmpp?.reconnect.stop()
    await this.#xmpp?.stop()
  }

  get #live(): XmppClient {
    if (this.#xmpp === undefined) throw new Error('not logged in')
    return this.#xmpp
  }

  #saw(stanza: Element): void {
    const { from = '', type } = stanza.attrs as { from?: string, type?: string }
    const body = stanza.getChildText('body')
    if (stanza.is('message') && body !== null) this.journal.saw({ what: 'message', from, body })
    if (!stanza.is('presence')) return
    this.journal.saw(presenceSeen(from, type, stanza.getChildText('show') ?? '', stanza.getChildText('status') ?? ''))
  }
}

function serviceOf(over: 'tcp' | 'websocket', { ports, security }: Door): string {
  if (over === 'websocket') {
    return security === 'plain' ? `ws://localhost:${ports.http}/xmpp-websocket` : `wss://localhost:${ports.https}/xmpp-websocket`
  }
  return security === 'direct' ? `xmpps://localhost:${ports.c2sTls}` : `xmpp://localhost:${ports.c2s}`
}

function withoutTls(element: Element): void {
  const offer = element.getChild('starttls')
  if (offer !== undefined && element.is('features')) element.remove(offer)
}

/** The library misses an answer to its header that comes before the system has told it that the header is written. */
async function startOf(xmpp: XmppClient): Promise<{ toString(): string }> {
  const online = new Promise<{ toString(): string }>((done) => { xmpp.once('online', done) })
  const started = xmpp.start()
  started.catch(() => undefined)
  return Promise.race([online, started])
}
