/**
 * The door to the SASL mechanisms, for RFC 6120 §6 and XEP-0388 alike: which of them a stream may use, best first, and one run
 * of one of them. SCRAM by the pure rules, PLAIN (RFC 4616), EXTERNAL (XEP-0178), ANONYMOUS (RFC 4505). Knows no XML.
 */
import type { Jid } from '../../xmpp/jid.js'
import { SaslFailure, type Authenticator } from '../authenticator.js'
import { checkAuthzid, jidOf, Offer, type Exchange, type ExchangeParts, type LoginRules, type LoginStream } from './exchange.js'
import { parsePlain } from './plain.js'
import { scramExchange } from './scram.js'

const PLUS = '-PLUS'

/** Best first; the same for everybody on such a connection. Always the same for the same stream. RFC 6120 §6.3.4. */
export function mechanismsFor(rules: LoginRules, stream: LoginStream): Offer {
  const { kind, domain, flags: { secure }, peer: { tls } } = stream
  if (tls !== undefined && tls.addresses.length > 0) return offerFor(rules, stream)
  const key = `${kind} ${secure ? 'tls' : ''} ${domain} ${tls?.bindings.join() ?? ''}`
  const known = rules.known.get(key)
  if (known !== undefined) return known
  const made = offerFor(rules, stream)
  rules.known.set(key, made)
  return made
}

function offerFor(rules: LoginRules, stream: LoginStream): Offer {
  const { authenticator, plain, plainWithoutTls } = rules
  const { secure } = stream.flags
  if (!secure && rules.tlsRequired(stream.domain)) return new Offer([], [])
  // Browsers know nothing of their TLS, and libraries made for them take -PLUS for what it is not: none over WebSocket.
  const known = stream.kind === 'websocket' ? [] : stream.peer.tls?.bindings ?? []
  const bindings = known.filter((type) => rules.bindings.includes(type))
  const scram = authenticator.hashes.map((hash) => `SCRAM-${hash}`)
  const mechanisms = [
    ...(certifiedOn(stream).length > 0 ? ['EXTERNAL'] : []),
    ...(bindings.length > 0 ? scram.map((name) => name + PLUS) : []),             // RFC 5802 §6: both kinds, of every hash
    ...scram,
    ...(plain && (secure || plainWithoutTls) ? ['PLAIN'] : []),
    ...(authenticator.admitsGuests(stream.domain) ? ['ANONYMOUS'] : [])
  ]
  return new Offer(mechanisms, bindings)
}

/** The peer must take up TLS first (RFC 6120 §6.5.4). */
export function needsTls(rules: LoginRules, { kind, domain, flags: { secure } }: LoginStream, mechanism: string, offer: Offer): boolean {
  if (secure || offer.mechanisms.includes(mechanism)) return false
  return mechanismsFor(rules, { kind, domain, peer: {}, flags: { secure: true } }).mechanisms.includes(mechanism)
}

/** @param mechanism one of `offer`; throws `SaslFailure` for any other */
export function beginExchange(mechanism: string, parts: ExchangeParts): Exchange {
  const { rules: { authenticator }, stream, offer } = parts
  if (!offer.mechanisms.includes(mechanism)) throw new SaslFailure('invalid-mechanism', 'a mechanism that is not offered')
  const hash = authenticator.hashes.find((known) => mechanism === `SCRAM-${known}` || mechanism === `SCRAM-${known}${PLUS}`)
  if (hash !== undefined) return scramExchange(parts, hash, mechanism.endsWith(PLUS))
  switch (mechanism) {
    case 'PLAIN': return plainExchange(authenticator, stream)
    case 'EXTERNAL': return externalExchange(authenticator, stream)
    case 'ANONYMOUS': return anonymousExchange(authenticator, stream.domain)
    default: throw new SaslFailure('invalid-mechanism', 'a mechanism that is not offered')
  }
}

function plainExchange(authenticator: Authenticator, stream: LoginStream): Exchange {
  return {
    async next(message) {
      const { authzid, username, password } = parsePlain(message)
      const identity = await authenticator.plain(username, stream.domain, password)
      checkAuthzid(authzid, identity, stream)
      return { kind: 'success', data: undefined, identity }
    }
  }
}

// RFC 4505 §2: the trace is for nobody here.
function anonymousExchange(authenticator: Authenticator, domain: string): Exchange {
  return {
    next: () => ({ kind: 'success', data: undefined, identity: authenticator.guest(domain) })
  }
}

// XEP-0178 §3.9, RFC 4422 appendix A: who acts as nobody else sends nothing; with several addresses one must be named.
function externalExchange(authenticator: Authenticator, stream: LoginStream): Exchange {
  return {
    async next(message) {
      const [only, ...more] = certifiedOn(stream)
      const wanted = message.length === 0 ? undefined : jidOf(message.toString('utf8'))
      if (message.length === 0 && more.length > 0) throw new SaslFailure('invalid-authzid', 'several addresses and none chosen')
      const jid = message.length === 0 ? only : certifiedOn(stream).find((one) => wanted?.equals(one) === true)
      if (jid === undefined) throw new SaslFailure('not-authorized', 'an address that the certificate does not show')
      return { kind: 'success', data: undefined, identity: await authenticator.external(jid) }
    }
  }
}

/** Accounts of this domain that the client's certificate names. */
function certifiedOn({ domain, peer }: LoginStream): readonly Jid[] {
  const named = (peer.tls?.addresses ?? []).flatMap((text) => jidOf(text) ?? [])
  return named.filter((jid) => jid.domain === domain && jid.local !== '' && jid.resource === '')
}
