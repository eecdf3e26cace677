/**
 * What a client with stream management has not acknowledged (XEP-0198 §4), in order: a pure queue with its counters. Owns
 * the numbers: without a gap, one for each stanza from the moment of enabling (I4).
 */
import { COUNTS } from '../stream/features/sm.js'
import type { Jid } from '../xmpp/jid.js'
import type { Stanza } from '../xmpp/stanza.js'
import type { OriginKey, OutRecord } from './stable-log.js'

/** Of a root tag and of the entry, roughly. */
const HEAD_BYTES = 256
/** Places at the front of the list that are given back together. */
const SLACK = 64

/** Shared by the entries of one stanza that several devices took: somebody certainly has it. */
export interface Fork {
  done: boolean
}

/** One stanza that a device has accepted; the log's record of it, too. */
export class Entry implements OutRecord {
  session = ''
  outNo = 0
  at = 0
  readonly bytes: number

  constructor(
    readonly stanza: Stanza, readonly to: Jid | undefined, readonly key: OriginKey | undefined, readonly fork: Fork | undefined
  ) {
    this.bytes = stanza.inside.length + HEAD_BYTES
  }

  get type(): 'OUT' {
    return 'OUT'
  }
}

export class Unacked {
  #entries: (Entry | undefined)[] = []
  /** Places in the list: the first that is not acknowledged, not written, never written, not packed. */
  #head = 0
  #unwritten = 0
  #fresh = 0
  #unpacked = 0
  /** Number of the last that is acknowledged. */
  #acked: number
  #bytes = 0

  /** @param start what is counted from; 0 but in tests */
  constructor(start = 0) {
    this.#acked = start
  }

  get size(): number {
    return this.#entries.length - this.#head
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Number of the last stanza that was accepted. */
  get accepted(): number {
    return this.#acked + this.size
  }

  /** Of the last that was written. */
  get written(): number {
    return this.#acked + this.#unwritten - this.#head
  }

  /** How many the client can have got, as it counts. */
  get sent(): number {
    return (this.#acked + this.#fresh - this.#head) % COUNTS
  }

  push(entry: Entry): void {
    this.#entries.push(entry)
    this.#bytes += entry.bytes
  }

  /** The next to be written. */
  next(): Entry | undefined {
    const entry = this.#entries[this.#unwritten]
    if (entry === undefined) return undefined
    this.#unwritten++
    if (this.#unwritten > this.#fresh) this.#fresh = this.#unwritten
    return entry
  }

  /** The client has handled `h`. `old`: it said more before. `too-high`: it was sent less; nothing changes then. */
  acknowledge(h: number): 'trimmed' | 'old' | 'too-high' {
    const count = (h - this.#acked % COUNTS + COUNTS) % COUNTS          // trap 19
    if (count > this.#fresh - this.#head) return count > COUNTS / 2 ? 'old' : 'too-high'
    const end = this.#head + count
    for (let i = this.#head; i < end; i++) this.#drop(i)
    this.#acked += count
    this.#head = end
    if (this.#unwritten < end) this.#unwritten = end
    if (this.#unpacked < end) this.#unpacked = end
    this.#shrink()
    return 'trimmed'
  }

  /** All that is not acknowledged is written again. */
  rewind(): void {
    this.#unwritten = this.#head
  }

  /** Entries that stay for long hold no more memory than their bytes. */
  pack(): void {
    for (const end = this.#entries.length; this.#unpacked < end; this.#unpacked++) this.#entries[this.#unpacked]?.stanza.pack()
  }

  /** Takes all. */
  drain(): readonly Entry[] {
    const all = this.#entries.slice(this.#head).filter((entry) => entry !== undefined)
    this.#entries = []
    this.#acked += all.length
    this.#head = this.#unwritten = this.#fresh = this.#unpacked = this.#bytes = 0
    return all
  }

  #drop(place: number): void {
    const entry = this.#entries[place]
    if (entry === undefined) return
    this.#bytes -= entry.bytes
    if (entry.fork !== undefined) entry.fork.done = true
    this.#entries[place] = undefined
  }

  #shrink(): void {
    const { length } = this.#entries
    if (this.#head < length && (this.#head < SLACK || this.#head * 2 < length)) return
    this.#entries.splice(0, this.#head)
    this.#unwritten -= this.#head
    this.#fresh -= this.#head
    this.#unpacked -= this.#head
    this.#head = 0
  }
}
