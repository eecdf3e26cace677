/**
 * The certificate of one life of a node, made at start and pinned by its SHA-256 in the node's row. It is never judged
 * by a chain or by its dates: clocks of two machines are not compared.
 */
import { createHash, X509Certificate } from 'node:crypto'
import { selfSigned } from '../transport/self-signed.js'

export interface LinkCertificate {
  readonly cert: string
  readonly key: string
  /** 64 hexadecimal digits. */
  readonly sha256: string
}

/** Long, because its dates mean nothing. */
const DAYS = 3_650

export async function makeCertificate(name: string): Promise<LinkCertificate> {
  const { certificate, key } = await selfSigned({ names: [name], now: Date.now(), days: DAYS })
  return { cert: certificate, key, sha256: pinOf(new X509Certificate(certificate).raw) }
}

/** What is compared with the row. */
export function pinOf(certificate: Buffer): string {
  return createHash('sha256').update(certificate).digest('hex')
}
