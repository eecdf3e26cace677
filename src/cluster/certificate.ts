/**
 * The certificate of one life of a node, made at start and pinned by its SHA-256 in the node's row. It is never judged
 * by a chain or by its dates (clocks of two machines are not compared), so it says as little as a certificate can
 * (RFC 5280 §4.1, DER by hand: a dozen fields).
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

export interface LinkCertificate {
  readonly cert: string
  readonly key: string
  /** 64 hexadecimal digits. */
  readonly sha256: string
}

const SEQUENCE = 0x30
const SET = 0x31
const ECDSA_WITH_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex')
const COMMON_NAME = Buffer.from('0603550403', 'hex')
const COMMON_NAME_CHARS_MAX = 64

export function makeCertificate(name: string): LinkCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = der(SEQUENCE, ECDSA_WITH_SHA256)
  const subject = distinguishedName(name)
  const validity = der(SEQUENCE, der(0x17, Buffer.from('000101000000Z')), der(0x17, Buffer.from('491231235959Z')))
  const toBeSigned = der(
    SEQUENCE,
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])), // serial, positive
    algorithm, subject, validity, subject,
    publicKey.export({ type: 'spki', format: 'der' })
  )
  const signature = sign('sha256', toBeSigned, privateKey)
  const raw = der(SEQUENCE, toBeSigned, algorithm, der(0x03, Buffer.from([0]), signature))
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${raw.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    sha256: pinOf(raw)
  }
}

/** What is compared with the row. */
export function pinOf(certificate: Buffer): string {
  return createHash('sha256').update(certificate).digest('hex')
}

function distinguishedName(name: string): Buffer {
  const text = der(0x0c, Buffer.from(name.slice(0, COMMON_NAME_CHARS_MAX), 'utf8'))
  return der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, text)))
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag]), derLength(body.length), body])
}

function derLength(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  if (length < 0x100) return Buffer.from([0x81, length])
  return Buffer.from([0x82, length >> 8, length & 0xff])
}
