/**
 * Certificates that this process trusts from now on, as it would those of NODE_EXTRA_CA_CERTS from its start: so that
 * libraries without an option for it check a node's certificate and name like any other.
 */
import tls, { type SecureContext, type SecureContextOptions } from 'node:tls'

interface NativeContext {
  addCACert(pem: string): void
}

/** @returns what undoes it */
export function trust(certificates: readonly string[]): () => void {
  const before = tls.createSecureContext
  tls.createSecureContext = (options?: SecureContextOptions): SecureContext => {
    const made = before(options)
    for (const pem of certificates) (made.context as NativeContext).addCACert(pem)
    return made
  }
  return () => { tls.createSecureContext = before }
}
