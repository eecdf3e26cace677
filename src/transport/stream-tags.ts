/**
 * The opening and closing tags of our side of a stream (RFC 6120 §4.7, RFC 7395 §3.4).
 */
import { escapeAttribute } from '../xml/escape.js'
import type { OpenReply } from './transport.js'

const STREAMS = 'http://etherx.jabber.org/streams'
const FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing'

export const STREAM_CLOSE = '</stream:stream>'
export const FRAMED_CLOSE = `<close xmlns='${FRAMING}'/>`

export function streamOpen(reply: OpenReply): string {
  return `<?xml version='1.0'?><stream:stream ${attributes(reply)} xmlns='jabber:client' xmlns:stream='${STREAMS}'>`
}

export function framedOpen(reply: OpenReply): string {
  return `<open ${attributes(reply)} xmlns='${FRAMING}'/>`
}

function attributes(reply: OpenReply): string {
  const to = reply.to === undefined ? '' : ` to='${escapeAttribute(reply.to)}'`
  const version = reply.version === undefined ? '' : ` version='${reply.version}'`
  const from = escapeAttribute(reply.from)
  return `from='${from}'${to} id='${escapeAttribute(reply.id)}'${version} xml:lang='${escapeAttribute(reply.lang)}'`
}
