/**
 * The PROXY protocol, versions 1 and 2: the header that a balancer puts before a client's bytes. A strict, pure parser;
 * only listeners that are told to expect a header read one, and then every connection must begin with one.
 * Specification: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
 */
import { isIPv4, isIPv6 } from 'node:net'

export interface ProxyHeader {
  /** `undefined` for a health check of the proxy itself (`LOCAL`) or a client of unknown family: the socket's own counts. */
  readonly client: { readonly address: string, readonly port: number } | undefined
  /** The proxy has ended TLS for this client (version 2, type `SSL`, client flag). */
  readonly tls: boolean
  /** Bytes of the header; what follows is the client's. */
  readonly size: number
}

export type ProxyResult =
  | { readonly kind: 'header', readonly header: ProxyHeader }
  | { readonly kind: 'more' }
  | { readonly kind: 'garbage', readonly why: string }

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V1 = Buffer.from('PROXY ', 'latin1')
/** §2.1: the longest line, CRLF included. */
const V1_BYTES_MAX = 107
/** Addresses and a few extensions; a proxy that sends more is none that we know. */
const V2_BYTES_MAX = 16 + 2_048

const MORE: ProxyResult = { kind: 'more' }
const garbage = (why: string): ProxyResult => ({ kind: 'garbage', why })

/** Looks at the first bytes of a connection; `more` asks to be called again with more of them. */
export function parseProxyHeader(bytes: Buffer): ProxyResult {
  if (beginsLike(bytes, V1)) return bytes.length < V1.length ? MORE : lineHeader(bytes)
  if (beginsLike(bytes, SIGNATURE)) return bytes.length < 16 ? MORE : binaryHeader(bytes)
  return garbage('no PROXY protocol header')
}

function beginsLike(bytes: Buffer, wanted: Buffer): boolean {
  const length = Math.min(bytes.length, wanted.length)
  return bytes.compare(wanted, 0, length, 0, length) === 0
}

/** §2.1: `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n`. */
function lineHeader(bytes: Buffer): ProxyResult {
  const end = bytes.indexOf('\r\n', 0, 'latin1')
  if (end < 0) return bytes.length >= V1_BYTES_MAX ? garbage('a version 1 header without an end') : MORE
  if (end + 2 > V1_BYTES_MAX) return garbage('a version 1 header that is too long')
  const size = end + 2
  const [, family = '', ...rest] = bytes.toString('latin1', 0, end).split(' ')
  if (family === 'UNKNOWN') return { kind: 'header', header: { client: undefined, tls: false, size } }
  const [source = '', destination = '', sourcePort = '', destinationPort = ''] = rest
  const isAddress = addressTest(family)
  const port = portOf(sourcePort)
  if (isAddress === undefined || rest.length !== 4) return garbage('a version 1 header of another form')
  if (!isAddress(source) || !isAddress(destination)) return garbage('a version 1 header with a wrong address')
  if (port === undefined || portOf(destinationPort) === undefined) return garbage('a version 1 header with a wrong port')
  return { kind: 'header', header: { client: { address: source, port }, tls: false, size } }
}

function addressTest(family: string): ((text: string) => boolean) | undefined {
  if (family === 'TCP4') return isIPv4
  return family === 'TCP6' ? isIPv6 : undefined
}

function portOf(text: string): number | undefined {
  const port = /^(?:0|[1-9]\d{0,4})$/.test(text) ? Number(text) : NaN
  return port <= 65_535 ? port : undefined
}

/** §2.2: version and command, family and protocol, length, addresses, extensions. */
function binaryHeader(bytes: Buffer): ProxyResult {
  const versionAndCommand = bytes.readUInt8(12)
  const family = bytes.readUInt8(13)
  const length = bytes.readUInt16BE(14)
  const size = 16 + length
  if (versionAndCommand >> 4 !== 2) return garbage('a version other than 1 and 2')
  const command = versionAndCommand & 0x0f
  if (command > 1) return garbage('a command other than LOCAL and PROXY')
  if (size > V2_BYTES_MAX) return garbage('a version 2 header that is too long')
  if (bytes.length < size) return MORE
  if (command === 0) return { kind: 'header', header: { client: undefined, tls: false, size } }
  return proxied(bytes.subarray(16, size), family, size)
}

function proxied(body: Buffer, family: number, size: number): ProxyResult {
  switch (family) {
    case 0x11:
      if (body.length < 12) return garbage('a version 2 header too short for IPv4')
      return withExtensions({ address: [...body.subarray(0, 4)].join('.'), port: body.readUInt16BE(8) }, body.subarray(12), size)
    case 0x21:
      if (body.length < 36) return garbage('a version 2 header too short for IPv6')
      return withExtensions({ address: ipv6Text(body), port: body.readUInt16BE(32) }, body.subarray(36), size)
    case 0x00:
      return { kind: 'header', header: { client: undefined, tls: false, size } }
    default:
      return garbage('a version 2 header of another family than TCP over IPv4 or IPv6')
  }
}

function withExtensions(client: { address: string, port: number }, rest: Buffer, size: number): ProxyResult {
  const tls = endedTls(rest)
  return tls === undefined ? garbage('a version 2 header with a broken extension') : { kind: 'header', header: { client, tls, size } }
}

/** §2.2.6 `PP2_TYPE_SSL`: bit 0 of its first byte says that the client came over TLS. `undefined` when lengths are wrong. */
function endedTls(extensions: Buffer): boolean | undefined {
  let tls = false
  let at = 0
  while (at < extensions.length) {
    if (at + 3 > extensions.length) return undefined
    const type = extensions.readUInt8(at)
    const length = extensions.readUInt16BE(at + 1)
    const from = at + 3
    at = from + length
    if (at > extensions.length) return undefined
    if (type === 0x20 && length >= 5) tls = (extensions.readUInt8(from) & 0x01) !== 0
  }
  return tls
}

function ipv6Text(bytes: Buffer): string {
  const groups: string[] = []
  for (let at = 0; at < 16; at += 2) groups.push(bytes.readUInt16BE(at).toString(16))
  return groups.join(':')
}
