/** RFC 6121 §8.5 on one, two and three nodes, with both strategies: who gets a stanza, and what the sender hears. */
import { beforeEach, describe, expect, test } from '@jest/globals'
import offline from '../../src/plugins/offline.js'
import ping from '../../src/plugins/ping.js'
import { FakeNet, type FakeNode, type StrategyName } from './fake-net.js'
import type { FakeSession } from './fake-session.js'

const ACCOUNTS = ['romeo@im.test', 'juliet@im.test']
const TYPES = ['normal', 'chat', 'groupchat', 'headline', 'error'] as const
const CLUSTERS: readonly (readonly [StrategyName, readonly string[]])[] = [
  ['broadcast', ['a']], ['broadcast', ['a', 'b']], ['broadcast', ['a', 'b', 'c']], ['caching', ['a', 'b', 'c']]
]
const BOUNCED = 'bounced'

describe.each(CLUSTERS)('%s on %j', (strategy, names) => {
  let net: FakeNet
  let romeo: FakeSession
  const last = (): FakeNode => net.node(names[names.length - 1] ?? 'a')

  beforeEach(async () => {
    net = new FakeNet(strategy, names, [ping, offline], ACCOUNTS)
    romeo = await net.node('a').rig.binds('romeo@im.test/orchard', '<presence/>')
    await net.settle()
    romeo.got()
  })

  const juliet = async (resource: string, presence?: string): Promise<FakeSession> => {
    const session = await last().rig.binds(`juliet@im.test/${resource}`, presence)
    await net.settle()
    session.got()
    return session
  }

  /** What became of it: who got it, `stored` rows, `bounced` or nothing. */
  const fate = async (xml: string, devices: Readonly<Record<string, FakeSession>>): Promise<readonly string[]> => {
    await net.node('a').rig.sends(romeo, xml)
    await net.settle()
    const takers = Object.entries(devices).filter(([, device]) => device.got().length > 0).map(([name]) => name)
    const account = await net.store.accounts.find((await import('../../src/xmpp/jid.js')).parseJid('juliet@im.test'))
    const rows = account === undefined ? [] : await net.store.offline.read(account)
    const errors = romeo.got()
    expect(errors.filter((line) => !line.includes("type='cancel'><service-unavailable"))).toEqual([])
    expect(errors.length).toBeLessThan(2)
    expect(romeo.h).toBe(romeo.index)
    if (account !== undefined) await net.store.offline.remove(account, rows.map((row) => row.row))
    return [...takers, ...(rows.length > 0 ? ['stored'] : []), ...(errors.length > 0 ? [BOUNCED] : [])]
  }

  const table = async (to: string, devices: Readonly<Record<string, FakeSession>>): Promise<object> => {
    const fates: Record<string, readonly string[]> = {}
    for (const type of TYPES) fates[type] = await fate(`<message type='${type}' to='${to}'><body>hi</body></message>`, devices)
    return fates
  }

  test('§8.5.1: no such user: messages are answered, headlines and errors are not, nor any presence (T05, T06, T27)', async () => {
    const bounced = { normal: [BOUNCED], chat: [BOUNCED], groupchat: [BOUNCED], headline: [], error: [] }
    expect(await table('nobody@im.test', {})).toEqual(bounced)
    expect(await table('nobody@im.test/x', {})).toEqual({ ...bounced, headline: [BOUNCED] })     // like a device that is not there
    for (const type of ['', 'unavailable', 'subscribe', 'subscribed', 'unsubscribe', 'unsubscribed']) {
      const xml = type === '' ? "<presence to='nobody@im.test'/>" : `<presence type='${type}' to='nobody@im.test'/>`
      expect(await fate(xml, {})).toEqual([])
    }
  })

  test('§8.5.2.2: no resources: normal and chat are stored, groupchat is answered, headline and error ignored', async () => {
    expect(await table('juliet@im.test', {})).toEqual(
      { normal: ['stored'], chat: ['stored'], groupchat: [BOUNCED], headline: [], error: [] })
  })

  test('§8.5.3.2: no such resource: chat follows the rules of the bare JID, the rest is answered', async () => {
    expect(await table('juliet@im.test/gone', {})).toEqual(
      { normal: [BOUNCED], chat: ['stored'], groupchat: [BOUNCED], headline: [BOUNCED], error: [] })
    const balcony = await juliet('balcony', '<presence/>')
    expect(await table('juliet@im.test/gone', { balcony })).toEqual(
      { normal: [BOUNCED], chat: ['balcony'], groupchat: [BOUNCED], headline: [BOUNCED], error: [] })
  })

  test('§8.5.2.1: a negative priority takes nothing for the bare JID and everything for its own', async () => {
    const crypt = await juliet('crypt', '<presence><priority>-1</priority></presence>')
    expect(await table('juliet@im.test', { crypt })).toEqual(
      { normal: ['stored'], chat: ['stored'], groupchat: [BOUNCED], headline: [], error: [] })
    expect(await table('juliet@im.test/crypt', { crypt })).toEqual(
      { normal: ['crypt'], chat: ['crypt'], groupchat: ['crypt'], headline: ['crypt'], error: ['crypt'] })
  })

  test('§8.5.2.1.1: all resources with a non-negative priority get it, with the bare address', async () => {
    const balcony = await juliet('balcony', '<presence/>')
    const chamber = await juliet('chamber', '<presence><priority>5</priority></presence>')
    const crypt = await juliet('crypt', '<presence><priority>-1</priority></presence>')
    const connected = await juliet('connected')
    const both = ['balcony', 'chamber']
    expect(await table('juliet@im.test', { balcony, chamber, crypt, connected })).toEqual(
      { normal: both, chat: both, groupchat: [BOUNCED], headline: both, error: [] })
    await net.node('a').rig.sends(romeo, "<message to='juliet@im.test'><body>hi</body></message>")
    await net.settle()
    expect(balcony.got()).toEqual(['message romeo@im.test/orchard > juliet@im.test <body>hi</body>'])
  })

  test('§8.5.3.1: a connected resource gets what is for it; §8.5.2.1.2: presence for the bare JID is for available ones', async () => {
    const connected = await juliet('connected')
    const balcony = await juliet('balcony', '<presence/>')
    const devices = { connected, balcony }
    expect(await fate("<message to='juliet@im.test/connected'><body>hi</body></message>", devices)).toEqual(['connected'])
    expect(await fate("<presence to='juliet@im.test/connected'/>", devices)).toEqual(['connected'])
    expect(await fate("<presence to='juliet@im.test'/>", devices)).toEqual(['balcony'])
    expect(await fate("<presence to='juliet@im.test/gone'/>", devices)).toEqual([])
  })

  test('§8.5.3: an IQ for a full JID reaches it or is answered; results and errors without a taker end there', async () => {
    const balcony = await juliet('balcony', '<presence/>')
    const iq = (to: string, type: string): string => `<iq id='1' type='${type}' to='${to}'><ping xmlns='urn:xmpp:ping'/></iq>`
    expect(await fate(iq('juliet@im.test/balcony', 'get'), { balcony })).toEqual(['balcony'])
    expect(await fate(iq('juliet@im.test/gone', 'get'), { balcony })).toEqual([BOUNCED])
    expect(await fate(iq('nobody@im.test/gone', 'set'), { balcony })).toEqual([BOUNCED])
    expect(await fate(iq('juliet@im.test/gone', 'result'), { balcony })).toEqual([])
    expect(await fate(iq('juliet@im.test/gone', 'error'), { balcony })).toEqual([])
    await last().rig.sends(balcony, "<iq id='1' type='result' to='romeo@im.test/orchard'/>")
    await net.settle()
    expect(romeo.got()).toEqual(['iq result juliet@im.test/balcony > romeo@im.test/orchard'])
  })

  test('§8.5.2.1.3: an IQ for a bare JID is answered by the server and reaches no device', async () => {
    const balcony = await juliet('balcony', '<presence/>')
    await net.node('a').rig.sends(romeo, "<iq id='1' type='get' to='juliet@im.test'><ping xmlns='urn:xmpp:ping'/></iq>")
    await net.settle()
    expect(romeo.got()).toEqual(['iq result juliet@im.test > romeo@im.test/orchard'])
    expect(balcony.got()).toEqual([])
  })

  test('a message to oneself reaches the own devices, the sender too (RFC 6120 §10.3.1)', async () => {
    await net.node('a').rig.sends(romeo, '<message><body>note</body></message>')
    await net.settle()
    expect(romeo.got()).toEqual(['message romeo@im.test/orchard > romeo@im.test <body>note</body>'])
  })
})
