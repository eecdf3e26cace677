/** Certificates: given, found, self-made; what is wrong is said with its file. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { X509Certificate } from 'node:crypto'
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CertificateError, loadCertificates } from '../../src/transport/certificate.js'
import type { Certificate, CertificatePlace } from '../../src/transport/certificate.js'
import type { TlsSettings } from '../../src/transport/options.js'
import { selfSigned } from '../../src/transport/self-signed.js'
import { recordingLog } from './support.js'

const NOW = Date.UTC(2030, 0, 1)
let dir = ''
beforeEach(async () => { dir = await mkdtemp(join(tmpdir(), 'starling-tls-')) })
afterEach(async () => rm(dir, { recursive: true }))

const place = (log = recordingLog()) => ({ dataDirectory: join(dir, 'data'), domains: ['im.test', 'xn--4ca.test'], log, now: NOW })
const none = () => ({ tlsCertificate: '', tlsKey: '', tlsClientCa: '', sslCertsLocation: join(dir, 'certs') })

const loadCertificate = async (settings: TlsSettings, where: CertificatePlace): Promise<Certificate> =>
  (await loadCertificates(settings, where)).byDomain.get('im.test') ?? Promise.reject(new Error('no certificate for im.test'))

async function write(name: string, text: string, mode = 0o600): Promise<string> {
  const file = join(dir, name)
  await writeFile(file, text, { mode })
  return file
}

describe('self-made', () => {
  test('made at the first start for the served domains, kept for the next, its key for the owner only', async () => {
    const log = recordingLog()
    const made = await loadCertificate(none(), place(log))
    expect(made.selfMade).toBe(true)
    expect((await stat(made.file)).mode & 0o777).toBe(0o600)
    const certificate = new X509Certificate(made.certificate)
    expect(certificate.subjectAltName).toBe('DNS:im.test, DNS:xn--4ca.test')
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(certificate.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1')
    expect(log.lines.map((line) => line.event)).toEqual(['tls.self-made-certificate'])
    const again = await loadCertificate(none(), place(log))
    expect(again.certificate).toBe(made.certificate)
    expect(log.lines).toHaveLength(1)
  })

  test('two first starts at once agree on one', async () => {
    const [a, b] = await Promise.all([loadCertificate(none(), place()), loadCertificate(none(), place())])
    expect(a.certificate).toBe(b.certificate)
  })

  test('made anew when it has expired', async () => {
    const old = await loadCertificate(none(), { ...place(), now: NOW - 3_660 * 86_400_000 })
    const fresh = await loadCertificate(none(), place())
    expect(fresh.certificate).not.toBe(old.certificate)
  })
})

describe('given', () => {
  test('certificate and key in one file, or in two, or found by domain', async () => {
    const pair = await selfSigned({ names: ['im.test'], now: NOW, days: 90 })
    const both = await write('both.pem', pair.key + pair.certificate)
    expect((await loadCertificate({ ...none(), tlsCertificate: both }, place())).selfMade).toBe(false)
    const [crt, key] = [await write('c.pem', pair.certificate), await write('k.pem', pair.key)]
    expect((await loadCertificate({ ...none(), tlsCertificate: crt, tlsKey: key }, place())).certificate).toBe(pair.certificate)
    await write('im.test.pem', pair.key + pair.certificate)
    expect((await loadCertificate({ ...none(), sslCertsLocation: dir }, place())).file).toBe(join(dir, 'im.test.pem'))
  })

  test('C07: a warning when others can read the key', async () => {
    const log = recordingLog()
    const pair = await selfSigned({ names: ['im.test'], now: NOW, days: 7 })
    const file = await write('both.pem', pair.key + pair.certificate)
    await chmod(file, 0o644)
    await loadCertificate({ ...none(), tlsCertificate: file }, place(log))
    expect(log.lines.map((line) => line.event)).toEqual(['tls.key-readable-by-others'])
  })

  test('C06: an expired one is no error here: its end is told', async () => {
    const pair = await selfSigned({ names: ['im.test'], now: NOW - 20 * 86_400_000, days: 9 })
    const file = await write('x.pem', pair.certificate + pair.key)
    expect((await loadCertificate({ ...none(), tlsCertificate: file }, place())).validUntil).toBeLessThan(NOW)
  })

  test.each<[string, () => Promise<string>, RegExp]>([
    ['a missing file', () => Promise.resolve(join(dir, 'nowhere.pem')), /nowhere\.pem: cannot be read \(ENOENT\)/],
    ['no certificate', () => write('x.pem', 'hello'), /x\.pem: no PEM certificate/],
    ['no key', async () =>
      write('x.pem', (await selfSigned({ names: ['a'], now: NOW, days: 9 })).certificate), /no PEM private key.*--tls-key/],
    ['another key', async () => {
      const [a, b] = [await selfSigned({ names: ['a'], now: NOW, days: 99 }), await selfSigned({ names: ['b'], now: NOW, days: 99 })]
      return write('x.pem', a.certificate + b.key)
    }, /does not belong to the certificate/],
    ['one of the future', async () => {
      const pair = await selfSigned({ names: ['a'], now: NOW + 20 * 86_400_000, days: 9 })
      return write('x.pem', pair.certificate + pair.key)
    }, /not valid before .*clock/],
    ['a broken one', () => write('x.pem',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'),
      /certificate cannot be read/]
  ])('%s stops the start with the file and the reason', async (_what, file, message) => {
    const loading = loadCertificate({ ...none(), tlsCertificate: await file() }, place())
    await expect(loading).rejects.toBeInstanceOf(CertificateError)
    await expect(loading).rejects.toThrow(message)
  })
})
