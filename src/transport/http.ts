/**
 * HTTP on node:http: one server without a listening socket of its own; the listeners hand it accepted sockets (after
 * PROXY header and TLS), so that all doors share limits and routes. Owns requests until a handler answers them.
 */
import { createServer } from 'node:http'
import type { IncomingMessage, OutgoingHttpHeaders, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Log } from '../telemetry/log.js'
import type { Origin, Ticket } from './bounds.js'
import { messageOf } from './failure.js'
import { clientOf } from './forwarded.js'
import type { Networks } from './networks.js'
import type { HttpLimitSettings } from './options.js'

export interface HttpRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** With the question mark, or empty. */
  readonly query: string
  readonly headers: IncomingMessage['headers']
  /** The client, also behind a trusted proxy. */
  readonly client: Origin
  /** The socket's own end is the client: no trusted proxy between. */
  readonly direct: boolean
  /** The body, once; rejects with `HttpRefusal`. */
  body(bytesMax: number): Promise<Buffer>
  /** Runs when the connection closes before the answer is out. */
  onLost(task: () => void): void
}

export interface HttpReply {
  readonly status: number
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string | Buffer
}

/** What a handler may throw: answered as it says. */
export class HttpRefusal extends Error {
  constructor(readonly reply: HttpReply) {
    super(`HTTP ${reply.status}`)
    this.name = 'HttpRefusal'
  }
}

/** `undefined`: drop the connection without an answer. */
export type HttpHandler = (request: HttpRequest) => HttpReply | undefined | Promise<HttpReply | undefined>

export interface HttpRoute {
  /** Exact; no patterns. */
  readonly path: string
  readonly handler: HttpHandler
}

export type OnUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

export interface HttpParts {
  readonly routes: readonly HttpRoute[]
  readonly limits: HttpLimitSettings
  readonly trusted: Networks
  readonly log: Log
  /** Takes over requests for another protocol; `undefined` where there is none. */
  readonly onUpgrade: OnUpgrade | undefined
}

const TEXT = { 'content-type': 'text/plain; charset=utf-8' }
/** How often Node looks for requests that are too slow. */
const CHECK_MS = 1_000

export class HttpDoor {
  readonly #server: Server
  readonly #routes: ReadonlyMap<string, HttpHandler>
  readonly #parts: HttpParts
  readonly #origins = new WeakMap<object, { readonly origin: Origin, readonly ticket: Ticket }>()
  readonly #sockets = new Set<Socket>()

  constructor(parts: HttpParts) {
    this.#parts = parts
    this.#routes = new Map(parts.routes.map(({ path, handler }) => [path, handler]))
    const { headerBytes, headersMs, bodyMs, keepAliveMs, headers } = parts.limits
    this.#server = createServer({
      maxHeaderSize: headerBytes, headersTimeout: headersMs, requestTimeout: Math.max(bodyMs, headersMs),
      keepAliveTimeout: keepAliveMs, connectionsCheckingInterval: CHECK_MS
    }, (request, response) => void this.#request(request, response))
    this.#server.maxHeadersCount = headers + 1
    this.#server.on('clientError', (error, socket) => this.#broken(error, socket))
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
    this.#server.emit('listening')                     // starts Node's checks of slow requests; nothing listens here
  }

  /** A connection that a listener has accepted. */
  take(socket: Socket, origin: Origin, ticket: Ticket): void {
    this.#origins.set(socket, { origin, ticket })
    this.#sockets.add(socket)
    socket.on('close', () => {
      this.#sockets.delete(socket)
      ticket.release()
    })
    this.#server.emit('connection', socket)
    socket.resume()                                    // a PROXY header leaves it paused
  }

  /** The other end of the request's socket, and the client behind it. */
  originOf(request: IncomingMessage): { readonly socket: Origin, readonly client: Origin } {
    const socket = this.#origins.get(request.socket)?.origin ?? { address: '', port: 0, secure: false }
    return { socket, client: clientOf(socket, request.headers, this.#parts.trusted) }
  }

  /** The socket is another protocol's from now on: it no longer counts as an HTTP connection. */
  release(request: IncomingMessage): void {
    this.#origins.get(request.socket)?.ticket.release()
    this.#sockets.delete(request.socket)
  }

  /** Drops all connections that are still HTTP. */
  close(): void {
    this.#server.close(() => {})
    for (const socket of this.#sockets) socket.destroy()
  }

  async #request(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const reply = await this.#handle(incoming, response)
      if (reply === undefined) incoming.socket.destroy()
      else write(response, reply)
    } catch (error) {
      if (error instanceof HttpRefusal) { this.#refused(incoming, response, error.reply); return }
      this.#parts.log.error({ path: incoming.url?.slice(0, 100), error }, 'http.handler-failed')
      write(response, { status: 500, headers: TEXT, body: 'internal error\n' })
    }
  }

  #refused(incoming: IncomingMessage, response: ServerResponse, reply: HttpReply): void {
    const [path = ''] = (incoming.url ?? '').split('?')
    this.#parts.log.info({ ip: this.originOf(incoming).client.address, status: reply.status, path }, 'http.refused')
    if (incoming.complete) write(response, reply)
    else writeBeforeTheRest(incoming, response, reply)
  }

  /** Node has no request for it. */
  #broken(error: Error, socket: Duplex): void {
    const status = refusalOf(error, socket)
    if (status === undefined) { socket.destroy(); return }
    this.#parts.log.info({ ip: this.#origins.get(socket)?.origin.address, status }, 'http.refused')
    refuseUpgrade(socket, status)
  }

  #handle(incoming: IncomingMessage, response: ServerResponse): ReturnType<HttpHandler> {
    if (tooManyHeaders(incoming, this.#parts.limits)) throw new HttpRefusal({ status: 431, headers: { ...TEXT, connection: 'close' } })
    const [path = '/', ...query] = (incoming.url ?? '/').split('?')
    const handler = this.#routes.get(path)
    if (handler === undefined) return { status: 404, headers: TEXT, body: 'nothing here\n' }
    const { socket, client } = this.originOf(incoming)
    return handler({
      method: incoming.method ?? 'GET', path, query: query.length === 0 ? '' : `?${query.join('?')}`,
      headers: incoming.headers, client, direct: socket.address === client.address,
      body: (bytesMax) => readBody(incoming, bytesMax),
      onLost: (task) => response.once('close', () => { if (!response.writableEnded) task() })
    })
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {})
    if (tooManyHeaders(request, this.#parts.limits)) refuseUpgrade(socket, 431)
    else if (this.#parts.onUpgrade === undefined) refuseUpgrade(socket, 400)
    else this.#parts.onUpgrade(request, socket, head)
  }
}

/** A refused peer may read its answer for so long; nobody counts its connection any more, so it must not stay. */
const REFUSED_MS = 2_000

/** An answer to an upgrade that is refused, by hand: Node gives no response object for it. */
export function refuseUpgrade(socket: Duplex, status: number, headers: Readonly<Record<string, string>> = {}): void {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const late = setTimeout(() => { socket.destroy() }, REFUSED_MS).unref()
  socket.once('close', () => { clearTimeout(late) })
  socket.resume()                                      // so that the peer's end is seen
  socket.end(`HTTP/1.1 ${status} ${REASONS[status] ?? 'Refused'}\r\nConnection: close\r\nContent-Length: 0\r\n${lines}\r\n`)
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 408: 'Request Timeout', 426: 'Upgrade Required',
  429: 'Too Many Requests', 431: 'Request Header Fields Too Large', 503: 'Service Unavailable'
}

/** RFC 6585 §5: Node cuts the list off silently, so the raw one is counted. */
function tooManyHeaders(request: IncomingMessage, limits: HttpLimitSettings): boolean {
  return request.rawHeaders.length / 2 > limits.headers
}

/** Not HTTP, headers too long, or too slow. `undefined`: nobody is there to be told. */
function refusalOf(error: Error, socket: Duplex): number | undefined {
  const code = 'code' in error ? error.code : undefined
  if (!socket.writable || code === 'ECONNRESET') return undefined
  if (code === 'HPE_HEADER_OVERFLOW') return 431
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
}

function readBody(incoming: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const refuse = (status: number): HttpRefusal => new HttpRefusal({ status, headers: { ...TEXT, connection: 'close' } })
  const { 'content-length': length, 'content-encoding': encoding } = incoming.headers
  if (encoding !== undefined && encoding !== 'identity') return Promise.reject(refuse(415))
  if (length !== undefined && Number(length) > bytesMax) return Promise.reject(refuse(413))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const take = (chunk: Buffer): void => {
      size += chunk.length
      if (size <= bytesMax) return void chunks.push(chunk)
      incoming.off('data', take).off('end', done)        // however much follows, nothing of it is kept or put together
      reject(refuse(413))
    }
    const done = (): void => { resolve(Buffer.concat(chunks, size)) }
    incoming.on('data', take)
    incoming.on('end', done)
    incoming.on('error', () => reject(refuse(400)))
    incoming.on('close', () => reject(refuse(400)))
  })
}

/**
 * RFC 9112 §9.6: whoever still sends would lose the answer with a connection that ends at once. What comes after it is thrown away,
 * and the connection ends with the request, or soon.
 */
function writeBeforeTheRest(incoming: IncomingMessage, response: ServerResponse, reply: HttpReply): void {
  const end = (): void => { response.end() }
  const late = setTimeout(end, REFUSED_MS).unref()
  response.once('close', () => { clearTimeout(late) })
  incoming.once('end', end)
  write(response, reply, 'more')
  incoming.resume()
}

/** @param then `more`: it is sent, and the connection stays */
function write(response: ServerResponse, reply: HttpReply, then: 'end' | 'more' = 'end'): void {
  if (response.destroyed || response.headersSent) return
  const body = reply.body ?? ''
  try {
    response.writeHead(reply.status, { ...reply.headers, 'content-length': Buffer.byteLength(body) })
    if (then === 'end') response.end(body)
    else if (body.length > 0) response.write(body)
    else response.flushHeaders()
  } catch (error) {
    response.destroy(error instanceof Error ? error : new Error(messageOf(error)))
  }
}
