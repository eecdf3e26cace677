/**
 * The certificates for clients: given, found in the certificates folder by domain, or self-made at the first start. Owns
 * the checks and the self-made file; complaints name the file and what to do. What is served at the moment is kept in
 * `certificates.ts`.
 */
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { link, mkdir, readFile, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { domainToASCII } from 'node:url'
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
  readonly serial: string
}

export interface CertificateSet {
  /** For clients that name no domain, or one that has no certificate of its own. */
  readonly fallback: Certificate
  /** By served domain as TLS names it (A-labels), each domain. */
  readonly byDomain: ReadonlyMap<string, Certificate>
  /** PEM: authorities whose certificates clients may log in with; `undefined` where none is asked for. */
  readonly clientCa: string | undefined
}

export interface CertificatePlace {
  readonly dataDirectory: string
  /** Served domains, the first one first. */
  readonly domains: readonly string[]
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now: number
  /** Look only: where one would have to be made, reject. */
  readonly dry?: boolean
}

const SELF_MADE = 'self-made-certificate.pem'
/** Long, because nobody renews a certificate that nobody can check anyway. */
const SELF_MADE_DAYS = 3_650
export const NONE_YET = 'not there yet: it is made at the start, and nobody trusts it; put a real one into --ssl-certs-location'
export const DAY_MS = 86_400_000
const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** Domains as TLS and certificates write them (RFC 6066 §3, RFC 5280 §7.2). */
export const tlsName = (domain: string): string => domainToASCII(domain) || domain

/** All that an operator may put there, whether it is there or not; a change of any is a reason to load again. */
export function certificateFiles(settings: TlsSettings, domains: readonly string[]): readonly string[] {
  const { tlsCertificate, tlsKey, tlsClientCa, sslCertsLocation } = settings
  const inFolder = [...domains, 'default'].map((name) => join(sslCertsLocation, `${name}.pem`))
  return [tlsCertificate, tlsKey, tlsClientCa, ...inFolder].filter((file) => file !== '')
}

/** Rejects with `CertificateError`. One that has expired is no error: the caller judges `validUntil`. */
export async function loadCertificates(settings: TlsSettings, place: CertificatePlace): Promise<CertificateSet> {
  const given = await namedCertificate(settings, place)
  const own = new Map<string, Certificate>()
  for (const domain of place.domains) {
    const one = await certificateInFolder(settings, domain, place)
    if (one !== undefined) own.set(domain, one)
  }
  const [first = ''] = place.domains
  const all = own.size === place.domains.length ? own.get(first) : undefined
  const fallback = given ?? await certificateInFolder(settings, 'default', place) ?? all ?? await selfMade(place)
  const byDomain = new Map(place.domains.map((domain) => [tlsName(domain), own.get(domain) ?? fallback]))
  return { fallback, byDomain, clientCa: await authorities(settings.tlsClientCa) }
}

/** Served domains that their certificate does not name. */
export function unnamed({ byDomain }: Pick<CertificateSet, 'byDomain'>): readonly string[] {
  const named = ([domain, { certificate }]: readonly [string, Certificate]): boolean =>
    new X509Certificate(certificate).checkHost(domain) !== undefined
  return [...byDomain].filter((one) => !named(one)).map(([domain]) => domain)
}

/** Of `--tls-certificate`. Rejects with `CertificateError`. */
export async function namedCertificate({ tlsCertificate, tlsKey }: TlsSettings, place: CertificatePlace): Promise<Certificate | undefined> {
  if (tlsCertificate !== '') {
    const keyFile = tlsKey === '' ? tlsCertificate : tlsKey
    return checked(await pairFrom(tlsCertificate, keyFile, place.log), tlsCertificate, place)
  }
  if (tlsKey !== '') throw new CertificateError(tlsKey, '--tls-key needs --tls-certificate beside it')
  return undefined
}

/** Of one domain's file, where there is one. Rejects with `CertificateError`. */
export async function certificateInFolder(settings: TlsSettings, name: string, place: CertificatePlace): Promise<Certificate | undefined> {
  const file = join(settings.sslCertsLocation, `${name}.pem`)
  return await exists(file) ? checked(await pairFrom(file, file, place.log), file, place) : undefined
}

export async function authorities(file: string): Promise<string | undefined> {
  if (file === '') return undefined
  const found = (await textOf(file)).match(BLOCK)
  if (found === null) throw new CertificateError(file, 'no PEM certificate in it')
  for (const one of found) {
    if (!parsed(one, file).ca) throw new CertificateError(file, 'not only certificates of authorities in it')
  }
  return `${found.join('\n')}\n`
}

export async function selfMade(place: CertificatePlace): Promise<Certificate> {
  const file = join(place.dataDirectory, SELF_MADE)
  if (!(await exists(file))) {
    if (place.dry === true) throw new CertificateError(file, NONE_YET)
    await makeFile(file, place)
  }
  const pair = await pairFrom(file, file, place.log)
  const certificate = parsed(pair.certificate, file)
  const fits = place.domains.every((domain) => certificate.checkHost(tlsName(domain)) !== undefined)
  const good = fits && Date.parse(certificate.validTo) > place.now + DAY_MS
  if (good || place.dry === true) return { ...checked(pair, file, place), selfMade: true }
  await unlink(file)
  return selfMade(place)
}

/** Whole or not at all, and only one of two processes that start together wins. */
async function makeFile(file: string, place: CertificatePlace): Promise<void> {
  const names = place.domains.length > 0 ? place.domains.map(tlsName) : ['localhost']
  const pair = await selfSigned({ names, now: place.now, days: SELF_MADE_DAYS })
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

/** Key and certificate belong together, each certificate is signed by the next, and OpenSSL takes them. */
function checked(pair: KeyPair, file: string, place: CertificatePlace): Certificate {
  const chain = (pair.certificate.match(BLOCK) ?? []).map((block) => parsed(block, file))
  const [certificate = parsed(pair.certificate, file), ...issuers] = chain
  if (!certificate.checkPrivateKey(privateKey(pair, file))) {
    throw new CertificateError(file, 'the private key does not belong to the certificate')
  }
  issuers.forEach((issuer, i) => { checkIssuer(chain[i] ?? issuer, issuer, file) })
  if (Date.parse(certificate.validFrom) > place.now) {
    throw new CertificateError(file, `not valid before ${certificate.validFrom}; is this machine's clock right?`)
  }
  try {
    secureContextOf(pair)
  } catch (error) {
    throw new CertificateError(file, `not usable for TLS: ${messageOf(error)}`, { cause: error })
  }
  return { ...pair, file, selfMade: false, validUntil: Date.parse(certificate.validTo), serial: certificate.serialNumber }
}

/** RFC 8446 §4.4.2: the sender's own certificate first, each next one certifying the one before it. */
function checkIssuer(certificate: X509Certificate, issuer: X509Certificate, file: string): void {
  if (certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)) return
  const [lower, upper] = [certificate, issuer].map(({ subject }) => subject.replaceAll('\n', ', '))
  throw new CertificateError(file, `the chain is wrong: "${upper ?? ''}" has not signed "${lower ?? ''}", which stands before it; `
    + 'put the server\'s certificate first, then each issuer in turn')
}

function parsed(text: string, file: string): X509Certificate {
  try {
    return new X509Certificate(text)
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
