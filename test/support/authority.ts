/** An authority that signs clients' certificates, for tests of SASL EXTERNAL. */
import { webcrypto } from 'node:crypto'
import 'reflect-metadata'
import {
  BasicConstraintsExtension, ExtendedKeyUsage, ExtendedKeyUsageExtension, Extension, KeyUsageFlags, KeyUsagesExtension,
  X509Certificate, X509CertificateGenerator
} from '@peculiar/x509'
import type { KeyPair } from '../../src/transport/tls.js'

const KEYS = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 86_400_000
const window = (days: number): { readonly notBefore: Date; readonly notAfter: Date } =>
  ({ notBefore: new Date(Date.now() - DAY_MS * 2), notAfter: new Date(Date.now() + days * DAY_MS) })

/** One DER value. */
export function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const length = content.length < 0x80 ? [content.length] : [0x82, content.length >> 8, content.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}

const XMPP_ADDRESS = Buffer.from('06082b06010505070805', 'hex')
/** Names of RFC 5280 §4.2.1.6. */
export const xmppName = (address: string): Buffer => der(0xa0, XMPP_ADDRESS, der(0xa0, der(0x0c, Buffer.from(address))))
export const dnsName = (name: string): Buffer => der(0x82, Buffer.from(name))

export interface ClientCertificate {
  /** The subject as one text. */
  readonly subject?: string
  readonly names?: readonly Buffer[]
  readonly days?: number
}

export class Authority {
  private constructor(readonly certificate: string, private readonly keys: webcrypto.CryptoKeyPair) {}

  static async of(name: string): Promise<Authority> {
    const keys = await webcrypto.subtle.generateKey(KEYS, true, ['sign', 'verify'])
    const made = await X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`, ...window(10), keys, signingAlgorithm: KEYS, serialNumber: '01',
      extensions: [new BasicConstraintsExtension(true, 0, true), new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true)]
    })
    return new Authority(`${made.toString('pem')}\n`, keys)
  }

  async sign({ subject = 'CN=somebody', names = [], days = 5 }: ClientCertificate): Promise<KeyPair> {
    const keys = await webcrypto.subtle.generateKey(KEYS, true, ['sign', 'verify'])
    const alternative = names.length === 0 ? [] : [new Extension('2.5.29.17', false, der(0x30, ...names))]
    const made = await X509CertificateGenerator.create({
      subject, issuer: new X509Certificate(this.certificate).subject,
      ...window(days), publicKey: keys.publicKey, signingKey: this.keys.privateKey, signingAlgorithm: KEYS, serialNumber: '02',
      extensions: [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]), ...alternative]
    })
    const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
    return { certificate: `${made.toString('pem')}\n`, key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n` }
  }
}
