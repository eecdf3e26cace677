/** TCP, with TLS from the first byte or by STARTTLS. */
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Parser } from '@xmpp/xml'
import type { Element } from 'ltx'
import type { NodePorts } from '../support/node-process.js'
import { Inbox } from './inbox.js'
import { written, type Wire } from './wire.js'

const NS_TLS = 'urn:ietf:params:xml:ns:xmpp-tls'

export class TcpWire implements Wire {
  readonly inbox = new Inbox()
  #socket: Socket
  #parser = new Parser()
  #closeTag = false

  constructor(readonly form: 'tcp' | 'starttls' | 'tls', socket: Socket) {
    this.#socket = socket
    this.#parse()
    this.#listen(socket)
  }

  get socket(): Socket {
    return this.#socket
  }

  header(attrs: Readonly<Record<string, string>>): void {
    this.restart()
    const given = { version: '1.0', 'xml:lang': 'en', xmlns: 'jabber:client', 'xmlns:stream': 'http://etherx.jabber.org/streams', ...attrs }
    this.#socket.write(`<?xml version='1.0'?><stream:stream${written(given)}>`)
  }

  /** The other side's next bytes are a new document. */
  restart(): void {
    this.#parse()
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  async drip(bytes: Uint8Array): Promise<void> {
    this.#socket.setNoDelay(true)
    for (const byte of bytes) {
      this.#socket.write(Buffer.of(byte))
      await new Promise((done) => { setImmediate(done) })
    }
  }

  async startTls(domain: string): Promise<void> {
    this.#socket.write(`<starttls xmlns='${NS_TLS}'/>`)
    await this.inbox.next((e) => e.is('proceed', NS_TLS), 'proceed')
    this.secure(await upgraded(this.#socket, domain))
  }

  /** Goes on inside TLS. */
  secure(socket: Socket): void {
    this.#socket.removeAllListeners('data').removeAllListeners('close').removeAllListeners('end')
    this.#socket = socket
    this.#closeTag = false
    this.#parse()
    this.#listen(socket)
  }

  close(): void {
    this.#socket.end('</stream:stream>')
  }

  cut(): void {
    this.#socket.destroy()
  }

  #parse(): void {
    const parser = new Parser()
    parser.on('start', (element: Element) => { this.inbox.opened(element.attrs as Record<string, string>) })
    parser.on('element', (element: Element) => { this.inbox.arrived(element) })
    parser.on('end', () => { this.#closeTag = true })
    parser.on('error', () => {})
    this.#parser = parser
  }

  #listen(socket: Socket): void {
    socket.setEncoding('utf8')
    socket.on('data', (text) => {
      this.inbox.text += String(text)
      if (String(text).includes('</stream:stream>')) this.#closeTag = true
      this.#parser.write(String(text))
    })
    socket.on('error', () => {})
    socket.on('end', () => { socket.end() })
    socket.on('close', () => { this.inbox.ended({ closeTag: this.#closeTag }) })
  }
}

function upgraded(socket: Socket, domain: string): Promise<Socket> {
  socket.removeAllListeners('data')
  return new Promise((resolve, reject) => {
    const secure = connectTls({ socket, servername: domain, rejectUnauthorized: false }, () => { resolve(secure) })
    secure.once('error', reject)
  })
}

export function connected(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: '127.0.0.1', port, noDelay: true }, () => { resolve(socket) })
    socket.once('error', reject)
  })
}

export function connectedTls(port: number, more: object = {}): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port, servername: 'im.test', rejectUnauthorized: false, ...more },
      () => { resolve(socket) })
    socket.once('error', reject)
  })
}

export async function openTcp(form: 'tcp' | 'starttls' | 'tls', ports: NodePorts): Promise<TcpWire> {
  if (form === 'tls') return new TcpWire(form, await connectedTls(ports.c2sTls))
  const wire = new TcpWire(form, await connected(ports.c2s))
  if (form === 'tcp') return wire
  wire.header({ to: 'im.test' })
  await wire.inbox.next((e) => e.is('features'), 'features')
  await wire.startTls('im.test')
  return wire
}
