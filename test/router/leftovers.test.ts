/**
 * What becomes of stanzas that a device leaves unacknowledged (XEP-0198 §4; zero-loss design M7): on one node and on two,
 * with both strategies. Nothing is lost; twice comes only what nobody can know of.
 */
import { describe, expect, test } from '@jest/globals'
import { plugin, push } from '../../src/pipeline/api.js'
import offline from '../../src/plugins/offline.js'
import { parseJid } from '../../src/xmpp/jid.js'
import type { Stanza } from '../../src/xmpp/stanza.js'
import { FakeNet, type StrategyName } from './fake-net.js'
import type { FakeSession } from './fake-session.js'

const JULIET = parseJid('juliet@im.test')
const notices = plugin({
  id: 'notices',
  message: { leaving: { copy: (stanza, { account }) => [push(account.jid, 'all', stanza)] } },
  audiences: { all: () => true }
})

const NETS: readonly (readonly [StrategyName, readonly string[]])[] = [['broadcast', ['a', 'b']], ['caching', ['a', 'b']]]

function netOf(strategy: StrategyName = 'broadcast', names: readonly string[] = ['a', 'b']): FakeNet {
  return new FakeNet(strategy, names, [offline], ['romeo@im.test', 'juliet@im.test'])
}

interface How {
  readonly presence?: string
  /** Without stream management. */
  readonly plain?: true
}

async function device(net: FakeNet, node: string, jid: string, how: How = {}): Promise<FakeSession> {
  const session = await net.node(node).rig.binds(jid)
  session.managed = how.plain !== true
  await net.node(node).rig.sends(session, how.presence ?? '<presence/>')
  await net.settle()
  session.got()
  session.acknowledges()
  return session
}

const say = (body: string, to = 'juliet@im.test', type = 'chat'): string => `<message type='${type}' to='${to}'><body>${body}</body></message>`
const bodies = (stanzas: readonly Stanza[]): readonly string[] =>
  stanzas.filter(({ kind }) => kind === 'message').map((stanza) => stanza.elements().find((e) => e.is('body'))?.text() ?? '')
const stored = async (net: FakeNet): Promise<readonly string[]> => {
  const account = await net.store.accounts.find(JULIET)
  const rows = account === undefined ? [] : await net.store.offline.read(account)
  return rows.map(({ stanza }) => /<body>(.*)<\/body>/.exec(stanza)?.[1] ?? '')
}

async function ends(net: FakeNet, session: FakeSession, reason: 'timeout' | 'conflict' | 'fenced' | 'shutdown' = 'timeout'): Promise<void> {
  session.close(undefined, reason)
  await net.settle()
}

interface Scene {
  readonly net: FakeNet
  readonly romeo: FakeSession
  readonly says: (...xml: string[]) => Promise<void>
}

describe.each(NETS)('%s: what a device leaves', (strategy) => {
  const scene = async (): Promise<Scene> => {
    const net = netOf(strategy)
    const romeo = await device(net, 'a', 'romeo@im.test/x', { plain: true })
    const says = async (...stanzas: string[]): Promise<void> => {
      for (const text of stanzas) await net.node('a').rig.sends(romeo, text)
      await net.settle()
    }
    return { net, romeo, says }
  }

  test('is stored in order when there is nobody else, each once, with the time of its acceptance', async () => {
    const { net, romeo, says } = await scene()
    const juliet = await device(net, 'b', 'juliet@im.test/y')
    await says(say('1'), say('2', 'juliet@im.test/y'), say('3', 'juliet@im.test/y', 'normal'), say('4'))
    expect(romeo.h).toBe(romeo.index)
    await ends(net, juliet)
    expect(await stored(net)).toEqual(['1', '2', '3', '4'])
    const next = await device(net, 'a', 'juliet@im.test/z', { presence: '<presence><priority>-1</priority></presence>' })
    await net.node('a').rig.sends(next, '<presence/>')
    await net.settle()
    const got = next.stanzas().filter(({ kind }) => kind === 'message')
    expect(bodies(got)).toEqual(['1', '2', '3', '4'])
    expect(got.map((stanza) => stanza.children.filter(({ name }) => name === 'delay').length)).toEqual([1, 1, 1, 1])
    expect(await stored(net)).toEqual([])
    await ends(net, next)
    expect(await stored(net)).toEqual(['1', '2', '3', '4'])        // the same key again is a row again
    expect(romeo.got()).toEqual([])
  })

  test('what was acknowledged is not sent again', async () => {
    const { net, says } = await scene()
    const juliet = await device(net, 'b', 'juliet@im.test/y')
    await says(say('1'))
    juliet.acknowledges()
    await says(say('2'))
    await ends(net, juliet)
    expect(await stored(net)).toEqual(['2'])
  })

  test.each(['a', 'b'])('goes to the new device of the same resource on node %s first', async (node) => {
    const { net, says } = await scene()
    const old = await device(net, 'b', 'juliet@im.test/y')
    const other = await device(net, 'a', 'juliet@im.test/other', { presence: '<presence><priority>-1</priority></presence>' })
    await says(say('1'), say('2', 'juliet@im.test/y'))
    const next = await net.node(node).rig.binds('juliet@im.test/y')
    await net.settle()
    expect(old.closed).toBe('conflict conflict')
    expect([bodies(next.stanzas()), bodies(other.stanzas()), await stored(net)]).toEqual([['1', '2'], [], []])
    await says(say('3', 'juliet@im.test/y'))
    expect(bodies(next.stanzas())).toEqual(['3'])
  })

  test.each(['a', 'b'])('goes to another device on node %s that came later and never had it', async (node) => {
    const { net, says } = await scene()
    const juliet = await device(net, 'b', 'juliet@im.test/y')
    await says(say('1'), say('2', 'juliet@im.test/y'))
    const other = await device(net, node, 'juliet@im.test/z')
    await says(say('3'))
    expect(bodies(other.stanzas())).toEqual(['3'])
    await ends(net, juliet)
    expect(bodies(other.stanzas())).toEqual(['1', '2'])
    expect(await stored(net)).toEqual([])
  })

  test.each(['a', 'b'])('is not sent again to another device on node %s that has it', async (node) => {
    const { net, says } = await scene()
    const juliet = await device(net, 'b', 'juliet@im.test/y')
    const other = await device(net, node, 'juliet@im.test/z')
    await says(say('1'), say('2'), say('3', 'juliet@im.test/y'), say('4'))
    expect(bodies(other.stanzas())).toEqual(['1', '2', '4'])
    await ends(net, juliet)
    expect(bodies(other.stanzas())).toEqual(['3'])
    expect(await stored(net)).toEqual([])
    await ends(net, other)
    expect(await stored(net)).toEqual(['1', '2', '4', '3'])         // as it got them
  })

  test.each(['a', 'b'])('is kept once when both devices that had it are given up, the other one on node %s', async (node) => {
    const { net, says } = await scene()
    const devices = [await device(net, 'b', 'juliet@im.test/y'), await device(net, node, 'juliet@im.test/z')]
    await says(say('1'), say('2'))
    for (const one of devices) await ends(net, one)
    expect(await stored(net)).toEqual(['1', '2'])
  })

  test('is not kept when another device of this node has acknowledged it, or had no need to', async () => {
    const { net, says } = await scene()
    const juliet = await device(net, 'b', 'juliet@im.test/y')
    const other = await device(net, 'b', 'juliet@im.test/z')
    await says(say('1'))
    other.acknowledges()
    await ends(net, other)
    const plain = await device(net, 'b', 'juliet@im.test/p', { plain: true })
    await says(say('2'))
    await ends(net, plain)
    await ends(net, juliet)
    expect(await stored(net)).toEqual([])
  })

  test('a device that was away between counts as one that has not had it: rather twice than never', async () => {
    const { net, says } = await scene()
    const juliet = await device(net, 'b', 'juliet@im.test/y')
    const other = await device(net, 'a', 'juliet@im.test/z')
    await says(say('1'))
    await net.node('a').rig.sends(other, "<presence type='unavailable'/>")
    await says(say('2'))
    await net.node('a').rig.sends(other, '<presence/>')
    await says(say('3'))
    other.stanzas()
    await ends(net, juliet)
    expect(bodies(other.stanzas())).toEqual(['1', '2'])          // 1 again, 2 for the first time
  })

  test('errors and headlines for all are forgotten, those for one device answered as for one that is not there', async () => {
    const { net, romeo, says } = await scene()
    const juliet = await device(net, 'b', 'juliet@im.test/y')
    await says(say('1', 'juliet@im.test', 'headline'), say('2', 'juliet@im.test/y', 'headline'), say('3', 'juliet@im.test/y', 'groupchat'),
      say('4', 'juliet@im.test/y', 'error'))
    await ends(net, juliet)
    const answers = romeo.stanzas()
    expect(bodies(answers)).toEqual(['2', '3'])
    expect(answers.map(({ type }) => type)).toEqual(['error', 'error'])
    expect(await stored(net)).toEqual([])
  })

  test('requests are answered service-unavailable, answers and presence are forgotten (M7)', async () => {
    const { net, romeo, says } = await scene()
    const juliet = await device(net, 'b', 'juliet@im.test/y')
    await says("<iq type='get' id='q' to='juliet@im.test/y'><x xmlns='urn:x'/></iq>", "<iq type='result' id='r' to='juliet@im.test/y'/>",
      "<presence to='juliet@im.test/y'/>")
    await ends(net, juliet)
    expect(romeo.stanzas().map(({ kind, type, id, from }) => `${kind} ${type} ${id ?? ''} ${from?.toString() ?? ''}`)).toEqual(
      ['iq error q juliet@im.test/y'])
    expect(net.node('b').rig.faults).toEqual([])
  })

  test('a life that is over says nothing: the others know', async () => {
    const { net, says } = await scene()
    const juliet = await device(net, 'b', 'juliet@im.test/y')
    await says(say('1'))
    await ends(net, juliet, 'fenced')
    expect(await stored(net)).toEqual([])
  })

  test('when the node stops everything is stored before it has ended', async () => {
    const { net, says } = await scene()
    const devices = [await device(net, 'b', 'juliet@im.test/y'), await device(net, 'b', 'juliet@im.test/z')]
    await says(...Array.from({ length: 20 }, (_, i) => say(String(i))))
    for (const one of devices) one.close(undefined, 'shutdown')
    expect(net.node('b').rig.router.busy).toBe(true)
    await net.settle()
    expect(net.node('b').rig.router.busy).toBe(false)
    expect(await stored(net)).toEqual(Array.from({ length: 20 }, (_, i) => String(i)))
  })
})

test('trap 17: a copy that was meant for one device alone goes nowhere when that device is gone', async () => {
  const net = new FakeNet('broadcast', ['a'], [offline, notices], ['romeo@im.test', 'juliet@im.test'])
  const [romeo, other] = [await device(net, 'a', 'romeo@im.test/x'), await device(net, 'a', 'romeo@im.test/y')]
  await net.node('a').rig.sends(romeo, say('1'))
  await net.settle()
  expect(bodies(other.stanzas())).toEqual(['1'])
  romeo.got()
  await ends(net, other)
  expect(romeo.got()).toEqual([])
})

test('trap 4: what a device has accepted is not answered with an error because its session ends later', async () => {
  const net = netOf()
  const romeo = await device(net, 'a', 'romeo@im.test/x', { plain: true })
  const juliet = await device(net, 'b', 'juliet@im.test/y')
  await net.node('a').rig.sends(romeo, say('1', 'juliet@im.test/y', 'normal'))
  await net.settle()
  await ends(net, juliet)
  expect(romeo.got()).toEqual([])
})

test('trap 5: what is left keeps its order also while the other node is asked', async () => {
  const net = netOf()
  const romeo = await device(net, 'a', 'romeo@im.test/x', { plain: true })
  const juliet = await device(net, 'b', 'juliet@im.test/y')
  for (let i = 0; i < 50; i++) await net.node('a').rig.sends(romeo, say(String(i), 'juliet@im.test/y'))
  await net.settle()
  const other = await device(net, 'a', 'juliet@im.test/z')
  await ends(net, juliet)
  expect(bodies(other.stanzas())).toEqual(Array.from({ length: 50 }, (_, i) => String(i)))
})
