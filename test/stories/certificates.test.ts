/** Certificates are renewed while people are connected: by a signal, by a command, by a changed file; on a cluster of two. */
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { selfSigned } from '../../src/transport/self-signed.js'
import { freshDatabase } from '../databases.js'
import type { TestClient } from '../support/client.js'
import { Cluster } from '../support/cluster.js'
import { PROGRAM, type NodeProcess } from '../support/node-process.js'
import { until } from '../support/until.js'

const DAY = 86_400_000
const ACCOUNTS = Array.from({ length: 10 }, (_, i) => `user${i}`)
const certs = mkdtempSync(join(tmpdir(), 'starling-story-certs-'))
let cluster: Cluster

/** Writes localhost.pem; returns its serial number. */
async function renew(text = (good: string): string => good, now = Date.now(), days = 90): Promise<string> {
  const pair = await selfSigned({ names: ['localhost'], now, days })
  const file = join(certs, 'localhost.pem')
  writeFileSync(`${file}.new`, text(pair.key + pair.certificate), { mode: 0o600 })
  renameSync(`${file}.new`, file)
  return new X509Certificate(pair.certificate).serialNumber
}

interface Shown {
  readonly serial: string
  readonly reused: boolean
  readonly session: Buffer
}

/** One handshake on the direct TLS port of node `n`. */
function handshake(n: number, session?: Buffer): Promise<Shown> {
  const { ports } = cluster.node(n)
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connectTls({
      port: ports.c2sTls, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false, ALPNProtocols: ['xmpp-client'],
      ...session !== undefined && { session }
    })
    const ticket = new Promise<Buffer>((came) => { socket.once('session', came) })
    const answer = new Promise((came) => { socket.once('data', came) })
    socket.on('error', reject)
    socket.once('secureConnect', () => {
      socket.write("<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
    })
    void answer.then(async () => {
      const reused = socket.isSessionReused()
      // A session that was resumed needs no other ticket
      const renewed = reused && session !== undefined ? session : await ticket
      const serial = reused ? '' : socket.getPeerCertificate().serialNumber
      socket.destroy()
      resolve({ serial, reused, session: renewed })
    })
  })
}

interface Page {
  readonly health: { readonly state: string, readonly parts: Readonly<Record<string, { readonly state: string, readonly why: string }>> }
  readonly certificates: { readonly reloads: number, readonly domains: readonly { readonly serial: string }[] }
}

const page = async (node: NodeProcess): Promise<Page> => await node.admin('/cluster') as Page
const serves = (n: number, serial: string): Promise<true> =>
  until(`node ${n} serves ${serial}`, async () => (await page(cluster.node(n))).certificates.domains[0]?.serial === serial)

function starling(...words: string[]): Promise<{ readonly code: number, readonly out: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, ...words], (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out: out + err })
    })
  })
}

beforeAll(async () => {
  await renew()
  cluster = await Cluster.of({
    nodes: 2, database: await freshDatabase('sqlite'), accounts: ACCOUNTS, lines: [`--ssl-certs-location=${certs}`]
  })
}, 60_000)
afterAll(async () => {
  await cluster.end()
  rmSync(certs, { recursive: true })
})

describe('a cluster of two with one certificate', () => {
  test('a TLS session of one node is resumed on the other (RFC 8446 §2.2)', async () => {
    const first = await handshake(0)
    expect((await handshake(1, first.session)).reused).toBe(true)
  })

  test('F-2 renewed by SIGHUP with 100 streams open: none ends, new ones see the new serial, old sessions are not resumed', async () => {
    const clients: TestClient[] = []
    for (const user of ACCOUNTS) {
      const ways = ['direct', 'starttls'] as const
      clients.push(...await Promise.all(Array.from({ length: 10 }, (_, i) =>
        cluster.login(0, user, { tls: ways[i % 2] ?? 'direct', available: false }))))
    }
    const before = await handshake(0)
    const fresh = await renew()
    cluster.node(0).signal('SIGHUP')
    await serves(0, fresh)
    const after = await handshake(0, before.session)
    expect([before.serial === fresh, after.reused, after.serial]).toEqual([false, false, fresh])
    await Promise.all(clients.map((client) => client.ping()))
    expect(clients.filter(({ closed }) => closed)).toEqual([])
    const late = await cluster.login(0, 'user0', { tls: 'starttls', available: false })
    expect((late.socket as TLSSocket).getPeerCertificate().serialNumber).toBe(fresh)
    for (const client of [...clients, late]) client.socket.destroy()
    expect(cluster.node(0).events('tls.reloaded').length).toBeGreaterThan(0)
  }, 60_000)

  test('starling reload: all nodes read them, and it says what came of it', async () => {
    const fresh = await renew()
    const { code, out } = await starling('reload', `--property-file=${cluster.node(0).properties}`)
    expect({ code, lines: out.trim().split('\n').sort() }).toEqual({
      code: 0, lines: ['node1', 'node2'].map((name) => `${name}: reloaded: localhost ${fresh} (89 days)`)
    })
    for (const n of [0, 1]) expect((await handshake(n)).serial).toBe(fresh)
  }, 30_000)

  test('a changed file is noticed without a word to anybody', async () => {
    const fresh = await renew()
    for (const n of [0, 1]) await serves(n, fresh)
    expect((await handshake(1)).serial).toBe(fresh)
  }, 30_000)

  test('F-3 a broken key: the certificate of before is served on, the node is degraded and says why, a good one heals it', async () => {
    const old = (await handshake(0)).serial
    await renew((text) => text.replace(/[A-Za-z0-9]{8}/, 'AAAAAAAA'))
    const { code, out } = await starling('reload', `--property-file=${cluster.node(1).properties}`)
    expect([code, out]).toEqual([1, expect.stringMatching(/node1: not reloaded: .*localhost\.pem: the private key cannot be read/)])
    const { health } = await page(cluster.node(0))
    expect([health.state, health.parts['certificates']?.why]).toEqual(['degraded', expect.stringContaining('localhost.pem')])
    expect((await fetch(`http://127.0.0.1:${cluster.node(0).ports.admin}/healthz`)).status).toBe(200)
    expect((await handshake(0)).serial).toBe(old)
    const client = await cluster.login(0, 'user1', { tls: 'starttls' })
    await client.close()
    const fresh = await renew()
    for (const n of [0, 1]) {
      await serves(n, fresh)
      await until('the node is well again', async () => (await page(cluster.node(n))).health.state === 'ok')
    }
  }, 60_000)

  test('the metric tells the days that are left', async () => {
    expect(await cluster.node(0).admin('/metrics')).toMatch(/\nstarling_tls_cert_remaining_days\{domain="localhost"\} 89\n/)
  })

  test('C06 an expired certificate: the node starts, says it loudly, is degraded, and serves', async () => {
    const expired = await renew((text) => text, Date.now() - 20 * DAY, 9)
    const node = await cluster.plan('node3')
    await node.start()
    expect(node.events('tls.certificate-expired')).toEqual([expect.objectContaining({ file: join(certs, 'localhost.pem'), serial: expired })])
    expect((await page(node)).health.parts['certificates']).toMatchObject({ state: 'degraded', why: expect.stringContaining('has expired') })
    expect((await handshake(2)).serial).toBe(expired)
    expect(await node.admin('/metrics')).toMatch(/starling_tls_cert_remaining_days\{domain="localhost"\} -1\d\n/)
    await node.stop()
  }, 60_000)
})
