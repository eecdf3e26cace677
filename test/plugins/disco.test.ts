import { beforeEach, describe, expect, test } from '@jest/globals'
import blocking from '../../src/plugins/blocking.js'
import caps from '../../src/plugins/caps.js'
import disco from '../../src/plugins/disco.js'
import ping from '../../src/plugins/ping.js'
import presence from '../../src/plugins/presence.js'
import roster from '../../src/plugins/roster.js'
import subscription from '../../src/plugins/subscription.js'
import { verificationString } from '../../src/rules/caps.js'
import { pluginBench, type Bench, type BenchDevice } from './bench.js'

const plugins = [blocking, caps, disco, ping, presence, roster, subscription]
const INFO = 'http://jabber.org/protocol/disco#info'
const ITEMS = 'http://jabber.org/protocol/disco#items'
const info = (node?: string): string => `<query xmlns='${INFO}'${node === undefined ? '' : ` node='${node}'`}/>`
const items = (node?: string): string => `<query xmlns='${ITEMS}'${node === undefined ? '' : ` node='${node}'`}/>`
let bench: Bench
let romeo: BenchDevice
let juliet: BenchDevice

beforeEach(async () => {
  bench = await pluginBench(plugins, ['romeo@im.test', 'juliet@im.test'])
  romeo = await bench.binds('romeo@im.test/orchard', '<presence/>')
  juliet = await bench.binds('juliet@im.test/balcony', '<presence/>')
})

/** Romeo may see Juliet's presence, not the other way round. */
async function entitle(): Promise<void> {
  await romeo.sends("<presence to='juliet@im.test' type='subscribe'/>")
  await juliet.sends("<presence to='romeo@im.test' type='subscribed'/>")
}

describe('XEP-0030 §3, §4: the server', () => {
  test('says who it is and what all plugins declare', async () => {
    const answer = await romeo.asks('get', 'im.test', info())
    expect(answer).toContain("<identity category='server' type='im' name='Starling'/>")
    for (const feature of [INFO, ITEMS, 'urn:xmpp:ping', 'urn:xmpp:blocking', 'http://jabber.org/protocol/caps']) {
      expect(answer).toContain(`<feature var='${feature}'/>`)
    }
  })

  test('has no items', async () => {
    expect(await romeo.asks('get', 'im.test', items())).toBe(`<query xmlns='${ITEMS}'/>`)
  })

  test('§7, Q17: knows no nodes', async () => {
    expect(await romeo.asks('get', 'im.test', info('x'))).toBe('cancel/item-not-found')
    expect(await romeo.asks('get', 'im.test', items('x'))).toBe('cancel/item-not-found')
    expect(await romeo.asks('get', '', info('x'))).toBe('cancel/item-not-found')
  })

  test('sets are not for discovery', async () => {
    expect(await romeo.asks('set', 'im.test', info())).toBe('cancel/service-unavailable')
  })
})

describe('XEP-0030 §8: accounts', () => {
  test('show themselves to their owner, with and without an address', async () => {
    for (const to of ['', 'romeo@im.test']) {
      const answer = await romeo.asks('get', to, info())
      expect(answer).toContain("<identity category='account' type='registered'/>")
      expect(answer).toContain("<feature var='urn:xmpp:ping'/>")
    }
    expect(await romeo.asks('get', 'romeo@im.test', items())).toBe(`<query xmlns='${ITEMS}'/>`)
  })

  test('and to those who may see their presence', async () => {
    await entitle()
    expect(await romeo.asks('get', 'juliet@im.test', info())).toContain("type='registered'")
    expect(await romeo.asks('get', 'juliet@im.test', info('x'))).toBe('cancel/item-not-found')
    expect(await romeo.asks('get', 'juliet@im.test', items('x'))).toBe('cancel/item-not-found')
    expect(await juliet.asks('get', 'romeo@im.test', info())).toBe('cancel/service-unavailable')
  })

  test.each([
    ['info', info()], ['info of a node (Q17)', info('x')], ['items (Q39)', items()], ['items of a node', items('x')]
  ])('strangers cannot tell an account from one that is not there: %s', async (_what, payload) => {
    const answers: string[] = []
    for (const who of ['juliet', 'nobody']) {
      romeo.stanzas()
      await romeo.sends(`<iq type='get' id='q' to='${who}@im.test'>${payload}</iq>`)
      answers.push(romeo.got().join().replaceAll(who, 'X'))
    }
    expect(answers[0]).not.toBe('')
    expect(answers[0]).toBe(answers[1])
    expect(answers[0]).toContain(payload.includes(ITEMS) ? 'iq result' : 'service-unavailable')
  })
})

describe('XEP-0115: the server\'s own capabilities', () => {
  const advertised = (): Record<string, string> => caps.streamFeatures?.(bench.server)[0]?.attrs as Record<string, string>

  test('§5.2: the hash of the simple example', () => {
    const features = ['http://jabber.org/protocol/disco#info', 'http://jabber.org/protocol/disco#items',
      'http://jabber.org/protocol/muc', 'http://jabber.org/protocol/caps']
    expect(verificationString([{ category: 'client', type: 'pc', name: 'Exodus 0.9.1' }], features)).toBe('QgayPKawpkPSDYmwT/WM94uAlu0=')
  })

  test('§6.2, §6.3: what the stream features tell is what the node says', async () => {
    const { node, ver, hash } = advertised()
    expect(hash).toBe('sha-1')
    const answer = await romeo.asks('get', 'im.test', info(`${node}#${ver}`))
    expect(answer).toContain(`node='${node}#${ver}'`)
    const identities = [...answer.matchAll(/category='(\w+)' type='(\w+)' name='(\w+)'/g)]
      .map(([, category = '', type = '', name = '']) => ({ category, type, name }))
    const features = [...answer.matchAll(/var='([^']+)'/g)].map(([, feature = '']) => feature)
    expect(verificationString(identities, features)).toBe(ver)
  })

  test('§6.2: another hash is another server\'s', async () => {
    expect(await romeo.asks('get', 'im.test', info(`${advertised()['node']}#AAAA`))).toBe('cancel/item-not-found')
  })
})
