/**
 * ROUTE and ANSWER: envelopes and answers as bytes. On the hot path. An authenticated peer is trusted for the inside
 * bytes; lengths, heads and addressees are checked. Layouts: `docs/link-protocol.md`.
 */
import { STANZA_CONDITIONS, type StanzaErrorType } from '../xmpp/errors.js'
import { Jid } from '../xmpp/jid.js'
import { Stanza, type StanzaKind, type TreeCount } from '../xmpp/stanza.js'
import type { ChildName } from '../xml/raw.js'
import type { Addressee, Answer, Envelope, StanzaKey, Verdict } from '../router/envelope.js'
import { ByteReader, FrameFault, type ByteWriter } from './bytes.js'
import { FRAME, LANE, readHlc, writeHlc, type FrameWriter } from './frames.js'

const SESSION_BYTES = 16
const JID_BYTES_MAX = 3071
const PART_BYTES_MAX = 1023
const FLAG_STATE = 1
const FLAG_READDRESS = 2
/** The inside keeps to the copyable grammar. Set on everything that our parser or serializer made. */
const FLAG_BORING = 4
const FLAG_AGAIN = 8
const HAS_TO = 1
const HAS_FROM = 2
const HAS_ID = 4
const HAS_LANG = 8
const KINDS: readonly StanzaKind[] = ['message', 'presence', 'iq']
const ERROR_TYPES: readonly StanzaErrorType[] = ['auth', 'cancel', 'continue', 'modify', 'wait']

/** The envelope part of a ROUTE was readable, its stanza was not: every question in it is answered with an error. */
export interface UnreadableRoute {
  readonly key: StanzaKey
  readonly asks: readonly number[]
  readonly why: string
}

export function encodeRoute(frames: FrameWriter, envelope: Envelope): Buffer {
  const out = frames.begin(FRAME.ROUTE, LANE.route)
  writeKey(out, envelope.key)
  writeHlc(out, envelope.hlc)
  out.u48(envelope.view)
  const { state, readdress, again } = envelope
  out.u8((state ? FLAG_STATE : 0) | (readdress ? FLAG_READDRESS : 0) | (again ? FLAG_AGAIN : 0) | FLAG_BORING)
  out.u16(envelope.addressees.length)
  for (const addressee of envelope.addressees) writeAddressee(out, addressee)
  writeStanza(out, envelope.stanza)
  return frames.finish()
}

/** @throws FrameFault when not even the questions can be read */
export function decodeRoute(body: Buffer, trees?: TreeCount): Envelope | UnreadableRoute {
  const reader = new ByteReader(body)
  const key = readKey(reader)
  const hlc = readHlc(reader)
  const view = reader.u48()
  const flags = reader.u8()
  const places = readPlaces(reader)
  try {
    if ((flags & FLAG_BORING) === 0) throw new FrameFault('the inside is not marked as copyable')
    const addressees = places.map(addresseeOf)
    const stanza = readStanza(reader, trees)
    return {
      key, hlc, view, addressees, stanza,
      state: (flags & FLAG_STATE) !== 0,
      readdress: (flags & FLAG_READDRESS) !== 0,
      again: (flags & FLAG_AGAIN) !== 0
    }
  } catch (error) {
    if (!(error instanceof FrameFault)) throw error
    return { key, asks: places.map((place) => place.ask), why: error.message }
  }
}

export function encodeAnswer(frames: FrameWriter, key: StanzaKey, answers: readonly Answer[]): Buffer {
  const out = frames.begin(FRAME.ANSWER, LANE.answer)
  writeKey(out, key)
  out.u16(answers.length)
  for (const answer of answers) {
    out.u48(answer.ask)
    writeVerdict(out, answer.verdict)
  }
  return frames.finish()
}

export function decodeAnswer(body: Buffer): { readonly key: StanzaKey; readonly answers: readonly Answer[] } {
  const reader = new ByteReader(body)
  const key = readKey(reader)
  const count = reader.u16()
  const answers: Answer[] = []
  for (let i = 0; i < count; i++) answers.push({ ask: reader.u48(), verdict: readVerdict(reader) })
  reader.end()
  return { key, answers }
}

function writeKey(out: ByteWriter, key: StanzaKey): void {
  out.hex(key.osid, SESSION_BYTES)
  out.u48(key.index)
  out.u8(key.k)
}

function readKey(reader: ByteReader): StanzaKey {
  return { osid: reader.hex(SESSION_BYTES), index: reader.u48(), k: reader.u8() }
}

function writeAddressee(out: ByteWriter, addressee: Addressee): void {
  out.u48(addressee.ask)
  out.text16(addressee.address.toString())
  out.text8(addressee.audience)
  out.text16(addressee.except === undefined ? '' : addressee.except.toString())
  out.u48(addressee.prev)
  out.u48(addressee.row)
}

interface Place {
  readonly ask: number
  readonly address: string
  readonly audience: string
  readonly except: string
  readonly prev: number
  readonly row: number
}

function readPlaces(reader: ByteReader): readonly Place[] {
  const count = reader.u16()
  const places: Place[] = []
  for (let i = 0; i < count; i++) {
    places.push({
      ask: reader.u48(),
      address: reader.text16(JID_BYTES_MAX),
      audience: reader.text8(),
      except: reader.text16(JID_BYTES_MAX),
      prev: reader.u48(),
      row: reader.u48()
    })
  }
  return places
}

function addresseeOf(place: Place): Addressee {
  const { ask, audience, prev, row } = place
  const except = place.except === '' ? undefined : linkJid(place.except)
  return { ask, address: linkJid(place.address), audience, except, prev, row }
}

function writeStanza(out: ByteWriter, stanza: Stanza): void {
  const { to, from, id, lang } = stanza
  out.u8(KINDS.indexOf(stanza.kind))
  out.u8((to ? HAS_TO : 0) | (from ? HAS_FROM : 0) | (id === undefined ? 0 : HAS_ID) | (lang === undefined ? 0 : HAS_LANG))
  if (to) out.text16(to.toString())
  if (from) out.text16(from.toString())
  if (id !== undefined) out.text16(id)
  if (lang !== undefined) out.text16(lang)
  out.text16(stanza.type)
  const children = stanza.children
  out.u16(children.length)
  for (const child of children) {
    out.text16(child.name)
    out.text16(child.ns)
  }
  out.bytes32(stanza.inside)
}

function readStanza(reader: ByteReader, trees: TreeCount | undefined): Stanza {
  const kind = KINDS[reader.u8()]
  if (kind === undefined) throw new FrameFault('no such kind of stanza')
  const has = reader.u8()
  const to = (has & HAS_TO) === 0 ? undefined : linkJid(reader.text16(JID_BYTES_MAX))
  const from = (has & HAS_FROM) === 0 ? undefined : linkJid(reader.text16(JID_BYTES_MAX))
  const id = (has & HAS_ID) === 0 ? undefined : reader.text16()
  const lang = (has & HAS_LANG) === 0 ? undefined : reader.text16()
  const type = reader.text16()
  const count = reader.u16()
  const children: ChildName[] = []
  for (let i = 0; i < count; i++) children.push({ name: reader.text16(), ns: reader.text16() })
  const inside = reader.bytes32(reader.left)
  reader.end()
  return Stanza.ofBytes({ kind, to, from, id, type, lang }, children, inside, trees)
}

function writeVerdict(out: ByteWriter, verdict: Verdict): void {
  switch (verdict.kind) {
    case 'accept':
      out.u8(0)
      out.u16(verdict.sessions.length)
      for (const session of verdict.sessions) out.hex(session, SESSION_BYTES)
      return
    case 'none':
      { out.u8(1); return }
    case 'reject':
      if (verdict.why === 'gap') { out.u8(2); return }
      out.u8(3)
      out.text8(verdict.type)
      { out.text8(verdict.condition); return }
    default:
      return verdict satisfies never
  }
}

function readVerdict(reader: ByteReader): Verdict {
  const kind = reader.u8()
  switch (kind) {
    case 0: {
      const sessions: string[] = []
      for (let left = reader.u16(); left > 0; left--) sessions.push(reader.hex(SESSION_BYTES))
      return { kind: 'accept', sessions }
    }
    case 1: return { kind: 'none' }
    case 2: return { kind: 'reject', why: 'gap' }
    case 3: {
      const named = { type: reader.text8(), condition: reader.text8() }
      const type = ERROR_TYPES.find((known) => known === named.type) ?? 'cancel'
      const condition = STANZA_CONDITIONS.find((known) => known === named.condition) ?? 'undefined-condition'
      return { kind: 'reject', why: 'error', type, condition }
    }
    default: throw new FrameFault(`no verdict ${kind}`)
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
