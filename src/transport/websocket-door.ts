/**
 * WebSocket upgrades (RFC 6455 §4.2, RFC 7395 §3.1): who may have one, and the connection that comes of it.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { ConnectionRefusedReason } from '../telemetry/reasons.js'
import type { Origin, TransportRoom } from './bounds.js'
import { cookieFor } from './cookie.js'
import { refuseUpgrade } from './http.js'
import type { HttpDoor } from './http.js'
import type { AddressLimits } from './limits.js'
import type { HttpLimitSettings } from './options.js'
import type { Origins } from './origins.js'
import type { Accept } from './transport.js'
import { WebSocketTransport } from './websocket.js'

export const WEBSOCKET_PATH = '/xmpp-websocket'
/** A message up to this many times the stanza limit gets the stream error first; beyond, the socket is closed unheard. */
const PAYLOAD_FACTOR = 2

export interface UpgradeParts {
  readonly room: TransportRoom
  readonly limits: HttpLimitSettings
  readonly addresses: AddressLimits
  readonly nodeName: string
  readonly accept: Accept
  readonly anyPath: boolean
}

interface Refusal {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
}

export class Upgrades {
  readonly #parts: UpgradeParts
  readonly #origins: Origins
  readonly #server: WebSocketServer
  /** Requests that came over TLS, here or at a trusted proxy. */
  readonly #secure = new WeakSet<IncomingMessage>()

  constructor(parts: UpgradeParts, origins: Origins) {
    this.#parts = parts
    this.#origins = origins
    const options = {
      noServer: true, clientTracking: false, perMessageDeflate: false, autoPong: false, maxFragments: parts.limits.wsFragments,
      maxPayload: parts.room.bounds.after.stanzaBytes * PAYLOAD_FACTOR, handleProtocols: () => 'xmpp'
    }
    this.#server = new WebSocketServer(options)
    this.#server.on('wsClientError', (_error, socket) => refuseUpgrade(socket, 400))
    this.#server.on('headers', (lines, request) => {
      const cookie = cookieFor(parts.nodeName, request.headers, this.#secure.has(request))['set-cookie']
      if (cookie !== undefined) lines.push(`Set-Cookie: ${cookie}`)
    })
  }

  take(door: HttpDoor, request: IncomingMessage, { socket, head }: { readonly socket: Duplex, readonly head: Buffer }): void {
    const refusal = this.#refusal(request)
    if (refusal !== undefined) { refuseUpgrade(socket, refusal.status, refusal.headers); return }
    const { addresses, room, limits, accept } = this.#parts
    const { client: origin, socket: near } = door.originOf(request)
    door.release(request)
    if (room.strain?.strained === true) {
      refusedFor('overloaded', room, origin)
      refuseUpgrade(socket, 503); return
    }
    const admission = addresses.admit(origin.address, { evict: () => socket.destroy(), paid: near.address === origin.address })
    if ('refused' in admission) {
      refusedFor(admission.refused, room, origin)
      refuseUpgrade(socket, 429); return
    }
    const { ticket } = admission
    socket.once('close', () => ticket.release())       // also when the handshake does not come about
    if (origin.secure) this.#secure.add(request)
    this.#server.handleUpgrade(request, socket, head, (ws) => {
      const pingMs = limits.wsPingSeconds * 1_000
      accept(new WebSocketTransport(room, { ws, socket, origin, ticket, pingMs, pongsPerSecond: limits.wsPongsPerSecond }))
    })
  }

  #refusal(request: IncomingMessage): Refusal | undefined {
    if (request.method !== 'GET') return { status: 405, headers: { Allow: 'GET' } }
    const [path] = (request.url ?? '').split('?')
    if (!this.#parts.anyPath && path !== WEBSOCKET_PATH && path !== `${WEBSOCKET_PATH}/`) return { status: 404 }
    const refusal = badHandshake(request.httpVersion, request.headers)
    if (refusal !== undefined) return refusal
    return this.#origins.allows(request.headers.origin) ? undefined : { status: 403 }
  }
}

function refusedFor(reason: ConnectionRefusedReason, { refused, log }: TransportRoom, { address }: Origin): void {
  refused.add(reason)
  log.info({ reason, ip: address }, 'connection.refused')
}

/** RFC 6455 §4.2.1, §4.4; RFC 7395 §3.1. */
function badHandshake(httpVersion: string, headers: IncomingHttpHeaders): Refusal | undefined {
  if (httpVersion !== '1.1' || headers.host === undefined) return { status: 400 }
  if (headers.upgrade?.toLowerCase() !== 'websocket' || headers['sec-websocket-key'] === undefined) return { status: 400 }
  if (headers['sec-websocket-version'] !== '13') {
    return { status: 426, headers: { 'Sec-WebSocket-Version': '13', Upgrade: 'websocket' } }
  }
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  return offered.includes('xmpp') ? undefined : { status: 400 }
}
