/** BOSH (XEP-0124, XEP-0206): one request waits at the server, another one sends. */
import { Agent, request } from 'node:http'
import { parse, type Element } from 'ltx'
import type { NodePorts } from '../support/node-process.js'
import { Inbox } from './inbox.js'
import { written, type Wire } from './wire.js'

const NS = "xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh'"
/** Never slows a test: a request that waits is answered when another one comes. */
const WAIT_S = 30

class BoshWire implements Wire {
  readonly form = 'bosh'
  readonly inbox = new Inbox()
  readonly #port: number
  readonly #agent = new Agent({ keepAlive: true })
  #rid = 1 + Math.floor(Math.random() * 1e9)
  #sid = ''
  #open = 0
  #waiting: { attrs: string, inside: Uint8Array }[] = []
  #refused = false

  constructor(port: number) {
    this.#port = port
  }

  header({ to = '', from, ...rest }: Readonly<Record<string, string>>): void {
    const who = written({ to, ...from !== undefined && { from }, ...rest })
    if (this.#sid !== '') return this.#send(` xmpp:restart='true'${who}`)
    this.#send(`${who} ver='1.6' wait='${WAIT_S}' hold='1' xmpp:version='1.0' xml:lang='en' content='text/xml; charset=utf-8'`)
  }

  send(bytes: Uint8Array): void {
    this.#send('', bytes)
  }

  drip(bytes: Uint8Array): Promise<void> {
    this.send(bytes)
    return Promise.resolve()
  }

  close(): void {
    this.#send(" type='terminate'")
  }

  /** Without a way to hang up the session is ended politely, but nobody listens. */
  cut(): void {
    if (this.inbox.ending === undefined && this.#sid !== '') this.#post(" type='terminate'", new Uint8Array())
    this.inbox.ended({ closeTag: false })
  }

  #send(attrs: string, inside: Uint8Array = new Uint8Array()): void {
    if (this.#open >= 2 || (this.#sid === '' && this.#open > 0)) this.#waiting.push({ attrs, inside })
    else this.#post(attrs, inside)
  }

  #post(attrs: string, inside: Uint8Array): void {
    const sid = this.#sid === '' ? '' : ` sid='${this.#sid}'`
    const body = Buffer.concat([Buffer.from(`<body ${NS} rid='${this.#rid++}'${sid}${attrs}>`), inside, Buffer.from('</body>')])
    this.#open++
    const headers = { 'content-type': 'text/xml; charset=utf-8', 'content-length': body.length }
    const sent = request({ host: '127.0.0.1', port: this.#port, path: '/http-bind', method: 'POST', agent: this.#agent, headers },
      (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (piece) => { text += String(piece) })
      response.on('end', () => { this.#answered(response.statusCode ?? 0, text) })
    })
    sent.on('error', () => { this.inbox.ended({ closeTag: false }) })
    sent.end(body)
  }

  #answered(status: number, text: string): void {
    this.#open--
    this.inbox.text += text
    if (this.inbox.ending !== undefined) return this.#rest()
    if (status !== 200) {
      this.#refused = true
      return this.#over({ closeTag: false, condition: String(status) })
    }
    const body = parse(text)
    const attrs = body.attrs as Record<string, string>
    if (attrs['sid'] !== undefined) this.#sid = attrs['sid']
    if (attrs['authid'] !== undefined) this.inbox.opened(attrs)
    for (const child of body.getChildElements()) this.inbox.arrived(child as Element)
    if (attrs['type'] === 'terminate') {
      this.#refused = attrs['condition'] === 'bad-request'
      return this.#over({ closeTag: true, ...attrs['condition'] !== undefined && { condition: attrs['condition'] } })
    }
    const next = this.#waiting.shift()
    if (next !== undefined) this.#post(next.attrs, next.inside)
    else if (this.#open === 0) this.#post('', new Uint8Array())
  }

  /** A refused request was not the session's: its number is still to come, and the session is ended by the one who began it. */
  #over(ending: { closeTag: boolean, condition?: string }): void {
    this.inbox.ended(ending)
    if (this.#refused) {
      this.#rid--
      this.#post(" type='terminate'", new Uint8Array())
    }
    this.#rest()
  }

  #rest(): void {
    if (this.#open === 0) this.#agent.destroy()
  }
}

export function openBosh({ http }: NodePorts): Wire {
  return new BoshWire(http)
}
