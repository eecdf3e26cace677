/** The clients that resume, each with each other, on two nodes: a short and a long form of the same. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freshDatabase } from '../databases.js'
import { Cluster, type StrategyName } from '../support/cluster.js'
import type { Door, ResumingDriver } from './driver.js'
import { converse, type Amount } from './resume.js'
import { requireSlixmpp, SlixmppDriver } from './slixmpp-driver.js'
import { StanzaDriver } from './stanza-driver.js'
import { trust } from './trust.js'
import { XmppClientDriver } from './xmpp-client-driver.js'

export interface Setting {
  readonly strategy: StrategyName
  readonly security: Door['security']
}

const CLIENTS: readonly (() => ResumingDriver)[] = [
  () => new XmppClientDriver('tcp', true), () => new SlixmppDriver(true), () => new StanzaDriver('websocket', true)
]
const PAIRS = CLIENTS.map((first, i) => ({ first, second: CLIENTS[(i + 1) % CLIENTS.length] ?? first, i }))
const named = (user: string): { user: string, domain: string, password: string } => ({ user, domain: 'localhost', password: 'secret' })

export function resumeSuite(settings: readonly Setting[], amount: Amount, patienceMs: number): void {
  describe.each(settings)('$strategy, $security', ({ strategy, security }) => {
    let cluster: Cluster
    let distrust: (() => void) | undefined
    const complain = console.error
    const certificate = (node: number): string => join(cluster.dir, cluster.node(node).name, 'certs', 'self-made-certificate.pem')
    const door = (node: number): Door => ({ ports: cluster.node(node).ports, security, certificate: certificate(node), bindings: true })

    beforeAll(async () => {
      requireSlixmpp()
      console.error = () => {}                            // stanza says there what it could not write, with a stack for each
      const accounts = PAIRS.flatMap(({ i }) => [`a${i}`, `b${i}`])
      cluster = await Cluster.of({ nodes: 2, database: await freshDatabase('sqlite'), strategy, accounts })
      distrust = trust([0, 1].map((n) => readFileSync(certificate(n), 'utf8')))
    }, 90_000)
    afterAll(async () => {
      console.error = complain
      distrust?.()
      await cluster?.end()
    })

    test.each(PAIRS.map(({ first, second, i }) => [first().journal.owner, second().journal.owner, i] as const))(
      `%s with %s: ${amount.messages} messages each way and ${amount.cuts} cuts of each: none lost, none twice, in order (XEP-0198 §5)`,
      async (_first, _second, i) => {
        const pair = PAIRS[i]
        if (pair === undefined) throw new Error(`there is no pair ${i}`)
        const [a, b] = [{ driver: pair.first(), door: door(0), account: named(`a${i}`) }, { driver: pair.second(), door: door(1), account: named(`b${i}`) }]
        await expect(converse(a, b, amount)).resolves.toBeUndefined()
      },
      patienceMs
    )
  })
}
