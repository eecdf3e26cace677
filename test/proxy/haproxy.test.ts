/** The HAProxy examples with a real HAProxy in front of two nodes. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { appendFileSync, readFileSync } from 'node:fs'
import { connect, setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net'
import { join } from 'node:path'
import type { Driver } from '../clients/driver.js'
import { StanzaDriver } from '../clients/stanza-driver.js'
import { trust } from '../clients/trust.js'
import { XmppClientDriver } from '../clients/xmpp-client-driver.js'
import { freshDatabase } from '../databases.js'
import { TestClient } from '../support/client.js'
import { Cluster } from '../support/cluster.js'
import { empty, opening, post } from './bosh-post.js'
import { accepts, HaProxy } from './haproxy.js'

setDefaultAutoSelectFamilyAttemptTimeout(5_000)

/** Connections of one client address at one node. */
const PER_ADDRESS = 8
const ACCOUNTS = ['romeo', 'juliet']

interface Example {
  readonly file: string
  /** PROXY protocol on the HTTP port too. */
  readonly proxiedHttp: boolean
  readonly https: boolean
  readonly cookie: boolean
}

const EXAMPLES: readonly Example[] = [
  { file: 'cookie.cfg', proxiedHttp: false, https: false, cookie: true },
  { file: 'source.cfg', proxiedHttp: true, https: false, cookie: false },
  { file: 'none.cfg', proxiedHttp: false, https: false, cookie: false },
  { file: 'tls-at-proxy.cfg', proxiedHttp: false, https: true, cookie: true },
  { file: 'compose.cfg', proxiedHttp: false, https: true, cookie: true }
]

interface Way {
  readonly name: string
  readonly security: 'plain' | 'starttls' | 'direct'
  readonly driver: () => Driver
}

const TCP: readonly Way[] = [
  { name: 'TCP with STARTTLS', security: 'starttls', driver: () => new XmppClientDriver('tcp') },
  { name: 'TCP with direct TLS', security: 'direct', driver: () => new XmppClientDriver('tcp') }
]
const HTTP: readonly Way[] = [
  { name: 'WebSocket', security: 'plain', driver: () => new StanzaDriver('websocket') },
  { name: 'BOSH', security: 'plain', driver: () => new StanzaDriver('bosh') }
]
const HTTPS: readonly Way[] = HTTP.map((way) => ({ ...way, name: `${way.name} over TLS`, security: 'direct' }))

interface Page {
  readonly count: number
  readonly sessions: readonly { readonly jid: string, readonly address: string, readonly secure: boolean }[]
}

interface Stage {
  readonly cluster: Cluster
  readonly proxy: HaProxy
  end(): Promise<void>
}

async function stage({ file, proxiedHttp }: Example): Promise<Stage> {
  const cluster = await Cluster.of({ nodes: 2, database: await freshDatabase('sqlite'), accounts: ACCOUNTS, start: false })
  for (const { properties, ports } of cluster.nodes) {
    appendFileSync(properties, [
      `--proxy-protocol=${[ports.c2s, ports.c2sTls, ...proxiedHttp ? [ports.http] : []].join(',')}`,
      '--trusted-proxies=127.0.0.1', '--limits-exempt=none', `--connections-per-address=${PER_ADDRESS}`, ''
    ].join('\n'))
  }
  await Promise.all(cluster.nodes.map((node) => node.start()))
  const pems = cluster.nodes.map(({ name }) => join(cluster.dir, name, 'certs', 'self-made-certificate.pem'))
  const distrust = trust(pems.map((pem) => readFileSync(pem, 'utf8')))
  const proxy = await HaProxy.start(file, cluster, pems[0] ?? '')
  return {
    cluster, proxy,
    async end() {
      distrust()
      await proxy.end()
      await cluster.end()
    }
  }
}

async function sessionsOf(cluster: Cluster): Promise<Page['sessions']> {
  const pages = await Promise.all(cluster.nodes.filter((node) => node.pid !== 0).map((node) => node.admin('/sessions')))
  return (pages as Page[]).flatMap(({ sessions }) => sessions)
}

/** Logs in by `way`, talks both ways with somebody on a plain connection, and leaves. */
async function converse({ cluster, proxy }: Stage, { security, driver }: Way): Promise<Page['sessions'][number]> {
  const [romeo, juliet] = [driver(), await TestClient.login({ port: proxy.ports.c2s, user: 'juliet', tls: 'starttls' })]
  try {
    const door = { ports: { ...proxy.ports, admin: 0, cluster: 0 }, security, certificate: '', bindings: true }
    const full = await romeo.login(door, { user: 'romeo', domain: 'localhost', password: 'secret' })
    await romeo.send(juliet.jid, 'through <the> proxy')
    expect((await juliet.message('through <the> proxy')).attrs['from']).toBe(full)
    juliet.write(`<message to='${full}' type='chat'><body>and back</body></message>`)
    expect((await romeo.journal.message(juliet.jid)).body).toBe('and back')
    const mine = (await sessionsOf(cluster)).find(({ jid }) => jid === full)
    await romeo.leave()
    if (mine === undefined) throw new Error(`no node has ${full}`)
    return mine
  } finally {
    await Promise.all([romeo.end(), juliet.close()])
  }
}

describe.each(EXAMPLES.map((example) => [example.file, example] as const))('%s', (_file, example) => {
  const ways = [...TCP, ...HTTP, ...example.https ? HTTPS : []]
  let on: Stage
  const open: TestClient[] = []

  beforeAll(async () => { on = await stage(example) }, 90_000)
  afterAll(() => on?.end())
  afterEach(() => { for (const client of open.splice(0)) client.socket.destroy() })

  const from = async (address: string): Promise<TestClient> => {
    const socket = connect({ port: on.proxy.ports.c2s, host: '127.0.0.1', localAddress: address })
    await new Promise((done, failed) => { socket.once('connect', done).once('error', failed) })
    const client = new TestClient(socket)
    open.push(client)
    return client
  }

  test.each(ways.map((way) => [way.name, way] as const))('%s passes, with the client\'s own address', async (_name, way) => {
    const { address, secure } = await converse(on, way)
    expect({ address, secure }).toEqual({ address: expect.stringMatching(/^127\.0\.0\.1$/), secure: way.security !== 'plain' })
  }, 30_000)

  test('limits count the clients\' addresses, not the proxy\'s (XEP-0205 §4.1)', async () => {
    let taken = 0
    for (let n = 0; n <= 2 * PER_ADDRESS; n++) {
      const client = await from('127.0.0.2')
      taken += await client.openStream('localhost').then(() => 1, () => 0)
    }
    expect(taken).toBeGreaterThanOrEqual(PER_ADDRESS)
    expect(taken).toBeLessThanOrEqual(2 * PER_ADDRESS)
    const other = await from('127.0.0.3')
    await other.openStream('localhost')
    await other.authenticate({ port: 0, user: 'romeo' })
    await other.openStream('localhost')
    await other.bind()
    expect((await sessionsOf(on.cluster)).find(({ jid }) => jid === other.jid)?.address).toBe('127.0.0.3')
  }, 30_000)

  test('a BOSH session works wherever its requests arrive (XEP-0124)', async () => {
    const { http: port } = on.proxy.ports
    const first = await post({ port, body: opening(1), from: '127.0.0.4' })
    const [, sid = ''] = /sid=['"]([^'"]+)['"]/.exec(first.body) ?? []
    const cookieOf = (headers: typeof first.headers): string | undefined => headers['set-cookie']?.[0]?.split(';')[0]
    const owner = cookieOf(first.headers)
    expect(owner).toBe(`STARLING_NODE=${sid.split('.')[1]}`)
    const met = new Set<string | undefined>()
    for (let rid = 2; rid <= 5; rid++) {
      const cookie = example.cookie ? { cookie: owner ?? '' } : {}
      const answer = await post({ port, body: empty(rid, sid), from: '127.0.0.4', ...cookie })
      expect(answer.status).toBe(200)
      expect(answer.body).not.toContain('terminate')
      met.add(cookieOf(answer.headers))
    }
    // A node names itself to who does not name it: with the cookie all met the owner, without any stickiness both were met.
    if (example.cookie) expect([...met]).toEqual([undefined])
    else expect(met.size).toBe(example.file === 'none.cfg' ? 2 : 1)
  }, 30_000)

  test('when one node is killed, new connections work at once', async () => {
    await on.cluster.node(0).kill()
    for (const way of ways) await converse(on, way)
  }, 60_000)
})

describe('a node that drains', () => {
  let on: Stage
  beforeAll(async () => { on = await stage({ file: 'none.cfg', proxiedHttp: false, https: false, cookie: false }) }, 90_000)
  afterAll(() => on?.end())

  test('answers 503 to GET /ready and gets no new clients', async () => {
    const [stops, stays] = [on.cluster.node(0), on.cluster.node(1)]
    const clients: TestClient[] = []
    while (!clients.some(({ jid }) => jid.endsWith('/there'))) {
      const client = await TestClient.login({ port: on.proxy.ports.c2s, user: 'romeo', available: false })
      clients.push(client)
      const { sessions } = await stops.admin('/sessions') as Page
      if (sessions.some(({ jid }) => jid === client.jid)) break
    }
    // The last one is on the node that stops; it does not read, so it does not go: the node waits for it.
    clients.at(-1)?.socket.pause()
    stops.signal('SIGTERM')
    const readiness = (): Promise<number> => fetch(`http://127.0.0.1:${stops.ports.admin}/ready`).then((r) => r.status, () => 0)
    while (await readiness() === 200) await new Promise((done) => { setTimeout(done, 20) })
    const seen = await readiness()
    expect([0, 503]).toContain(seen)
    // Who connects between that answer and the closing of the port is sent away, and connects again.
    while (await accepts(stops.ports.c2s)) await new Promise((done) => { setTimeout(done, 20) })
    for (let n = 0; n < 4; n++) {
      const client = await TestClient.login({ port: on.proxy.ports.c2s, user: 'juliet', available: false })
      const { sessions } = await stays.admin('/sessions') as Page
      expect(sessions.map(({ jid }) => jid)).toContain(client.jid)
      clients.push(client)
    }
    for (const { socket } of clients) socket.destroy()
    expect(await stops.exited()).toBe(0)
  }, 60_000)
})
