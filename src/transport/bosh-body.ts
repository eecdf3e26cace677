/**
 * BOSH's wrapper element (XEP-0124 §6, XEP-0206): what a request's attributes say, and how answers are written. Pure.
 */
import type { Attributes, RawElement } from '../xml/raw.js'
import { escapeAttribute } from '../xml/escape.js'

/** XEP-0124 §17.2 and the codes for clients that sent no `ver` (§17.1). */
export type BoshCondition =
  | 'bad-request' | 'host-unknown' | 'improper-addressing' | 'internal-server-error' | 'item-not-found' | 'other-request'
  | 'policy-violation' | 'remote-stream-error' | 'system-shutdown'

export interface BoshAnswer {
  /** 0: drop the connection without an answer. */
  readonly status: number
  readonly contentType: string
  readonly body: Buffer
}

export interface BoshRequest {
  readonly rid: number
  readonly elements: readonly RawElement[]
  readonly to: string | undefined
  readonly from: string | undefined
  readonly lang: string | undefined
  /** XEP-0206 §5: begins a new stream in the session. */
  readonly restart: boolean
  readonly terminate: boolean
  readonly pauseSeconds: number | undefined
  /** Nothing in it that the session must do (§11, §12). */
  readonly empty: boolean
}

/** What only the first request says. */
export interface BoshWish {
  readonly ver: string | undefined
  readonly wait: number | undefined
  readonly hold: number | undefined
  readonly content: string
  readonly acks: boolean
  readonly version: string
}

export const XML_TYPE = 'text/xml; charset=utf-8'
const NS = 'http://jabber.org/protocol/httpbind'
const NS_XBOSH = 'urn:xmpp:xbosh'
const NS_STREAMS = 'http://etherx.jabber.org/streams'
/** The highest that is written here (XEP-0124 version 1.11). */
const OUR_VERSION = [1, 11] as const
/** §14.1: 2^53 - 1. */
const RID_MAX = Number.MAX_SAFE_INTEGER
/** A type and perhaps a charset; nothing that could end the header (§7.1, H24). */
const CONTENT_TYPE = /^[\w!#$&^.+-]{1,60}\/[\w!#$&^.+-]{1,60}(?:; ?charset=[\w-]{1,40})?$/

/** `undefined`: the request breaks the rules of the wrapper: bad-request. */
export function readRequest(attrs: Attributes, elements: readonly RawElement[]): BoshRequest | undefined {
  const rid = wholeNumber(attrs['rid'])
  const pauseSeconds = wholeNumber(attrs['pause'])
  if (rid === undefined || rid < 1 || (attrs['pause'] !== undefined && pauseSeconds === undefined)) return undefined
  const restart = isTrue(attrs['xbosh:restart'])
  const terminate = attrs['type'] === 'terminate'
  return {
    rid, elements, restart, terminate, pauseSeconds,
    to: attrs['to'], from: attrs['from'], lang: attrs['xml:lang'],
    empty: elements.length === 0 && !restart && !terminate && pauseSeconds === undefined
  }
}

export function readWish(attrs: Attributes): BoshWish | undefined {
  const { wait, hold, content = XML_TYPE, ver } = attrs
  if ((wait !== undefined && wholeNumber(wait) === undefined) || (hold !== undefined && wholeNumber(hold) === undefined)) return undefined
  if (!CONTENT_TYPE.test(content) || (ver !== undefined && !/^\d{1,3}\.\d{1,3}$/.test(ver))) return undefined
  // XEP-0206 §3: the version is a SHOULD; who leaves it out speaks XMPP 1.0 all the same
  const version = attrs['xbosh:version'] ?? '1.0'
  return { ver, wait: wholeNumber(wait), hold: wholeNumber(hold), content, acks: attrs['ack'] === '1', version }
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined
  const value = Number(text)
  return value <= RID_MAX ? value : undefined
}

function isTrue(text: string | undefined): boolean {
  return text === 'true' || text === '1'
}

/** §7.2: ours or the client's, whichever is lower. */
export function commonVersion(ver: string): string {
  const [major = 1, minor = 0] = ver.split('.').map(Number)
  const lower = major < OUR_VERSION[0] || (major === OUR_VERSION[0] && minor < OUR_VERSION[1])
  return lower ? `${major}.${minor}` : OUR_VERSION.join('.')
}

export interface AnswerParts {
  /** Attributes in order; `undefined` ones are left out. */
  readonly attrs: Readonly<Record<string, string | number | undefined>>
  /** The payloads declare `xmlns:stream` on the wrapper too, as XEP-0206 §2 asks. */
  readonly streams?: boolean
  readonly payload?: readonly (string | Buffer)[]
}

export function writeBody({ attrs, streams = false, payload = [] }: AnswerParts): Buffer {
  let tag = `<body xmlns='${NS}'`
  for (const [name, value] of Object.entries(attrs)) {
    if (value !== undefined) tag += ` ${name}='${escapeAttribute(String(value))}'`
  }
  if (Object.keys(attrs).some((name) => name.startsWith('xmpp:'))) tag += ` xmlns:xmpp='${NS_XBOSH}'`
  if (streams) tag += ` xmlns:stream='${NS_STREAMS}'`
  if (payload.length === 0) return Buffer.from(`${tag}/>`)
  const pieces = [`${tag}>`, ...payload, '</body>'].map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece))
  return Buffer.concat(pieces)
}

/** §17.1: clients without `ver` know only HTTP codes for these. */
const LEGACY: Partial<Readonly<Record<BoshCondition, number>>> = {
  'bad-request': 400, 'policy-violation': 403, 'item-not-found': 404
}

export function terminated(condition: BoshCondition | undefined, legacy = false, contentType = XML_TYPE): BoshAnswer {
  const status = legacy && condition !== undefined ? LEGACY[condition] ?? 200 : 200
  return { status, contentType, body: status === 200 ? writeBody({ attrs: { type: 'terminate', condition } }) : Buffer.alloc(0) }
}
