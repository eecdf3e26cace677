/**
 * A transport without a socket, for tests and for services inside the process: one end is a `Transport`, the other a
 * small client. Elements pass through the strict parser in both directions; nothing is ever delivered in the same turn.
 */
import { parseDocument } from '../xml/document.js'
import { XmlFault } from '../xml/raw.js'
import type { RawElement, XmlLimits } from '../xml/raw.js'
import { FRAMING, Framing } from './framing.js'
import { FRAMED_CLOSE, framedOpen } from './stream-tags.js'
import type { OpenReply, PeerFacts, Transport, TransportSink } from './transport.js'

const LIMITS: XmlLimits = { stanzaBytes: 262_144, elements: 5_000, depth: 64, attributes: 64, namespaces: 32, nameBytes: 1_024 }

export interface MemoryOptions {
  readonly peer?: Partial<PeerFacts>
  /** `send` says no while more bytes than this wait for `client.next`. */
  readonly pendingBytesMax?: number
}

/** The client's side. */
export interface MemoryClient {
  /** Opens a stream, or opens it again after a restart. */
  open(to: string, attrs?: Readonly<Record<string, string>>): void
  /** One element, as text. */
  send(xml: string): void
  /** The next element that the server wrote, its `<open/>` and `<close/>` included; rejects when the server is gone. */
  next(): Promise<RawElement>
  /** What the server wrote and nobody has asked for yet. */
  readonly waiting: number
  /** Closes the stream in the protocol's way. */
  close(): void
  /** Cuts the connection. */
  cut(): void
  readonly gone: boolean
}

export interface MemoryPair {
  readonly transport: Transport
  readonly client: MemoryClient
}

export function memoryPair(options: MemoryOptions = {}): MemoryPair {
  const transport = new MemoryTransport(options)
  return { transport, client: new Client(transport) }
}

type Inbound = { readonly xml: string } | 'closed'

class MemoryTransport implements Transport {
  readonly kind = 'memory'
  readonly form = 'framed'
  readonly peer: PeerFacts
  readonly #bound: number
  #sink: TransportSink | undefined
  #inbound: Inbound[] = []
  #planned = false
  #paused = false
  #full = false
  readonly #framing = new Framing()
  #deaf = false
  over = false
  pendingBytes = 0
  toClient: (text: Buffer) => void = () => {}
  onGone: () => void = () => {}

  constructor(options: MemoryOptions) {
    this.peer = { address: '127.0.0.1', port: 0, secure: true, canStartTls: false, ...options.peer }
    this.#bound = options.pendingBytesMax ?? 1_048_576
  }

  attach(sink: TransportSink): void {
    this.#sink = sink
    this.#plan()
  }

  open(reply: OpenReply): void {
    this.#write(Buffer.from(framedOpen(reply)))
  }

  send(first: string, inside?: Buffer, last?: string): boolean {
    return this.#write(Buffer.concat([Buffer.from(first), inside ?? Buffer.alloc(0), Buffer.from(last ?? '')]))
  }

  restart(): void {
    this.#framing.restart()
  }

  startTls(): Promise<void> {
    return Promise.reject(new Error('no TLS in memory'))
  }

  authenticated(): void {}

  authFailed(): boolean {
    return false
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#plan()
  }

  end(): void {
    if (this.#deaf) return
    this.#deaf = true
    this.#write(Buffer.from(FRAMED_CLOSE))
    setImmediate(() => this.lose(undefined))
  }

  destroy(): void {
    this.#deaf = true
    setImmediate(() => this.lose(undefined))
  }

  receive(what: Inbound): void {
    this.#inbound.push(what)
    this.#plan()
  }

  /** The client has taken `bytes`. */
  taken(bytes: number): void {
    this.pendingBytes -= bytes
    if (!this.#full || this.pendingBytes > this.#bound / 2) return
    this.#full = false
    setImmediate(() => { if (!this.over) this.#sink?.drained() })
  }

  lose(error: Error | undefined): void {
    if (this.over) return
    this.over = true
    this.#deaf = true
    this.onGone()
    this.#sink?.gone(error)
  }

  #write(bytes: Buffer): boolean {
    if (this.over) return true
    this.pendingBytes += bytes.length
    if (this.pendingBytes > this.#bound) this.#full = true
    setImmediate(() => this.toClient(bytes))
    return !this.#full
  }

  #plan(): void {
    if (this.#planned || this.#paused || this.#sink === undefined || this.#inbound.length === 0) return
    this.#planned = true
    setImmediate(() => {
      this.#planned = false
      this.#deliverAll(this.#sink)
    })
  }

  #deliverAll(sink: TransportSink | undefined): void {
    while (sink !== undefined && !this.#paused && !this.#deaf) {
      const next = this.#inbound.shift()
      if (next === undefined) return
      this.#deliver(next, sink)
    }
  }

  #deliver(what: Inbound, sink: TransportSink): void {
    if (what === 'closed') { sink.closed(); return }
    try {
      if (this.#framing.deliver(Buffer.from(what.xml), LIMITS, sink)) sink.closed()
    } catch (error) {
      if (!(error instanceof XmlFault)) throw error
      this.#deaf = true
      sink.fault(error)
    }
  }
}

class Client implements MemoryClient {
  readonly #transport: MemoryTransport
  #arrived: Buffer[] = []
  #asking: { readonly resolve: (element: RawElement) => void, readonly reject: (error: Error) => void }[] = []

  constructor(transport: MemoryTransport) {
    this.#transport = transport
    transport.toClient = (bytes) => this.#arrive(bytes)
    transport.onGone = () => {
      for (const asker of this.#asking.splice(0)) asker.reject(new Error('the server closed the connection'))
    }
  }

  get waiting(): number { return this.#arrived.length }
  get gone(): boolean { return this.#transport.over }

  open(to: string, attrs: Readonly<Record<string, string>> = {}): void {
    const more = Object.entries(attrs).map(([name, value]) => ` ${name}='${value}'`).join('')
    this.send(`<open xmlns='${FRAMING}' to='${to}' version='1.0'${more}/>`)
  }

  send(xml: string): void {
    this.#transport.receive({ xml })
  }

  next(): Promise<RawElement> {
    return new Promise((resolve, reject) => {
      this.#asking.push({ resolve, reject })
      this.#serve()
    })
  }

  close(): void {
    this.#transport.receive('closed')
  }

  cut(): void {
    setImmediate(() => this.#transport.lose(undefined))
  }

  #arrive(bytes: Buffer): void {
    this.#arrived.push(bytes)
    this.#serve()
  }

  #serve(): void {
    while (this.#asking.length > 0) {
      const bytes = this.#arrived.shift()
      if (bytes === undefined) { this.#nothingMore(); return }
      this.#transport.taken(bytes.length)
      this.#asking.shift()?.resolve(parseDocument(bytes, LIMITS))
    }
  }

  #nothingMore(): void {
    if (!this.#transport.over) return
    for (const asker of this.#asking.splice(0)) asker.reject(new Error('the server closed the connection'))
  }
}
