/**
 * TLS for client connections (RFC 9325, XEP-0368): the shared secure context and the handshake of an accepted socket,
 * used alike by direct TLS, STARTTLS and HTTPS. Owns versions, suites and options.
 */
import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { SecureContext } from 'node:tls'
import { TransportFailure, messageOf } from './failure.js'
import { shareReads } from './shared-reads.js'
import type { Timed, Wheel } from './wheel.js'

/** RFC 9325 §4.2: forward secrecy and authenticated encryption only; the TLS 1.3 suites are Node's own. */
const SUITES = [
  'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305', 'ECDHE-RSA-AES128-GCM-SHA256'
].join(':')

/** XEP-0368 §3: what clients of XMPP may ask for; RFC 7301 §3.2: another protocol is refused, none is taken for this one. */
export const XMPP_ALPN: readonly string[] = ['xmpp-client']

/** RFC 6120 §5.3.5: no renegotiation. Node's constants lack its name. */
const SSL_OP_NO_RENEGOTIATION = 0x40000000

export interface KeyPair {
  /** PEM: the certificate, then its chain. */
  readonly certificate: string
  /** PEM. */
  readonly key: string
}

/** The context for a name that the client asks for (SNI), or for none. */
export type ContextOf = (name: string | undefined) => SecureContext

/** What lets a client come back with a session of before (RFC 5077, RFC 8446 §2.2). */
export interface Resumption {
  /** 48 bytes, secret; the same on all nodes. */
  readonly ticketKey: Buffer
  /** Sessions of another group are not taken up: full handshake. 32 bytes at most. */
  readonly group: string
}

/** RFC 8446 §4.6.1 allows a week; a phone that was away for longer than this is not in a hurry. */
const SESSION_SECONDS = 7_200

/** @param clientCa PEM: authorities whose certificates clients may show (XEP-0178) */
export function secureContextOf(pair: KeyPair, resumption?: Resumption, clientCa?: string): SecureContext {
  return createSecureContext({
    cert: pair.certificate,
    key: pair.key,
    ...clientCa !== undefined && { ca: clientCa },
    minVersion: 'TLSv1.2',
    ciphers: SUITES,
    honorCipherOrder: true,
    ecdhCurve: 'X25519:P-256:P-384',
    secureOptions: SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
    ...resumption !== undefined && {
      ticketKeys: resumption.ticketKey, sessionIdContext: resumption.group, sessionTimeout: SESSION_SECONDS
    }
  })
}

export interface Handshake {
  readonly wheel: Wheel
  readonly handshakeMs: number
  readonly alpn: readonly string[]
  /** What a client without SNI has said that it wants: the domain of its stream. */
  readonly domain?: string | undefined
  /** Asks for a certificate; a client may show none, and whether it is good is asked when it logs in (XEP-0178). */
  readonly requestCert?: boolean
}

/**
 * The server's side of a handshake on `plain`. Rejects with `TransportFailure` when the peer does not speak TLS, takes
 * too long or leaves; `plain` is then destroyed.
 */
export function acceptTls(plain: Socket, contextOf: ContextOf, how: Handshake): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    let secure: TLSSocket | undefined
    let why: unknown
    const late: Timed = {
      check() {
        why ??= new Error('the handshake took too long')
        const socket = secure ?? plain
        socket.destroy()
        return Infinity
      }
    }
    how.wheel.look(late, how.wheel.now() + how.handshakeMs)
    const note = (error: unknown): void => { why ??= error }
    const failed = (): void => {
      how.wheel.forget(late)
      plain.destroy()
      reject(new TransportFailure('tls-failed', why === undefined ? 'the peer left during the TLS handshake' : messageOf(why)))
    }
    const done = (socket: TLSSocket): void => {
      how.wheel.forget(late)
      // OpenSSL asks for no certificate when a session is resumed, so it would tell us the first one
      if (socket.isSessionReused()) socket.setKeyCert(contextOf(named(socket) ?? how.domain))
      socket.off('close', failed).off('error', note).off('_tlsError', note)
      resolve(socket)
    }
    plain.once('close', failed)
    awaitHello(plain, () => {
      plain.off('close', failed)
      const socket = tlsOn(plain, contextOf, how)
      secure = socket
      // Node keeps errors before the handshake's end on this event; after it, a bad record must end the connection too
      socket.on('_tlsError', note).on('_tlsError', destroyIt).on('error', note)
      socket.once('close', failed).once('secure', () => { done(socket) })
    })
  })
}

/**
 * The client speaks first (RFC 8446 §4.1.2); what it says is put back. Without that, Node has the system write it into 64 KB that
 * belong to this connection for as long as it lives; what lies there when TLS begins gets as much as it needs.
 */
function awaitHello(plain: Socket, come: () => void): void {
  const left = (): void => { plain.destroy() }
  const take = (bytes: Buffer): void => {
    plain.off('data', take).off('end', left).pause().unshift(bytes)
    come()
  }
  shareReads(plain, (length, buffer) => { take(Buffer.from(buffer.subarray(0, length))) })
  plain.on('data', take).once('end', left).resume()
}

function tlsOn(plain: Socket, contextOf: ContextOf, how: Handshake): TLSSocket {
  return new TLSSocket(plain, {
    isServer: true, secureContext: contextOf(how.domain), requestCert: how.requestCert ?? false, rejectUnauthorized: false,
    // a list would become a buffer of each connection, a piece of a larger one that it alone keeps in memory
    ALPNCallback: ({ protocols }) => how.alpn.find((protocol) => protocols.includes(protocol)),
    SNICallback: (name, done) => { done(null, contextOf(name)) }
  })
}

function destroyIt(this: TLSSocket): void {
  this.destroy()
}

/** Node says `false` where there is no SNI. */
function named(secure: TLSSocket): string | undefined {
  const name: unknown = 'servername' in secure ? secure.servername : undefined
  return typeof name === 'string' ? name : undefined
}

/**
 * RFC 5929 §4: the certificate that this client was shown, DER. `undefined` where nobody can tell: under TLS 1.2 the name
 * that was asked for is not repeated when a session is resumed.
 */
export function shownCertificate(secure: TLSSocket): Buffer | undefined {
  if (secure.isSessionReused() && secure.getProtocol() === 'TLSv1.2') return undefined
  const own = secure.getCertificate()
  return own !== null && 'raw' in own ? own.raw : undefined
}
