/**
 * Self-made certificates (RFC 5280): ECDSA P-256, for a server that was given none. Written here in sixty lines of DER
 * with Node's own keys and signatures.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'
import { bits, explicit, implicit, integer, octets, oid, sequence, setOf, time, truth, utf8 } from './der.js'
import type { Der } from './der.js'
import type { KeyPair } from './tls.js'

const DAY_MS = 86_400_000
const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'))
const COMMON_NAME = oid('2.5.4.3')
/** RFC 5280 §4.1.2.2: twenty octets at most; 64 random bits or more make it unguessable. */
const SERIAL_BYTES = 16
/** X.520 `ub-common-name`. */
const COMMON_NAME_MAX = 64

export interface SelfSigned {
  /** DNS names and addresses; the first is the subject too. */
  readonly names: readonly string[]
  /** Milliseconds since 1970. */
  readonly now: number
  readonly days: number
}

/** Resolves rather than returns, so that another way of making keys can take its place. */
export function selfSigned(wanted: SelfSigned): Promise<KeyPair> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const body = tbs(wanted, publicKey.export({ type: 'spki', format: 'der' }))
  const certificate = sequence(body, ECDSA_SHA256, bits(sign('sha256', body, privateKey)))
  return Promise.resolve({
    certificate: pem('CERTIFICATE', certificate),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  })
}

function tbs({ names, now, days }: SelfSigned, spki: Buffer): Der {
  const name = sequence(setOf(sequence(COMMON_NAME, utf8((names[0] ?? 'localhost').slice(0, COMMON_NAME_MAX)))))
  const serial = randomBytes(SERIAL_BYTES)
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0)
  // an hour back: clocks of clients differ
  const validity = sequence(time(now - 3_600_000), time(now + days * DAY_MS))
  const version3 = explicit(0, integer(Buffer.from([2])))
  return sequence(version3, integer(serial), ECDSA_SHA256, name, validity, name, spki, explicit(3, extensions(names)))
}

/** RFC 5280 §4.2.1: no authority, signatures only, servers and clients, and the names. */
function extensions(names: readonly string[]): Der {
  const usages = sequence(oid('1.3.6.1.5.5.7.3.1'), oid('1.3.6.1.5.5.7.3.2'))
  return sequence(
    sequence(oid('2.5.29.19'), truth(), octets(sequence())),
    sequence(oid('2.5.29.15'), truth(), octets(bits(Buffer.from([0x80]), 7))),
    sequence(oid('2.5.29.37'), octets(usages)),
    sequence(oid('2.5.29.17'), octets(sequence(...names.map(generalName))))
  )
}

function generalName(name: string): Der {
  return isIP(name) === 4 ? implicit(7, Buffer.from(name.split('.').map(Number))) : implicit(2, Buffer.from(name))
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
