/** The certificates that are served: by domain, taken up again when files change, never replaced by worse ones. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CertificateError } from '../../src/transport/certificate.js'
import { Certificates, TICKET_SPAN_MS } from '../../src/transport/certificates.js'
import type { CertificatesParts } from '../../src/transport/certificates.js'
import { selfSigned } from '../../src/transport/self-signed.js'
import { HandClock, recordingLog } from './support.js'

const DAY = 86_400_000
let dir = ''
let clock: HandClock
let log: ReturnType<typeof recordingLog>
let made: Certificates | undefined
let looks = 0
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'starling-certs-'))
  clock = new HandClock()
  log = recordingLog()
})
afterEach(async () => {
  made?.stop()
  await rm(dir, { recursive: true })
})

const DOMAINS = ['im.test', 'bücher.test', 'third.test']

/** Writes key and chain of a new certificate; returns its serial number. */
async function put(name: string, days = 90, names = [name], change = (text: string): string => text): Promise<string> {
  const pair = await selfSigned({ names, now: clock.wall(), days })
  const file = join(dir, `${name}.pem`)
  await writeFile(`${file}.new`, change(pair.key + pair.certificate), { mode: 0o600 })
  // Two writes within the clock's grain would look like one
  await utimes(`${file}.new`, 1_000_000 + ++looks, 1_000_000 + looks)
  await rename(`${file}.new`, file)
  return new X509Certificate(pair.certificate).serialNumber
}

async function load(more: Partial<CertificatesParts> = {}): Promise<Certificates> {
  made = await Certificates.load({
    settings: { tlsCertificate: '', tlsKey: '', tlsClientCa: '', sslCertsLocation: dir }, domains: DOMAINS, log, clock,
    ticketKey: (span) => Promise.resolve(Buffer.alloc(48, span)), ...more
  })
  return made
}

const serials = (one: Certificates): Readonly<Record<string, string>> =>
  Object.fromEntries(one.facts().map(({ domain, serial }) => [domain, serial]))
const events = (): string[] => log.lines.map(({ level, event }) => `${level} ${event}`)

describe('by domain', () => {
  test('each domain its own file; one without gets default.pem, also by its international name (RFC 6066 §3)', async () => {
    const own = await put('im.test')
    const other = await put('bücher.test', 90, ['xn--bcher-kva.test'])
    const rest = await put('default', 90, ['third.test'])
    const one = await load()
    expect(serials(one)).toEqual({ 'im.test': own, 'xn--bcher-kva.test': other, 'third.test': rest })
    const contexts = ['im.test', 'bücher.test', 'third.test'].map((name) => one.contextOf(name))
    expect(new Set(contexts).size).toBe(3)
    expect(one.contextOf('xn--bcher-kva.test')).toBe(one.contextOf('bücher.test'))
    for (const unknown of [undefined, '', 'nobody.test', '__proto__', 'IM.TEST.', '\u0000']) {
      expect(one.contextOf(unknown)).toBe(one.contextOf('third.test'))
    }
    expect(one.contextOf('IM.test')).toBe(one.contextOf('im.test'))
    expect(log.lines).toEqual([])
  })

  test('a certificate that is named is everybody\'s who has none; without one the first domain\'s when all have theirs', async () => {
    for (const [name, ascii] of [['im.test', 'im.test'], ['bücher.test', 'xn--bcher-kva.test'], ['third.test', 'third.test']] as const) {
      await put(name, 90, [ascii])
    }
    const all = await load()
    expect(all.contextOf(undefined)).toBe(all.contextOf('im.test'))
    const named = await put('named', 90, ['third.test'])
    await rm(join(dir, 'third.test.pem'))
    const one = await load({ settings: { tlsCertificate: join(dir, 'named.pem'), tlsKey: '', tlsClientCa: '', sslCertsLocation: dir } })
    expect(serials(one)['third.test']).toBe(named)
    expect(one.contextOf(undefined)).toBe(one.contextOf('third.test'))
  })

  test('a self-made one names all domains, as A-labels, and is made anew for a domain that comes', async () => {
    const first = await load({ domains: ['im.test'] })
    expect(first.facts()).toEqual([expect.objectContaining({ domain: 'im.test', selfMade: true, daysLeft: 3_650 })])
    const second = await load()
    expect(serials(second)['xn--bcher-kva.test']).toBeDefined()
    expect(serials(second)['im.test']).not.toBe(serials(first)['im.test'])
    expect(events()).toEqual(['warn tls.self-made-certificate', 'warn tls.self-made-certificate'])
  })

  test('one that does not name its domain is served, with a warning', async () => {
    await put('default', 90, ['im.test', 'third.test'])
    await load()
    expect(log.lines).toEqual([
      { level: 'warn', event: 'tls.certificate-misses-domain', fields: { domain: 'xn--bcher-kva.test', file: join(dir, 'default.pem') } }
    ])
  })

  test('C06: a chain in the wrong order stops the start with the file and what to do', async () => {
    const stranger = await selfSigned({ names: ['stranger.test'], now: clock.wall(), days: 9 })
    await put('im.test', 90, ['im.test'], (text) => text + stranger.certificate)
    await expect(load()).rejects.toThrow(/im\.test\.pem: the chain is wrong: "CN=stranger\.test" has not signed "CN=im\.test".*in turn/)
    await expect(load()).rejects.toBeInstanceOf(CertificateError)
  })
})

describe('reading again', () => {
  const all = ['im.test', 'xn--bcher-kva.test', 'third.test']

  test('new files count from the next handshake on', async () => {
    const old = await put('default', 90, all)
    const one = await load()
    const before = one.contextOf('im.test')
    const fresh = await put('im.test')
    expect(await one.reload()).toBe(true)
    expect(serials(one)).toEqual({ 'im.test': fresh, 'xn--bcher-kva.test': old, 'third.test': old })
    expect(one.contextOf('im.test')).not.toBe(before)
    expect(events()).toEqual(['info tls.reloaded'])
    expect([one.reloads, one.problems()]).toEqual([1, []])
  })

  test.each<[string, () => Promise<unknown>, RegExp]>([
    ['a broken key (F-3)', async () => put('default', 90, all, (text) => text.replace(/[A-Za-z0-9]{8}/, 'AAAAAAAA')),
      /default\.pem: the private key cannot be read/],
    ['a key of another certificate', async () => {
      const other = await selfSigned({ names: ['x'], now: clock.wall(), days: 9 })
      await put('default', 90, all, (text) => other.key + text.slice(text.indexOf('-----BEGIN CERTIFICATE')))
    }, /default\.pem: the private key does not belong/],
    ['no certificate in it', async () => put('default', 90, all, () => 'oops'), /default\.pem: no PEM certificate/],
    ['half of a file', async () => put('default', 90, all, (text) => text.slice(0, -200)), /default\.pem: no PEM certificate/],
    ['an expired one', async () => put('default', -1, all), /default\.pem: expired on/],
    ['one that no longer names a domain', async () => put('default', 90, ['im.test']), /default\.pem: does not name xn--bcher-kva\.test/]
  ])('%s: the one of before is served on, the log and the health say why, and a good file ends it', async (_what, breakIt, why) => {
    const old = await put('default', 90, all)
    const one = await load()
    const before = one.contextOf('im.test')
    await breakIt()
    expect(await one.reload()).toBe(false)
    expect(one.contextOf('im.test')).toBe(before)
    expect(serials(one)['im.test']).toBe(old)
    expect(log.lines).toEqual([expect.objectContaining({
      level: 'error', event: 'tls.reload-refused',
      fields: { why: expect.stringMatching(why), todo: expect.any(String) }
    })])
    expect(one.problems()).toEqual([expect.stringMatching(why)])
    await put('default', 90, all)
    expect(await one.reload()).toBe(true)
    expect(one.problems()).toEqual([])
  })

  test('a changed file is taken up by itself once it has looked the same twice', async () => {
    await put('default', 90, all)
    const one = await load()
    await one.look()
    expect(one.reloads).toBe(0)
    const fresh = await put('default', 90, all)
    await one.look()
    expect(one.reloads).toBe(0)                        // it may still be being written
    await one.look()
    expect([one.reloads, serials(one)['im.test']]).toEqual([1, fresh])
    await one.look()
    expect(one.reloads).toBe(1)
  })

  test('a file that was refused is not read again until it changes', async () => {
    await put('default', 90, all)
    const one = await load()
    await put('default', 90, all, () => 'oops')
    for (let i = 0; i < 4; i++) await one.look()
    expect([one.reloads, events()]).toEqual([1, ['error tls.reload-refused']])
  })

  test('the watch looks every two seconds, and no more after its end', async () => {
    await put('default', 90, all)
    const one = await load()
    one.watch()
    await put('default', 90, all)
    clock.move(2_000)
    one.stop()
    clock.move(60_000)
    expect(one.reloads).toBe(0)
  })
})

describe('time', () => {
  test('warned at 21, 7 and 1 days, once each, and an error at the end; the days are told for the metric', async () => {
    await put('default', 30, ['im.test'])
    const one = await load({ domains: ['im.test'] })
    const left: (number | undefined)[] = []
    for (let day = 0; day < 31; day++) {
      clock.move(DAY)
      await one.look()
      left.push(one.remainingDays().get('im.test'))
    }
    expect(left.slice(0, 3)).toEqual([29, 28, 27])
    expect(left.at(-1)).toBe(-1)
    expect(log.lines.map(({ event, fields }) => [event, fields['daysLeft']])).toEqual([
      ['tls.certificate-expires', 21], ['tls.certificate-expires', 7], ['tls.certificate-expires', 1], ['tls.certificate-expired', undefined]
    ])
    expect(one.problems()).toEqual([`${join(dir, 'default.pem')} has expired`])
  })

  test('C06: expired at the start: served, with an error in the log and a degraded health', async () => {
    await put('default', -1, ['im.test'])
    const one = await load({ domains: ['im.test'] })
    expect(events()).toEqual(['error tls.certificate-expired'])
    expect(one.problems()).toHaveLength(1)
  })

  test('the key of session tickets changes every twelve hours; without the database the one of before goes on', async () => {
    await put('default', 90, ['im.test'])
    const asked: number[] = []
    let away = false
    const one = await load({
      domains: ['im.test'],
      ticketKey(span) {
        asked.push(span)
        return away ? Promise.reject(new Error('away')) : Promise.resolve(Buffer.alloc(48, span))
      }
    })
    const first = one.contextOf('im.test')
    clock.move(TICKET_SPAN_MS / 100)
    await one.look()
    expect(one.contextOf('im.test')).toBe(first)
    away = true
    clock.move(TICKET_SPAN_MS)
    await one.look()
    expect(one.contextOf('im.test')).toBe(first)
    away = false
    await one.look()
    expect(one.contextOf('im.test')).not.toBe(first)
    const [start = 0] = asked
    expect(asked).toEqual([start, start + 1, start + 1])
    expect(events()).toEqual([])
  })
})
