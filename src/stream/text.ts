/**
 * The texts that a stream writes of its own: features, stream errors, IQ answers. In the form of the transport: `stream`
 * stands inside an open tag that declares `jabber:client` and the prefix `stream`, `framed` stands alone (RFC 7395 §3.3.3).
 */
import type { WriteForm } from '../transport/transport.js'
import { escapeAttribute, escapeText } from '../xml/escape.js'
import type { ApplicationCondition, StanzaError, StreamError } from '../xmpp/errors.js'
import { NS_CLIENT, NS_STANZA_ERRORS, NS_STREAM_ERRORS, NS_STREAMS } from './namespaces.js'

/** RFC 6120 §4.3.2. */
export function featuresText(form: WriteForm, offers: string): string {
  const open = `<stream:features${streamPrefix(form)}`
  return offers === '' ? `${open}/>` : `${open}>${offers}</stream:features>`
}

/** RFC 6120 §4.9.2. */
export function streamErrorText(form: WriteForm, error: StreamError): string {
  return `<stream:error${streamPrefix(form)}>${conditionText(error, NS_STREAM_ERRORS)}</stream:error>`
}

/** The head of an IQ, as far as an answer needs it. */
export interface IqHead {
  readonly id: string | undefined
  /** Address of whom the IQ was for, which the answer comes from. */
  readonly to: string | undefined
}

export function iqResultText(form: WriteForm, head: IqHead, payload: string): string {
  const open = iqOpen(form, head, 'result')
  return payload === '' ? `${open}/>` : `${open}>${payload}</iq>`
}

/** RFC 6120 §8.3.2. */
export function iqErrorText(form: WriteForm, head: IqHead, error: StanzaError): string {
  return `${iqOpen(form, head, 'error')}>${stanzaErrorText(error)}</iq>`
}

export function stanzaErrorText(error: StanzaError): string {
  return `<error type='${error.type}'>${conditionText(error, NS_STANZA_ERRORS)}</error>`
}

function iqOpen(form: WriteForm, head: IqHead, type: 'result' | 'error'): string {
  const ns = form === 'framed' ? ` xmlns='${NS_CLIENT}'` : ''
  const from = head.to === undefined ? '' : ` from='${escapeAttribute(head.to)}'`
  const id = head.id === undefined ? '' : ` id='${escapeAttribute(head.id)}'`
  return `<iq${ns} type='${type}'${from}${id}`
}

interface Conditioned {
  readonly condition: string
  readonly message: string
  readonly application?: ApplicationCondition | undefined
}

function conditionText(error: Conditioned, ns: string): string {
  const text = error.message === '' ? '' : `<text xmlns='${ns}' xml:lang='en'>${escapeText(error.message)}</text>`
  const { application } = error
  const more = application === undefined ? '' : `<${application.name}${attributesText({ xmlns: application.ns, ...application.attrs })}/>`
  return `<${error.condition} xmlns='${ns}'/>${text}${more}`
}

function attributesText(attrs: Readonly<Record<string, string>>): string {
  return Object.entries(attrs).map(([name, value]) => ` ${name}='${escapeAttribute(value)}'`).join('')
}

function streamPrefix(form: WriteForm): string {
  return form === 'framed' ? ` xmlns:stream='${NS_STREAMS}'` : ''
}
