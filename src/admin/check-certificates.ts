/** `starling check`: the certificates that the served domains would get, each judged by itself. */
import type { Log } from '../telemetry/log.js'
import type { Certificate, CertificatePlace } from '../transport/certificate.js'
import {
  authorities, CertificateError, certificateInFolder, DAY_MS, namedCertificate, NONE_YET, selfMade, tlsName, unnamed
} from '../transport/certificate.js'
import type { TlsSettings } from '../transport/options.js'
import { findings, type Finding } from './finding.js'

const { ok, warn, fail } = findings('certificate')
const WARN_DAYS = 21

export async function checkCertificates(tls: TlsSettings, domains: readonly string[], now: number): Promise<readonly Finding[]> {
  const readable = new Set<string>()
  const place: CertificatePlace = { dataDirectory: tls.sslCertsLocation, domains, now, dry: true, log: readableFiles(readable) }
  const found = new Map<string, string[]>()
  for (const domain of domains) {
    const finding = await forDomain(tls, domain, place)
    const key = `${finding.verdict} ${finding.text}`
    found.set(key, [...found.get(key) ?? [], domain])
  }
  const lines = [...found].map(([key, those]): Finding => {
    const [, verdict, text = ''] = /^(\w+) ([\s\S]*)$/.exec(key) ?? []
    return { verdict: verdict as Finding['verdict'], of: 'certificate', text: `${those.join(', ')}: ${text}` }
  })
  const clientCa = await authorities(tls.tlsClientCa).then(() => [], (error: unknown) => [refused(error)])
  return [...lines, ...clientCa, ...[...readable].map((file) => warn(`other users of this machine can read the key in ${file}: chmod 600`))]
}

async function forDomain(tls: TlsSettings, domain: string, place: CertificatePlace): Promise<Finding> {
  try {
    const own = await certificateInFolder(tls, domain, place) ?? await namedCertificate(tls, place)
      ?? await certificateInFolder(tls, 'default', place) ?? await selfMade(place)
    return judged(own, domain, place.now)
  } catch (error) {
    return refused(error)
  }
}

function refused(error: unknown): Finding {
  if (!(error instanceof CertificateError)) throw error
  return error.message.endsWith(NONE_YET) ? warn(error.message) : fail(error.message)
}

function judged(certificate: Certificate, domain: string, now: number): Finding {
  const { file, validUntil, selfMade: ownMade } = certificate
  const days = Math.floor((validUntil - now) / DAY_MS)
  if (validUntil <= now) return fail(`${file} has expired on ${new Date(validUntil).toISOString().slice(0, 10)}: renew it`)
  const [missed] = unnamed({ byDomain: new Map([[tlsName(domain), certificate]]) })
  if (missed !== undefined) return fail(`${file} does not name ${missed}, so clients refuse it: get one that does, as ${missed}.pem`)
  if (ownMade) return warn(`${file} is self-made, so clients do not trust it: put a real one into --ssl-certs-location`)
  return days < WARN_DAYS ? warn(`${file} ends in ${days} days: renew it`) : ok(`${file}, ${days} days left`)
}

/** The room warns of keys that others can read; here that is a finding. */
function readableFiles(found: Set<string>): Log {
  const log: Log = {
    error() {}, info() {}, debug() {}, trace() {}, isLevelEnabled: () => false, child: () => log,
    warn(fields) { if ('file' in fields) found.add(String(fields.file)) }
  }
  return log
}
