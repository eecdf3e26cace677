/** Rows that are more than bytes: several connections, a second header, an end, a time-out, a limit. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { befriend } from '../support/cluster.js'
import type { TestClient } from '../support/client.js'
import { freePorts } from '../support/ports.js'
import { eventually, logged, noFaultOfOurs, replied } from './runner.js'
import { SE, XE } from './corpus/row.js'
import { ask, authenticate, bindAndShow, DOMAIN, greet, OTHER_DOMAIN, Stage } from './stage.js'
import { Tally } from './tally.js'
import { connected, connectedTls, openTcp, TcpWire } from './wire-tcp.js'

const tally = new Tally('plays')
const say = (wire: TcpWire, text: string): void => wire.send(Buffer.from(text))

async function residentBytes({ node }: Stage): Promise<number> {
  await node.admin('/healthz')
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${node.pid}/status`, 'utf8'))?.[1]) * 1024
}

describe('two nodes', () => {
  let stage: Stage
  const play = (name: string, run: () => Promise<void>): void => tally.test(name, 'tcp', async () => {
    const lines = stage.mark()
    await run()
    await stage.others()
    noFaultOfOurs(lines())
  })

  beforeAll(async () => { stage = await Stage.set({ accounts: ['alice', 'carol'] }) }, 60_000)
  afterAll(() => stage.clear())
  const login = (user: string, resource: string): Promise<TestClient> => stage.cluster.login(0, user, { domain: DOMAIN, resource })
  const reach = async (state: 'PRE' | 'AUTH' | 'ON'): Promise<{ wire: TcpWire, jid: string }> => {
    const { wire, jid } = await stage.reach('tcp', state)
    return { wire: wire as TcpWire, jid }
  }

  play('S12 a ClientHello on the plain port ends the connection (RFC 6120 §11.3; ours)', async () => {
    const error = await new Promise<Error>((resolve) => {
      connectTls({ host: '127.0.0.1', port: stage.node.ports.c2s, rejectUnauthorized: false }).on('error', resolve)
    })
    expect(error.message).not.toBe('')
  })

  play('S13 plain XML on the TLS port ends the connection without a word of XMPP (RFC 6120 §5.4.3.2)', async () => {
    const wire = new TcpWire('tcp', await connected(stage.node.ports.c2sTls))
    wire.header({ to: DOMAIN })
    await wire.inbox.over()
    expect(wire.inbox.text).not.toContain('stream')
    await eventually(() => stage.node.events('connection.refused').some((l) => l['reason'] === 'tls-handshake'
      && l['ip'] === '127.0.0.1'), () => 'no line')
  })

  play('S42 bytes that are no ClientHello after <proceed/> end the connection without a closing tag (RFC 6120 §5.4.3.2)', async () => {
    const lines = stage.mark()
    const { wire } = await reach('PRE')
    say(wire, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    await wire.inbox.next((e) => e.is('proceed'), 'proceed')
    say(wire, '<stream:stream>')
    expect(await wire.inbox.over()).toEqual({ closeTag: false })
    await eventually(() => lines().some((l) => l['event'] === 'stream.closed' && l['reason'] === 'tls-failed'), () =>
      JSON.stringify(lines()))
  })

  play('S43 TLS 1.2 renegotiation ends the connection or is refused (RFC 6120 §5.3.5)', async () => {
    const socket = await connectedTls(stage.node.ports.c2sTls, { maxVersion: 'TLSv1.2' }) as ReturnType<typeof connectTls>
    const wire = new TcpWire('tls', socket)
    await greet(wire)
    const refused = await new Promise<boolean>((resolve) => {
      socket.on('error', () => { resolve(true) })
      socket.on('close', () => { resolve(true) })
      socket.renegotiate({}, (error) => { resolve(error !== null) })
    })
    expect(refused).toBe(true)
    wire.cut()
  })

  play('S21 after login another served domain is not authorized (RFC 6120 §4.9.3.12; ours)', async () => {
    const lines = stage.mark()
    const { wire } = await reach('PRE')
    await authenticate(wire, 'alice')
    wire.header({ to: OTHER_DOMAIN })
    await replied(SE('not-authorized'), { wire, jid: '' })
    await logged({ wanted: SE('not-authorized'), hostile: { wire, jid: 'alice@im.test' }, lines })
  })

  play('S22 after login a header from somebody else is refused (RFC 6120 §4.9.3.9)', async () => {
    const lines = stage.mark()
    const { wire } = await reach('PRE')
    await authenticate(wire, 'alice')
    wire.header({ to: DOMAIN, from: 'bob@im.test' })
    await replied(SE('invalid-from'), { wire, jid: '' })
    await logged({ wanted: { is: 'SE', condition: 'invalid-from', level: 'warn' }, hostile: { wire, jid: 'alice@im.test' }, lines })
  })

  play('S27 a stream that is closed: closed back, contacts see it go (RFC 6120 §4.4; RFC 6121 §4.5.2)', async () => {
    const [alice, carol] = [await login('alice', 'desk'), await login('carol', 'sofa')]
    await befriend(alice, carol)
    await alice.close()
    await carol.presence(alice.jid, 'unavailable')
    await carol.close()
  })

  play('S28 a connection that ends without a closing tag: contacts see it go (RFC 6121 §4.5.2)', async () => {
    const carol = await login('carol', 'sofa')
    const alice = await login('alice', 'desk')
    await carol.presence(alice.jid)
    alice.socket.end()
    await carol.presence(alice.jid, 'unavailable')
    const cut = await login('alice', 'desk')
    await carol.presence(cut.jid)
    cut.cut()
    await carol.presence(cut.jid, 'unavailable')
    await carol.ping()
    expect(carol.inbox.filter((e) => e.is('presence') && e.attrs['type'] === 'unavailable')).toEqual([])
    await carol.close()
  })

  tally.test('a client that reads nothing while others write to it is cut off, and they are served', 'tcp', async () => {
    const lines = stage.mark()
    const { wire, jid } = await stage.reach('tcp', 'ON')
    const before = await residentBytes(stage)
    const slow = wire as TcpWire
    slow.socket.pause()
    const writer = stage.canaries[0]
    const body = 'a'.repeat(50_000)
    let sent = 0
    while (!lines().some((l) => l['event'] === 'stream.closed' && l['jid'] === jid)) {
      if (++sent > 1_000) throw new Error('it is never cut off')
      writer?.write(`<message to='${jid}' type='headline'><body>${body}</body></message>`)
      await stage.others()
    }
    const line = lines().find((l) => l['event'] === 'stream.closed' && l['jid'] === jid)
    expect(line).toMatchObject({ reason: 'slow-reader', ip: '127.0.0.1' })
    expect(await residentBytes(stage) - before).toBeLessThan(64 << 20)
    wire.cut()
    noFaultOfOurs(lines())
  }, 30_000)

  play('S34 the same resource twice: one of them lives (RFC 6120 §7.7.2.2)', async () => {
    const first = await login('alice', 'conflict')
    const second = await login('alice', 'conflict')
    await first.gone()
    expect(first.streamError).toBe('conflict')
    await second.ping()
    await second.close()
  })

  play('S35 the 21st device of an account is refused (RFC 6120 §7.6.2.1; XEP-0205 §4.4)', async () => {
    const devices = []
    for (let n = 0; n < 20; n++) devices.push(await login('carol', `d${n}`))
    const { wire } = await reach('PRE')
    await authenticate(wire, 'carol')
    await greet(wire)
    const answer = await ask(wire, 'set', "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>d20</resource></bind>")
    expect(answer.getChild('error')?.attrs['type']).toBe('wait')
    expect(answer.getChild('error')?.getChildElements().map((e) => e.name)).toEqual(expect.arrayContaining(['resource-constraint',
      'resource-limit-exceeded']))
    wire.cut()
    for (const device of devices) await device.close()
  })

  play('S41 after too many failed bindings the stream ends (RFC 6120 §7.7.3)', async () => {
    const { wire } = await reach('AUTH')
    for (let n = 0; n < 11; n++) say(wire, `<iq type='get' id='b${n}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>`)
    await wire.inbox.over()
    expect(wire.inbox.elements.filter((e) => e.attrs['type'] === 'error')).toHaveLength(10)
    expect(wire.inbox.errors.map((e) => e.getChildElements()[0]?.name)).toEqual(['policy-violation'])
  })

  play('S38 a prefix that the header declares is declared inside what is delivered (RFC 6120 §4.8.5; ours)', async () => {
    const wire = await openTcp('tcp', stage.node.ports)
    await greet(wire)
    await authenticate(wire, 'alice')
    await greet(wire, { 'xmlns:x': 'urn:x' })
    await bindAndShow(wire, 'prefix')
    say(wire, `<message to='${stage.bob.jid}'><x:y/></message>`)
    await ask(wire, 'get', "<ping xmlns='urn:xmpp:ping'/>")
    expect(await stage.deliveredToBob()).toHaveLength(1)
    expect(stage.rawOfBob()).toMatch(/<(\w+:)?y [^>]*xmlns(:\w+)?=["']urn:x["']/)
    wire.close()
    await wire.inbox.over()
  })

  play('T10 a subscription to a full address is for the account (RFC 6121 §3.1.2)', async () => {
    const [alice, carol] = [await login('alice', 'desk'), await login('carol', 'sofa')]
    await carol.iq('get', '', "<query xmlns='jabber:iq:roster'/>")
    await stage.cluster.accounts.add('dave', DOMAIN, 'secret')
    const dave = await login('dave', 'here')
    alice.write(`<presence type='subscribe' to='${dave.jid}'/>`)
    const request = await dave.presence('alice@im.test', 'subscribe')
    expect([request.attrs['from'], request.attrs['to']]).toEqual(['alice@im.test', 'dave@im.test'])
    await Promise.all([alice.close(), carol.close(), dave.close()])
  })

  play('T12 an approval that nobody asked for is kept and told to nobody (RFC 6121 §3.4.2, §A.2.3)', async () => {
    const alice = await login('alice', 'desk')
    await alice.iq('get', '', "<query xmlns='jabber:iq:roster'/>")
    alice.write("<presence type='subscribed' to='bob@im.test'/>")
    const push = await alice.next((e) => e.is('iq') && e.attrs['type'] === 'set')
    expect(push.toString()).toContain('approved')
    expect(await stage.deliveredToBob()).toEqual([])
    alice.write("<presence type='unsubscribed' to='bob@im.test'/>")
    await alice.close()
  })

  play('T13 a stranger\'s probe is answered with unsubscribed, and so is one for nobody (RFC 6121 §4.3.2, §8.5.1)', async () => {
    const alice = await login('alice', 'desk')
    for (const to of ['bob@im.test', 'nobody@im.test']) {
      alice.write(`<presence type='probe' to='${to}'/>`)
      expect((await alice.presence(to, 'unsubscribed')).attrs['from']).toBe(to)
    }
    expect(await stage.deliveredToBob()).toEqual([])
    await alice.close()
  })

  play('Q38 who is blocked: requests and messages come back, presence and answers are dropped (XEP-0191 §3.3)', async () => {
    const alice = await login('alice', 'blocked')
    const carol = await login('carol', 'sofa')
    await carol.iq('set', '', "<block xmlns='urn:xmpp:blocking'><item jid='alice@im.test'/></block>")
    carol.inbox.splice(0)
    const errorOf = async (): Promise<unknown> => {
      const error = await alice.next((e) => e.attrs['type'] === 'error')
      return [error.attrs['from'], error.getChild('error')?.attrs['type'], error.getChild('error')?.getChildElements()[0]?.name]
    }
    for (const stanza of [`<iq type='get' id='q' to='${carol.jid}'><query xmlns='urn:x'/></iq>`,
      `<iq type='set' id='q' to='carol@im.test'><query xmlns='urn:x'/></iq>`, `<message to='${carol.jid}'><body>x</body></message>`,
      `<message to='carol@im.test' type='chat'><body>x</body></message>`]) {
      alice.write(stanza)
      expect(await errorOf()).toEqual([stanza.includes('sofa') ? carol.jid : 'carol@im.test', 'cancel', 'service-unavailable'])
    }
    for (const stanza of [`<presence to='${carol.jid}'/>`, "<presence to='carol@im.test' type='subscribe'/>",
      `<iq type='result' id='q' to='${carol.jid}'/>`, `<presence to='carol@im.test' type='probe'/>`,
      `<iq type='error' id='q' to='${carol.jid}'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`]) {
      alice.write(stanza)
    }
    await alice.ping()
    await carol.ping()
    expect(carol.inbox.filter((e) => String(e.attrs['from']).startsWith('alice')).map(String)).toEqual([])
    await carol.iq('set', '', "<unblock xmlns='urn:xmpp:blocking'/>")
    alice.write("<presence to='carol@im.test' type='unsubscribe'/>")
    await Promise.all([alice.close(), carol.close()])
  })

  play('T18 a delay in the name of our domain is not believed: what is delivered is stamped by nobody but us (XEP-0203 §5)', async () => {
    const alice = await login('alice', 'late')
    alice.write(`<message to='${stage.bob.jid}' type='chat'><body>forged</body>`
      + "<delay xmlns='urn:xmpp:delay' from='im.test' stamp='2002-09-10T23:08:25Z'/></message>")
    const heard = await stage.bob.message('forged')
    expect(heard.getChildElements().filter((e) => e.name === 'delay' && e.attrs['from'] === 'im.test').map(String)).toEqual([])
    await alice.close()
  })

  for (const [id, resource, shown] of [
    ['J04', 'a'.repeat(1_023), /^a{1023}$/], ['J04', 'a'.repeat(1_024), /^.{4,100}$/], ['J04', '', /^.{4,100}$/],
    ['J16', '\u{1f600}', /^\u{1f600}$/u], ['J16', 'a\u0085b', /^[\x20-\x7e]{4,100}$/], ['J16', 'a\u3000b', /^a b$/],
    ['J20', 'constructor', /^constructor$/], ['J20', '__proto__', /^__proto__$/], ['J27', '❤\ufe0f', /^[\x20-\x7e]{4,100}$/]
  ] as const) {
    const wish = resource.length > 20 ? `${resource.length} bytes` : JSON.stringify(resource)
    play(`${id} a resource that is wished for: ${wish} (RFC 7622 §3.4; RFC 6120 §7.7.2.1)`, async () => {
      const { wire } = await reach('AUTH')
      const jid = await bindAndShow(wire, resource)
      expect(jid.slice(jid.indexOf('/') + 1)).toMatch(shown)
      wire.close()
      await wire.inbox.over()
    })
  }

  for (const [id, names] of [
    ['J13', ['ren\u00e9', 'rene\u0301']], ['J20', ['__proto__', '__PROTO__']], ['J24', ['\u03b1\u03c3', '\u0391\u03a3']], ['J08',
      ['j\u0443liet', 'J\u0443liet']]
  ] as const) {
    play(`${id} ${names.map((name) => JSON.stringify(name)).join(' and ')} are one account (RFC 7622 §3.3; RFC 8265 §3.3.1)`, async () => {
      await stage.cluster.accounts.add(names[0], DOMAIN, 'secret')
      const there = await login(names[0], 'there')
      const { wire, jid } = await reach('ON')
      say(wire, `<message to='${names[1]}@im.test' type='chat'><body>${id}</body></message>`)
      await there.message(id)
      // Its neighbour is another account, which nobody has.
      say(wire, `<message to='${id === 'J24' ? '\u03b1\u03c2' : 'juliet'}@im.test' type='chat' id='x'><body>x</body></message>`)
      await replied(XE('cancel', 'service-unavailable'), { wire, jid })
      wire.cut()
      await there.close()
    })
  }
})

describe('a node whose lists are short', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await Stage.set({
      nodes: 1, accounts: ['alice'], lines: ['sess-man/plugins-conf/jabber\\:iq\\:roster/items-max=3',
        'sess-man/plugins-conf/urn\\:xmpp\\:blocking/items-max=3']
    })
  }, 60_000)
  afterAll(() => stage.clear())
  const answer = async (client: TestClient, payload: string): Promise<unknown> => {
    const heard = await client.iq('set', '', payload)
    const error = heard.getChild('error')
    return heard.attrs['type'] === 'result' ? 'result' : [error?.attrs['type'], error?.getChildElements()[0]?.name]
  }
  const FULL = ['wait', 'resource-constraint']

  tally.test('Q12 a roster is full: one more is refused, those that are in it may change (ours)', 'tcp', async () => {
    const alice = await stage.cluster.login(0, 'alice', { domain: DOMAIN })
    const item = (n: number, name = ''): string => `<query xmlns='jabber:iq:roster'><item jid='c${n}@im.test' name='${name}'/></query>`
    for (const n of [1, 2, 3]) expect(await answer(alice, item(n))).toBe('result')
    expect([await answer(alice, item(4)), await answer(alice, item(3, 'changed'))]).toEqual([FULL, 'result'])
    await alice.close()
  })

  tally.test('Q34 a block list is full: more are refused, all of them (ours)', 'tcp', async () => {
    const alice = await stage.cluster.login(0, 'alice', { domain: DOMAIN })
    const block = (...names: readonly string[]): string =>
      `<block xmlns='urn:xmpp:blocking'>${names.map((name) => `<item jid='${name}@im.test'/>`).join('')}</block>`
    expect([await answer(alice, block('a', 'b', 'c', 'd')), await answer(alice, block('a', 'b')), await answer(alice, block('c', 'd')),
      await answer(alice, block('c'))]).toEqual([FULL, 'result', FULL, 'result'])
    await alice.close()
  })
})

describe('a node with short times and limits for everybody', () => {
  let stage: Stage
  let proxied = 0
  beforeAll(async () => {
    proxied = (await freePorts(1))[0] ?? 0
    stage = await Stage.set({
      nodes: 1, lines: ['--c2s-header-timeout-ms=1000', '--c2s-auth-timeout=3', '--c2s-stanza-timeout-ms=5000', '--limits-exempt=none',
        '--new-connections-burst=500', '--unauthenticated-per-address=8', '--tls-handshake-timeout-ms=1000', `--https-ports=${proxied}`,
          `--proxy-protocol=${proxied}`]
    })
  }, 60_000)
  afterAll(() => stage.clear())
  const closing = (reason: string, more: object = {}): Promise<void> => eventually(() => stage.node.events('stream.closed')
    .some((l) => l['reason'] === reason && Object.entries(more).every(([k, v]) => l[k] === v)), () => `no stream.closed ${reason}`)

  tally.test('S29 a connection that says nothing is closed (RFC 6120 §4.6; ours)', 'tcp', async () => {
    const wire = new TcpWire('tcp', await connected(stage.node.ports.c2s))
    await wire.inbox.over()
    expect(wire.inbox.text).toBe('')
    await closing('timeout', { stream: '' })
  })

  tally.test('S30 a stream that does not log in is told and closed (RFC 6120 §4.6.3, §4.9.3.4; ours)', 'tcp', async () => {
    const { wire } = await stage.reach('tcp', 'PRE')
    await replied(SE('connection-timeout'), { wire, jid: '' })
    await closing('timeout', { stream: wire.inbox.streamIds[0] })
  })

  tally.test('X36 a stanza that drips has a time (RFC 6120 §4.9.3.14; ours)', 'tcp', async () => {
    const { wire, jid } = await stage.reach('tcp', 'ON')
    wire.send(Buffer.from('<message><body>'))
    const drip = setInterval(() => { wire.send(Buffer.from('a')) }, 500)
    await eventually(() => wire.inbox.ending !== undefined, () => 'still open').catch(() => undefined)
    clearInterval(drip)
    await replied(SE('policy-violation'), { wire, jid })
    await closing('stream-error', { jid, condition: 'policy-violation' })
  })

  tally.test('S31 connections without login of one address have a number, and others are served (XEP-0205 §4.1)', 'tcp', async () => {
    const wires = await Promise.all(Array.from({ length: 8 }, () => stage.reach('tcp', 'PRE')))
    try {
      // Reset at once, or after the connection stood.
      const late = await connected(stage.node.ports.c2s).then((socket) => new TcpWire('tcp', socket), () => undefined)
      await late?.inbox.over()
      expect(late?.inbox.text ?? '').toBe('')
      await eventually(() => stage.node.events('connection.refused')
        .some((l) => l['reason'] === 'unauthenticated-limit' && l['ip'] === '127.0.0.1'), () => 'no line')
      await stage.others()
    } finally {
      for (const { wire } of wires) wire.cut()
    }
    await Promise.all(wires.map(({ wire }) => wire.inbox.over()))
  })

  for (const door of ['c2s', 'c2sTls', 'http', 'https', 'admin', 'cluster'] as const) {
    tally.test(`garbage on the port ${door}: closed, and nothing of it kept`, door === 'cluster' ? 'link' : 'tcp', async () => {
      const lines = stage.mark()
      const socket = await connected(door === 'https' ? proxied : stage.node.ports[door])
      const over = new Promise((done) => { socket.on('close', done) })
      socket.on('error', () => {})
      socket.resume()
      socket.write(randomBytes(2_000))
      await over
      await stage.others()
      noFaultOfOurs(lines())
    })
  }

  tally.test('a half-open connection does not outlive its answer: what it asked comes, then the end (RFC 6120 §4.4)', 'tcp', async () => {
    const wire = await openTcp('tcp', stage.node.ports)
    wire.header({ to: DOMAIN })
    wire.socket.end()
    await wire.inbox.over()
    expect(wire.inbox.text).toMatch(/<stream:features[\s\S]*<\/stream:stream>$/)
  })

  tally.test('ends of streams are logged ten times a minute for one address, then counted (log cap)', 'tcp', async () => {
    for (let n = 0; n < 12; n++) {
      const { wire } = await stage.reach('tcp', 'PRE')
      wire.close()
      await wire.inbox.over()
    }
    // The lines are on their way; the last one written is the eleventh that is not.
    await eventually(() => stage.node.events('stream.closed').length >= 10, () => 'fewer than ten')
    await stage.others()
    expect(stage.node.events('stream.closed').filter((l) => l['ip'] === '127.0.0.1')).toHaveLength(10)
  })

  tally.test('S36 garbage where a PROXY header is expected ends the connection (ours)', 'tcp', async () => {
    const wire = new TcpWire('tcp', await connected(proxied))
    wire.send(Buffer.from('GET / HTTP/1.1\r\n\r\n'))
    await wire.inbox.over()
    expect(wire.inbox.text).toBe('')
    await eventually(() => stage.node.events('connection.refused').some((l) => l['reason'] === 'proxy-header'), () => 'no line')
  })
})
