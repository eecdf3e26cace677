/**
 * A client connection without a socket, down to the bytes: what TCP would carry goes through the strict parser, what the
 * server writes is collected as text. `framed` stands for WebSocket: one document a message.
 */
import { parseDocument } from '../../src/xml/document.js'
import { XmlFault, type RawElement, type XmlLimits } from '../../src/xml/raw.js'
import { StreamParser } from '../../src/xml/stream-parser.js'
import { framedOpen, streamOpen } from '../../src/transport/stream-tags.js'
import type {
  OpenReply, PeerFacts, TlsFacts, Transport, TransportKind, TransportSink, WriteForm
} from '../../src/transport/transport.js'

const LIMITS: XmlLimits = { stanzaBytes: 262_144, elements: 5_000, depth: 64, attributes: 64, namespaces: 32, nameBytes: 1_024 }

export interface WireOptions {
  readonly kind?: TransportKind
  readonly secure?: boolean
  readonly canStartTls?: boolean
  readonly address?: string
  /** Failed logins at which the address has had too many. */
  readonly failuresMax?: number
  /** What `startTls` answers. */
  readonly tls?: () => Promise<void>
  /** Channel binding, and the client's certificate. */
  readonly tlsFacts?: TlsFacts
  /** Known when the last byte came, by this clock. */
  readonly now?: () => number
}

export class Wire implements Transport {
  readonly kind: TransportKind
  readonly form: WriteForm
  peer: PeerFacts
  pendingBytes = 0
  /** Everything that the server wrote and the test has not taken. */
  written = ''
  paused = false
  isAuthenticated = false
  /** What `authFailed` was told. */
  failedLogins = 0
  over = false
  ended = false
  destroyed = false
  readonly #options: WireOptions
  readonly #parser: StreamParser
  #sink: TransportSink | undefined
  #unread: string[] = []
  #awaitsOpen = true
  #heardAt: number

  constructor(options: WireOptions = {}) {
    this.#options = options
    this.kind = options.kind ?? 'tcp'
    this.form = this.kind === 'tcp' ? 'stream' : 'framed'
    const secure = options.secure ?? true
    this.#heardAt = options.now?.() ?? 0
    const heard = options.now === undefined ? {} : { heardAt: () => this.#heardAt }
    const facts = { ...heard, ...options.tlsFacts !== undefined && { tls: options.tlsFacts } }
    this.peer = { address: options.address ?? '192.0.2.7', port: 40_000, secure, canStartTls: !secure && options.canStartTls === true, ...facts }
    this.#parser = new StreamParser(LIMITS, {
      header: (header) => this.#hears(() => this.#sink?.header(header)),
      element: (element) => this.#hears(() => this.#sink?.element(element)),
      blank: () => this.#sink?.blank?.(),
      closed: () => void this.#hears(() => this.#sink?.closed()),
      fault: (fault) => void this.#hears(() => this.#sink?.fault(fault))
    })
  }

  // ---- the server's side

  attach(sink: TransportSink): void {
    this.#sink = sink
  }

  open(reply: OpenReply): void {
    this.written += this.form === 'stream' ? streamOpen(reply) : framedOpen(reply)
  }

  send(first: string, inside?: Buffer, last?: string): boolean {
    this.written += first + (inside?.toString('utf8') ?? '') + (last ?? '')
    return this.pendingBytes === 0
  }

  restart(): void {
    this.#awaitsOpen = true
    this.#parser.restart()
  }

  async startTls(): Promise<void> {
    this.#parser.discard()
    await this.#options.tls?.()
    this.peer = { ...this.peer, secure: true, canStartTls: false }
  }

  authenticated(): void {
    this.isAuthenticated = true
  }

  authFailed(): boolean {
    this.failedLogins++
    return this.failedLogins >= (this.#options.failuresMax ?? Infinity)
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    if (this.form === 'stream') this.#parser.release()
    this.#next()
  }

  end(): void {
    this.ended = true
    this.written += this.form === 'stream' ? '</stream:stream>' : '<close/>'
  }

  destroy(): void {
    this.destroyed = true
    this.cut()
  }

  // ---- the client's side

  says(text: string): void {
    this.#heardAt = this.#options.now?.() ?? 0
    this.#unread.push(text)
    this.#next()
  }

  /** The line breaks. */
  cut(error?: Error): void {
    if (this.over) return
    this.over = true
    this.#sink?.gone(error)
  }

  drain(): void {
    this.pendingBytes = 0
    this.#sink?.drained()
  }

  take(): string {
    const text = this.written
    this.written = ''
    return text
  }

  /** Takes what was written once `pattern` is in it; `meanwhile` may move the clock. */
  async until(pattern: RegExp, meanwhile: () => void = () => {}): Promise<string> {
    for (let turns = 0; !pattern.test(this.written); turns++) {
      if (turns > 3000) throw new Error(`nothing like ${pattern} in: ${this.written}`)
      meanwhile()
      await new Promise((resolve) => setTimeout(resolve, 1))      // hashing has threads of its own
    }
    return this.take()
  }

  #next(): void {
    while (!this.paused) {
      const text = this.#unread.shift()
      if (text === undefined) return
      if (this.form === 'stream') this.#parser.feed(Buffer.from(text))
      else this.#frame(text)
    }
  }

  #frame(text: string): void {
    try {
      this.#document(parseDocument(Buffer.from(text), LIMITS))
    } catch (error) {
      if (!(error instanceof XmlFault)) throw error
      this.#hears(() => this.#sink?.fault(error))
    }
  }

  #document(element: RawElement): void {
    if (element.name === 'close') return void this.#hears(() => this.#sink?.closed())
    if (!this.#awaitsOpen || element.name !== 'open') return void this.#hears(() => this.#sink?.element(element))
    this.#awaitsOpen = false
    // A BOSH transport writes the header itself (XEP-0206 §3).
    const header = this.kind === 'bosh' ? { ...element, name: 'stream', ns: 'http://etherx.jabber.org/streams' } : element
    this.#hears(() => this.#sink?.header({ ...header, contentNs: header.ns }))
  }

  #hears(tell: () => void): boolean {
    if (!this.over) tell()
    return !this.paused
  }
}
