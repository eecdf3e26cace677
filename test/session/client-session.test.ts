import { describe, expect, test } from '@jest/globals'
import { slot } from '../../src/session/slot.js'
import { xml } from '../../src/xml/element.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { Stanza } from '../../src/xmpp/stanza.js'
import { bindIq, header, plainAuth, Rig, streamError } from '../stream/rig.js'
import type { Wire, WireOptions } from '../stream/wire.js'

interface Scene {
  readonly rig: Rig
  readonly wire: Wire
}

async function scene(options: WireOptions = {}): Promise<Scene> {
  const rig = new Rig()
  await rig.user('alice@im.test')
  return { rig, wire: await rig.login('alice@im.test/r1', options) }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const text = ({ handler }: Rig): readonly string[] => handler.received.map(({ stanza }) => stanza.toString())
const note = (body: string, to = 'alice@im.test/r1'): Stanza =>
  Stanza.of({ kind: 'message', from: parseJid('bob@im.test/x'), to: parseJid(to) }, xml('body', {}, body))

describe('what a client sends', () => {
  test('is stamped with its full JID and the language of the stream (RFC 6120 §8.1.2.1, §4.7.4)', async () => {
    const { rig, wire } = await scene()
    wire.says("<message to='bob@im.test' id='1' type='chat'><body>hi</body></message>")
    wire.says("<iq type='get' id='2' xml:lang='de'><x xmlns='y'/></iq>")
    expect(text(rig)).toEqual([
      "<message xmlns='jabber:client' to='bob@im.test' from='alice@im.test/r1' id='1' type='chat' xml:lang='en'><body>hi</body></message>",
      "<iq xmlns='jabber:client' from='alice@im.test/r1' id='2' type='get' xml:lang='de'><x xmlns='y'/></iq>"
    ])
    expect(rig.handler.received.map(({ index }) => index)).toEqual([1, 2])
  })

  test.each(['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed'])(
    'presence of type %s is from the bare JID (RFC 6121 §3.1.2)', async (type) => {
      const { rig, wire } = await scene()
      wire.says(`<presence to='bob@im.test' type='${type}'/><presence to='bob@im.test'/><presence type='unavailable'/>`)
      expect(rig.handler.received.map(({ stanza }) => stanza.from?.toString())).toEqual(
        ['alice@im.test', 'alice@im.test/r1', 'alice@im.test/r1'])
    })

  test.each(['alice@im.test/r1', 'alice@im.test', 'ALICE@im.test/r1'])(
    'T03: "from" %s is its own and passes (RFC 6120 §8.1.2.1)', async (from) => {
      const { rig, wire } = await scene()
      wire.says(`<message from='${from}' to='bob@im.test'/>`)
      expect(rig.handler.received.map(({ stanza }) => stanza.from?.toString())).toEqual(['alice@im.test/r1'])
    })

  test.each(['bob@im.test/x', 'alice@im.test/r2', 'im.test', 'a@@b', ''])(
    'T02, T04: "from" %j: invalid-from, and a warning (RFC 6120 §4.9.3.9)', async (from) => {
      const { rig, wire } = await scene()
      wire.says(`<message from='${from}' to='bob@im.test'/>`)
      expect(wire.take()).toMatch(streamError('invalid-from'))
      expect(rig.handler.received).toEqual([])
      expect(rig.closings()[0]).toMatchObject({ level: 'warn', fields: { condition: 'invalid-from', jid: 'alice@im.test/r1' } })
    })

  test.each(['@im.test', 'a@', 'a@b@c', 'im.test/', ''])(
    'T01: "to" %j goes to the handler as malformed, counted like any stanza (RFC 6120 §8.3.3.8)', async (to) => {
      const { rig, wire } = await scene()
      wire.says(`<message to='${to}' id='1' type='chat'/><message to='bob@im.test'/>`)
      expect(rig.handler.bad).toEqual([`message 1 chat ${to}`])
      expect(rig.handler.received.map(({ index }) => index)).toEqual([2])
    })

  test('X39: elements of streams inside a stanza: not-acceptable, and nothing of it goes on (RFC 6120 §8.4)', async () => {
    const { rig, wire } = await scene()
    wire.says(`<message to='bob@im.test' id='m1'><stream:stream xmlns:stream='http://etherx.jabber.org/streams'/></message>`)
    expect(wire.take()).toMatch(/^<message to='alice@im.test\/r1' from='bob@im.test' id='m1' type='error'><error type='modify'><not-acceptable /)
    expect(rig.handler.received).toEqual([])
  })

  test('T21: an id of 2000 characters: bad-request, the id mirrored; an error is not answered (RFC 6120 §8.3.1)', async () => {
    const { rig, wire } = await scene()
    const id = 'i'.repeat(2000)
    wire.says(`<message to='bob@im.test' id='${id}'/>`)
    expect(wire.take()).toMatch(new RegExp(
      `^<message to='alice@im.test/r1' from='bob@im.test' id='${id}' type='error'><error type='modify'><bad-request `))
    wire.says(`<message to='bob@im.test' id='${id}' type='error'/><iq to='bob@im.test' id='${id}' type='result'/>`)
    expect(wire.take()).toBe('')
    expect(rig.handler.received).toEqual([])
  })

  test.each([
    ["<foo xmlns='bar'/>", 'unsupported-stanza-type', 'S23'],
    ["<foo/>", 'unsupported-stanza-type', 'an unknown kind'],
    ["<message xmlns='jabber:server' to='bob@im.test'/>", 'invalid-namespace', 'S37'],
    ["<message xmlns='jabber:client ' to='bob@im.test'/>", 'unsupported-stanza-type', 'X44'],
    ["<foo:message xmlns:foo='jabber:client' to='bob@im.test'/>", 'bad-namespace-prefix', 'X48'],
    ["<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>", 'policy-violation', 'L28']
  ])('%s: %s (%s), never routed (RFC 6120 §4.8)', async (element, condition) => {
    const { rig, wire } = await scene()
    wire.says(element)
    expect(wire.take()).toMatch(streamError(condition))
    expect(rig.handler.received).toEqual([])
  })

  test('T23: a stanza without a namespace in a frame: unsupported-stanza-type (RFC 7395 §3.3.3)', async () => {
    const { rig, wire } = await scene({ kind: 'websocket' })
    wire.says("<message to='bob@im.test'/>")
    expect(wire.take()).toMatch(streamError('unsupported-stanza-type'))
    expect(rig.handler.received).toEqual([])
  })
})

describe('one at a time', () => {
  test('the next stanza waits until the handler is done, and order holds', async () => {
    const { rig, wire } = await scene()
    const done: (() => void)[] = []
    rig.handler.onReceive = () => new Promise((resolve) => done.push(resolve))
    wire.says("<message id='1'/><message id='2'/>")
    wire.says("<message id='3'/>")
    const ids = (): readonly (string | undefined)[] => rig.handler.received.map(({ stanza }) => stanza.id)
    expect(ids()).toEqual(['1'])
    done[0]?.()
    await turn()
    expect(ids()).toEqual(['1', '2'])
    done[1]?.()
    await turn()
    expect(ids()).toEqual(['1', '2', '3'])
  })

  test('a handler that rejects is a bug of ours: the stream ends', async () => {
    const { rig, wire } = await scene()
    rig.handler.onReceive = () => Promise.reject(new TypeError('a bug'))
    wire.says("<message id='1'/>")
    expect(await wire.until(/<\/stream:stream>/)).toMatch(streamError('internal-server-error'))
    expect(rig.lines.map(({ event }) => event)).toContain('session.failed')
  })

  test('answers may come in any order; "handled" grows as far as none is missing', async () => {
    const { rig, wire } = await scene()
    rig.handler.onReceive = () => {}
    wire.says('<message/><message/><message/>')
    const session = rig.session('alice@im.test/r1') as { handled(index: number): void; readonly h?: number } & object
    session.handled(3)
    session.handled(1)
    expect(session.h).toBe(1)
    session.handled(2)
    expect(session.h).toBe(3)
    session.handled(2)
    expect(session.h).toBe(3)
  })

  test('reading rests while 512 stanzas wait for their answers, and goes on when half of them have come', async () => {
    const { rig, wire } = await scene()
    rig.handler.onReceive = () => {}
    wire.says('<message/>'.repeat(600))
    expect(rig.handler.received).toHaveLength(512)
    for (let index = 1; index <= 255; index++) rig.session('alice@im.test/r1').handled(index)
    expect(rig.handler.received).toHaveLength(512)
    rig.session('alice@im.test/r1').handled(256)
    expect(rig.handler.received).toHaveLength(600)
  })
})

describe('what a client gets', () => {
  test('is written in the form of its transport, pushes with its own address (RFC 7395 §3.3.3)', async () => {
    const { rig, wire } = await scene()
    rig.session('alice@im.test/r1').deliver(note('hi', 'alice@im.test'))
    rig.session('alice@im.test/r1').deliver(note('hi', 'alice@im.test'), parseJid('alice@im.test/r1'))
    expect(wire.take()).toBe("<message to='alice@im.test' from='bob@im.test/x'><body>hi</body></message>" +
      "<message to='alice@im.test/r1' from='bob@im.test/x'><body>hi</body></message>")
    const framed = await scene({ kind: 'websocket' })
    framed.rig.session('alice@im.test/r1').deliver(note('hi'))
    expect(framed.wire.take()).toMatch(/^<message xmlns='jabber:client' /)
  })

  test('comes after the bind result, whenever it was sent', async () => {
    const rig = new Rig()
    await rig.user('alice@im.test')
    rig.handler.onBound = async (session) => void session.deliver(note('early'))
    const wire = rig.connect()
    wire.says(header(wire) + plainAuth('alice') + header(wire) + bindIq('r1'))
    expect(await wire.until(/early/)).toMatch(/<jid>alice@im.test\/r1<\/jid><\/bind><\/iq><message .*early/)
  })

  test('nothing after the end', async () => {
    const { rig, wire } = await scene()
    const session = rig.session('alice@im.test/r1')
    wire.says('</stream:stream>')
    wire.take()
    expect(session.deliver(note('late'))).toBe(true)
    expect(wire.take()).toBe('')
  })
})

describe('a slow client', () => {
  const fill = ({ rig, wire }: Scene, bytes: number): void => {
    wire.pendingBytes = bytes
    void rig.session('alice@im.test/r1').deliver(note('x'))
  }

  test('that takes nothing for 10 s while much waits: resource-constraint, slow-reader', async () => {
    const stage = await scene()
    fill(stage, 2000)
    stage.rig.clock.advance(9_000)
    expect(stage.wire.ended).toBe(false)
    stage.rig.clock.advance(1_500)
    expect(stage.wire.take()).toMatch(streamError('resource-constraint'))
    expect(stage.rig.handler.over).toEqual([{ jid: 'alice@im.test/r1', reason: 'slow-reader' }])
  })

  test('that takes something each time may be as slow as it likes', async () => {
    const stage = await scene()
    fill(stage, 3000)
    for (const waiting of [2900, 2800, 2000, 1500]) {
      stage.wire.pendingBytes = waiting
      stage.rig.clock.advance(10_500)
    }
    expect(stage.wire.ended).toBe(false)
  })

  test('what is added meanwhile is no progress', async () => {
    const stage = await scene()
    fill(stage, 2000)
    fill(stage, 2014)                                     // <body>x</body> more, nothing taken
    stage.rig.clock.advance(10_500)
    expect(stage.wire.ended).toBe(true)
  })

  test('may fall behind as long as it takes some of it', async () => {
    const stage = await scene()
    fill(stage, 2000)
    fill(stage, 2009)                                     // 14 bytes more, 5 taken
    stage.rig.clock.advance(10_500)
    expect(stage.wire.ended).toBe(false)
  })

  test('for which far too much waits is closed at once', async () => {
    const stage = await scene()
    fill(stage, 8193)
    expect(stage.wire.take()).toMatch(streamError('resource-constraint'))
  })

  test('E.3 for which much waits holds up whoever sends to it until it has taken some, or for a second', async () => {
    const stage = await scene()
    const { rig, wire } = stage
    const session = rig.session('alice@im.test/r1')
    expect(session.room()).toBeUndefined()
    fill(stage, 1025)
    let gone = 0
    void session.room()?.then(() => gone++)
    wire.drain()
    await Promise.resolve()
    expect([gone, session.room()]).toEqual([1, undefined])
    fill(stage, 1025)
    void session.room()?.then(() => gone++)
    rig.clock.advance(999)
    await Promise.resolve()
    expect(gone).toBe(1)
    rig.clock.advance(1)
    await Promise.resolve()
    expect(gone).toBe(2)
  })

  test('that has caught up is not watched any more', async () => {
    const stage = await scene()
    fill(stage, 2000)
    stage.wire.drain()
    stage.rig.clock.advance(60_000)
    expect(stage.wire.ended).toBe(false)
    expect(stage.rig.wheel.size).toBe(1)                                // the look at who is silent
  })
})

describe('the gate', () => {
  test('while shut nothing is read and nothing written; then everything, in order', async () => {
    const { rig, wire } = await scene()
    rig.sessions.gate(false)
    wire.says("<message id='1'/>")
    rig.session('alice@im.test/r1').deliver(note('one'))
    rig.session('alice@im.test/r1').deliver(note('two'))
    expect(rig.handler.received).toEqual([])
    expect(wire.take()).toBe('')
    rig.sessions.gate(true)
    expect(wire.take()).toMatch(/one.*two/)
    expect(rig.handler.received).toHaveLength(1)
  })

  test('a close while it is shut writes nothing', async () => {
    const { rig, wire } = await scene()
    rig.sessions.gate(false)
    rig.sessions.closeAccount(parseJid('alice@im.test'), 'account-removed', rig.clock.now())
    expect(wire.take()).toBe('')
    expect(wire.destroyed).toBe(true)
    expect(rig.handler.over).toEqual([{ jid: 'alice@im.test/r1', reason: 'account-removed' }])
  })

  test('a connection that comes while it is shut, or has not logged in, is not read either', async () => {
    const { rig } = await scene()
    const early = rig.connect()
    rig.sessions.gate(false)
    const late = rig.connect()
    for (const wire of [early, late]) {
      expect(wire.paused).toBe(true)
      expect(wire.take()).toBe('')
    }
    rig.sessions.gate(true)
    expect([early.paused, late.paused]).toEqual([false, false])
  })

  test('what may wait behind it is bounded', async () => {
    const { rig, wire } = await scene()
    rig.sessions.gate(false)
    const session = rig.session('alice@im.test/r1')
    for (let i = 0; i < 9; i++) session.deliver(note('x'.repeat(1000)))
    expect(wire.destroyed).toBe(true)
    expect(rig.handler.over).toEqual([{ jid: 'alice@im.test/r1', reason: 'isolated' }])
  })
})

describe('a device', () => {
  test('keeps presence, priority and slots, each slot with its start value', async () => {
    const { rig } = await scene()
    const session = rig.session('alice@im.test/r1')
    const mood = slot('mood', 'calm')
    expect([session.get(mood), session.presence, session.priority]).toEqual(['calm', undefined, undefined])
    session.set(mood, 'glad')
    const presence = Stanza.of({ kind: 'presence' })
    session.setPresence(presence, 5)
    expect([session.get(mood), session.presence, session.priority]).toEqual(['glad', presence, 5])
  })

  test('knows who and where it is', async () => {
    const { rig } = await scene()
    const session = rig.session('alice@im.test/r1')
    expect(session).toMatchObject({ secure: true, address: '192.0.2.7' })
    expect(session.account).toEqual({ id: 1, jid: parseJid('alice@im.test') })    // no keys
    expect(session.session).toMatch(/^[0-9a-f]{32}$/)
  })
})
