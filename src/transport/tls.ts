/**
 * TLS for client connections (RFC 9325, XEP-0368): the shared secure context and the handshake of an accepted socket,
 * used alike by direct TLS, STARTTLS and HTTPS. Owns versions, suites and options.
 */
import { constants, createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { SecureContext } from 'node:tls'
import { TransportFailure, messageOf } from './failure.js'
import type { Timed, Wheel } from './wheel.js'

/** RFC 9325 §4.2: forward secrecy and authenticated encryption only; the TLS 1.3 suites are Node's own. */
const SUITES = [
  'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305', 'ECDHE-RSA-AES128-GCM-SHA256'
].join(':')

/** RFC 6120 §5.3.5: no renegotiation. Node's constants lack its name. */
const SSL_OP_NO_RENEGOTIATION = 0x40000000

export interface KeyPair {
  /** PEM: the certificate, then its chain. */
  readonly certificate: string
  /** PEM. */
  readonly key: string
}

/** @param clientCa PEM: authorities whose certificates clients may show; `undefined` when none is asked for */
export function secureContextOf(pair: KeyPair, clientCa?: string): SecureContext {
  return createSecureContext({
    cert: pair.certificate,
    key: pair.key,
    ...(clientCa === undefined ? {} : { ca: clientCa }),
    // A resumed session shows no certificate: it must be one of this certificate's, or channel bindings would differ
    sessionIdContext: createHash('sha256').update(pair.certificate).digest('base64url').slice(0, SESSION_CONTEXT_LENGTH),
    minVersion: 'TLSv1.2',
    ciphers: SUITES,
    honorCipherOrder: true,
    ecdhCurve: 'X25519:P-256:P-384',
    secureOptions: SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION
  })
}

/** OpenSSL takes no more. */
const SESSION_CONTEXT_LENGTH = 32

export interface Handshake {
  readonly wheel: Wheel
  readonly handshakeMs: number
  /** XEP-0368 §3: the application protocols of this port; `undefined` where ALPN has no meaning (STARTTLS). */
  readonly alpn: readonly string[] | undefined
  /** Asks for a certificate; the client may show none, and whether it is good is asked later (XEP-0178). */
  readonly requestCert?: boolean
}

/**
 * The server's side of a handshake on `plain`. Rejects with `TransportFailure` when the peer does not speak TLS, takes
 * too long or leaves; `plain` is then destroyed.
 */
export function acceptTls(plain: Socket, context: SecureContext, how: Handshake): Promise<TLSSocket> {
  const secure = new TLSSocket(plain, {
    isServer: true, secureContext: context, requestCert: how.requestCert ?? false, rejectUnauthorized: false,
    ...(how.alpn === undefined ? {} : { ALPNProtocols: [...how.alpn] })
  })
  return new Promise((resolve, reject) => {
    let why: unknown
    const late: Timed = {
      check() {
        why ??= new Error('the handshake took too long')
        secure.destroy()
        return Infinity
      }
    }
    how.wheel.look(late, how.wheel.now() + how.handshakeMs)
    const note = (error: unknown): void => { why ??= error }
    // Node keeps errors before the handshake's end on this event; after it, a bad record must end the connection too
    secure.on('_tlsError', (error: unknown) => {
      note(error)
      secure.destroy()
    })
    secure.on('error', note)
    const failed = (): void => {
      how.wheel.forget(late)
      plain.destroy()
      reject(new TransportFailure('tls-failed', why === undefined ? 'the peer left during the TLS handshake' : messageOf(why)))
    }
    secure.once('close', failed)
    secure.once('secure', () => {
      how.wheel.forget(late)
      secure.off('close', failed).off('error', note)
      resolve(secure)
    })
  })
}
