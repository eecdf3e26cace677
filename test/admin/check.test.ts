/** `starling check`: a line for each thing, what to do, and an exit code; the parts one by one, then the whole program. */
import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { checkCertificates } from '../../src/admin/check-certificates.js'
import { checkDns, type Lookup } from '../../src/admin/check-dns.js'
import { checkNodes, type LiveNode } from '../../src/admin/check-nodes.js'
import { checkPorts } from '../../src/admin/check-ports.js'
import { checkSecrets } from '../../src/admin/check-secrets.js'
import { findingText, type Finding } from '../../src/admin/finding.js'
import { freePorts } from '../support/ports.js'
import { adminAddress } from '../../src/admin/node-page.js'
import { openStore } from '../../src/storage/open.js'
import { selfSigned } from '../../src/transport/self-signed.js'
import { freshDatabase } from '../databases.js'
import { openAccounts } from '../support/database.js'
import { PROGRAM } from '../support/node-process.js'
import { silentLog } from '../support/silent-log.js'

const DAY = 86_400_000
const NOW = Math.floor(Date.now() / 1000) * 1000
const dir = mkdtempSync(join(tmpdir(), 'starling-check-'))
afterAll(() => { rmSync(dir, { recursive: true }) })

let certs = ''
beforeEach(() => { certs = mkdtempSync(join(dir, 'certs-')) })
const tls = () => ({ tlsCertificate: '', tlsKey: '', tlsClientCa: '', sslCertsLocation: certs })
const texts = (found: readonly Finding[]): readonly string[] => found.map(({ verdict, text }) => `${verdict} ${text.replaceAll(certs, 'certs')}`)

async function put(name: string, names: readonly string[], days = 90, change = (text: string): string => text): Promise<string> {
  const { key, certificate } = await selfSigned({ names, now: NOW - DAY, days: days + 1 })
  const file = join(certs, `${name}.pem`)
  writeFileSync(file, change(key + certificate), { mode: 0o600 })
  return file
}

describe('certificates', () => {
  test('good ones, by file, with their days', async () => {
    await put('a.test', ['a.test'])
    await put('default', ['b.test', 'c.test'], 300)
    expect(texts(await checkCertificates(tls(), ['a.test', 'b.test', 'c.test'], NOW))).toEqual([
      'ok a.test: certs/a.test.pem, 90 days left', 'ok b.test, c.test: certs/default.pem, 300 days left'
    ])
  })

  test.each<[string, () => Promise<unknown>, RegExp]>([
    ['expired', () => put('a.test', ['a.test'], -1), /^fail a\.test: certs\/a\.test\.pem has expired on .*: renew it$/],
    ['near its end', () => put('a.test', ['a.test'], 20), /^warn a\.test: certs\/a\.test\.pem ends in 20 days: renew it$/],
    ['of another name', () => put('a.test', ['b.test']), /^fail a\.test: certs\/a\.test\.pem does not name a\.test, so clients refuse it/],
    ['with another\'s key', async () => {
      const other = await selfSigned({ names: ['x'], now: NOW, days: 9 })
      await put('a.test', ['a.test'], 90, (text) => other.key + text.slice(text.indexOf('-----BEGIN CERT')))
    }, /^fail a\.test: certs\/a\.test\.pem: the private key does not belong/],
    ['with a wrong chain', async () => {
      const other = await selfSigned({ names: ['x'], now: NOW, days: 9 })
      await put('a.test', ['a.test'], 90, (text) => text + other.certificate)
    }, /^fail a\.test: certs\/a\.test\.pem: the chain is wrong/],
    ['that is none', () => put('a.test', ['a.test'], 90, () => 'none'), /^fail a\.test: certs\/a\.test\.pem: no PEM certificate/],
    ['none at all', () => Promise.resolve(), /^warn a\.test: certs\/self-made-certificate\.pem: not there yet/]
  ])('%s', async (_what, prepare, line) => {
    await prepare()
    expect(texts(await checkCertificates(tls(), ['a.test'], NOW))).toEqual([expect.stringMatching(line)])
  })

  test('authorities of client certificates that cannot be read', async () => {
    await put('a.test', ['a.test'])
    expect(texts(await checkCertificates({ ...tls(), tlsClientCa: join(certs, 'ca.pem') }, ['a.test'], NOW))).toEqual([
      'ok a.test: certs/a.test.pem, 90 days left', expect.stringMatching(/^fail certs\/ca\.pem: cannot be read \(ENOENT\)/)
    ])
  })

  test('every domain is judged, also beside one that fails; a key that others can read is said once', async () => {
    await put('a.test', ['a.test'], -1)
    chmodSync(await put('b.test', ['b.test']), 0o644)
    expect(texts(await checkCertificates(tls(), ['a.test', 'b.test'], NOW))).toEqual([
      expect.stringMatching(/^fail a\.test/), 'ok b.test: certs/b.test.pem, 90 days left',
      'warn other users of this machine can read the key in certs/b.test.pem: chmod 600'
    ])
  })
})

describe('ports', () => {
  let taken: Server
  let port = 0
  beforeAll(async () => {
    taken = createServer()
    await new Promise<void>((done) => { taken.listen(0, '127.0.0.1', done) })
    port = (taken.address() as { port: number }).port
  })
  afterAll(() => { taken.close() })

  test('free, held by this node, held by somebody else', async () => {
    const [free = 0] = await freePorts(1)
    const places = [free, port].map((one) => ({ host: '127.0.0.1', port: one, option: '--c2s-ports' }))
    expect(texts(await checkPorts(places, undefined, [port]))).toEqual([
      `ok free: ${free}`,
      `fail --c2s-ports: cannot listen on 127.0.0.1:${port} (EADDRINUSE): another process listens there already; stop it, or choose another port`
    ])
    const page = { self: { name: 'a', incarnation: 1 }, doors: { c2s: [port] } }
    expect(texts(await checkPorts(places, page, []))).toEqual([`ok free: ${free}`, `ok held by this node, which runs: ${port}`])
  })
})

describe('DNS', () => {
  const nothing = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }))
  const lookup = (records: Readonly<Record<string, readonly { name: string, port: number }[]>>, addresses: readonly string[]): Lookup => ({
    resolveSrv: (name) => (records[name] === undefined ? nothing('ENOTFOUND')() : Promise.resolve(records[name])),
    resolve4: (name) => (addresses.includes(name) ? Promise.resolve(['192.0.2.1']) : nothing('ENODATA')()),
    resolve6: nothing('ENODATA')
  })
  const SRV = '_xmpp-client._tcp.chat.org'

  test.each<[string, Lookup, RegExp]>([
    ['records that lead here', lookup({ [SRV]: [{ name: 'n1.chat.org', port: 5222 }] }, ['n1.chat.org']), /^ok chat\.org: n1\.chat\.org:5222$/],
    ['direct TLS too (XEP-0368)', lookup({ '_xmpps-client._tcp.chat.org': [{ name: 'n1.chat.org', port: 5223 }] }, ['n1.chat.org']), /^ok/],
    ['another port', lookup({ [SRV]: [{ name: 'n1.chat.org', port: 443 }] }, ['n1.chat.org']), /^warn .*443, and none is a port of this node/],
    ['a name without an address', lookup({ [SRV]: [{ name: 'n1.chat.org', port: 5222 }] }, []), /^warn .*n1\.chat\.org, which has no address/],
    ['only an address', lookup({}, ['chat.org']), /^ok chat\.org: an address and no SRV records/],
    ['nothing', lookup({}, []), /^warn chat\.org: neither SRV records nor an address.*_xmpp-client\._tcp\.chat\.org/]
  ])('%s', async (_what, records, line) => {
    expect(texts(await checkDns(['chat.org'], [5222, 5223], records))).toEqual([expect.stringMatching(line)])
  })

  test('where no resolver answers it is said in a word; names that are not in the DNS are left', async () => {
    const away = { resolveSrv: nothing('ECONNREFUSED'), resolve4: nothing('ECONNREFUSED'), resolve6: nothing('ECONNREFUSED') }
    expect(texts(await checkDns(['localhost', 'a.test', 'chat.org', 'other.org'], [5222], away))).toEqual([
      'skip localhost is a name that is not in the DNS', 'skip a.test is a name that is not in the DNS',
      'skip no resolver answers here (ECONNREFUSED), so the records of no domain were looked at'
    ])
  })
})

describe('nodes', () => {
  const node = (more: Partial<LiveNode>): LiveNode => ({
    name: 'n1', incarnation: 3, state: 'up', version: '1', beats: 2, links: 1, backup: null, address: 'n1:5777', strategy: 'broadcast',
    services: {}, page: undefined, ...more
  })
  const health = (state: 'ok' | 'degraded', why: string) =>
    ({ self: { name: 'n1', incarnation: 3 }, health: { state, ready: true, waitingFor: '', parts: { certificates: { state, why, since: 0 } } } })

  test.each<[string, LiveNode, RegExp]>([
    ['well', node({ page: health('ok', '') }), /^ok n1 is up and well$/],
    ['degraded', node({ page: health('degraded', 'x.pem has expired') }), /^warn n1 is up, degraded: certificates: x\.pem has expired$/],
    ['not to be asked', node({}), /^ok n1 is up; its admin listener cannot be asked from here$/],
    ['a row whose beat stands still', node({ beats: 0 }), /^fail n1 .*stands still.*starling cluster fence n1 3$/],
    ['leaving', node({ state: 'draining' }), /^warn n1 is draining$/]
  ])('%s', (_what, one, line) => {
    expect(texts(checkNodes([one]))).toEqual([expect.stringMatching(line)])
  })

  test('several versions, and nobody', () => {
    expect(texts(checkNodes([node({}), node({ name: 'n2', version: '2' })])).at(-1)).toBe('warn nodes of several versions run: 1, 2; finish the upgrade')
    expect(texts(checkNodes([]))).toEqual(['skip no node is running on this database'])
  })

  test.each([['127.0.0.1:8080', '127.0.0.1:8080'], [':::8080', 'n1:8080'], ['0.0.0.0:80', 'n1:80'], ['::1:81', '[::1]:81'], ['', undefined]] as const)(
    'the admin listener %s is at %s', (admin, at) => {
      expect(adminAddress({ services: admin === '' ? {} : { admin }, advertise: 'n1:5777' })).toBe(at)
    })
})

test('secrets: files that hold one are for their owner; others do not matter', () => {
  const file = (name: string, text: string, mode: number): string => {
    writeFileSync(join(dir, name), text)
    chmodSync(join(dir, name), mode)
    return join(dir, name)
  }
  const good = file('good', '--user-db-uri=jdbc:postgresql://db/x?user=u&password=p\n', 0o600)
  const open = file('open', '--cluster-secret=s\n', 0o644)
  const plain = file('plain', '# passwords are not here\n--virt-hosts=a.test\n', 0o644)
  const key = file('key', 's\n', 0o640)
  expect(checkSecrets([good, open, plain], [key]).map(({ verdict, text }) => `${verdict} ${text}`)).toEqual([
    `warn other users of this machine can read ${open}, which holds secrets: chmod 600`,
    `warn other users of this machine can read ${key}, which holds secrets: chmod 600`,
    `ok only their owner reads ${good}`
  ])
})

test('a line has the verdict, the thing and the text, aligned', () => {
  expect(findingText({ verdict: 'ok', of: 'ports', text: 'free: 1' })).toBe('ok    ports        free: 1')
})

describe('the program', () => {
  const run = (...lines: readonly string[]): Promise<{ readonly code: number, readonly out: string, readonly err: string }> => {
    const file = join(certs, 'init.properties')
    const more = [`--ssl-certs-location=${certs}`, '--admin-listen=127.0.0.1:1', '--virt-hosts=a.test']
    writeFileSync(file, [...more, ...lines, ''].join('\n'))
    return new Promise((resolve) => {
      execFile(process.execPath, [PROGRAM, 'check', `--property-file=${file}`], (error, out, err) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err })
      })
    })
  }
  const closed = ['c2s', 'c2s-tls', 'http', 'https', 'ws2s', 'ws2s-tls'].map((kind) => `--${kind}-ports=none`)
  const noAdmin = '--admin-listen='

  test('before the first start: nothing fails, and nothing is made', async () => {
    await put('a.test', ['a.test'])
    const { code, out, err } = await run(...closed, noAdmin, `--user-db-uri=jdbc:sqlite:${join(certs, 'new.db')}`)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^warn {2}database .*new\.db is not there yet: it is made at the start$/m)
    const { existsSync } = await import('node:fs')
    expect(existsSync(join(certs, 'new.db'))).toBe(false)
  })

  test('an expired certificate and a database that is away: both are said, exit code 1', async () => {
    await put('a.test', ['a.test'], -1)
    const { code, out } = await run(...closed, noAdmin, '--user-db=pgsql', '--user-db-uri=jdbc:postgresql://127.0.0.1:1/x?user=u&password=hidden')
    expect(code).toBe(1)
    expect(out).toMatch(/^fail {2}certificate {2}a\.test: .*has expired/m)
    expect(out).toMatch(/^fail {2}database {5}.*127\.0\.0\.1:1\/x.*ECONNREFUSED.*--user-db-uri right\?$/m)
    expect(out).not.toContain('hidden')
  })

  test('a schema of a release that this one cannot live with', async () => {
    const database = await freshDatabase('sqlite')
    await (await openAccounts(database)).close()
    const opened = await openStore(database.settings, silentLog)
    await opened.database.maintain(async (sql) => { await sql('schema_info').update({ schema_min_compatible: 99 }) })
    await opened.close()
    await put('a.test', ['a.test'])
    const { code, out } = await run(...closed, noAdmin, `--user-db-uri=${database.jdbc}`)
    await database.drop()
    expect([code, out]).toEqual([1, expect.stringMatching(/^fail {2}database .*cannot live with: install what the other nodes run$/m)])
  })

  test('a row of a node that is gone, and a port that somebody has', async () => {
    const database = await freshDatabase('sqlite')
    await (await openAccounts(database)).close()
    const opened = await openStore(database.settings, silentLog)
    const claimed = await opened.cluster.claim({
      hostname: 'gone', secondary: undefined, password: 'p', port: 5777, cpuUsage: 0, memUsage: 0, clusterName: 'starling', bootNonce: 'n',
      advertise: '127.0.0.1:1', hostId: 'h', strategy: 'broadcast', certSha256: undefined, protocolMin: 1, protocolMax: 1, version: '1'
    })
    if (claimed.outcome !== 'claimed') throw new Error(claimed.outcome)
    await opened.cluster.setState(claimed.life, 'up')
    await opened.close()
    await put('a.test', ['a.test'])
    const taken = createServer()
    await new Promise<void>((done) => { taken.listen(0, '127.0.0.1', done) })
    const { port } = taken.address() as { port: number }
    const { code, out } = await run(...closed, noAdmin, `--user-db-uri=${database.jdbc}`, '--cluster-mode=true', '--cluster-listen=127.0.0.1',
      '--cluster-allow-loopback=true', `--cl-comp-ports=${port}`)
    taken.close()
    await database.drop()
    expect(code).toBe(1)
    expect(out).toMatch(/^fail {2}cluster {6}gone is up by its row, but its beat stands still/m)
    expect(out).toMatch(/^fail {2}ports {8}--cl-comp-ports: cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\)/m)
  }, 30_000)

  test('a configuration that cannot be read is refused as for a start: exit code 78 and all complaints', async () => {
    const { code, err } = await run('--virt-hsots=x', '--c2s-ports=70000')
    expect([code, err.trim().split('\n')]).toEqual([78, [expect.stringContaining('--virt-hsots'), expect.stringContaining('--c2s-ports=70000')]])
  })
})
