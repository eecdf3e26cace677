/**
 * Errors as XML: the reply to a refused stanza (RFC 6120 §8.3) and the element that ends a stream (RFC 6120 §4.9).
 */
import { type Element, xml } from '../xml/element.js'
import { bytesOf } from '../xml/inside.js'
import type { StanzaError } from './errors.js'
import type { Jid } from './jid.js'
import { NS_CLIENT, Stanza } from './stanza.js'

const NS_STANZAS = 'urn:ietf:params:xml:ns:xmpp-stanzas'

/** A payload under this many bytes comes back to its sender; a larger one would only cost traffic. */
const ECHO_BYTES_MAX = 1024
/** Payloads with passwords are not repeated. */
const SECRET: ReadonlySet<string> = new Set(['jabber:iq:register', 'jabber:iq:auth'])

/**
 * The error stanza that answers `stanza`: same id, addresses swapped. `undefined` where no answer is allowed: an
 * error or an IQ result (RFC 6120 §8.3.1).
 * @param from instead of the stanza's `to`, for example our domain when that is missing or malformed
 */
export function errorReply(stanza: Stanza, error: StanzaError, from: Jid | undefined = stanza.to): Stanza | undefined {
  if (stanza.type === 'error' || (stanza.kind === 'iq' && stanza.type === 'result')) return undefined
  const id = stanza.id ?? (stanza.kind === 'iq' ? '' : undefined)
  const head = { kind: stanza.kind, to: stanza.from, from, id, type: 'error', lang: undefined }
  const element = errorElement(error)
  if (error.payload !== undefined) return Stanza.of(head, error.payload, element)
  if (!mayEcho(stanza)) return Stanza.of(head, element)
  const children = [...stanza.children, { name: 'error', ns: NS_CLIENT }]
  return Stanza.ofBytes(head, children, Buffer.concat([stanza.inside, bytesOf([element])]))
}

function mayEcho(stanza: Stanza): boolean {
  return stanza.inside.length < ECHO_BYTES_MAX && !stanza.has('error', NS_CLIENT) &&
    !stanza.children.some((child) => SECRET.has(child.ns))
}

/** RFC 6120 §8.3.2. */
export function errorElement(error: StanzaError): Element {
  return xml('error', { type: error.type }, ...details(error, NS_STANZAS))
}

function details(error: StanzaError, ns: string): Element[] {
  const { application } = error
  return [
    xml(error.condition, { xmlns: ns }),
    ...(error.message === '' ? [] : [xml('text', { 'xmlns': ns, 'xml:lang': 'en' }, error.message)]),
    ...(application === undefined ? [] : [xml(application.name, { xmlns: application.ns })])
  ]
}
