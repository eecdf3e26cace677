/** Phones that lose their network, on two real nodes: sender on one, receiver on the other (XEP-0198). */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { freshDatabase } from '../databases.js'
import type { TestClient } from '../support/client.js'
import { Cluster, type StrategyName } from '../support/cluster.js'
import { enableSm, handledBy, resumeSm } from '../support/stream-management.js'

const texts = (from: number, to: number): readonly string[] => Array.from({ length: to - from }, (_, i) => `line ${from + i}`)

describe.each<[StrategyName]>([['broadcast'], ['online-users-caching']])('two nodes with %s', (strategy) => {
  let cluster: Cluster

  beforeAll(async () => {
    const accounts = ['romeo', 'juliet', 'nurse', 'tybalt', 'mercutio', 'paris']
    cluster = await Cluster.of({ nodes: 2, database: await freshDatabase('sqlite'), strategy, accounts })
  }, 60_000)
  afterAll(() => cluster.end())

  const port = (n: number): number => cluster.node(n).ports.c2s
  const says = (client: TestClient, to: string, lines: readonly string[]): void => {
    for (const line of lines) client.write(`<message to='${to}' type='chat'><body>${line}</body></message>`)
  }
  const cut = async (client: TestClient): Promise<void> => {
    client.cut()
    await client.gone()
  }

  test('messages go on while the receiver is cut off ten times: none lost, none twice, in order; every one acknowledged (§4, §5)', async () => {
    const romeo = await cluster.login(0, 'romeo', { resource: 'balcony' })
    await enableSm(romeo)
    let juliet = await cluster.login(1, 'juliet', { resource: 'chamber' })
    const id = await enableSm(juliet)
    const to = juliet.jid
    const got: string[] = []
    for (let round = 0; round < 10; round++) {
      says(romeo, to, texts(round * 20, round * 20 + 10))
      await juliet.message(`line ${round * 20 + 7}`)
      await cut(juliet)
      got.push(...bodiesOf(juliet, got.length, round * 20 + 7))
      says(romeo, to, texts(round * 20 + 10, round * 20 + 20))
      const { client, answer } = await resumeSm(port(1), 'juliet', { id, h: juliet.stanzas })
      expect(answer.name).toBe('resumed')
      juliet = client
      await juliet.next((e) => e.getChildText('body') === `line ${round * 20 + 19}`)
      got.push(...juliet.takeBodies(), `line ${round * 20 + 19}`)
    }
    expect(got).toEqual(texts(0, 200))
    await handledBy(romeo, 200)
    await Promise.all([romeo.close(), cut(juliet)])
  })

  /** What is in the inbox, with the one that `message` took out of its place. */
  function bodiesOf(client: TestClient, _seen: number, taken: number): readonly string[] {
    const rest = client.takeBodies()
    const numbers = [...rest, `line ${taken}`].map((line) => Number(line.slice(5))).sort((a, b) => a - b)
    expect(rest.map((line) => Number(line.slice(5)))).toEqual(numbers.filter((number) => number !== taken))
    return numbers.map((number) => `line ${number}`)
  }

  test('the sender that is cut off sends again what was not acknowledged: nothing comes twice (I6)', async () => {
    const nurse = await cluster.login(1, 'nurse', { resource: 'hall' })
    let tybalt = await cluster.login(0, 'tybalt', { resource: 'street' })
    const id = await enableSm(tybalt)
    const sent: string[] = []
    for (let round = 0; round < 10; round++) {
      const lines = texts(round * 10, round * 10 + 10)
      sent.push(...lines)
      says(tybalt, nurse.jid, lines)
      if (round % 2 === 0) await nurse.next((e) => e.getChildText('body') === lines[4])
      await cut(tybalt)
      const { client, answer } = await resumeSm(port(0), 'tybalt', { id, h: tybalt.stanzas })
      tybalt = client
      const h = Number(answer.attrs['h'])
      says(tybalt, nurse.jid, sent.slice(h))
      await handledBy(tybalt, sent.length)
    }
    await nurse.ping()
    const numbers = nurse.takeBodies().map((line) => Number(line.slice(5)))
    expect(new Set(numbers).size).toBe(numbers.length)
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
    expect(numbers.length).toBe(100 - 5)                  // five were waited for one by one
    await Promise.all([nurse.close(), tybalt.close()])
  })

  test('who does not come back in time finds the messages at the next login, on any node, with their time; resuming says h (§4, §5)', async () => {
    const romeo = await cluster.login(0, 'romeo')
    const mercutio = await cluster.login(1, 'mercutio', { resource: 'inn' })
    const id = await enableSm(mercutio, 1)
    says(mercutio, romeo.jid, ['hello'])
    await romeo.message('hello')
    await cut(mercutio)
    says(romeo, 'mercutio@localhost', texts(0, 3))
    await cluster.accounts.stored('mercutio', 'localhost', 3)
    const { client, answer } = await resumeSm(port(1), 'mercutio', { id, h: mercutio.stanzas })
    expect([answer.name, answer.attrs['h'], answer.getChildElements()[0]?.name]).toEqual(['failed', '1', 'item-not-found'])
    await client.close()
    const again = await cluster.login(0, 'mercutio')
    const last = await again.message('line 2')
    expect(last.getChildren('delay', 'urn:xmpp:delay')).toHaveLength(1)
    expect(again.takeBodies()).toEqual(['line 0', 'line 1'])
    await Promise.all([romeo.close(), again.close()])
  }, 30_000)

  test('a node that is stopped stores what its devices have not acknowledged before it goes', async () => {
    const romeo = await cluster.login(0, 'romeo')
    const paris = await cluster.login(1, 'paris', { resource: 'tomb' })
    await enableSm(paris)
    await cut(paris)
    says(romeo, 'paris@localhost/tomb', texts(0, 50))
    await romeo.ping()
    await cluster.node(1).stop()
    const again = await cluster.login(0, 'paris')
    await again.message('line 49')
    expect(again.takeBodies()).toEqual(texts(0, 49))
    await Promise.all([romeo.close(), again.close()])
  }, 60_000)
})
