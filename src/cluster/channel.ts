/**
 * A channel joins two lives of two nodes and outlives the connections under it: four lanes, each with its own numbers
 * and cumulative acknowledgements, first in first out, free against each other. Pure: frames go out through the
 * attached line, come in by `receive`. After a reconnect each lane goes on where it was, nothing twice, nothing missing.
 */
import { FrameFault } from './bytes.js'
import { Fifo } from './fifo.js'
import { LANES, setSeq, type Lane, type RawFrame } from './frames.js'
import type { Ack, Credit, Positions } from './link-frames.js'

/** Bytes in flight on route and repl; the reference limit. `answer` and `control` have none, or two busy nodes deadlock. */
export const CREDIT_BYTES = 8 * 1024 * 1024
/** A grant is worth a frame when it has grown by this much. */
const GRANT_STEP_BYTES = 1024 * 1024
/** Frames of route and answer that are acknowledged together, when nothing else is written meanwhile. */
const ACK_STEP = 16
/** Frames that wait for credit or for a connection: above the first mark senders should pause, at the second they are refused. */
export const QUEUE_PAUSE_BYTES = 1024 * 1024
export const QUEUE_MAX_BYTES = 8 * 1024 * 1024
/**
 * What is not held back by credit is bounded by its cause (one answer for each question, one batch in flight); this
 * bounds it when the connection is away for long.
 */
export const FREE_QUEUE_MAX_BYTES = 64 * 1024 * 1024

/** Where frames go while a connection stands. */
export interface Line {
  write(frame: Buffer): void
}

interface Outgoing<T> {
  readonly frame: Buffer
  /** What the owner wants back when the frame is never sent. */
  readonly tag: T | undefined
  readonly queuedAt: number
  readonly onAcked: (() => void) | undefined
}

interface OutLane<T> {
  /** Number of the frame at the head of `sent`, minus one: all up to it are acknowledged. */
  acked: number
  readonly sent: Fifo<Outgoing<T>>
  readonly waiting: Fifo<Outgoing<T>>
  waitingBytes: number
  sentBytes: number
  /** Bytes that may have been sent since the channel began; infinite on lanes without credit. */
  granted: number
}

interface InLane {
  received: number
  acked: number
  /** What the other side may have been told, by an ACK or a READY. */
  told: number
  consumedBytes: number
  grantedBytes: number
  /** A frame is missing: found now, or its re-send was asked for and has not come. */
  gap: 'none' | 'found' | 'asked'
  /** An acknowledgement is due at once: somebody waits for it, or one may have been lost. */
  urgent: boolean
}

const credited = (lane: Lane): boolean => lane === 1 || lane === 4

export class Channel<T> {
  readonly #out: Record<Lane, OutLane<T>>
  readonly #in: Record<Lane, InLane>
  #line: Line | undefined

  /** @param deliver gets each frame of a lane once, in order */
  constructor(private readonly deliver: (frame: RawFrame) => void, private readonly now: () => number) {
    this.#out = { 1: outLane(1), 2: outLane(2), 3: outLane(3), 4: outLane(4) }
    this.#in = { 1: inLane(), 2: inLane(), 3: inLane(), 4: inLane() }
  }

  get attached(): boolean {
    return this.#line !== undefined
  }

  /** Bytes that wait for credit or a connection. */
  waitingBytes(lane: Lane): number {
    return this.#out[lane].waitingBytes
  }

  /** Everything sent and queued was acknowledged. */
  get idle(): boolean {
    return LANES.every((lane) => this.#out[lane].sent.size === 0 && this.#out[lane].waiting.size === 0)
  }

  /** False: the queue is full and the frame was not taken. */
  send(lane: Lane, frame: Buffer, tag?: T, onAcked?: () => void): boolean {
    const out = this.#out[lane]
    if (out.waitingBytes + frame.length > (credited(lane) ? QUEUE_MAX_BYTES : FREE_QUEUE_MAX_BYTES)) return false
    out.waiting.push({ frame, tag, onAcked, queuedAt: this.now() })
    out.waitingBytes += frame.length
    this.#pump(out)
    return true
  }

  /** Tags of frames of a lane that have waited since before `time` and were never sent; they are dropped. */
  expire(lane: Lane, time: number): readonly T[] {
    const out = this.#out[lane]
    const tags: T[] = []
    for (let next = out.waiting.peek(); next !== undefined && next.queuedAt < time; next = out.waiting.peek()) {
      out.waiting.shift()
      out.waitingBytes -= next.frame.length
      if (next.tag !== undefined) tags.push(next.tag)
    }
    return tags
  }

  /** For the READY that we send. */
  positions(): Positions {
    for (const lane of LANES) this.#in[lane].told = this.#in[lane].received
    return {
      received: LANES.map((lane) => this.#in[lane].received),
      granted: { route: this.#in[1].grantedBytes, repl: this.#in[4].grantedBytes }
    }
  }

  /** A new connection is READY; `theirs` came in the READY of the other side. Sends again what they have not got. */
  attach(line: Line, theirs: Positions): void {
    this.#line = line
    this.credit({ lane: 1, bytes: theirs.granted.route })
    this.credit({ lane: 4, bytes: theirs.granted.repl })
    LANES.forEach((lane, index) => {
      const received = theirs.received[index] ?? 0
      this.#trim(lane, received)
      this.#in[lane].gap = 'none'
      this.#repeat(this.#out[lane])
      this.#pump(this.#out[lane])
    })
  }

  /** The connection is gone, if it is still ours: a newer one may have taken its place. */
  detach(line: Line): void {
    if (this.#line === line) this.#line = undefined
  }

  /**
   * A frame of a lane, from any connection of this pair. True: say so in this turn, for whoever waits for that; otherwise
   * with others of the lane, or soon.
   */
  receive(frame: RawFrame): boolean {
    if (frame.lane === 0) throw new FrameFault('a frame of the link in a lane')
    const lane = this.#in[frame.lane]
    if (frame.seq <= lane.received) {
      lane.acked = Math.min(lane.acked, frame.seq - 1) // got already: acknowledge once more
      return lane.urgent = true
    }
    if (frame.seq > lane.received + 1) {
      if (lane.gap === 'none') lane.gap = 'found'
      return lane.urgent = true
    }
    lane.received = frame.seq
    lane.gap = 'none'
    lane.consumedBytes += frame.size
    this.deliver(frame)
    if (frame.lane > 2 || lane.received - lane.acked >= ACK_STEP) lane.urgent = true
    return lane.urgent || lane.consumedBytes + CREDIT_BYTES - lane.grantedBytes >= GRANT_STEP_BYTES
  }

  /**
   * Acknowledgements that are due, at most one for each lane: once a turn.
   * @param all also those that nobody waits for
   */
  dueAcks(all = true): readonly Ack[] {
    const due: Ack[] = []
    for (const lane of LANES) {
      const state = this.#in[lane]
      const again = state.gap === 'found'
      if (state.acked >= state.received && !again) continue
      if (!all && !state.urgent) continue
      due.push({ lane, seq: state.received, again })
      state.acked = state.received
      state.told = state.received
      state.urgent = false
      if (again) state.gap = 'asked'
    }
    return due
  }

  dueCredit(): readonly Credit[] {
    const due: Credit[] = []
    for (const lane of LANES) {
      const state = this.#in[lane]
      const possible = state.consumedBytes + CREDIT_BYTES
      if (!credited(lane) || possible - state.grantedBytes < GRANT_STEP_BYTES) continue
      state.grantedBytes = possible
      due.push({ lane, bytes: possible })
    }
    return due
  }

  /** The last number of a lane that the other side may know to have arrived here. */
  told(lane: Lane): number {
    return this.#in[lane].told
  }

  acked(ack: Ack): void {
    this.#trim(ack.lane, ack.seq)
    if (ack.again) this.#repeat(this.#out[ack.lane])
  }

  credit(credit: Credit): void {
    const out = this.#out[credit.lane]
    if (!credited(credit.lane) || credit.bytes <= out.granted) return
    out.granted = credit.bytes
    this.#pump(out)
  }

  #trim(lane: Lane, seq: number): void {
    const out = this.#out[lane]
    if (seq > out.acked + out.sent.size) throw new FrameFault(`lane ${lane}: ${seq} was never sent`)
    while (out.acked < seq) {
      out.acked++
      out.sent.shift()?.onAcked?.()
    }
  }

  #repeat(out: OutLane<T>): void {
    for (const item of out.sent) this.#line?.write(item.frame)
  }

  #pump(out: OutLane<T>): void {
    if (this.#line === undefined) return
    for (let next = out.waiting.peek(); next !== undefined; next = out.waiting.peek()) {
      if (out.sentBytes + next.frame.length > out.granted) return
      out.waiting.shift()
      out.waitingBytes -= next.frame.length
      out.sentBytes += next.frame.length
      out.sent.push(next)
      setSeq(next.frame, out.acked + out.sent.size)
      this.#line.write(next.frame)
    }
  }
}

function outLane<T>(lane: Lane): OutLane<T> {
  const granted = credited(lane) ? CREDIT_BYTES : Number.POSITIVE_INFINITY
  return { acked: 0, sent: new Fifo(), waiting: new Fifo(), waitingBytes: 0, sentBytes: 0, granted }
}

function inLane(): InLane {
  return { received: 0, acked: 0, told: 0, consumedBytes: 0, grantedBytes: CREDIT_BYTES, gap: 'none', urgent: false }
}
