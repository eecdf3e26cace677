/**
 * The certificate for clients: given, found in the certificates folder, or self-made at the first start. Owns the checks
 * and the self-made file; complaints name the file and what to do.
 */
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { link, mkdir, readFile, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../telemetry/log.js'
import { codeOf, messageOf } from './failure.js'
import type { TlsSettings } from './options.js'
import { selfSigned } from './self-signed.js'
import { secureContextOf } from './tls.js'
import type { KeyPair } from './tls.js'

export class CertificateError extends Error {
  constructor(readonly file: string, message: string, options?: ErrorOptions) {
    super(`${file}: ${message}`, options)
    this.name = 'CertificateError'
  }
}

export interface Certificate extends KeyPair {
  readonly file: string
  readonly selfMade: boolean
  /** Milliseconds since 1970. */
  readonly validUntil: number
}

export interface CertificatePlace {
  readonly dataDirectory: string
  /** Served domains, the first one first. */
  readonly domains: readonly string[]
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now: number
}

const SELF_MADE = 'self-made-certificate.pem'
/** Long, because nobody renews a certificate that nobody can check anyway. */
const SELF_MADE_DAYS = 3_650
const WARN_DAYS = 21
const DAY_MS = 86_400_000
const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** Rejects with `CertificateError`. */
export async function loadCertificate(settings: TlsSettings, place: CertificatePlace): Promise<Certificate> {
  if (settings.tlsCertificate !== '') {
    const keyFile = settings.tlsKey === '' ? settings.tlsCertificate : settings.tlsKey
    return checked(await pairFrom(settings.tlsCertificate, keyFile, place.log), settings.tlsCertificate, place)
  }
  if (settings.tlsKey !== '') throw new CertificateError(settings.tlsKey, '--tls-key needs --tls-certificate beside it')
  for (const name of [...place.domains, 'default']) {
    const file = join(settings.sslCertsLocation, `${name}.pem`)
    if (await exists(file)) return checked(await pairFrom(file, file, place.log), file, place)
  }
  return selfMade(place)
}

async function selfMade(place: CertificatePlace): Promise<Certificate> {
  const file = join(place.dataDirectory, SELF_MADE)
  if (!(await exists(file))) await makeFile(file, place)
  const pair = await pairFrom(file, file, place.log)
  const validUntil = datesOf(pair, file).to
  if (validUntil > place.now + DAY_MS) return { ...checked(pair, file, place), selfMade: true }
  await unlink(file)
  return selfMade(place)
}

/** Whole or not at all, and only one of two processes that start together wins. */
async function makeFile(file: string, place: CertificatePlace): Promise<void> {
  const pair = await selfSigned({ names: place.domains.length > 0 ? place.domains : ['localhost'], now: place.now, days: SELF_MADE_DAYS })
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  try {
    await mkdir(place.dataDirectory, { recursive: true })
    await writeFile(draft, pair.key + pair.certificate, { mode: 0o600 })
    await link(draft, file).catch((error: unknown) => { if (codeOf(error) !== 'EEXIST') throw error })
    await unlink(draft)
  } catch (error) {
    throw new CertificateError(file, `cannot be written (${messageOf(error)}); give a certificate with --tls-certificate`, { cause: error })
  }
  place.log.warn({ file, domains: place.domains }, 'tls.self-made-certificate')
}

async function pairFrom(certificateFile: string, keyFile: string, log: Log): Promise<KeyPair> {
  const certificateText = await textOf(certificateFile)
  const keyText = keyFile === certificateFile ? certificateText : await textOf(keyFile)
  const chain = certificateText.match(BLOCK)
  if (chain === null) throw new CertificateError(certificateFile, 'no PEM certificate in it')
  const key = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----[\s\S]+?-----END (?:[A-Z]+ )?PRIVATE KEY-----/.exec(keyText)?.[0]
  if (key === undefined) throw new CertificateError(keyFile, 'no PEM private key in it; name its file with --tls-key')
  if (((await stat(keyFile)).mode & 0o077) !== 0) log.warn({ file: keyFile }, 'tls.key-readable-by-others')
  return { certificate: `${chain.join('\n')}\n`, key: `${key}\n` }
}

/** Key and certificate belong together, the dates are right, and OpenSSL takes them. */
function checked(pair: KeyPair, file: string, place: CertificatePlace): Certificate {
  const certificate = parsed(pair, file)
  if (!certificate.checkPrivateKey(privateKey(pair, file))) {
    throw new CertificateError(file, 'the private key does not belong to the certificate')
  }
  const { from, to } = datesOf(pair, file)
  if (from > place.now) throw new CertificateError(file, `not valid before ${certificate.validFrom}; is this machine's clock right?`)
  if (to <= place.now) throw new CertificateError(file, `expired on ${certificate.validTo}; renew it`)
  const daysLeft = Math.floor((to - place.now) / DAY_MS)
  if (daysLeft < WARN_DAYS) place.log.warn({ file, daysLeft }, 'tls.certificate-expires')
  try {
    secureContextOf(pair)
  } catch (error) {
    throw new CertificateError(file, `not usable for TLS: ${messageOf(error)}`, { cause: error })
  }
  return { ...pair, file, selfMade: false, validUntil: to }
}

function datesOf(pair: KeyPair, file: string): { readonly from: number, readonly to: number } {
  const certificate = parsed(pair, file)
  return { from: Date.parse(certificate.validFrom), to: Date.parse(certificate.validTo) }
}

function parsed(pair: KeyPair, file: string): X509Certificate {
  try {
    return new X509Certificate(pair.certificate)
  } catch (error) {
    throw new CertificateError(file, `the certificate cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

function privateKey(pair: KeyPair, file: string): KeyObject {
  try {
    return createPrivateKey(pair.key)
  } catch (error) {
    throw new CertificateError(file, 'the private key cannot be read; it must have no passphrase', { cause: error })
  }
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'latin1')
  } catch (error) {
    throw new CertificateError(file, `cannot be read (${codeOf(error)}); check the path and the owner`, { cause: error })
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(() => true, (error: unknown) => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return false
    throw new CertificateError(file, `cannot be looked at (${codeOf(error)})`, { cause: error })
  })
}
