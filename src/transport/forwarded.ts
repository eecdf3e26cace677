/**
 * What a trusted HTTP proxy says about the client: `Forwarded` (RFC 7239), else `X-Forwarded-For` and `-Proto`. Pure; the
 * caller asks only for requests whose socket comes from a trusted proxy.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import type { Origin } from './bounds.js'
import { plainAddress } from './networks.js'
import type { Networks } from './networks.js'

interface Hop {
  readonly address: string | undefined
  readonly https: boolean | undefined
}

/**
 * The client behind `socket`: the last hop that is not itself a trusted proxy. Everything before it was written by
 * somebody whom we do not trust.
 */
export function clientOf(socket: Origin, headers: IncomingHttpHeaders, trusted: Networks): Origin {
  if (!trusted.has(socket.address)) return socket
  const hops = hopsOf(headers)
  let client: Origin = { address: socket.address, port: socket.port, secure: socket.secure }   // its TLS is the proxy's own
  for (const hop of hops.toReversed()) {
    if (hop.address === undefined) return { ...client, secure: hop.https ?? client.secure }
    client = { address: hop.address, port: 0, secure: hop.https ?? client.secure }
    if (!trusted.has(hop.address)) break
  }
  return client
}

function hopsOf(headers: IncomingHttpHeaders): readonly Hop[] {
  const standard = headers.forwarded
  if (standard !== undefined) return splitOutsideQuotes(standard, ',').map(forwardedHop)
  const addresses = listOf(headers['x-forwarded-for'])
  const protocols = listOf(headers['x-forwarded-proto'])
  // one protocol is the usual form: the first proxy's, which the others pass on
  const last = protocols.at(-1)
  if (addresses.length === 0 && last !== undefined) return [{ address: undefined, https: httpsOf(last) }]
  return addresses.map((address, index) => {
    const protocol = protocols.length === addresses.length ? protocols[index] : last
    return { address: nodeAddress(address), https: httpsOf(protocol) }
  })
}

function forwardedHop(text: string): Hop {
  const pairs = new Map<string, string>()
  for (const pair of splitOutsideQuotes(text, ';')) {
    const at = pair.indexOf('=')
    if (at > 0) pairs.set(pair.slice(0, at).trim().toLowerCase(), unquoted(pair.slice(at + 1).trim()))
  }
  return { address: nodeAddress(pairs.get('for') ?? ''), https: httpsOf(pairs.get('proto')) }
}

/** RFC 7239 §6: an address, perhaps with a port, IPv6 in brackets; `unknown` and names of proxies give nothing. */
function nodeAddress(text: string): string | undefined {
  const bracketed = /^\[([0-9a-fA-F:.]+)\](?::\d{1,5})?$/.exec(text)?.[1]
  const address = plainAddress(bracketed ?? (isIP(text) === 6 ? text : text.replace(/:\d{1,5}$/, '')))
  return isIP(address) === 0 ? undefined : address
}

function httpsOf(protocol: string | undefined): boolean | undefined {
  if (protocol === undefined) return undefined
  return /^(https|wss)$/i.test(protocol)
}

function listOf(header: string | readonly string[] | undefined): readonly string[] {
  const text = typeof header === 'string' ? header : header?.join(',') ?? ''
  return text.split(',').map((part) => part.trim()).filter((part) => part !== '')
}

function splitOutsideQuotes(text: string, separator: string): readonly string[] {
  const parts: string[] = []
  let quoted = false
  let from = 0
  for (let at = 0; at < text.length; at++) {
    const c = text[at]
    if (c === '\\' && quoted) at++
    else if (c === '"') quoted = !quoted
    else if (c === separator && !quoted) {
      parts.push(text.slice(from, at))
      from = at + 1
    }
  }
  parts.push(text.slice(from))
  return parts
}

function unquoted(text: string): string {
  return text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text
}
