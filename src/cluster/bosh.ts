/**
 * A BOSH request that came to a node that does not own its session, passed to the owner; the answer comes back
 * (one hop, route lane). Layouts: `docs/link-protocol.md`.
 */
import type { NodeRef } from '../router/strategy.js'
import type { Clock } from '../telemetry/clock.js'
import { ByteReader } from './bytes.js'
import { FRAME, LANE, type FrameWriter } from './frames.js'
import type { Peer } from './peer.js'

export interface BoshRequest {
  readonly sid: string
  /** The client's address. */
  readonly address: string
  /** The client's connection was encrypted. */
  readonly secure: boolean
  readonly body: Buffer
}

export interface BoshAnswer {
  /** HTTP status. */
  readonly status: number
  readonly contentType: string
  readonly body: Buffer
}

export type BoshHandler = (from: NodeRef, request: BoshRequest) => Promise<BoshAnswer>

/** XEP-0124 waits at most 60 s, and a slow link adds to it. */
const ANSWER_MS = 75_000
/** Requests that wait for another node; a BOSH client has two. */
const OPEN_MAX = 20_000
const BODY_BYTES_MAX = 900_000

interface OpenRequest {
  readonly node: string
  readonly incarnation: number
  resolve(answer: BoshAnswer): void
  reject(error: Error): void
}

export class BoshExchange {
  #handler: BoshHandler | undefined
  #next = 0
  readonly #open = new Map<number, OpenRequest>()

  constructor(private readonly frames: () => FrameWriter, private readonly clock: Clock) {}

  listen(handler: BoshHandler): void {
    this.#handler = handler
  }

  /** Rejects when the node is gone, does not answer in time, or too much waits for it. */
  async ask(peer: Peer, request: BoshRequest): Promise<BoshAnswer> {
    if (this.#open.size >= OPEN_MAX || request.body.length > BODY_BYTES_MAX) {
      throw new Error('too many or too big requests for other nodes')
    }
    const id = ++this.#next
    const frame = encodeRequest(this.frames(), id, request)     // first: a sid of the client's may be too long for it
    return new Promise((resolve, reject) => {
      const cancel = this.clock.after(ANSWER_MS, () => this.#settle(id)?.reject(new Error('the owner did not answer')))
      this.#open.set(id, {
        node: peer.node.name,
        incarnation: peer.node.incarnation,
        resolve: (answer) => {
          cancel()
          resolve(answer)
        },
        reject: (error) => {
          cancel()
          reject(error)
        }
      })
      if (!peer.send(LANE.route, frame)) {
        this.#settle(id)?.reject(new Error('the link to the owner is full'))
      }
    })
  }

  request(peer: Peer, body: Buffer): void {
    const { id, request } = decodeBoshRequest(body)
    void this.#serve(peer, request).then((answer) => {
      if (!peer.over) peer.send(LANE.route, encodeBoshAnswer(this.frames(), id, answer))
    })
  }

  /** Only from the node that was asked. */
  answer(peer: Peer, body: Buffer): void {
    const { id, answer } = decodeBoshAnswer(body)
    const open = this.#open.get(id)
    if (open?.node !== peer.node.name || open.incarnation !== peer.node.incarnation) return
    this.#settle(id)?.resolve(answer)
  }

  /** That life is over. */
  gone(node: NodeRef): void {
    for (const [id, open] of this.#open) {
      if (open.node !== node.name || open.incarnation !== node.incarnation) continue
      this.#settle(id)?.reject(new Error(`node ${node.name} is gone`))
    }
  }

  async #serve(peer: Peer, request: BoshRequest): Promise<BoshAnswer> {
    const unavailable = { status: 503, contentType: 'text/plain', body: Buffer.alloc(0) }
    try {
      const answer = await this.#handler?.(peer.node, request)
      return answer !== undefined && answer.body.length <= BODY_BYTES_MAX ? answer : unavailable
    } catch {
      return unavailable
    }
  }

  #settle(id: number): OpenRequest | undefined {
    const open = this.#open.get(id)
    this.#open.delete(id)
    return open
  }
}

export function encodeRequest(frames: FrameWriter, id: number, request: BoshRequest): Buffer {
  const out = frames.begin(FRAME.BOSH_REQUEST, LANE.route)
  out.u48(id)
  out.text8(request.sid)
  out.text8(request.address)
  out.u8(request.secure ? 1 : 0)
  out.bytes32(request.body)
  return frames.finish()
}

export function decodeBoshRequest(body: Buffer): { readonly id: number; readonly request: BoshRequest } {
  const reader = new ByteReader(body)
  const id = reader.u48()
  const request = { sid: reader.text8(), address: reader.text8(), secure: reader.u8() === 1, body: reader.bytes32(BODY_BYTES_MAX) }
  reader.end()
  return { id, request }
}

export function encodeBoshAnswer(frames: FrameWriter, id: number, answer: BoshAnswer): Buffer {
  const out = frames.begin(FRAME.BOSH_ANSWER, LANE.route)
  out.u48(id)
  out.u16(answer.status)
  out.text8(answer.contentType)
  out.bytes32(answer.body)
  return frames.finish()
}

export function decodeBoshAnswer(body: Buffer): { readonly id: number; readonly answer: BoshAnswer } {
  const reader = new ByteReader(body)
  const id = reader.u48()
  const answer = { status: reader.u16(), contentType: reader.text8(), body: reader.bytes32(BODY_BYTES_MAX) }
  reader.end()
  return { id, answer }
}
