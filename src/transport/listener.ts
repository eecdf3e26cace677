/**
 * One listening socket: accepts connections, counts them by client address, reads the PROXY header and does the TLS
 * handshake where the door says so, and hands on what is left. Owns the sockets until then.
 */
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import type { Log } from '../telemetry/log.js'
import type { Metrics } from '../telemetry/metrics.js'
import type { ConnectionRefusedReason } from '../telemetry/reasons.js'
import { FREE_TICKET, type Admittance, type Origin, type Ticket } from './bounds.js'
import { SocketFacts } from './channel-binding.js'
import type { Entrance } from './entrance.js'
import { ignoreError, messageOf } from './failure.js'
import { ListenError, noSuchFamily } from './listen-error.js'
import type { AddressLimits } from './limits.js'
import { plainAddress } from './networks.js'
import type { Networks } from './networks.js'
import { readProxyHeader } from './proxy-reader.js'
import { acceptTls } from './tls.js'
import type { ContextOf } from './tls.js'
import type { Wheel } from './wheel.js'

export interface Door {
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  /** The option that names the port, for messages. */
  readonly option: string
  readonly proxied: boolean
  /** Believe a PROXY header that says that TLS ended at the proxy. */
  readonly proxyTls: boolean
  /** TLS from the first byte, with these application protocols. */
  readonly tls: { readonly context: ContextOf, readonly alpn: readonly string[], readonly requestCert?: boolean } | undefined
  /** Of this process alone, also among workers that share their other ports. */
  readonly exclusive?: boolean
  /** Its connections log in (XMPP), so they count as unauthenticated until then. */
  readonly logsIn: boolean
}

export interface DoorRoom {
  readonly wheel: Wheel
  readonly log: Log
  readonly refused: Pick<Metrics['connectionsRefused'], 'add'>
  readonly limits: AddressLimits
  readonly handshakeMs: number
  readonly entrance: Entrance
  /** Connections of these are not counted: their clients are. */
  readonly trusted: Networks
  readonly strain?: Admittance | undefined
}

export type OnSocket = (socket: Socket, origin: Origin, ticket: Ticket) => void

/** Connections of one door that are still in PROXY header or TLS handshake; a flood beyond is dropped at once. */
const GREETING_MAX = 4_096
/** A new connection waits so long for a strained node: clients try again soon enough. */
const RELIEF_MS = 5_000
/** The system's queue of connections that are not accepted yet. */
const BACKLOG = 1_024

export class Listener {
  readonly door: Door
  readonly #room: DoorRoom
  readonly #onSocket: OnSocket
  readonly #greeting = new Set<Socket>()
  #server: Server | undefined
  #port: number

  constructor(door: Door, room: DoorRoom, onSocket: OnSocket) {
    this.door = door
    this.#room = room
    this.#onSocket = onSocket
    this.#port = door.port
  }

  /** The port in use, once listening. */
  get port(): number { return this.#port }
  get listening(): boolean { return this.#server !== undefined }

  /** Rejects with `ListenError`. */
  async listen(): Promise<void> {
    if (this.#server !== undefined) return
    try {
      await this.#listenOn(this.door.host)
    } catch (error) {
      // a machine without IPv6 still has every IPv4 address
      if (this.door.host !== '::' || !noSuchFamily(error)) throw new ListenError(this.door, error)
      await this.#listenOn('0.0.0.0').catch((second: unknown) => { throw new ListenError(this.door, second) })
    }
  }

  /** Stops accepting; open connections stay. `listen` takes up the same port again. */
  async pause(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    server?.close()
    await Promise.resolve()
  }

  /** Stops accepting and drops connections that are still in their greeting; the others belong to their transports. */
  async close(): Promise<void> {
    await this.pause()
    for (const socket of this.#greeting) socket.destroy()
  }

  #listenOn(host: string): Promise<void> {
    // Its owner says how it is read (`shared-reads.ts`, TLS) before anything is.
    const how = { allowHalfOpen: true, noDelay: true, pauseOnConnect: this.door.logsIn }
    const server = createServer(how, (socket) => this.#accepted(socket))
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port: this.#port, backlog: BACKLOG, exclusive: this.door.exclusive ?? false }, () => {
        server.off('error', reject)
        server.on('error', (error) => this.#room.log.warn({ port: this.#port, error: messageOf(error) }, 'listener.accept-failed'))
        const bound = server.address()
        if (bound !== null && typeof bound === 'object') this.#port = bound.port
        this.#server = server
        resolve()
      })
    })
  }

  #accepted(socket: Socket): void {
    socket.on('error', ignoreError)                    // `close` follows and tells the owner
    this.#room.entrance.enter(() => { this.#begin(socket) })
  }

  #begin(socket: Socket): void {
    const { remoteAddress, remotePort } = socket
    const { strain } = this.#room
    // Gone, or the door has been closed since.
    if (remoteAddress === undefined || this.#server === undefined) return void socket.destroy()
    const origin: Origin = { address: plainAddress(remoteAddress), port: remotePort ?? 0, secure: false }
    if (this.#greeting.size >= GREETING_MAX) this.#refuse(socket, origin, 'overloaded', 'too many in their greeting')
    else if (this.door.logsIn && strain?.strained === true) void this.#greet(socket, this.#wait(socket, origin, strain))
    else this.#receive(socket, origin)
  }

  // HTTP is let in: sessions that live come by new connections, too; new sessions are refused there.
  async #wait(socket: Socket, origin: Origin, strain: Admittance): Promise<void> {
    socket.pause()
    await strain.relief(RELIEF_MS)
    if (socket.destroyed) return
    // Over TLS nothing can be said without a handshake, which costs what the node has not got; else the stream says why.
    if (strain.strained && this.door.tls !== undefined) this.#refuse(socket, origin, 'overloaded', undefined)
    else this.#receive(socket, origin)
  }

  // PROXY protocol §2: where proxies are named only they may say who is there.
  #receive(socket: Socket, origin: Origin): void {
    const { trusted } = this.#room
    if (!this.door.proxied) this.#admit(socket, origin)
    else if (!trusted.isEmpty && !trusted.has(origin.address)) this.#refuse(socket, origin, 'proxy-header', 'not from a trusted proxy')
    else void this.#greet(socket, this.#proxied(socket, origin))
  }

  async #proxied(socket: Socket, origin: Origin): Promise<void> {
    const result = await readProxyHeader(socket, this.#room.wheel, this.#room.handshakeMs)
    if (typeof result === 'string') { this.#refuse(socket, origin, 'proxy-header', result); return }
    const secure = result.tls && this.door.proxyTls
    this.#admit(socket, result.client === undefined ? origin : { ...result.client, address: plainAddress(result.client.address), secure })
  }

  #admit(socket: Socket, origin: Origin): void {
    const { limits, trusted } = this.#room
    if (!this.door.logsIn && trusted.has(origin.address)) { this.#enter(socket, origin, FREE_TICKET); return }
    const admission = limits.admit(origin.address, { evict: this.door.logsIn ? () => socket.destroy() : undefined })
    if ('refused' in admission) { this.#refuse(socket, origin, admission.refused, undefined); return }
    this.#enter(socket, origin, admission.ticket)
  }

  #enter(socket: Socket, origin: Origin, ticket: Ticket): void {
    if (this.door.tls === undefined) { this.#onSocket(socket, origin, ticket); return }
    void this.#greet(socket, this.#handshake(socket, origin, ticket))
  }

  async #handshake(socket: Socket, origin: Origin, ticket: Ticket): Promise<void> {
    const { wheel, handshakeMs } = this.#room
    if (this.door.tls === undefined) return
    const { context, ...how } = this.door.tls
    const secure = await acceptTls(socket, context, { wheel, handshakeMs, ...how }).catch((error: unknown) => messageOf(error))
    if (typeof secure !== 'string') { this.#onSocket(secure, { ...origin, secure: true, tls: new SocketFacts(secure) }, ticket); return }
    ticket.release()
    this.#refuse(socket, origin, 'tls-handshake', secure)
  }

  async #greet(socket: Socket, greeting: Promise<void>): Promise<void> {
    this.#greeting.add(socket)
    await greeting.finally(() => this.#greeting.delete(socket))
  }

  #refuse(socket: Socket, origin: Origin, reason: ConnectionRefusedReason, why: string | undefined): void {
    this.#room.refused.add(reason)
    this.#room.log.info({ reason, why, ip: origin.address, port: this.#port }, 'connection.refused')
    if (reason === 'proxy-header' || reason === 'tls-handshake') socket.destroy()
    else socket.resetAndDestroy()
  }
}
