/** Phones in pockets, on two real nodes: what their contacts do waits until somebody looks (XEP-0352). */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { createRequire } from 'node:module'
import { inOrder } from '../clients/stanza-driver.js'
import { freshDatabase } from '../databases.js'
import type { TestClient } from '../support/client.js'
import { befriend, Cluster, type StrategyName } from '../support/cluster.js'
import { enableSm, handledBy, resumeSm } from '../support/stream-management.js'

const INACTIVE = "<inactive xmlns='urn:xmpp:csi:0'/>"
const ACTIVE = "<active xmlns='urn:xmpp:csi:0'/>"
const STATES = 'http://jabber.org/protocol/chatstates'

/** What came from `from`, oldest first, in short. */
const news = ({ inbox }: TestClient, from: string): readonly string[] => inbox.splice(0).filter(({ attrs }) => attrs['from'] === from)
  .map((e) => e.getChildText('show') ?? e.getChildText('body') ?? e.getChildElements().find((child) => child.getNS() === STATES)?.name ?? e.name)

describe.each<[StrategyName]>([['broadcast'], ['online-users-caching']])('two nodes with %s', (strategy) => {
  let cluster: Cluster

  beforeAll(async () => {
    cluster = await Cluster.of({ nodes: 2, database: await freshDatabase('sqlite'), strategy, accounts: ['romeo', 'juliet', 'nurse'] })
  }, 60_000)
  afterAll(() => cluster?.end())

  test('presence and typing wait and only the newest comes, before the message for which the phone wakes up; also when it resumes', async () => {
    const [romeo, juliet] = [await cluster.login(0, 'romeo'), await cluster.login(1, 'juliet', { resource: 'phone' })]
    await befriend(romeo, juliet)
    const id = await enableSm(juliet)
    await enableSm(romeo)
    let said = 0
    const fidgets = async (...shows: readonly string[]): Promise<void> => {
      for (const show of shows) {
        romeo.write(`<presence><show>${show}</show></presence>`)
        said += 3
        for (const state of ['composing', 'paused']) romeo.write(`<message to='${juliet.jid}' type='chat'><${state} xmlns='${STATES}'/></message>`)
      }
      await handledBy(romeo, said)                                       // what it counts has arrived
    }
    await juliet.ping()
    juliet.inbox.splice(0)
    juliet.write(INACTIVE)
    await juliet.ping()
    await fidgets('away', 'dnd', 'xa')
    romeo.write(`<message to='${juliet.jid}' type='chat'><body>wake up</body></message>`)
    said++
    await juliet.next((e) => e.is('message') && e.getChild('body') !== undefined)
    expect(news(juliet, romeo.jid)).toEqual(['xa', 'paused'])
    await fidgets('chat', 'away')
    juliet.write(ACTIVE)
    await juliet.ping()
    expect(news(juliet, romeo.jid)).toEqual(['away', 'paused'])
    juliet.write(INACTIVE)
    await juliet.ping()
    await fidgets('dnd')
    juliet.cut()
    await juliet.gone()
    await fidgets('xa')
    const { client, answer } = await resumeSm(cluster.node(1).ports.c2s, 'juliet', { id, h: juliet.stanzas })
    expect(answer.name).toBe('resumed')
    await client.ping()
    expect(news(client, romeo.jid)).toEqual(['xa', 'paused'])
    await Promise.all([romeo.close(), client.close()])
  })

  test.each(['websocket', 'bosh'] as const)('stanza over %s says that nobody looks, and that somebody does', async (over) => {
    const agent = agentOf(cluster, over)
    const seen: string[] = []
    agent.on('presence', ({ from, show }) => { if (from.startsWith('romeo@')) seen.push(show) })
    const started = new Promise<void>((done) => { agent.on('session:started', () => { done() }) })
    agent.connect()
    if (over === 'bosh') inOrder(agent)
    await started
    agent.sendPresence()
    await agent.ping()
    await agent.send('csi', { state: 'inactive' })
    await agent.ping()
    const romeo = await cluster.login(0, 'romeo')
    await enableSm(romeo)
    for (const show of ['away', 'dnd', 'xa']) romeo.write(`<presence to='${agent.jid}'><show>${show}</show></presence>`)
    await handledBy(romeo, 3)
    await agent.send('csi', { state: 'active' })
    await agent.ping()
    expect(seen).toEqual(['xa'])
    const gone = new Promise<void>((done) => { agent.on('disconnected', () => { done() }) })
    agent.disconnect()
    await gone
    await romeo.close()                                                  // not before: what comes with the end trips the library over BOSH
  })
})

interface Agent {
  readonly jid: string
  readonly transport?: unknown
  on(event: 'presence', listener: (presence: { readonly from: string, readonly show: string }) => void): void
  on(event: 'session:started' | 'disconnected', listener: () => void): void
  connect(): void
  disconnect(): void
  ping(): Promise<void>
  sendPresence(): void
  /** Its own `markInactive` says nothing: it waits for a feature that it does not parse (12.22.1). */
  send(kind: 'csi', state: { readonly state: 'active' | 'inactive' }): Promise<void>
}

function agentOf(cluster: Cluster, over: 'websocket' | 'bosh'): Agent {
  const { createClient } = createRequire(import.meta.url)('stanza') as { createClient(options: object): Agent }
  const { http } = cluster.node(1).ports
  return createClient({
    jid: 'nurse@localhost', password: 'secret', server: 'localhost', autoReconnect: false,
    transports: {
      websocket: over === 'websocket' && `ws://localhost:${http}/xmpp-websocket`, bosh: over === 'bosh' && `http://localhost:${http}/http-bind`
    }
  })
}
