import { describe, expect, test } from '@jest/globals'
import { StanzaError } from '../../src/xmpp/errors.js'
import { bindIq, header, plainAuth, Rig, streamError } from './rig.js'
import type { Wire, WireOptions } from './wire.js'

const STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
const FAILURE = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"
const SESSION = "<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>"
const PLAIN_TCP: WireOptions = { secure: false, canStartTls: true }
const idOf = (text: string): string => / id='([0-9a-f]{32})'/.exec(text)?.[1] ?? ''

async function rigWithAlice(): Promise<Rig> {
  const rig = new Rig()
  await rig.user('alice@im.test')
  await rig.user('bob@im.test')
  return rig
}

function opened(rig: Rig, options: WireOptions = {}): Wire {
  const wire = rig.connect(options)
  wire.says(header(wire))
  wire.take()
  return wire
}

/** Logged in, the new header not yet sent. */
async function authenticated(rig: Rig, options: WireOptions = {}): Promise<Wire> {
  const wire = opened(rig, options)
  wire.says(plainAuth('alice'))
  await wire.until(/<success/)
  return wire
}

/** Logged in, the new header answered. */
async function unbound(rig: Rig): Promise<Wire> {
  const wire = await authenticated(rig)
  wire.says(header(wire))
  wire.take()
  return wire
}

describe('STARTTLS', () => {
  test('<proceed/>, then a new stream with a new id and without the offer (RFC 6120 §5.4.2.3, §5.4.3.3)', async () => {
    const wire = (await rigWithAlice()).connect(PLAIN_TCP)
    wire.says(header(wire))
    const before = wire.take()
    wire.says(STARTTLS)
    expect(await wire.until(/proceed/)).toBe("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    await Promise.resolve()
    wire.says(header(wire))
    const after = wire.take()
    expect(idOf(after)).not.toBe(idOf(before))
    expect(after).not.toContain('starttls')
    expect(after).toContain('<mechanism>PLAIN</mechanism>')
  })

  test('S19: on a TLS stream: failure, end of the stream (RFC 6120 §5.4.2.2)', async () => {
    const wire = opened(await rigWithAlice())
    wire.says(STARTTLS)
    expect(wire.take()).toBe(FAILURE)
    expect(wire.ended).toBe(true)
  })

  test('a malformed command: the same (RFC 6120 §5.4.2.2)', async () => {
    const wire = opened(await rigWithAlice(), PLAIN_TCP)
    wire.says("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    expect(wire.take()).toBe(FAILURE)
  })

  test('S42: when TLS fails the connection goes without a closing tag (RFC 6120 §5.4.3.2)', async () => {
    const rig = await rigWithAlice()
    const wire = opened(rig, { ...PLAIN_TCP, tls: () => Promise.reject(new Error('no shared cipher')) })
    wire.says(STARTTLS)
    await new Promise((resolve) => setImmediate(resolve))
    expect(wire.take()).not.toContain('</stream:stream>')
    expect(wire.destroyed).toBe(true)
    expect(rig.closings().map(({ fields }) => [fields['reason'], fields['detail']])).toEqual([['tls-failed', 'no shared cipher']])
  })
})

describe('before authentication', () => {
  test.each([
    ["<message to='bob@im.test'><body>x</body></message>", 'S15: a message', 'not-authorized'],
    [bindIq('r1'), 'S16: bind', 'not-authorized'],
    [SESSION, 'the legacy session', 'not-authorized'],
    ["<compress xmlns='http://jabber.org/protocol/compress'/>", 'S20: compression', 'unsupported-stanza-type'],
    ["<foo xmlns='bar'/>", 'S23: something else', 'unsupported-stanza-type'],
    ["<message xmlns='jabber:server' to='bob@im.test'/>", 'S37: a server stanza', 'invalid-namespace']
  ])('%s (%s): %s (RFC 6120 §4.3.5, §4.8)', async (text, _name, condition) => {
    const wire = opened(await rigWithAlice())
    wire.says(text)
    expect(wire.take()).toMatch(streamError(condition))
    expect(wire.ended).toBe(true)
  })

  test('S30: a header and nothing more: connection-timeout at 60 s (RFC 6120 §4.6.3)', async () => {
    const rig = await rigWithAlice()
    const wire = opened(rig)
    rig.clock.advance(59_000)
    expect(wire.take()).toBe('')
    rig.clock.advance(1_500)
    expect(wire.take()).toMatch(streamError('connection-timeout'))
    expect(rig.closings()[0]?.fields).toMatchObject({ reason: 'timeout' })
  })

  test('S29: a connection that says nothing is dropped without a byte', async () => {
    const rig = await rigWithAlice()
    const wire = rig.connect()
    rig.clock.advance(61_000)
    expect(wire.destroyed).toBe(true)
    expect(wire.take()).toBe('')
  })

  test('a stream error from the client ends the stream without an answer to it (RFC 6120 §4.9.1.1)', async () => {
    const rig = await rigWithAlice()
    const wire = opened(rig)
    wire.says("<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
    expect(wire.take()).toBe('</stream:stream>')
    expect(rig.closings()[0]?.fields).toMatchObject({ reason: 'stream-error', detail: 'the client said undefined-condition' })
  })
})

describe('after authentication', () => {
  test('a new header, a new id, and features: bind and the optional session (RFC 6120 §6.4.6, §7.4)', async () => {
    const rig = new Rig({ extras: "<ver xmlns='urn:xmpp:features:rosterver'/>" })
    await rig.user('alice@im.test')
    const wire = rig.connect()
    wire.says(header(wire))
    const before = wire.take()
    wire.says(plainAuth('alice'))
    await wire.until(/<success/)
    wire.says(header(wire))
    const after = wire.take()
    expect(idOf(after)).not.toBe(idOf(before))
    expect(after).toMatch(new RegExp("<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>" +
      "<sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/>" +
      "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>" +
      "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes><idle-seconds>360</idle-seconds></limits>" +
      "<ver xmlns='urn:xmpp:features:rosterver'/></stream:features>$"))
  })

  test('what follows <success/> in the same segment belongs to the new stream (RFC 6120 §4.3.3)', async () => {
    const rig = await rigWithAlice()
    const wire = opened(rig)
    wire.says(plainAuth('alice') + header(wire) + bindIq('r1'))
    expect(await wire.until(/<jid>/)).toMatch(/<success [^>]*>.*<stream:features>.*<jid>alice@im.test\/r1<\/jid>/)
  })

  test('S21: a header for another served domain: not-authorized (RFC 6120 §4.9.3.12)', async () => {
    const wire = await authenticated(await rigWithAlice())
    wire.says(header(wire, { to: 'other.test' }))
    expect(wire.take()).toMatch(streamError('not-authorized'))
  })

  test('S22: a header from somebody else: invalid-from (RFC 6120 §4.9.3.9)', async () => {
    const rig = await rigWithAlice()
    const wire = await authenticated(rig)
    wire.says(header(wire, { from: 'bob@im.test' }))
    expect(wire.take()).toMatch(streamError('invalid-from'))
    expect(rig.closings()[0]).toMatchObject({ level: 'warn', fields: { jid: 'alice@im.test' } })
  })

  test('S25: a stanza before bind: not-authorized (RFC 6120 §7.1)', async () => {
    const rig = await rigWithAlice()
    const wire = await unbound(rig)
    wire.says("<message to='bob@im.test'><body>x</body></message>")
    expect(wire.take()).toMatch(streamError('not-authorized'))
    expect(rig.handler.received).toEqual([])
  })

  test('15 s without bind: connection-timeout', async () => {
    const rig = await rigWithAlice()
    const wire = await unbound(rig)
    rig.clock.advance(14_000)
    expect(wire.take()).toBe('')
    rig.clock.advance(1_500)
    expect(wire.take()).toMatch(streamError('connection-timeout'))
  })

  test('an error before the new header comes after a header of ours (RFC 6120 §4.9.1.2)', async () => {
    const rig = await rigWithAlice()
    const wire = await authenticated(rig)
    rig.clock.advance(15_500)
    const text = wire.take()
    expect(text).toMatch(/^<\?xml version='1.0'\?><stream:stream from='im.test' id=/)
    expect(text).toMatch(streamError('connection-timeout'))
  })

  test('a bound stream has no time-out of negotiation', async () => {
    const rig = await rigWithAlice()
    const wire = await rig.login('alice@im.test/r1')
    rig.clock.advance(3_600_000)
    expect(wire.take()).toBe('')
    expect(wire.ended).toBe(false)
  })

  test('a framed stream restarts with a new <open/> (RFC 7395 §3.7)', async () => {
    const rig = await rigWithAlice()
    const wire = await rig.login('alice@im.test/web', { kind: 'websocket' })
    wire.says("<message xmlns='jabber:client' to='bob@im.test'/>")
    expect(rig.handler.received.map(({ stanza }) => stanza.from?.toString())).toEqual(['alice@im.test/web'])
  })
})

describe('bind', () => {
  test('the resource that the client wants (RFC 6120 §7.7.1)', async () => {
    const wire = await unbound(await rigWithAlice())
    wire.says(bindIq('balcony'))
    expect(await wire.until(/<\/iq>/)).toBe(
      "<iq type='result' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>alice@im.test/balcony</jid></bind></iq>")
  })

  test.each([['', 'none'], ['a&#x7F;b', 'J16: a control character'], ['x'.repeat(1024), 'J04: 1024 bytes']])(
    'a resource of the server\'s, random, for %j (%s) (RFC 6120 §7.6, §7.7.2.1)', async (resource) => {
      const rig = await rigWithAlice()
      const jids = new Set<string>()
      for (let i = 0; i < 2; i++) {
        const wire = await unbound(rig)
        wire.says(bindIq(resource))
        jids.add(/<jid>(alice@im.test\/[\w-]{16})<\/jid>/.exec(await wire.until(/<\/iq>/))?.[1] ?? '')
      }
      expect(jids.size).toBe(2)
      expect(jids.has('')).toBe(false)
    })

  test('a resource is prepared, and escaped in the answer (RFC 7622 §3.4)', async () => {
    const wire = await unbound(await rigWithAlice())
    wire.says(bindIq('a&#x3000;b&lt;'))
    expect(await wire.until(/<\/iq>/)).toContain('<jid>alice@im.test/a b&lt;</jid>')
  })

  test('a framed answer declares its namespace (RFC 7395 §3.3.3)', async () => {
    const rig = await rigWithAlice()
    const wire = await authenticated(rig, { kind: 'websocket' })
    wire.says(header(wire))
    wire.says(bindIq('r1'))
    expect(await wire.until(/<\/iq>/)).toContain("<iq xmlns='jabber:client' type='result' id='b'>")
  })

  test('S26: a second bind: not-allowed, and the stream lives (RFC 6120 §7.6.2.2)', async () => {
    const rig = await rigWithAlice()
    const wire = await rig.login('alice@im.test/r1')
    wire.says(bindIq('r2', 'again'))
    expect(wire.take()).toMatch(/^<iq type='error' id='again'><error type='cancel'><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'\/>/)
    wire.says("<message to='bob@im.test'/>")
    expect(rig.handler.received).toHaveLength(1)
  })

  test('S35: the 21st device of an account: resource-constraint (RFC 6120 §7.6.2.1, XEP-0205 §4.4)', async () => {
    const rig = await rigWithAlice()
    const wire = await unbound(rig)
    rig.handler.devices = 20
    wire.says(bindIq('r21'))
    const text = await wire.until(/<\/iq>/)
    expect(text).toMatch(/<error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'\/>/)
    expect(text).toContain("<resource-limit-exceeded xmlns='urn:xmpp:errors'/>")
    rig.handler.devices = 19
    wire.says(bindIq('r21'))
    expect(await wire.until(/<\/iq>/)).toContain('<jid>')
  })

  test('S41: the 11th failure ends the stream with policy-violation (RFC 6120 §7.7.3)', async () => {
    const rig = await rigWithAlice()
    const wire = await unbound(rig)
    rig.handler.devices = 20
    for (let i = 0; i < 10; i++) {
      wire.says(bindIq(`r${i}`))
      expect(await wire.until(/<\/iq>/)).toContain('<resource-constraint')
    }
    wire.says(bindIq('r11'))
    expect(await wire.until(/<\/stream:stream>/)).toMatch(streamError('policy-violation'))
  })

  test('the result waits until every node can find the device; a refusal by the cluster is an error', async () => {
    const rig = await rigWithAlice()
    const wire = await unbound(rig)
    let findable = (): void => {}
    rig.handler.onBound = () => new Promise((resolve) => { findable = resolve })
    wire.says(bindIq('r1'))
    expect(rig.sessions.size).toBe(1)
    expect(wire.take()).toBe('')
    findable()
    expect(await wire.until(/<\/iq>/)).toContain('<jid>')

    rig.handler.onBound = () => Promise.reject(new StanzaError('wait', 'resource-constraint'))
    const other = await unbound(rig)
    other.says(bindIq('r2'))
    expect(await other.until(/<\/iq>/)).toContain('<resource-constraint')
    expect(rig.sessions.size).toBe(1)
  })

  test('a client that leaves while it is bound leaves nothing behind', async () => {
    const rig = await rigWithAlice()
    const wire = await unbound(rig)
    let findable = (): void => {}
    rig.handler.onBound = () => new Promise((resolve) => { findable = resolve })
    wire.says(bindIq('r1'))
    wire.cut()
    findable()
    await new Promise((resolve) => setImmediate(resolve))
    expect(rig.sessions.size).toBe(0)
    expect(rig.handler.over).toEqual([{ jid: 'alice@im.test/r1', reason: 'connection-lost' }])
  })

  test('the legacy session is answered, any number of times (RFC 3921 §3)', async () => {
    const rig = await rigWithAlice()
    const wire = await rig.login('alice@im.test/r1')
    wire.says(SESSION)
    expect(wire.take()).toBe("<iq type='result' id='s'/>")
    expect(rig.handler.received).toEqual([])
  })
})

describe('the end of a stream', () => {
  test('S27: the closing tag is answered, and the device is gone (RFC 6120 §4.4)', async () => {
    const rig = await rigWithAlice()
    const wire = await rig.login('alice@im.test/r1')
    wire.says('</stream:stream>')
    expect(wire.take()).toBe('</stream:stream>')
    expect(rig.handler.over).toEqual([{ jid: 'alice@im.test/r1', reason: 'client-closed' }])
    expect(rig.sessions.size).toBe(0)
  })

  test('a connection that breaks: connection-lost, or the reason that the transport names', async () => {
    const rig = await rigWithAlice()
    const one = await rig.login('alice@im.test/r1')
    const two = await rig.login('alice@im.test/r2')
    one.cut()
    two.cut(Object.assign(new Error('the peer does not read'), { reason: 'slow-reader' }))
    expect(rig.handler.over.map(({ reason }) => reason)).toEqual(['connection-lost', 'slow-reader'])
  })

  test('one line says reason, address, stream, account, time and stanzas', async () => {
    const rig = await rigWithAlice()
    const wire = await rig.login('alice@im.test/r1')
    wire.says("<message to='bob@im.test'/><message to='bob@im.test'/>")
    rig.clock.advance(5_000)
    wire.says('</stream:stream>')
    wire.cut()
    expect(rig.closings()).toHaveLength(1)
    expect(rig.closings()[0]).toMatchObject({
      level: 'info',
      fields: { reason: 'client-closed', ip: '192.0.2.7', jid: 'alice@im.test/r1', seconds: 5, received: 2, sent: 0 }
    })
  })

  test('an error of ours is internal-server-error for the client and an error in the log', async () => {
    const rig = await rigWithAlice()
    const wire = await rig.login('alice@im.test/r1')
    rig.handler.onReceive = () => { throw new TypeError('a bug') }
    wire.says("<message to='bob@im.test'/>")
    expect(wire.take()).toMatch(streamError('internal-server-error'))
    expect(rig.lines.filter((line) => line.level === 'error').map((line) => line.event)).toEqual(['stream.failed', 'stream.closed'])
  })
})

describe('where TLS is required and the transport cannot start it', () => {
  test('nothing is offered, and the log says why (RFC 6120 §6.3.4, RFC 7395 §3.9)', async () => {
    const rig = await rigWithAlice()
    const wire = rig.connect({ kind: 'websocket', secure: false })
    wire.says(header(wire))
    expect(wire.take()).toMatch(/<stream:features xmlns:stream='[^']*'\/>$/)
    expect(rig.lines.map(({ event }) => event)).toContain('stream.nothing-offered')
  })
})
