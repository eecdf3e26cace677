/**
 * Connections to other nodes: dials, accepts, runs handshakes, hands over what is READY. Bounds what strangers may
 * cost: pending handshakes, rate, log lines.
 */
import type { Socket } from 'node:net'
import { parseAddress } from '../config/address.js'
import type { Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import { LINK_REFUSED, type LinkRefusedReason } from '../telemetry/reasons.js'
import { FrameFault } from './bytes.js'
import type { LinkCertificate } from './certificate.js'
import { Dialler, type Target } from './dialler.js'
import { acceptHandshake, dialHandshake, LinkRefused, type HandshakeFacts, type Handshaken } from './handshake.js'
import { HANDSHAKE_MS, Link, type LinkHandler } from './link.js'
import { encodeGoodbye, type GoodbyeReason } from './link-frames.js'

/** Handshakes of strangers at one time; the reference limit. */
export const PENDING_HANDSHAKES_MAX = 32
/** New connections a second that get as far as a handshake; a mesh of a hundred nodes restarts within this. */
const ACCEPTS_PER_SECOND = 50
/** One warning an address and reason in this time; the rest is counted into the next one. */
const WARN_EVERY_MS = 60_000
const WARNED_MAX = 1000

export interface LinksParts {
  readonly clock: Clock
  readonly log: Log
  /** `undefined`: no TLS, loopback only. */
  readonly certificate: LinkCertificate | undefined
  readonly facts: HandshakeFacts
  /** Addresses of `--cluster-nodes`. */
  readonly contacts: readonly string[]
  readonly defaultPort: number
  linked(node: string): boolean
  /** Takes the link, or says why not. */
  ready(link: Link, shaken: Handshaken): LinkHandler | GoodbyeReason
  /** The other side says that this life of ours is over. */
  outdated(): void
  refused(reason: LinkRefusedReason): void
}

export class Links {
  readonly dialler: Dialler
  readonly #pending = new Set<Socket>()
  readonly #open = new Set<Link>()
  readonly #warned = new Map<string, { at: number; more: number }>()
  #accepted = { second: 0, count: 0 }
  #stopped = false

  constructor(private readonly parts: LinksParts) {
    this.dialler = new Dialler(parts.facts.self.name, Math.random)
    for (const contact of parts.contacts) this.dialler.want(contact, undefined, parts.clock.now())
  }

  /** Dials what is due. */
  tick(): void {
    if (this.#stopped) return
    const due = this.dialler.due(this.parts.clock.now(), (node) => this.parts.linked(node))
    for (const target of due) void this.#dial(target)
  }

  /** Closes every connection with `reason`; takes and dials no more. */
  stop(reason: GoodbyeReason): void {
    this.#stopped = true
    for (const socket of this.#pending) socket.destroy()
    for (const link of [...this.#open]) link.end(encodeGoodbye(this.parts.facts.frames, reason), reason)
  }

  /** A connection that came in. */
  async accept(socket: Socket): Promise<void> {
    socket.on('error', () => {}) // reported by the handshake
    if (this.#stopped || !this.#admits()) return void socket.destroy()
    const from = socket.remoteAddress ?? ''
    this.#pending.add(socket)
    const late = this.parts.clock.after(HANDSHAKE_MS, () => socket.destroy())
    let link: Link | undefined
    try {
      link = await Link.accept(socket, this.parts.certificate, this.parts.clock)
      await this.#shake(link, acceptHandshake)
    } catch (error) {
      this.#warn(from, error)
      if (link === undefined) socket.destroy() // else its goodbye is on the way
    } finally {
      late()
      this.#pending.delete(socket)
    }
  }

  async #dial(target: Target): Promise<void> {
    const { clock } = this.parts
    target.dialling = true
    let link: Link | undefined
    const late = clock.after(HANDSHAKE_MS * 2, () => link?.destroy('the handshake took too long'))
    try {
      const { host, port = this.parts.defaultPort } = parseAddress(target.address)
      link = await Link.dial({ host, port }, this.parts.certificate, clock)
      const shaken = await this.#shake(link, dialHandshake)
      this.dialler.reached(target, shaken.peer.name)
    } catch (error) {
      this.dialler.failed(target, clock.now())
      if (error instanceof LinkRefused && error.reason === 'own-name') { this.dialler.own(target); return }
      if (error instanceof LinkRefused && error.byPeer && error.reason === 'old-incarnation') this.parts.outdated()
      this.#warn(target.address, error)
    } finally {
      late()
    }
  }

  async #shake(link: Link, handshake: typeof dialHandshake): Promise<Handshaken> {
    const { facts } = this.parts
    try {
      const shaken = await handshake(link, facts)
      const taken = this.#stopped ? 'left' : this.parts.ready(link, shaken)
      if (typeof taken === 'string') throw new LinkRefused(taken, { node: shaken.peer.name }, false)
      this.#open.add(link)
      link.open({
        ...taken,
        closed: (why) => {
          this.#open.delete(link)
          taken.closed(why)
        }
      })
      return shaken
    } catch (error) {
      const reason = reasonOf(error)
      if (reason === undefined) link.destroy('handshake failed')
      else link.end(encodeGoodbye(facts.frames, reason), reason)
      throw error
    }
  }

  #admits(): boolean {
    const second = Math.floor(this.parts.clock.now() / 1000)
    if (this.#accepted.second !== second) this.#accepted = { second, count: 0 }
    return this.#pending.size < PENDING_HANDSHAKES_MAX && this.#accepted.count++ < ACCEPTS_PER_SECOND
  }

  /** Wrong certificates and keys are warnings by themselves; a node that cannot be reached is one a minute. */
  #warn(address: string, error: unknown): void {
    const reason = error instanceof LinkRefused ? error.reason : undefined
    if (this.#stopped || reason === 'duplicate') return
    const counted = LINK_REFUSED.find((known) => known === reason)
    if (counted !== undefined) this.parts.refused(counted)
    const ip = address.replace(/:\d+$/, '')
    const source = `${ip} ${reason ?? ''}`
    const now = this.parts.clock.now()
    const last = this.#warned.get(source)
    if (last !== undefined && now - last.at < WARN_EVERY_MS) {
      last.more++
      return
    }
    if (this.#warned.size >= WARNED_MAX) this.#warned.clear()
    this.#warned.set(source, { at: now, more: 0 })
    const detail = error instanceof LinkRefused ? { ...error.detail, byPeer: error.byPeer } : { error: messageOf(error) }
    const unreachable = reason === undefined && error instanceof Error && 'syscall' in error
    const unlogged = last?.more ?? 0
    if (unreachable) this.parts.log.warn({ address, ...detail, unlogged }, 'cluster.link.unreachable')
    else this.parts.log.warn({ ip, address, reason, ...detail, unlogged }, 'cluster.link.refused')
  }
}

/** What the other side is told; nothing when it does not speak our protocol or said goodbye itself. */
function reasonOf(error: unknown): GoodbyeReason | undefined {
  if (error instanceof LinkRefused) return error.byPeer ? undefined : error.reason
  return error instanceof FrameFault ? 'protocol' : undefined
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
