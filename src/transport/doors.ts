/**
 * All doors of a node for clients and for its operator, made from the settings: which ports there are, what each speaks,
 * and opening and closing them together. What comes in goes to one `Accept`.
 */
import type { Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import type { Metrics } from '../telemetry/metrics.js'
import type { Strain } from '../telemetry/strain.js'
import { Desks } from '../xml/desk.js'
import { BoshSessions } from './bosh.js'
import type { BoshParts } from './bosh.js'
import { boundsOf, END_MS } from './bounds.js'
import type { TransportRoom } from './bounds.js'
import { Entrance } from './entrance.js'
import { HttpDoor } from './http.js'
import type { HttpRoute } from './http.js'
import { healthRoutes, publicDoor } from './http-public.js'
import { AddressLimits } from './limits.js'
import { Listener } from './listener.js'
import type { Door, OnSocket } from './listener.js'
import { Networks } from './networks.js'
import type { AddressLimitSettings, DoorSettings, HttpLimitSettings, StreamLimitSettings } from './options.js'
import { TcpTransport } from './tcp.js'
import { XMPP_ALPN } from './tls.js'
import type { ContextOf } from './tls.js'
import type { Accept } from './transport.js'
import { TurnEnd } from './turn-end.js'
import { Wheel } from './wheel.js'

export interface DoorsParts {
  readonly doors: DoorSettings
  readonly streamLimits: StreamLimitSettings
  readonly addressLimits: AddressLimitSettings
  readonly httpLimits: HttpLimitSettings
  readonly clock: Clock
  readonly log: Log
  readonly nodeName: string
  readonly refused: Pick<Metrics['connectionsRefused'], 'add'>
  /** Absent: never strained. */
  readonly strain?: Strain
  /** Asked for each handshake, so renewed certificates count at once. */
  readonly contextOf: ContextOf
  /** Clients of XMPP are asked for a certificate; browsers are not, which would ask people. */
  readonly requestCert?: boolean
  readonly accept: Accept
  readonly serves: BoshParts['serves']
  readonly forward: BoshParts['forward']
  /** `/healthz`: the process works. `/ready`: send it clients. */
  readonly healthy: () => boolean
  readonly ready: () => boolean
  /** Of the admin listener; `/healthz` and `/ready` are there anyway. */
  readonly adminRoutes: readonly HttpRoute[]
}

export type DoorKind = 'c2s' | 'c2sTls' | 'http' | 'https' | 'ws2s' | 'ws2sTls'
export type DoorPorts = Readonly<Record<DoorKind, readonly number[]>>

const OPTIONS: Readonly<Record<DoorKind, string>> = {
  c2s: '--c2s-ports', c2sTls: '--c2s-tls-ports', http: '--http-ports', https: '--https-ports',
  ws2s: '--ws2s-ports', ws2sTls: '--ws2s-tls-ports'
}
const KINDS: readonly DoorKind[] = ['c2s', 'c2sTls', 'http', 'https', 'ws2s', 'ws2sTls']

export class ClientDoors {
  readonly bosh: BoshSessions
  readonly limits: AddressLimits
  readonly room: TransportRoom
  readonly #parts: DoorsParts
  readonly #trusted: Networks
  readonly #entrance = new Entrance()
  readonly #http: HttpDoor
  readonly #ws2s: HttpDoor
  readonly #adminHttp: HttpDoor
  readonly #clients: readonly { readonly kind: DoorKind, readonly listener: Listener }[]
  readonly #admin: Listener | undefined

  constructor(parts: DoorsParts) {
    const { clock, log, addressLimits, httpLimits, doors, nodeName, accept, serves, forward } = parts
    this.#parts = parts
    const bounds = boundsOf(parts.streamLimits, () => clock.now())
    this.room = {
      wheel: new Wheel(clock), turn: new TurnEnd(), desks: new Desks(), bounds, log, refused: parts.refused,
      ...(parts.strain && { strain: parts.strain })
    }
    this.limits = new AddressLimits(addressLimits, Networks.of(addressLimits.exempt), this.room.wheel)
    this.#trusted = Networks.of(doors.trustedProxies)
    this.bosh = new BoshSessions({ room: this.room, limits: httpLimits, addresses: this.limits, nodeName, accept, serves, forward })
    this.#http = this.#publicHttp(false)
    this.#ws2s = this.#publicHttp(true)
    this.#adminHttp = this.#adminDoor()
    this.#clients = KINDS.flatMap((kind) => this.#listenersOf(kind))
    this.#admin = this.#adminListener()
  }

  /** Opens the admin listener; rejects with `ListenError`. */
  async listenAdmin(): Promise<void> {
    this.room.wheel.start()
    this.#parts.strain?.start()
    await this.#admin?.listen()
  }

  /** Opens all client ports, or none: rejects with the first `ListenError`. */
  async listen(): Promise<void> {
    this.room.wheel.start()
    this.bosh.startAccepting()
    try {
      for (const { listener } of this.#clients) await listener.listen()
    } catch (error) {
      await this.pause()
      throw error
    }
  }

  /** No new clients from now on; connections stay. `listen` opens again. */
  async pause(): Promise<void> {
    this.bosh.stopAccepting()
    await Promise.all(this.#clients.map(({ listener }) => listener.pause()))
  }

  /**
   * The end: nothing is accepted, what is still HTTP is dropped. Streams are ended by their owners before; a peer that does
   * not answer a stream's end is still cut off in time, or its socket would keep the process alive.
   */
  async close(): Promise<void> {
    await this.pause()
    await Promise.all([...this.#clients.map(({ listener }) => listener.close()), this.#admin?.close()])
    for (const door of [this.#http, this.#ws2s, this.#adminHttp]) door.close()
    this.#parts.strain?.stop()
    this.#parts.clock.after(END_MS + LAST_LOOK_MS, () => { this.room.wheel.stop() })
  }

  /** Ports in use, also those that the system chose. */
  ports(): DoorPorts {
    const of = (kind: DoorKind): readonly number[] =>
      this.#clients.filter((door) => door.kind === kind).map(({ listener }) => listener.port)
    return { c2s: of('c2s'), c2sTls: of('c2sTls'), http: of('http'), https: of('https'), ws2s: of('ws2s'), ws2sTls: of('ws2sTls') }
  }

  adminPort(): number | undefined {
    return this.#admin?.port
  }

  /** Where the doors are, for the node's row: `host:port` each. @param name stands for a listener on every address */
  services(name: string): Readonly<Partial<Record<'c2s' | 'c2sTls' | 'http' | 'https' | 'admin', string>>> {
    const [first = '::'] = this.#parts.doors.listen
    const own = first.includes(':') ? `[${first}]` : first
    const host = first === '::' || first === '0.0.0.0' ? name : own
    const ports = this.ports()
    const found: Partial<Record<'c2s' | 'c2sTls' | 'http' | 'https' | 'admin', string>> = {}
    for (const kind of ['c2s', 'c2sTls', 'http', 'https'] as const) {
      if (ports[kind][0] !== undefined) found[kind] = `${host}:${ports[kind][0]}`
    }
    const { adminListen } = this.#parts.doors
    if (adminListen !== undefined) found.admin = `${adminListen.host}:${this.adminPort() ?? 0}`
    return found
  }

  #listenersOf(kind: DoorKind): readonly { readonly kind: DoorKind, readonly listener: Listener }[] {
    const { listen } = this.#parts.doors
    return listen.flatMap((host) => this.#portsOf(kind).map((port) => ({ kind, listener: this.#listener(kind, host, port) })))
  }

  #portsOf(kind: DoorKind): readonly number[] {
    const { doors } = this.#parts
    switch (kind) {
      case 'c2s': return doors.c2sPorts
      case 'c2sTls': return doors.c2sTlsPorts
      case 'http': return [...new Set([...doors.httpPorts, ...doors.boshPorts])]
      case 'https': return doors.httpsPorts
      case 'ws2s': return doors.ws2sPorts
      case 'ws2sTls': return doors.ws2sTlsPorts
      default: return kind satisfies never
    }
  }

  #listener(kind: DoorKind, host: string, port: number): Listener {
    const { doors, streamLimits, log, requestCert = false } = this.#parts
    const direct = kind === 'c2s' || kind === 'c2sTls'
    const alpn = direct ? XMPP_ALPN : ['http/1.1']
    const encrypted = kind === 'c2sTls' || kind === 'https' || kind === 'ws2sTls'
    const door: Door = {
      host, port, option: OPTIONS[kind], proxied: port !== 0 && doors.proxyProtocol.includes(port), proxyTls: doors.proxyProtocolTls,
      tls: encrypted ? { context: this.#parts.contextOf, alpn, requestCert: direct && requestCert } : undefined, logsIn: direct
    }
    const { wheel } = this.room
    const { handshakeMs } = streamLimits
    const { refused, strain } = this.#parts
    const room = { wheel, log, refused, limits: this.limits, handshakeMs, trusted: this.#trusted, strain, entrance: this.#entrance }
    return new Listener(door, room, direct ? this.#onStream() : this.#onHttp(kind))
  }

  #onStream(): OnSocket {
    const { contextOf: startTlsWith, requestCert = false, accept } = this.#parts
    return (socket, origin, ticket) => accept(new TcpTransport(this.room, { socket, origin, ticket, startTlsWith, requestCert }))
  }

  #onHttp(kind: DoorKind): OnSocket {
    const door = kind === 'ws2s' || kind === 'ws2sTls' ? this.#ws2s : this.#http
    return (socket, origin, ticket) => door.take(socket, origin, ticket)
  }

  #publicHttp(anyPath: boolean): HttpDoor {
    const { doors, httpLimits, nodeName, accept, healthy, ready } = this.#parts
    return publicDoor({
      room: this.room, limits: httpLimits, addresses: this.limits, trusted: this.#trusted, origins: doors.httpOrigins,
      publicUrl: doors.httpPublicUrl, nodeName, bosh: this.bosh, accept, healthy, ready, anyPath
    })
  }

  #adminDoor(): HttpDoor {
    const { adminRoutes, httpLimits, healthy, ready, log } = this.#parts
    const routes = [...healthRoutes({ healthy, ready }), ...adminRoutes]
    return new HttpDoor({ routes, limits: httpLimits, trusted: Networks.of([]), log, onUpgrade: undefined })
  }

  #adminListener(): Listener | undefined {
    const { adminListen } = this.#parts.doors
    if (adminListen === undefined) return undefined
    const { wheel, log } = this.room
    const door: Door = {
      host: adminListen.host, port: adminListen.port ?? ADMIN_PORT, option: '--admin-listen', proxied: false, proxyTls: false,
      tls: undefined, logsIn: false, exclusive: true
    }
    const trusted = Networks.of(['127.0.0.0/8', '::1'])
    const room = { wheel, log, refused: this.#parts.refused, limits: this.limits, handshakeMs: 0, trusted, entrance: new Entrance() }
    return new Listener(door, room, (socket, origin, ticket) => this.#adminHttp.take(socket, origin, ticket))
  }
}

/** When `--admin-listen` names none. */
export const ADMIN_PORT = 8080
/** The wheel looks a little later than a deadline. */
const LAST_LOOK_MS = 1_000
