/**
 * The certificates that are served at the moment: picks one for each handshake, takes up changed files while streams run,
 * says when one nears its end, and keeps the ticket key that all nodes share. A set that is not good never replaces one that is.
 */
import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import type { SecureContext } from 'node:tls'
import type { Cancel, Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import { CertificateError, certificateFiles, DAY_MS, loadCertificates, tlsName, unnamed } from './certificate.js'
import type { Certificate, CertificateSet } from './certificate.js'
import { messageOf } from './failure.js'
import type { TlsSettings } from './options.js'
import { secureContextOf } from './tls.js'
import type { Resumption } from './tls.js'

export interface CertificatesParts {
  readonly settings: TlsSettings
  /** Served domains, the first one first. */
  readonly domains: readonly string[]
  readonly log: Log
  readonly clock: Clock
  /** 48 random bytes for a span of twelve hours, the same on all nodes. */
  readonly ticketKey: (span: number) => Promise<Buffer>
}

/** For operators: what a domain's clients are shown. */
export interface CertificateFacts {
  readonly domain: string
  readonly file: string
  readonly serial: string
  /** Negative when it is over. */
  readonly daysLeft: number
  readonly selfMade: boolean
}

interface Served {
  readonly set: CertificateSet
  readonly contexts: ReadonlyMap<string, SecureContext>
  readonly fallback: SecureContext
}

/** RFC 1034 §3.1; a stream's `to` may be anything. */
const NAME_MAX = 253
/** Files are looked at so often; a change must look the same twice, so a file half written is left alone. */
const LOOK_MS = 2_000
/** Days before the end at which the log speaks, once each. */
const WARN_DAYS = [21, 7, 1, 0] as const
/** Whoever steals a ticket key reads the sessions of TLS 1.2 in one such span, and no others. */
export const TICKET_SPAN_MS = 12 * 3_600_000

export class Certificates {
  readonly #parts: CertificatesParts
  readonly #files: readonly string[]
  #served: Served
  #span: number
  #ticketKey: Buffer
  /** What the files looked like when they were loaded or refused, and at the last look. */
  #loaded: string
  #seen: string
  #refused = ''
  #reloads = 0
  #reloading: Promise<boolean> = Promise.resolve(true)
  #said = new Map<Certificate, number>()
  #looking = false
  #cancel: Cancel | undefined

  private constructor(parts: CertificatesParts, first: { readonly set: CertificateSet, readonly key: Buffer, readonly looks: string }) {
    this.#parts = parts
    this.#files = certificateFiles(parts.settings, parts.domains)
    this.#span = spanOf(parts.clock)
    this.#ticketKey = first.key
    this.#served = servedOf(first.set, first.key)
    this.#loaded = this.#seen = first.looks
  }

  /** Rejects with `CertificateError`; expired ones and wrong names are served with a complaint. */
  static async load(parts: CertificatesParts): Promise<Certificates> {
    const looks = await looksOf(certificateFiles(parts.settings, parts.domains))
    const set = await loadCertificates(parts.settings, placeOf(parts))
    const certificates = new Certificates(parts, { set, key: await parts.ticketKey(spanOf(parts.clock)), looks })
    for (const domain of unnamed(set)) parts.log.warn({ domain, file: set.byDomain.get(domain)?.file }, 'tls.certificate-misses-domain')
    certificates.#sayDays()
    return certificates
  }

  /** @param name from SNI or a stream's `to`; RFC 6066 §3: an unknown one gets the default */
  contextOf(name: string | undefined): SecureContext {
    const { contexts, fallback } = this.#served
    if (name === undefined || name.length > NAME_MAX) return fallback
    return contexts.get(name) ?? contexts.get(tlsName(name)) ?? fallback
  }

  /** Takes up changed files from now on, and changes the ticket key. */
  watch(): void {
    this.#cancel ??= this.#parts.clock.every(LOOK_MS, () => { void this.look() })
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** One look of the watch. */
  async look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      await this.#rotate()
      const looks = await looksOf(this.#files)
      const settled = looks === this.#seen
      this.#seen = looks
      if (settled && looks !== this.#loaded) await this.reload()
      this.#sayDays()
    } finally {
      this.#looking = false
    }
  }

  /** Reads all files again. False: something is wrong with them, the log says what, and what was served is served on. */
  reload(): Promise<boolean> {
    // One after the other: a slow reading must not put back what a later one has replaced
    this.#reloading = this.#reloading.then(() => this.#reload())
    return this.#reloading
  }

  async #reload(): Promise<boolean> {
    const { settings, log, clock } = this.#parts
    try {
      this.#loaded = this.#seen = await looksOf(this.#files)
      const set = await loadCertificates(settings, placeOf(this.#parts))
      refuseWorse(this.#served.set, set, clock.wall())
      this.#served = servedOf(set, this.#ticketKey)
      this.#refused = ''
      log.info({ certificates: this.facts() }, 'tls.reloaded')
    } catch (error) {
      this.#refused = messageOf(error)
      log.error({ why: this.#refused, todo: 'the certificates of before stay in use; repair the file' }, 'tls.reload-refused')
    }
    this.#sayDays()
    this.#reloads++                                                     // whoever sees it grow sees what came of it
    return this.#refused === ''
  }

  /** What makes the node's health `degraded`. */
  problems(): readonly string[] {
    const now = this.#parts.clock.wall()
    const expired = this.#all().filter(({ validUntil }) => validUntil <= now).map(({ file }) => `${file} has expired`)
    return this.#refused === '' ? expired : [...expired, `not reloaded: ${this.#refused}`]
  }

  /** How often `reload` has run, so that who asked for it sees that it is done. */
  get reloads(): number { return this.#reloads }

  facts(): readonly CertificateFacts[] {
    const now = this.#parts.clock.wall()
    return [...this.#served.set.byDomain].map(([domain, { file, serial, selfMade, validUntil }]) =>
      ({ domain, file, serial, selfMade, daysLeft: Math.floor((validUntil - now) / DAY_MS) }))
  }

  /** By domain, for the metric. */
  remainingDays(): ReadonlyMap<string, number> {
    return new Map(this.facts().map(({ domain, daysLeft }) => [domain, daysLeft]))
  }

  #all(): readonly Certificate[] {
    const { fallback, byDomain } = this.#served.set
    return [...new Set([fallback, ...byDomain.values()])]
  }

  #sayDays(): void {
    const { log, clock } = this.#parts
    for (const certificate of this.#all()) {
      const { file, validUntil, serial } = certificate
      const leftMs = validUntil - clock.wall()
      const step = WARN_DAYS.findLast((days) => leftMs <= days * DAY_MS)
      if (step === undefined || step >= (this.#said.get(certificate) ?? Infinity)) continue
      this.#said.set(certificate, step)
      if (step > 0) log.warn({ file, serial, daysLeft: Math.floor(leftMs / DAY_MS) }, 'tls.certificate-expires')
      else log.error({ file, serial, since: new Date(validUntil).toISOString(), todo: 'renew it' }, 'tls.certificate-expired')
    }
  }

  /** Without the database the key of before goes on. */
  async #rotate(): Promise<void> {
    const span = spanOf(this.#parts.clock)
    if (span === this.#span) return
    const key = await this.#parts.ticketKey(span).catch(() => undefined)
    if (key === undefined) return
    this.#span = span
    this.#ticketKey = key
    this.#served = servedOf(this.#served.set, key)
  }
}

const spanOf = (clock: Clock): number => Math.floor(clock.wall() / TICKET_SPAN_MS)

const placeOf = ({ settings, domains, log, clock }: CertificatesParts): Parameters<typeof loadCertificates>[1] =>
  ({ dataDirectory: settings.sslCertsLocation, domains, log, now: clock.wall() })

function servedOf(set: CertificateSet, ticketKey: Buffer): Served {
  const resumption: Resumption = { ticketKey, group: groupOf(set) }
  const made = new Map<Certificate, SecureContext>()
  const contextOf = (certificate: Certificate): SecureContext => {
    const context = made.get(certificate) ?? secureContextOf(certificate, resumption, set.clientCa)
    made.set(certificate, context)
    return context
  }
  const contexts = new Map([...set.byDomain].map(([domain, certificate]) => [domain, contextOf(certificate)]))
  return { set, contexts, fallback: contextOf(set.fallback) }
}

/**
 * Sessions die with the certificates that they were made under: a client that resumes one is shown no certificate, and the
 * one that it remembers must be the one that tls-server-end-point (RFC 5929 §4) is computed of here. And with the
 * authorities that its own certificate was judged by.
 */
function groupOf({ fallback, byDomain, clientCa = '' }: CertificateSet): string {
  const hash = createHash('sha256').update(clientCa).update(fallback.certificate)
  for (const [domain, { certificate }] of [...byDomain].sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(`\n${domain}\n${certificate}`)
  return hash.digest('base64url').slice(0, 32)
}

/** @throws CertificateError where the new set serves a domain worse than the old one */
function refuseWorse(old: CertificateSet, fresh: CertificateSet, now: number): void {
  const before = new Set(unnamed(old))
  for (const domain of unnamed(fresh).filter((one) => !before.has(one))) {
    throw new CertificateError(fresh.byDomain.get(domain)?.file ?? '', `does not name ${domain}, which the one of before does`)
  }
  for (const { file, validUntil } of [fresh.fallback, ...fresh.byDomain.values()]) {
    if (validUntil <= now) throw new CertificateError(file, `expired on ${new Date(validUntil).toISOString()}; renew it`)
  }
}

/** Changes when any of the files does, comes or goes. */
async function looksOf(files: readonly string[]): Promise<string> {
  const looks: string[] = []
  for (const file of files) {
    looks.push(await stat(file).then(({ mtimeMs, size, ino }) => `${mtimeMs}/${size}/${ino}`, () => '-'))
  }
  return looks.join(' ')
}
