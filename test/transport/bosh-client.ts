/** A small BOSH client for tests: one request is always open, a second one sends. */
import { Agent, request } from 'node:http'
import type { ClientRequest, IncomingHttpHeaders } from 'node:http'

export interface Posted {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export function post(port: number, body: string, options: { headers?: Record<string, string>, agent?: Agent, method?: string } = {}):
{ readonly sent: ClientRequest, readonly answer: Promise<Posted> } {
  const sent = request({
    port, host: '127.0.0.1', path: '/http-bind', method: options.method ?? 'POST', ...(options.agent ? { agent: options.agent } : {}),
    headers: { 'content-type': 'text/xml; charset=utf-8', 'content-length': Buffer.byteLength(body), ...options.headers }
  })
  const answer = new Promise<Posted>((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (data) => { text += String(data) })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
    })
  })
  sent.end(body)
  return { sent, answer }
}

export const NS = "xmlns='http://jabber.org/protocol/httpbind'"
export const XBOSH = "xmlns:xmpp='urn:xmpp:xbosh'"

export function attribute(text: string, name: string): string | undefined {
  return new RegExp(`\\s${name}='([^']*)'`).exec(text.slice(0, text.indexOf('>')))?.[1]
}

export class BoshClient {
  readonly #port: number
  readonly #agent = new Agent({ keepAlive: true })
  #rid = 1_000_000
  #sid = ''
  #text = ''
  #open = 0
  #reading = true
  /** The first request is what makes the transport; the suite's own first call finds it open. */
  #opens = 0
  #over = false
  #closing = false
  #outbox: string[] = []
  #requests = new Set<ClientRequest>()
  #wake = (): void => {}

  constructor(port: number) {
    this.#port = port
  }

  open(): void {
    const opens = ++this.#opens
    if (opens === 1) this.#post(`to='im.test' ver='1.6' wait='60' hold='1' xml:lang='en' xmpp:version='1.0' ${XBOSH}`, '')
    else if (opens > 2) this.#post(`to='im.test' xmpp:restart='true' ${XBOSH}`, '')
  }

  send(xml: string): void {
    if (this.#sid === '') this.#outbox.push(xml)
    else this.#post('', xml)
  }

  async until(piece: string): Promise<string> {
    while (!this.#text.includes(piece)) {
      if (this.#over && this.#open === 0) throw new Error(`over before ${piece}`)
      await new Promise<void>((resolve) => { this.#wake = resolve })
    }
    const at = this.#text.indexOf(piece) + piece.length
    const found = this.#text.slice(0, at)
    this.#text = this.#text.slice(at)
    return found
  }

  close(): void {
    if (this.#sid === '') this.#closing = true
    else this.#post("type='terminate'", '')
  }

  cut(): void {
    this.#over = true
    for (const sent of this.#requests) sent.destroy()
    this.#agent.destroy()
  }

  readonly dribble = undefined

  stopReading(): void {
    this.#reading = false
  }

  goOnReading(): void {
    this.#reading = true
    this.#poll()
  }

  #post(attrs: string, payload: string): void {
    if (this.#over) return
    const sid = this.#sid === '' ? '' : `sid='${this.#sid}'`
    const { sent, answer } = post(this.#port, `<body rid='${this.#rid++}' ${sid} ${attrs} ${NS}>${payload}</body>`, { agent: this.#agent })
    this.#open++
    this.#requests.add(sent)
    answer.then((posted) => this.#answered(posted), () => { this.#over = true }).finally(() => {
      this.#open--
      this.#requests.delete(sent)
      this.#poll()
      this.#wake()
    }).catch(() => {})
  }

  #answered({ text, status }: Posted): void {
    this.#text += text
    if (this.#sid === '') this.#sid = attribute(text, 'sid') ?? ''
    if (status !== 200 || attribute(text, 'type') === 'terminate') {
      this.#over = true
      this.#text += '[over]'
    }
    for (const xml of this.#outbox.splice(0)) this.send(xml)
    if (this.#closing) this.close()
    this.#closing = false
  }

  #poll(): void {
    if (this.#open === 0 && this.#reading && !this.#over && this.#sid !== '') this.#post('', '')
  }
}
