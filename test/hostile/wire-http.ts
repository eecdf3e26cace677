/** BOSH by hand (XEP-0124): every request as wrong as it is told to be, and its one answer. Nothing is sent by itself. */
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { Agent, request, type ClientRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http'
import { parse, type Element } from 'ltx'
import { Inbox } from './inbox.js'
import { written, type Wire } from './wire.js'

export const HTTPBIND = "xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh'"

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface PostSpec {
  readonly port: number
  readonly body: string | Uint8Array
  readonly tls?: boolean
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | number>>
  /** Of the client, on this machine: limits count by it. */
  readonly localAddress?: string
  /** Sends the head and the body, and does not end it. */
  readonly open?: boolean
}

export interface Post {
  readonly sent: ClientRequest
  /** Rejects when the connection ends without an answer. */
  readonly answer: Promise<Answer>
}

export function post({ port, body, tls = false, method = 'POST', headers = {}, localAddress = '127.0.0.1', open = false }: PostSpec): Post {
  const options: RequestOptions & { rejectUnauthorized: boolean, servername: string } = {
    host: '127.0.0.1', port, method, path: '/http-bind', localAddress, rejectUnauthorized: false, servername: 'im.test',
    headers: {
      'content-type': 'text/xml; charset=utf-8', ...!('transfer-encoding' in headers) && { 'content-length': Buffer.byteLength(body) },
      ...headers
    }
  }
  const sent = tls ? httpsRequest({ ...options, agent: new HttpsAgent() }) : request({ ...options, agent: new Agent() })
  const answer = new Promise<Answer>((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (piece) => { text += String(piece) })
      response.on('end', () => { resolve({ status: response.statusCode ?? 0, headers: response.headers, text }) })
    })
  })
  answer.catch(() => {})
  if (open) sent.write(body)
  else sent.end(body)
  return { sent, answer }
}

/** Attributes of the answer's wrapper. */
export function wrapperOf(text: string): Readonly<Record<string, string>> {
  return text === '' ? {} : parse(text).attrs as Record<string, string>
}

export interface HandSpec {
  readonly port: number
  readonly localAddress: string
  readonly tls?: boolean
  readonly rid?: number
  /** Attributes of the first request, besides what is usual; '' takes one away. */
  readonly first?: Readonly<Record<string, string>>
}

/** One session; requests are posted one by one, and each that is answered before the next is sent brings what belongs to it. */
export class HandBosh implements Wire {
  readonly form = 'bosh'
  readonly inbox = new Inbox()
  sid = ''
  rid: number

  constructor(readonly spec: HandSpec) {
    this.rid = spec.rid ?? 1 + Math.floor(Math.random() * 1e9)
  }

  header(attrs: Readonly<Record<string, string>>): void {
    if (this.sid !== '') return void this.ask(` xmpp:restart='true'${written(attrs)}`)
    const usual = { ver: '1.6', wait: '20', hold: '1', 'xmpp:version': '1.0', 'xml:lang': 'en', ...attrs, ...this.spec.first }
    void this.ask(written(Object.fromEntries(Object.entries(usual).filter(([, value]) => value !== ''))))
  }

  send(bytes: Uint8Array): void {
    void this.ask('', Buffer.from(bytes).toString())
  }

  drip(bytes: Uint8Array): Promise<void> {
    this.send(bytes)
    return Promise.resolve()
  }

  close(): void {
    void this.ask(" type='terminate'")
  }

  cut(): void {
    this.close()
  }

  /** The next request of the session; its answer, whose payload is in the inbox then. */
  async ask(attrs: string, inside = ''): Promise<Answer> {
    const answer = await this.post(attrs, inside).answer
    this.#heard(answer)
    return answer
  }

  /** A request with any number; the next one when not told. */
  post(attrs: string, inside = '', rid = this.rid++): Post {
    const { port, tls = false, localAddress } = this.spec
    const sid = this.sid === '' ? '' : ` sid='${this.sid}'`
    return post({ port, tls, localAddress, body: `<body ${HTTPBIND} rid='${rid}'${sid}${attrs}>${inside}</body>` })
  }

  #heard({ status, text }: Answer): void {
    this.inbox.text += text
    if (status !== 200) return this.inbox.ended({ closeTag: false, condition: String(status) })
    const body = parse(text)
    const attrs = body.attrs as Record<string, string>
    this.sid = attrs['sid'] ?? this.sid
    if (attrs['authid'] !== undefined) this.inbox.opened(attrs)
    for (const child of body.getChildElements()) this.inbox.arrived(child as Element)
    if (attrs['type'] === 'terminate') {
      this.inbox.ended({ closeTag: true, ...attrs['condition'] !== undefined && { condition: attrs['condition'] } })
    }
  }
}
