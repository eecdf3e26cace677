/**
 * Self-made certificates (RFC 5280): ECDSA P-256, for a server that was given none and for links between nodes. The one
 * importer of @peculiar/x509.
 */
import { randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import 'reflect-metadata'
import {
  AuthorityKeyIdentifierExtension, BasicConstraintsExtension, ExtendedKeyUsage, ExtendedKeyUsageExtension, KeyUsageFlags,
  KeyUsagesExtension, SubjectAlternativeNameExtension, SubjectKeyIdentifierExtension, X509CertificateGenerator
} from '@peculiar/x509'
import type { KeyPair } from './tls.js'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
/** RFC 5280 §4.1.2.2: twenty octets at most; 64 random bits or more make it unguessable. */
const SERIAL_BYTES = 16
/** X.520 `ub-common-name`. */
const COMMON_NAME_MAX = 64
const KEYS = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

export interface SelfSigned {
  /** DNS names and addresses; the first is the subject too. */
  readonly names: readonly string[]
  /** Milliseconds since 1970. */
  readonly now: number
  readonly days: number
}

export async function selfSigned({ names, now, days }: SelfSigned): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(KEYS, true, ['sign', 'verify'])
  const serial = randomBytes(SERIAL_BYTES)
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0)
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serial.toString('hex'),
    name: [{ CN: [(names[0] ?? 'localhost').slice(0, COMMON_NAME_MAX)] }],
    notBefore: new Date(now - HOUR_MS), // clocks of clients differ
    notAfter: new Date(now + days * DAY_MS),
    keys,
    signingAlgorithm: KEYS,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      // RFC 5280 §4.2.1.1: nodes' certificates have one name; who trusts several of them must be able to tell them apart
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(keys.publicKey),
      new SubjectAlternativeNameExtension(names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })))
    ]
  })
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return { certificate: `${certificate.toString('pem')}\n`, key: pem('PRIVATE KEY', key) }
}

function pem(label: string, base64: string): string {
  return [`-----BEGIN ${label}-----`, ...base64.match(/.{1,64}/g) ?? [], `-----END ${label}-----`, ''].join('\n')
}
