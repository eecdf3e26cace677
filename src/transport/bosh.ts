/**
 * The BOSH sessions of this node (XEP-0124): requests find their session by the sid, which names its node; those of other
 * nodes are passed on, so that a balancer need not be sticky. Keys (§15) and multiple streams (§16) are not offered.
 */
import { randomBytes } from 'node:crypto'
import { XmlFault } from '../xml/raw.js'
import type { Attributes } from '../xml/raw.js'
import { parseBody } from '../xml/document.js'
import type { Body } from '../xml/document.js'
import { readRequest, readWish, terminated } from './bosh-body.js'
import type { BoshAnswer, BoshRequest } from './bosh-body.js'
import { BoshSession } from './bosh-session.js'
import type { Exchange } from './bosh-session.js'
import { agree } from './bosh-terms.js'
import type { TransportRoom } from './bounds.js'
import type { AddressLimits } from './limits.js'
import type { HttpLimitSettings } from './options.js'
import { SidGuesses } from './sid-guesses.js'
import type { Accept } from './transport.js'

export type { BoshAnswer } from './bosh-body.js'

/** One POST of a client: where it came from, and its body. */
export interface BoshPost {
  readonly address: string
  readonly secure: boolean
  readonly body: Buffer
}

/** The same on its way between nodes. */
export interface ForwardedBosh extends BoshPost {
  readonly sid: string
}

export interface BoshParts {
  readonly room: TransportRoom
  readonly limits: HttpLimitSettings
  readonly addresses: AddressLimits
  /** Stands in every sid made here. */
  readonly nodeName: string
  readonly accept: Accept
  readonly serves: (domain: string) => boolean
  /** Passes a request to the node that owns the session; `undefined` if there is no such node; rejects when it cannot answer now. */
  readonly forward: (node: string, request: ForwardedBosh) => Promise<BoshAnswer> | undefined
}

export interface PostContext {
  /** The rate of new connections has been asked for the socket below already. */
  readonly paid: boolean
  /** Runs the task when the connection closes before the answer. */
  readonly onLost: (task: () => void) => void
}

/** 144 bits. */
const SID_BYTES = 18
const BAD_ATTRIBUTES = 'attributes that are missing or no values of theirs'
const NO_CONTEXT: PostContext = { paid: false, onLost() {} }
const plainAnswer = (status: number): BoshAnswer => ({ status, contentType: 'text/plain; charset=utf-8', body: Buffer.alloc(0) })

export class BoshSessions {
  readonly #parts: BoshParts
  readonly #sessions = new Map<string, BoshSession>()
  readonly #guesses: SidGuesses
  #accepting = true

  constructor(parts: BoshParts) {
    this.#parts = parts
    this.#guesses = new SidGuesses(parts.room.wheel)
  }

  get size(): number { return this.#sessions.size }

  /** No new sessions from now on; those that live go on. */
  stopAccepting(): void {
    this.#accepting = false
  }

  startAccepting(): void {
    this.#accepting = true
  }

  /** A client's request; the answer may take as long as `wait`. */
  async serve(post: BoshPost, context: PostContext): Promise<BoshAnswer> {
    const parsed = this.#parse(post)
    if ('status' in parsed) return parsed
    const { sid } = parsed.attrs
    if (sid === undefined) return this.#create(parsed, post, context)
    const node = nodeOf(sid)
    if (node === this.#parts.nodeName) return this.#deliver(parsed, post, context)
    const answer = this.#parts.forward(node, { ...post, sid })
    if (answer === undefined) return this.#unknown(post.address)
    return answer.catch(() => plainAnswer(503))        // clients repeat the request after a 5xx
  }

  /** A request that another node has passed on. */
  async serveForwarded(request: ForwardedBosh): Promise<BoshAnswer> {
    const parsed = this.#parse(request)
    if ('status' in parsed) return parsed
    if (parsed.attrs['sid'] !== request.sid || nodeOf(request.sid) !== this.#parts.nodeName) return this.#unknown(request.address)
    return this.#deliver(parsed, request, NO_CONTEXT)
  }

  #parse({ body, address }: BoshPost): Body | BoshAnswer {
    if (!/^[\s\ufeff]*</.test(body.toString('utf8', 0, 64))) {
      this.#sayBad(address, 'not XML')
      return plainAnswer(400)
    }
    try {
      return parseBody(body, this.#parts.room.bounds.after)
    } catch (error) {
      if (!(error instanceof XmlFault)) throw error
      this.#sayBad(address, error.message)
      return terminated('bad-request')
    }
  }

  #sayBad(ip: string, why: string): void {
    this.#parts.room.log.info({ ip, why }, 'bosh.bad-request')
  }

  async #deliver({ attrs, elements }: Body, post: BoshPost, context: PostContext): Promise<BoshAnswer> {
    const session = this.#sessions.get(attrs['sid'] ?? '')
    if (session === undefined) return this.#unknown(post.address)
    if (session.peer.address !== post.address && this.#guesses.isBlocked(post.address)) return plainAnswer(429)
    if (session.peer.secure && !post.secure) return plainAnswer(0)                 // XEP-0124 §19.1
    const request = readRequest(attrs, elements)
    if (request === undefined) {
      this.#sayBad(post.address, BAD_ATTRIBUTES)
      return terminated('bad-request', session.terms.ver === undefined, session.terms.contentType)
    }
    return exchanged(session, request, context)
  }

  async #create({ attrs, elements }: Body, post: BoshPost, context: PostContext): Promise<BoshAnswer> {
    const { limits, room, addresses, nodeName, accept } = this.#parts
    const request = readRequest(attrs, elements)
    const wish = readWish(attrs)
    if (request === undefined || wish === undefined) {
      this.#sayBad(post.address, BAD_ATTRIBUTES)
      return terminated('bad-request', attrs['ver'] === undefined)
    }
    const refusal = this.#refusal(attrs, post.address)
    if (refusal !== undefined) return refusal
    const made: { session?: BoshSession } = {}
    const admission = addresses.admit(post.address, { evict: () => made.session?.destroy(), paid: context.paid })
    if ('refused' in admission) {
      room.refused.add(admission.refused)
      room.log.info({ reason: admission.refused, ip: post.address }, 'connection.refused')
      return terminated('policy-violation', wish.ver === undefined)
    }
    const sid = `${randomBytes(SID_BYTES).toString('base64url')}.${nodeName}`
    const session = new BoshSession(room, agree(wish, request.rid, sid, limits), {
      origin: { address: post.address, port: 0, secure: post.secure },
      ticket: admission.ticket,
      onGone: () => this.#sessions.delete(sid)
    })
    made.session = session
    this.#sessions.set(sid, session)
    accept(session)
    return exchanged(session, request, context)
  }

  /** XEP-0124 §17.2. */
  #refusal({ to = '' }: Attributes, address: string): BoshAnswer | undefined {
    const { strain, refused, log } = this.#parts.room
    if (strain?.strained === true) {
      refused.add('overloaded')
      log.info({ reason: 'overloaded', ip: address }, 'connection.refused')
      return plainAnswer(503)
    }
    if (!this.#accepting || this.#sessions.size >= this.#parts.limits.boshSessions) return terminated('system-shutdown')
    if (to === '') return terminated('improper-addressing')
    return this.#parts.serves(to) ? undefined : terminated('host-unknown')
  }

  /** §14.3: the same whatever was wrong with the id. */
  #unknown(address: string): BoshAnswer {
    return this.#guesses.note(address) ? plainAnswer(429) : terminated('item-not-found')
  }
}

function exchanged(session: BoshSession, request: BoshRequest, context: PostContext): Promise<BoshAnswer> {
  return new Promise((resolve) => {
    const exchange: Exchange = { answer: resolve }
    context.onLost(() => session.lost(exchange))
    session.receive(request, exchange)
  })
}

/** The part after the random one. */
function nodeOf(sid: string): string {
  return sid.slice(sid.indexOf('.') + 1)
}
