/**
 * Self-made certificates: ECDSA P-256, for a server that was given none. The one importer of @peculiar/x509.
 */
import { webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension, ExtendedKeyUsage, ExtendedKeyUsageExtension, KeyUsageFlags, KeyUsagesExtension,
  SubjectAlternativeNameExtension, X509CertificateGenerator
} from '@peculiar/x509'
import type { KeyPair } from './tls.js'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 86_400_000

export interface SelfSigned {
  /** DNS names; the first is the subject too. */
  readonly names: readonly string[]
  /** Milliseconds since 1970. */
  readonly now: number
  readonly days: number
}

export async function selfSigned({ names, now, days }: SelfSigned): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // an hour back: clocks of clients differ
    notBefore: new Date(now - 3_600_000),
    notAfter: new Date(now + days * DAY_MS),
    serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString('hex').replace(/^/, '01'),
    name: [{ CN: [names[0] ?? 'localhost'] }],
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns', value })))
    ]
  }, webcrypto)
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  return { certificate: `${certificate.toString('pem').trim()}\n`, key: pem('PRIVATE KEY', der) }
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
