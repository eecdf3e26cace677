/**
 * Judges the header that a client opens its stream with (RFC 6120 §4.7, §4.8; RFC 7395 §3.3.2). Pure: header in, facts
 * or a refusal out.
 */
import type { TransportKind } from '../transport/transport.js'
import type { StreamHeader } from '../xml/raw.js'
import { StreamError } from '../xmpp/errors.js'
import { JidError, parseJid, type Jid } from '../xmpp/jid.js'
import { NS_CLIENT, NS_FRAMING, NS_STREAMS } from './namespaces.js'
import type { Domains } from './profile.js'

/** What the stream knows when the header comes. */
export interface HeaderContext {
  readonly kind: TransportKind
  readonly secure: boolean
  readonly domains: Domains
  /** Bare; after SASL the stream belongs to this account (RFC 6120 §6.4.6). */
  readonly account: Jid | undefined
}

export interface HeaderVerdict {
  /** For our own header: a served domain, or '' when the one asked for is not served (RFC 6120 §4.9.1.3). */
  readonly domain: string
  /** Bare JID that the peer says it is. */
  readonly claimed: Jid | undefined
  readonly version: '1.0' | undefined
  /** Default language of the peer's stanzas. */
  readonly lang: string | undefined
  /** The stream ends with it, after our header. */
  readonly refusal: StreamError | undefined
}

const VERSION = /^(\d{1,9})\.\d{1,9}$/
/** A language tag; longer ones than this name nothing (RFC 5646 §4.4.1 finds 35 enough). */
const LANGUAGE = /^[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,7}$/

export function judgeHeader(header: StreamHeader, context: HeaderContext): HeaderVerdict {
  const { to, from, version, 'xml:lang': said } = header.attrs
  const domain = servedDomain(to, context) ?? ''
  const lang = said !== undefined && LANGUAGE.test(said) ? said : undefined
  const told = version === undefined ? undefined : '1.0'
  try {
    checkNames(header, context.kind)
    checkTo(to, domain)
    const claimed = claimedOf(from)
    const refusal = refusalOf(header, context, { domain, claimed })
    return { domain, claimed: refusal?.condition === 'invalid-from' ? undefined : claimed, version: told, lang, refusal }
  } catch (error) {
    if (error instanceof StreamError) return { domain, claimed: undefined, version: told, lang, refusal: error }
    throw error
  }
}

// RFC 6120 §4.8.1, §4.8.2; RFC 7395 §3.3.2. A BOSH transport writes the header itself (XEP-0206 §3).
function checkNames(header: StreamHeader, kind: TransportKind): void {
  const framed = kind === 'websocket' || kind === 'memory'
  const [name, ns] = framed ? ['open', NS_FRAMING] : ['stream', NS_STREAMS]
  if (header.ns !== ns) throw new StreamError('invalid-namespace', `The stream header must be in ${ns}`)
  if (header.name !== name) throw new StreamError('bad-format', `The stream header must be <${name}/>`)
  if (!framed) checkContent(header.contentNs)
}

// Without a content namespace as the default one every element names its own (§4.8.2).
function checkContent(contentNs: string): void {
  if (contentNs === NS_CLIENT || contentNs === NS_STREAMS || contentNs === '') return
  throw new StreamError('invalid-namespace', `The content namespace must be ${NS_CLIENT}`)
}

function servedDomain(to: string | undefined, { domains, account }: HeaderContext): string | undefined {
  if (to === undefined) return account?.domain ?? domains.first        // §4.7.2: be liberal with older clients
  const domain = isDomainOnly(to) ? quietJid(to)?.domain : undefined
  if (domain === domains.first) return domains.first                  // one string for all of its streams
  return domain !== undefined && domains.serves(domain) ? domain : undefined
}

function checkTo(to: string | undefined, domain: string): void {
  if (to !== undefined && !isDomainOnly(to)) throw new StreamError('improper-addressing', 'The header\'s "to" must be a domain')
  if (domain === '') throw new StreamError('host-unknown')
}

function isDomainOnly(to: string): boolean {
  return to !== '' && !to.includes('@') && !to.includes('/')
}

// §4.7.1: a bare JID; a full one is taken for its bare part.
function claimedOf(from: string | undefined): Jid | undefined {
  if (from === undefined) return undefined
  const jid = quietJid(from)
  if (jid === undefined) throw new StreamError('invalid-from', 'The header\'s "from" is not an address')
  return jid.bare
}

interface Addresses {
  readonly domain: string
  readonly claimed: Jid | undefined
}

function refusalOf(header: StreamHeader, { account, secure }: HeaderContext, { domain, claimed }: Addresses) {
  if (!speaksVersion1(header.attrs['version'])) return new StreamError('unsupported-version')
  if (account !== undefined && domain !== account.domain) {
    return new StreamError('not-authorized', `This stream belongs to ${account.domain}`)        // §4.9.3.12
  }
  if (claimed === undefined) return undefined
  if (account !== undefined && !claimed.equals(account)) return new StreamError('invalid-from')  // §4.9.3.9
  // What comes without TLS may have been changed on the way (§4.3.6), so it is not held against the client.
  if (secure && claimed.domain !== domain) return new StreamError('invalid-from')                // XEP-0388 §2.1
  return undefined
}

// §4.7.5: numbers, not text; leading zeros are ignored; 2.x is answered with 1.0.
function speaksVersion1(version: string | undefined): boolean {
  const major = VERSION.exec(version ?? '')?.[1]
  return major !== undefined && Number(major) >= 1
}

function quietJid(text: string): Jid | undefined {
  try {
    return parseJid(text)
  } catch (error) {
    if (error instanceof JidError) return undefined
    throw error
  }
}
