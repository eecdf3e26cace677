/**
 * ROUTE: the envelopes of one turn as one frame. On the hot path. An authenticated peer is trusted for the inside bytes;
 * lengths, heads and addressees are checked. Layouts: `docs/link-protocol.md`.
 */
import { Jid } from '../xmpp/jid.js'
import { Stanza, type StanzaKind, type TreeCount } from '../xmpp/stanza.js'
import type { ChildName } from '../xml/raw.js'
import type { Addressee, Envelope, StanzaKey } from '../router/envelope.js'
import { ByteReader, ByteWriter, FrameFault } from './bytes.js'
import { FRAME, FRAME_BYTES_MAX, FrameTooBig, LANE, type FrameWriter } from './frames.js'
import { WordReader, WordWriter } from './words.js'

const SESSION_LENGTH = 32
const JID_LENGTH_MAX = 3071
const PART_BYTES_MAX = 1023
const FLAG_STATE = 1
const FLAG_READDRESS = 2
/** The inside keeps to the copyable grammar. Set on everything that our parser or serializer made. */
const FLAG_BORING = 4
const FLAG_AGAIN = 8
const HAS_ID = 4
const HAS_LANG = 8
const KINDS: readonly StanzaKind[] = ['message', 'presence', 'iq']
/** Header, counts and flags of a frame; more than they take. */
const FRAME_HEAD_BYTES = 64

/** The envelope part was readable, its stanza was not: every question in it is answered with an error. */
export interface UnreadableRoute {
  readonly asks: readonly number[]
  readonly why: string
}

/** Envelopes for one peer, until they become a frame. */
export class RouteWriter {
  readonly #out = new ByteWriter()
  readonly #words = new WordWriter()
  #count = 0

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#out.length
  }

  /** @throws FrameTooBig, RangeError for a text that its field cannot hold; then nothing was added */
  add(envelope: Envelope): void {
    const start = this.#out.length
    try {
      this.#write(envelope)
      const bytes = this.#out.length + this.#words.length + FRAME_HEAD_BYTES
      if (bytes > FRAME_BYTES_MAX) throw new FrameTooBig(bytes)
      this.#out.setU32(this.#out.length - start - 4, start)
      this.#count++
    } catch (error) {
      this.#out.truncate(start)
      throw error
    }
  }

  finish(frames: FrameWriter): Buffer {
    const out = frames.begin(FRAME.ROUTE, LANE.route)
    this.#words.section(out)
    out.varint(this.#count)
    out.raw(this.#out.written)
    this.#out.reset()
    this.#count = 0
    return frames.finish()
  }

  /** The frame that was finished last may never arrive. */
  forget(): void {
    this.#words.forget()
  }

  #write({ key, view, addressees, state, readdress, again, stanza }: Envelope): void {
    const out = this.#out
    out.u32(0)
    this.#words.write(out, key.osid)
    out.varint(key.index)
    out.u8(key.k)
    out.varint(view)
    out.u8((state ? FLAG_STATE : 0) | (readdress ? FLAG_READDRESS : 0) | (again ? FLAG_AGAIN : 0) | FLAG_BORING)
    out.varint(addressees.length)
    for (const addressee of addressees) this.#addressee(addressee)
    this.#stanza(stanza)
  }

  #addressee({ ask, address, audience, except, prev, row }: Addressee): void {
    const out = this.#out
    out.varint(ask)
    this.#jid(address)
    this.#words.write(out, audience)
    this.#jid(except)
    out.varint(prev)
    out.varint(row)
  }

  #stanza({ kind, to, from, id, lang, type, children, inside }: Stanza): void {
    const out = this.#out
    const words = this.#words
    out.u8(KINDS.indexOf(kind))
    out.u8((id === undefined ? 0 : HAS_ID) | (lang === undefined ? 0 : HAS_LANG))
    this.#jid(to)
    this.#jid(from)
    if (id !== undefined) out.text16(id)
    if (lang !== undefined) words.write(out, lang)
    words.write(out, type)
    out.varint(children.length)
    for (const child of children) {
      words.write(out, child.name)
      words.write(out, child.ns)
    }
    out.raw(inside)
  }

  #jid(jid: Jid | undefined): void {
    this.#words.write(this.#out, jid === undefined ? '' : jid.toString())
  }
}

/** Envelopes from one peer, frame by frame: `begin`, then `next` until nothing comes. */
export class RouteReader {
  readonly #words = new WordReader(linkJid)
  #body = new ByteReader(Buffer.alloc(0))
  #left = 0

  constructor(private readonly trees?: TreeCount) {}

  /** @throws FrameFault */
  begin(body: Buffer): void {
    this.#body = new ByteReader(body)
    this.#words.section(this.#body)
    this.#left = this.#body.varint()
    if (this.#left === 0) this.#body.end()
  }

  /** @throws FrameFault when not even the questions can be read */
  next(): Envelope | UnreadableRoute | undefined {
    if (this.#left === 0) return undefined
    const body = this.#body.part(this.#body.u32())
    if (--this.#left === 0) this.#body.end()
    const key = this.#key(body)
    const view = body.varint()
    const flags = body.u8()
    const addressees: Addressee[] = []
    for (let left = body.varint(); left > 0; left--) addressees.push(this.#addressee(body))
    try {
      if ((flags & FLAG_BORING) === 0) throw new FrameFault('the inside is not marked as copyable')
      return {
        key, view, addressees, stanza: this.#stanza(body),
        state: (flags & FLAG_STATE) !== 0,
        readdress: (flags & FLAG_READDRESS) !== 0,
        again: (flags & FLAG_AGAIN) !== 0
      }
    } catch (error) {
      if (!(error instanceof FrameFault)) throw error
      return { asks: addressees.map(({ ask }) => ask), why: error.message }
    }
  }

  #key(body: ByteReader): StanzaKey {
    const osid = this.#words.text(body)
    if (osid.length !== SESSION_LENGTH) throw new FrameFault('a session that is none')
    return { osid, index: body.varint(), k: body.u8() }
  }

  #addressee(body: ByteReader): Addressee {
    const ask = body.varint()
    const address = this.#words.jid(body)
    if (address === undefined) throw new FrameFault('a question about nobody')
    const audience = this.#words.text(body)
    return { ask, address, audience, except: this.#words.jid(body), prev: body.varint(), row: body.varint() }
  }

  #stanza(body: ByteReader): Stanza {
    const words = this.#words
    const kind = KINDS[body.u8()]
    if (kind === undefined) throw new FrameFault('no such kind of stanza')
    const has = body.u8()
    const to = words.jid(body)
    const from = words.jid(body)
    const id = (has & HAS_ID) === 0 ? undefined : body.text16()
    const lang = (has & HAS_LANG) === 0 ? undefined : words.text(body)
    const type = words.text(body)
    const children: ChildName[] = []
    for (let left = body.varint(); left > 0; left--) children.push({ name: words.text(body), ns: words.text(body) })
    return Stanza.ofBytes({ kind, to, from, id, type, lang }, children, body.view(body.left), this.trees)
  }
}

/** What may never stand in an address, whatever PRECIS says: it would change the meaning of text around it. */
const FORBIDDEN = /[\u0000-\u0020\u007f"&'<>]/
const CONTROLS = /[\u0000-\u001f\u007f]/

/**
 * An address from a peer, which has prepared it (RFC 7622); here only its shape is checked.
 * @throws FrameFault
 */
export function linkJid(text: string): Jid {
  if (text.length > JID_LENGTH_MAX) throw new FrameFault('an address that is too long')
  const slash = text.indexOf('/')
  const bare = slash < 0 ? text : text.slice(0, slash)
  const at = bare.indexOf('@')
  const local = at < 0 ? '' : bare.slice(0, at)
  const domain = bare.slice(at + 1)
  const resource = slash < 0 ? '' : text.slice(slash + 1)
  if (domain === '' || at === 0 || FORBIDDEN.test(bare) || domain.includes('@')) {
    throw new FrameFault('an address that is none')
  }
  if (slash === text.length - 1 || CONTROLS.test(resource)) {
    throw new FrameFault('an address that is none')
  }
  // RFC 7622 §3.1: each part at most 1023 octets; UTF-16 units are a lower bound that keeps a fault from growing
  if (local.length > PART_BYTES_MAX || domain.length > PART_BYTES_MAX || resource.length > PART_BYTES_MAX) {
    throw new FrameFault('an address that is too long')
  }
  return new Jid(local, domain, resource)
}
