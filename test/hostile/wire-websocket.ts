/** WebSocket (RFC 7395): what is sent at once is one message, right or wrong. */
import { WebSocket } from 'ws'
import { parse, type Element } from 'ltx'
import type { NodePorts } from '../support/node-process.js'
import { Inbox } from './inbox.js'
import { written, type Wire } from './wire.js'

const FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing'

class WebSocketWire implements Wire {
  readonly form = 'websocket'
  readonly inbox = new Inbox()
  readonly #ws: WebSocket
  #closeTag = false
  #closing = false

  constructor(ws: WebSocket) {
    this.#ws = ws
    ws.on('message', (data) => { this.#message(String(data)) })
    ws.on('error', () => {})
    ws.on('close', (code) => { this.inbox.ended({ closeTag: this.#closeTag, code }) })
  }

  header(attrs: Readonly<Record<string, string>>): void {
    this.#ws.send(`<open${written({ xmlns: FRAMING, version: '1.0', 'xml:lang': 'en', ...attrs })}/>`)
  }

  send(bytes: Uint8Array): void {
    this.#ws.send(bytes, { binary: false })
  }

  /** Fragments of one byte; a character may be cut (RFC 6455 §5.6). */
  drip(bytes: Uint8Array): Promise<void> {
    const step = Math.ceil(bytes.length / 60)
    for (let at = 0; at < bytes.length; at += step) {
      this.#ws.send(bytes.subarray(at, at + step), { binary: false, fin: at + step >= bytes.length })
    }
    return Promise.resolve()
  }

  close(): void {
    this.#ws.send(`<close xmlns='${FRAMING}'/>`)
    this.#closing = true
  }

  cut(): void {
    this.#ws.terminate()
  }

  #message(text: string): void {
    this.inbox.text += text
    const element: Element = parse(text)
    if (element.is('open', FRAMING)) return this.inbox.opened(element.attrs as Record<string, string>)
    if (element.is('close', FRAMING)) {
      this.#closeTag = true
      if (this.#closing) this.#ws.close()
    } else this.inbox.arrived(element)
  }
}

export function openWebSocket({ http }: NodePorts): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(`ws://127.0.0.1:${http}/xmpp-websocket`, 'xmpp', { perMessageDeflate: false })
    const wire = new WebSocketWire(ws)
    ws.once('open', () => { resolve(wire) })
    ws.once('error', reject)
  })
}
