/**
 * Third-party clients against two node processes: seven clients in a ring, each with the next, one partner on each node;
 * both strategies, without TLS and with it.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net'
import { join } from 'node:path'
import { freshDatabase } from '../databases.js'
import { Cluster, type StrategyName } from '../support/cluster.js'
import type { Door, Driver } from './driver.js'
import { play } from './play.js'
import { requireSlixmpp, SlixmppDriver } from './slixmpp-driver.js'
import { StanzaDriver } from './stanza-driver.js'
import { BrowserDesk, StropheDriver } from './strophe-driver.js'
import { trust } from './trust.js'
import { XmppClientDriver } from './xmpp-client-driver.js'

// `localhost` has two addresses: on a busy machine the quarter of a second that Node gives to each is too short.
setDefaultAutoSelectFamilyAttemptTimeout(5_000)

let desk: BrowserDesk

const RING: readonly (() => Driver)[] = [
  () => new XmppClientDriver('tcp'),
  () => new StanzaDriver('bosh'),
  () => new StropheDriver('websocket', () => desk),
  () => new SlixmppDriver(),
  () => new StropheDriver('bosh', () => desk),
  () => new XmppClientDriver('websocket'),
  () => new StanzaDriver('websocket')
]
const PAIRS = RING.map((first, i) => ({ first, second: RING[(i + 1) % RING.length] ?? first, i }))
const MODES = ['plain', 'tls'] as const
const AT_ONCE = 3
type Mode = (typeof MODES)[number]

const accountOf = (side: 'a' | 'b', i: number, mode: Mode): string => `${side}${i}-${mode}`
const certificateOf = (cluster: Cluster, node: number): string =>
  join(cluster.dir, cluster.node(node).name, 'certs', 'self-made-certificate.pem')

beforeAll(async () => {
  requireSlixmpp()
  desk = await BrowserDesk.open()
}, 60_000)
afterAll(() => desk?.close())

describe.each<[StrategyName]>([['broadcast'], ['online-users-caching']])('with %s', (strategy) => {
  let cluster: Cluster
  let distrust: (() => void) | undefined

  beforeAll(async () => {
    const accounts = PAIRS.flatMap(({ i }) => MODES.flatMap((mode) => [accountOf('a', i, mode), accountOf('b', i, mode)]))
    cluster = await Cluster.of({ nodes: 1, database: await freshDatabase('sqlite'), strategy, accounts, start: false })
    await cluster.plan('node2', ['--sasl-channel-bindings=none'])          // for clients that know only tls-unique
    await Promise.all(cluster.nodes.map((node) => node.start()))
    distrust = trust([0, 1].map((n) => readFileSync(certificateOf(cluster, n), 'utf8')))
  }, 90_000)
  afterAll(async () => {
    distrust?.()
    await cluster?.end()
  })

  const doorOf = (node: number, security: Door['security']): Door =>
    ({ ports: cluster.node(node).ports, security, certificate: certificateOf(cluster, node), bindings: node === 0 })

  describe.each<[Mode]>([['plain'], ['tls']])('%s', (mode) => {
    let plays: Promise<void>[] = []

    // Some pairs at once: they share nothing but the nodes and this process, where libraries hash passwords in JavaScript.
    beforeAll(() => {
      plays = []
      for (const { first, second, i } of PAIRS) {
        const before = plays[i - AT_ONCE]?.catch(() => {}) ?? Promise.resolve()
        plays.push(before.then(() => play(
          { driver: first(), door: doorOf(0, mode === 'tls' ? 'starttls' : 'plain'), account: named(accountOf('a', i, mode)) },
          { driver: second(), door: doorOf(1, mode === 'tls' ? 'direct' : 'plain'), account: named(accountOf('b', i, mode)) }
        )))
      }
      for (const one of plays) one.catch(() => {})
    })

    test.each(PAIRS.map(({ first, second, i }) => [first().journal.owner, second().journal.owner, i] as const))(
      '%s with %s: they meet, see each other, talk and part (RFC 6121 §2-§5, RFC 7395, XEP-0206)',
      async (_first, _second, i) => { await expect(plays[i]).resolves.toBeUndefined() },
      90_000
    )
  })
})

const named = (user: string): { user: string, domain: string, password: string } => ({ user, domain: 'localhost', password: 'secret' })
