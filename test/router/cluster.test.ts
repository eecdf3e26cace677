/**
 * What two and three nodes agree on: presence, loss, conflicts, repeats, waiting. Zero-loss design D.4, D.7b; cluster
 * design, section 5.
 */
import { describe, expect, test } from '@jest/globals'
import { broadcast, drop, plugin, push, send } from '../../src/pipeline/api.js'
import offline from '../../src/plugins/offline.js'
import ping from '../../src/plugins/ping.js'
import { REPEAT_MS } from '../../src/router/asks.js'
import { HOLD_MS } from '../../src/router/backpressure.js'
import { ordinal, type Envelope, type Verdict } from '../../src/router/envelope.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { Stanza } from '../../src/xmpp/stanza.js'
import { FakeNet } from './fake-net.js'
import type { FakeSession } from './fake-session.js'
import { quiet } from './rig.js'

const CONTACTS = Array.from({ length: 100 }, (_, i) => parseJid(`friend${i}@im.test`))
const JULIET = parseJid('juliet@im.test')

/** Presence to everybody that the tests know, without a roster. */
const gossip = plugin({
  id: 'gossip',
  presence: {
    leaving: {
      copy: (stanza, { account }) => {
        if (stanza.to !== undefined) return undefined
        return broadcast(stanza, account.jid.local === 'romeo' ? [JULIET, ...CONTACTS] : [])
      }
    },
    delivering: (stanza, device) => {
      const { from } = stanza
      if (stanza.type !== 'probe' || from === undefined || device.presence === undefined) return undefined
      return drop(send(device.presence.with({ to: from }) as Stanza & { to: typeof from }))
    }
  },
  audiences: { all: () => true }
})

const accounts = ['romeo@im.test', 'juliet@im.test', ...CONTACTS.map(String)]
const cluster = (names: readonly string[], strategy: 'broadcast' | 'caching' = 'broadcast'): FakeNet =>
  new FakeNet(strategy, names, [gossip, offline, ping], accounts)

async function online(net: FakeNet, node: string, jid: string): Promise<FakeSession> {
  const session = await net.node(node).rig.binds(jid, '<presence/>')
  await net.settle()
  session.got()
  return session
}

const say = (body: string, to = 'juliet@im.test'): string => `<message type='chat' to='${to}'><body>${body}</body></message>`

describe('presence', () => {
  test('to 101 contacts crosses as one envelope for each node, and each contact sees its own address', async () => {
    const net = cluster(['a', 'b', 'c'])
    const juliet = await online(net, 'b', 'juliet@im.test/balcony')
    const friend = await online(net, 'c', 'friend7@im.test/x')
    net.node('a').sent.length = 0
    await net.node('a').rig.binds('romeo@im.test/orchard', '<presence/>')
    const { sent } = net.node('a')
    expect(sent.map(({ to, envelope }) => [to, envelope.addressees.length, envelope.state])).toEqual([['b', 101, true], ['c', 101, true]])
    expect(sent[0]?.envelope.stanza).toBe(sent[1]?.envelope.stanza)
    await net.settle()
    expect(juliet.got()).toEqual(['presence romeo@im.test/orchard > juliet@im.test'])
    expect(friend.got()).toEqual(['presence romeo@im.test/orchard > friend7@im.test'])
  })

  test('h waits for the answers of all nodes, also for presence (I6)', async () => {
    const net = cluster(['a', 'b'])
    const romeo = await net.node('a').rig.binds('romeo@im.test/orchard', '<presence/>')
    expect(romeo.h).toBe(0)
    await net.settle()
    expect(romeo.h).toBe(1)
  })

  test('a stream that ends without unavailable has one made for it (RFC 6121 §4.5.2)', async () => {
    const net = cluster(['a', 'b'])
    const juliet = await online(net, 'b', 'juliet@im.test/balcony')
    const romeo = await online(net, 'a', 'romeo@im.test/orchard')
    juliet.got()
    romeo.close(undefined, 'connection-lost')
    await net.settle()
    expect(juliet.got()).toEqual(['presence unavailable romeo@im.test/orchard > juliet@im.test'])
  })

  test('a probe is answered by every node that has devices (D.7b)', async () => {
    const net = cluster(['a', 'b', 'c'])
    await online(net, 'a', 'juliet@im.test/one')
    await online(net, 'b', 'juliet@im.test/two')
    await online(net, 'c', 'juliet@im.test/three')
    await net.node('b').rig.binds('juliet@im.test/mute')
    const romeo = await online(net, 'a', 'romeo@im.test/orchard')
    await net.node('a').rig.sends(romeo, "<presence type='probe' to='juliet@im.test'/>")
    await net.settle()
    expect([...romeo.got()].sort()).toEqual(['one', 'three', 'two'].map((r) => `presence juliet@im.test/${r} > romeo@im.test/orchard`))
  })

  test('a push goes to the audience on every node, each device under its own address, except one', async () => {
    const net = cluster(['a', 'b'])
    const one = await online(net, 'a', 'juliet@im.test/one')
    const two = await online(net, 'b', 'juliet@im.test/two')
    const mute = await net.node('b').rig.binds('juliet@im.test/mute')
    net.node('a').rig.router.submit(push(JULIET, 'all', Stanza.of({ kind: 'iq', type: 'set', id: 'p' }), one.jid))
    await net.settle()
    expect([one.got(), two.got(), mute.got()]).toEqual([
      [], ['iq set - > juliet@im.test/two'], ['iq set - > juliet@im.test/mute']
    ])
  })
})

describe('a node is lost', () => {
  test('each device that saw a device there is told once, at the fence, by its own node', async () => {
    const net = cluster(['a', 'b', 'c'])
    const juliet = await online(net, 'b', 'juliet@im.test/balcony')
    const friend = await online(net, 'c', 'friend1@im.test/x')
    await online(net, 'a', 'romeo@im.test/orchard')
    await net.settle()
    juliet.got()
    friend.got()
    net.kill('a')
    await net.settle()
    expect([juliet.got(), friend.got()]).toEqual([[], []])
    for (const node of ['b', 'c']) net.node(node).sent.length = 0
    net.fence('a')
    await net.settle()
    expect(juliet.got()).toEqual(['presence unavailable romeo@im.test/orchard > juliet@im.test/balcony'])
    expect(friend.got()).toEqual(['presence unavailable romeo@im.test/orchard > friend1@im.test/x'])
    expect([...net.node('b').sent, ...net.node('c').sent]).toEqual([])
  })

  test('what was under way from it arrives after the fence and is dropped (I8, trap 16)', async () => {
    const net = cluster(['a', 'b'])
    const juliet = await online(net, 'b', 'juliet@im.test/balcony')
    const romeo = await online(net, 'a', 'romeo@im.test/orchard')
    await net.settle()
    juliet.got()
    void net.node('a').rig.writes(romeo, '<presence><show>away</show></presence>')
    void net.node('a').rig.writes(romeo, say('late'))
    await quiet()
    net.kill('a')
    net.fence('a')
    await net.settle()
    expect(juliet.got()).toEqual(['presence unavailable romeo@im.test/orchard > juliet@im.test/balcony'])
  })

  test('a device that has come back on another node before the fence is not shown as gone', async () => {
    const net = cluster(['a', 'b', 'c'])
    const juliet = await online(net, 'b', 'juliet@im.test/balcony')
    const friend = await online(net, 'c', 'friend1@im.test/x')
    await online(net, 'a', 'romeo@im.test/orchard')
    net.kill('a')
    await online(net, 'c', 'romeo@im.test/orchard')
    expect(juliet.got()).toHaveLength(2)
    expect(friend.got()).toHaveLength(2)
    net.fence('a')
    await net.settle()
    expect([juliet.got(), friend.got()]).toEqual([[], []])
  })

  test('that left cleanly: what it has sent still arrives, its goodbyes once', async () => {
    const net = cluster(['a', 'b'])
    const juliet = await online(net, 'b', 'juliet@im.test/balcony')
    const romeo = await online(net, 'a', 'romeo@im.test/orchard')
    juliet.got()
    await net.node('a').rig.sends(romeo, say('last words'))
    romeo.close(undefined, 'shutdown')
    await quiet()
    net.node('b').handlers?.node('left', net.node('a').ref)
    await net.settle()
    expect(juliet.got()).toEqual([
      'presence unavailable romeo@im.test/orchard > juliet@im.test/balcony',
      'message chat romeo@im.test/orchard > juliet@im.test <body>last words</body>'
    ])
  })

  test('left cleanly and started again with the same name: no ghosts, once each', async () => {
    const net = cluster(['a', 'b'])
    const juliet = await online(net, 'b', 'juliet@im.test/balcony')
    await online(net, 'a', 'romeo@im.test/orchard')
    juliet.got()
    net.kill('a')
    net.nodes.delete('a')
    net.add({ name: 'a', incarnation: 2 })        // b hears of the new life before anything else
    net.introduce('a')
    await net.settle()
    expect(juliet.got()).toEqual(['presence unavailable romeo@im.test/orchard > juliet@im.test/balcony'])
    await online(net, 'a', 'romeo@im.test/orchard')
    net.node('b').handlers?.node('lost', { name: 'a', incarnation: 1 })
    expect(juliet.got()).toEqual(['presence romeo@im.test/orchard > juliet@im.test'])
  })
})

describe('one full JID on two nodes (cluster design, section 5)', () => {
  test('the later bind survives, the other is closed with conflict, and nobody is left thinking it has gone', async () => {
    const net = cluster(['a', 'b', 'c'])
    const juliet = await online(net, 'c', 'juliet@im.test/balcony')
    const first = await online(net, 'a', 'romeo@im.test/orchard')
    net.clock.advance(10)
    const second = await online(net, 'b', 'romeo@im.test/orchard')
    expect([first.closed, second.closed]).toEqual(['conflict conflict', undefined])
    const seen = juliet.got()
    expect(seen[seen.length - 1]).toBe('presence romeo@im.test/orchard > juliet@im.test')
  })

  test('a node that missed the later bind is told when it announces an earlier one', async () => {
    const net = cluster(['a', 'b'])
    const later = await online(net, 'a', 'romeo@im.test/orchard')
    const earlier = await online(net, 'b', 'romeo@im.test/other')
    net.node('a').handlers?.bound(net.node('b').ref, later.jid, { ms: 1, count: 0 })
    await net.settle()
    expect([later.closed, earlier.closed]).toEqual([undefined, undefined])
    expect(net.node('b').rig.sessions.byFull(later.jid)).toBeUndefined()
  })
})

describe('acceptance (I5)', () => {
  const envelope = (index: number, prev: number, ask: number, view = 1): Envelope => {
    const key = { osid: 'f'.repeat(32), index, k: 0 }
    const address = parseJid('juliet@im.test')
    const stanza = Stanza.of({ kind: 'message', type: 'chat', id: `m${index}`, to: address, from: parseJid('romeo@im.test/x') })
    return {
      key, view, stanza, state: false, readdress: false, again: false,
      addressees: [{ ask, address, audience: '', except: undefined, prev: prev === 0 ? 0 : ordinal({ ...key, index: prev }), row: 0 }]
    }
  }

  test('a repeat is accepted again and given to nobody; a gap is rejected and taken by nobody', async () => {
    const net = cluster(['a', 'b'])
    const juliet = await online(net, 'b', 'juliet@im.test/balcony')
    const answers: unknown[] = []
    const a = net.node('a')
    const note = (_from: unknown, _first: number, _count: number, verdict: Verdict): unknown => answers.push(verdict.kind)
    a.handlers = { ...a.handlers, answers: note } as never
    const b = net.node('b').handlers
    b?.envelope(a.ref, envelope(1, 0, 1))
    b?.envelope(a.ref, envelope(1, 0, 2))
    b?.envelope(a.ref, envelope(3, 2, 3))
    b?.envelope(a.ref, envelope(2, 1, 4))
    b?.envelope(a.ref, envelope(3, 2, 5))
    await net.settle()
    expect(answers).toEqual(['accept', 'accept', 'reject', 'accept', 'accept'])
    expect(juliet.stanzas().map((stanza) => stanza.id)).toEqual(['m1', 'm2', 'm3'])
  })

  test('a newer view waits until this node has it, and whatever follows from that node waits behind', async () => {
    const net = cluster(['a', 'b'])
    const juliet = await online(net, 'b', 'juliet@im.test/balcony')
    const b = net.node('b')
    b.handlers?.envelope(net.node('a').ref, envelope(1, 0, 1, b.viewNo + 1))
    b.handlers?.envelope(net.node('a').ref, envelope(2, 1, 2, b.viewNo))
    expect(juliet.stanzas()).toEqual([])
    expect(b.rig.router.facts().viewWaits).toBe(2)
    b.viewNo++
    net.clock.advance(200)
    expect(juliet.stanzas().map((stanza) => stanza.id)).toEqual(['m1', 'm2'])
  })

  test('while the node may not serve nothing is accepted, and reading rests (isolation rule)', async () => {
    const net = cluster(['a', 'b'])
    const juliet = await online(net, 'b', 'juliet@im.test/balcony')
    const romeo = await online(net, 'a', 'romeo@im.test/orchard')
    juliet.got()
    const b = net.node('b')
    b.serving = false
    b.handlers?.gate(false)
    expect(juliet.gateOpen).toBe(false)
    const writing = b.rig.writes(juliet, say('hello', 'romeo@im.test'))
    await net.node('a').rig.sends(romeo, say('hi'))
    await net.settle()
    expect([juliet.got(), romeo.got(), romeo.h]).toEqual([[], [], 1])
    b.serving = true
    b.handlers?.gate(true)
    await writing
    await net.settle()
    expect(juliet.got()).toEqual(['message chat romeo@im.test/orchard > juliet@im.test <body>hi</body>'])
    expect(romeo.got()).toEqual(['message chat juliet@im.test/balcony > romeo@im.test <body>hello</body>'])
    expect(romeo.h).toBe(2)
  })
})

describe('asks (D.7b)', () => {
  test('a node that joins is asked for what is not closed', async () => {
    const net = cluster(['a', 'b'])
    const romeo = await online(net, 'a', 'romeo@im.test/orchard')
    void net.node('a').rig.writes(romeo, say('hi'))
    net.add({ name: 'c', incarnation: 1 })
    const juliet = await net.node('c').rig.binds('juliet@im.test/balcony', '<presence/>')
    net.introduce('c')
    await net.settle()
    expect(juliet.got().filter((line) => line.startsWith('message'))).toEqual(
      ['message chat romeo@im.test/orchard > juliet@im.test <body>hi</body>'])
    expect(romeo.h).toBe(2)
  })

  test('an ask that is open for 30 s is repeated under a new number; the old answer counts no more', async () => {
    const net = cluster(['a', 'b'])
    const juliet = await online(net, 'b', 'juliet@im.test/balcony')
    const romeo = await online(net, 'a', 'romeo@im.test/orchard')
    juliet.got()
    net.node('a').sent.length = 0
    await net.node('a').rig.sends(romeo, say('hi'))
    net.step('a>b route')                                  // b answers, the answer is slow
    net.clock.advance(REPEAT_MS + 10_000)
    const [first, second] = net.node('a').sent.map(({ envelope }) => envelope.addressees[0]?.ask ?? 0)
    expect(second).toBeGreaterThan(first ?? 0)
    net.step('b>a answer')
    expect(romeo.h).toBe(1)
    await net.settle()
    expect(romeo.h).toBe(2)
    expect(juliet.got()).toEqual(['message chat romeo@im.test/orchard > juliet@im.test <body>hi</body>'])
  })

  test('bare and full JID of one account: the second waits until the first is closed', async () => {
    const net = cluster(['a', 'b'])
    const juliet = await online(net, 'b', 'juliet@im.test/balcony')
    const romeo = await online(net, 'a', 'romeo@im.test/orchard')
    juliet.got()
    net.node('a').sent.length = 0
    await net.node('a').rig.sends(romeo, say('1'))
    await net.node('a').rig.sends(romeo, say('2', 'juliet@im.test/balcony'))
    await net.node('a').rig.sends(romeo, say('3'))
    expect(net.node('a').sent).toHaveLength(1)
    await net.settle()
    expect(juliet.stanzas().map((stanza) => stanza.elements()[0]?.text())).toEqual(['1', '2', '3'])
    expect(romeo.h).toBe(4)
  })

  test('with the caching strategy only the node that has the user is asked', async () => {
    const net = cluster(['a', 'b', 'c'], 'caching')
    const juliet = await online(net, 'b', 'juliet@im.test/balcony')
    const romeo = await online(net, 'a', 'romeo@im.test/orchard')
    juliet.got()
    net.node('a').sent.length = 0
    await net.node('a').rig.sends(romeo, say('hi'))
    await net.settle()
    expect(net.node('a').sent.map(({ to }) => to)).toEqual(['b'])
    expect(juliet.got()).toHaveLength(1)
  })

  test('the error of one stanza reaches its sender once, whatever number of nodes said none', async () => {
    const net = cluster(['a', 'b', 'c'])
    const romeo = await online(net, 'a', 'romeo@im.test/orchard')
    await net.node('a').rig.sends(romeo, "<message id='m' to='juliet@im.test/gone'><body>hi</body></message>")
    await net.settle()
    expect(romeo.got()).toHaveLength(1)
  })

  test('an error is never answered with an error (RFC 6120 §8.3.1)', async () => {
    const net = cluster(['a', 'b'])
    const romeo = await online(net, 'a', 'romeo@im.test/orchard')
    for (const kind of ['message', 'iq', 'presence']) {
      for (const to of ['juliet@im.test/gone', 'nobody@im.test', 'nobody@elsewhere.test', 'im.test', 'im.test/x']) {
        await net.node('a').rig.sends(romeo, `<${kind} id='e' type='error' to='${to}'><error type='cancel'/></${kind}>`)
      }
    }
    await net.settle()
    expect(romeo.got()).toEqual([])
    expect(romeo.h).toBe(16)
  })
})

describe('the end of this life', () => {
  test('what was read and not let in, what waits here and what was asked is over with it: the next life says nothing of it (I8)', async () => {
    const net = cluster(['a', 'b'])
    const romeo = await online(net, 'a', 'romeo@im.test/orchard')
    const juliet = await online(net, 'b', 'juliet@im.test/balcony')
    const a = net.node('a')
    await a.rig.sends(romeo, say('asked and not answered'))
    a.serving = false
    void a.rig.writes(romeo, say('read while the gate was shut'))
    await net.node('b').rig.sends(juliet, say('to a node that does not serve', 'romeo@im.test'))
    await net.settle()
    juliet.got()
    expect(a.rig.router.facts().parked).toBe(1)

    a.handlers?.fenced()
    net.node('b').view.delete('a')
    net.node('b').handlers?.node('lost', a.ref)
    expect(a.rig.router.facts()).toMatchObject({ open: 0, openBytes: 0, asks: 0, parked: 0, viewWaits: 0 })
    a.serving = true
    a.sent.length = 0
    a.handlers?.gate(true)
    net.clock.advance(REPEAT_MS * 2)
    await net.settle()
    expect([a.sent, juliet.got(), romeo.got()]).toEqual([[], [], []])
  })

  test('its devices are nowhere in the directory that the next life tells the others', async () => {
    const net = cluster(['a', 'b'], 'caching')
    const romeo = await online(net, 'a', 'romeo@im.test/orchard')
    const seen = (): number | undefined => net.strategyFor(net.node('b')).locate(parseJid('romeo@im.test')).devices?.length
    expect(seen()).toBe(1)
    net.node('a').rig.router.handler.ended(romeo, 'fenced', [])
    expect(seen()).toBe(0)
  })
})

describe('backpressure', () => {
  test('a full channel pauses the sender; when that lasts, senders are answered wait before anything is sent', async () => {
    const net = cluster(['a', 'b'])
    const romeo = await online(net, 'a', 'romeo@im.test/orchard')
    const a = net.node('a')
    a.room = false
    const first = a.rig.writes(romeo, say('1'))
    await quiet()
    let goesOn = false
    void Promise.resolve(first).then(() => {
      goesOn = true
    })
    net.clock.advance(HOLD_MS - 1)
    await quiet()
    expect(goesOn).toBe(false)
    net.clock.advance(1)
    await first
    a.sent.length = 0
    const second = a.rig.writes(romeo, say('2'))
    expect(a.sent).toEqual([])
    expect(romeo.got()).toEqual([
      "message error juliet@im.test > romeo@im.test/orchard <body>2</body><error type='wait'>" +
      "<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>" +
      'A node of the cluster cannot be reached</text></error>'
    ])
    a.room = true
    await net.settle()
    await second
    await net.node('a').rig.sends(romeo, say('3'))
    await net.settle()
    expect([romeo.got(), romeo.h]).toEqual([[], 4])
  })
})
