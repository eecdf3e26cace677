/**
 * The XMPP addresses of a client's certificate (XEP-0178 §3, RFC 6120 §13.7.1.4): from the subject's alternative names and from
 * nowhere else, read as ASN.1 and not as text that somebody has printed.
 */
import type { TLSSocket } from 'node:tls'
import { TAG, valuesOf } from './der.js'

/** RFC 5280 §4.2.1.6: `2.5.29.17`. */
const ALTERNATIVE_NAMES = '551d11'
/** RFC 6120 §13.7.1.4: `1.3.6.1.5.5.7.8.5`. */
const XMPP_ADDRESS = '2b06010505070805'
/** More addresses than anybody needs are not read. */
const ADDRESSES_MAX = 16

/** Node tells whether a certificate is good only to its own server object; the handle below knows it anyway. */
interface Verified {
  readonly _handle?: { verifyError?(): unknown } | null
}

/** None without a certificate, and none of one that no trusted authority has signed. */
export function addressesOf(socket: TLSSocket): readonly string[] {
  const certificate = socket.destroyed ? undefined : socket.getPeerX509Certificate()
  if (certificate === undefined || !isTrusted(socket as unknown as Verified)) return []
  return xmppAddresses(certificate.raw)
}

function isTrusted({ _handle: handle }: Verified): boolean {
  return handle?.verifyError?.() === null
}

/** As they stand there, not prepared. @param certificate DER */
export function xmppAddresses(certificate: Buffer): readonly string[] {
  const [tbs] = valuesOf(valuesOf(certificate)[0]?.content)
  const extensions = valuesOf(tbs?.content).find(({ tag }) => tag === TAG.context3)       // RFC 5280 §4.1
  const found = valuesOf(valuesOf(extensions?.content)[0]?.content)
    .map(({ content }) => valuesOf(content))
    .find(([id]) => id?.tag === TAG.oid && id.content.toString('hex') === ALTERNATIVE_NAMES)
  const [names] = valuesOf(found?.at(-1)?.content)
  return valuesOf(names?.content).flatMap(({ tag, content }) => (tag === TAG.context0 ? addressIn(content) : [])).slice(0, ADDRESSES_MAX)
}

// OtherName ::= SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT UTF8String }
function addressIn(otherName: Buffer): readonly string[] {
  const [id, value] = valuesOf(otherName)
  if (id?.tag !== TAG.oid || id.content.toString('hex') !== XMPP_ADDRESS || value?.tag !== TAG.context0) return []
  const [text] = valuesOf(value.content)
  if (text?.tag !== TAG.utf8String) return []
  try {
    return [new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text.content)]
  } catch {
    return []
  }
}
