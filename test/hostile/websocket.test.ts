/** W: WebSocket's own rules, with frames made by hand (RFC 6455, RFC 7395). */
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import type { LogLine } from '../support/node-process.js'
import { SE, XML, type Expect } from './corpus/row.js'
import { eventually, noFaultOfOurs, replied } from './runner.js'
import { ask, authenticate, bindAndShow, DOMAIN, greet, Stage, type Hostile } from './stage.js'
import { Tally } from './tally.js'
import { ask101, BINARY, closeFrame, CLOSE_FRAME, frame, FrameWire, HANDSHAKE, openFrames, PING, PONG, TEXT, type Asked } from './wire-frames.js'

const ORIGIN = 'https://chat.example'
const CONTINUATION = 0
const PING_IQ = "<iq xmlns='jabber:client' type='get' id='x'><ping xmlns='urn:xmpp:ping'/></iq>"
const message = (bytes: number): string => `<message xmlns='jabber:client' to='bob@im.test'><body>${'a'.repeat(bytes)}</body></message>`

const tally = new Tally('WebSocket')
let stage: Stage

beforeAll(async () => {
  stage = await Stage.set({ lines: ['--c2s-header-timeout-ms=1500', `--http-origins=${ORIGIN}`] })
}, 60_000)
afterAll(() => stage.clear())

const row = (name: string, run: (lines: () => readonly LogLine[]) => Promise<void>): void => tally.test(name, 'websocket', async () => {
  const lines = stage.mark()
  await run(lines)
  await stage.others()
  expect(await stage.deliveredToBob()).toEqual([])
  noFaultOfOurs(lines())
})

let resources = 0
async function reach(state: 'RAW' | 'PRE' | 'ON'): Promise<Hostile & { readonly wire: FrameWire }> {
  const wire = await openFrames(stage.node.ports.http)
  if (state === 'RAW') return { wire, jid: '' }
  await greet(wire)
  if (state === 'PRE') return { wire, jid: '' }
  await authenticate(wire, 'alice')
  await greet(wire)
  return { wire, jid: await bindAndShow(wire, `w${++resources}`) }
}

/** One line for the end of this stream, and none but that. */
async function endLogged({ wire }: Hostile, lines: () => readonly LogLine[]): Promise<LogLine> {
  const own = (): readonly LogLine[] => lines().filter((line) => wire.inbox.streamIds.includes(String(line['stream'])))
  await eventually(() => own().length > 0, () => JSON.stringify(lines()))
  expect(own()).toMatchObject([{ event: 'stream.closed', ip: '127.0.0.1', level: 'info' }])
  return own()[0] ?? {}
}

describe('the handshake', () => {
  const without = (name: string): Readonly<Record<string, string>> =>
    Object.fromEntries(Object.entries(HANDSHAKE).filter(([header]) => header !== name))
  const many = (count: number): readonly string[] => [...Object.entries(HANDSHAKE).map(([name, value]) => `${name}: ${value}`),
    ...Array.from({ length: count - 6 }, (_, i) => `X-${i}: 1`)]

  const asked: readonly (readonly [name: string, status: number, ask: Asked, more?: RegExp])[] = [
    ['W01 without the protocol xmpp (RFC 7395 §3.1)', 400, { headers: without('Sec-WebSocket-Protocol') }],
    ['W01 with another protocol (RFC 7395 §3.1)', 400, { headers: { ...HANDSHAKE, 'Sec-WebSocket-Protocol': 'chat, xmppx' } }],
    ['W02 from an origin that is not on the list (RFC 6455 §10.2)', 403, { headers: { ...HANDSHAKE, Origin: 'https://evil.example' } }],
    ['W02 from no origin that anybody could list (RFC 6455 §10.2)', 403, { headers: { ...HANDSHAKE, Origin: 'null' } }],
    ['W02 without an origin: no browser (RFC 6455 §4.2.2)', 101, {}],
    ['W02 from an origin on the list (RFC 6455 §4.2.2)', 101, { headers: { ...HANDSHAKE, Origin: ORIGIN } }],
    ['W03 version 8 (RFC 6455 §4.4; RFC 9110 §15.5.22)', 426, { headers: { ...HANDSHAKE, 'Sec-WebSocket-Version': '8' } },
      /Sec-WebSocket-Version: 13[^]*Upgrade: websocket|Upgrade: websocket[^]*Sec-WebSocket-Version: 13/],
    ['W04 101 headers (RFC 6585 §5; the number is ours)', 431, { lines: many(101) }],
    ['W04 headers of 20 KiB (RFC 6585 §5; the number is ours)', 431, { headers: { ...HANDSHAKE, 'X-Long': 'x'.repeat(20 << 10) } }],
    ['W22 compression is offered and not taken (RFC 6455 §9.1; ours)', 101,
      { headers: { ...HANDSHAKE, 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' } },
      /^(?![^]*Sec-WebSocket-Extensions)/i],
    ['W23 by POST (RFC 6455 §4.2.1)', 405, { first: 'POST /xmpp-websocket HTTP/1.1' }],
    ['W23 in HTTP/1.0 (RFC 6455 §4.2.1)', 400, { first: 'GET /xmpp-websocket HTTP/1.0' }],
    ['W23 without Host (RFC 6455 §4.2.1)', 400, { headers: without('Host') }],
    ['W23 without Upgrade (RFC 6455 §4.2.1)', 400, { headers: without('Upgrade') }],
    ['W23 without Connection (RFC 6455 §4.2.1)', 400, { headers: without('Connection') }],
    ['W23 without a key (RFC 6455 §4.2.1)', 400, { headers: without('Sec-WebSocket-Key') }],
    ['W23 with a key of 15 bytes (RFC 6455 §4.2.1)', 400,
      { headers: { ...HANDSHAKE, 'Sec-WebSocket-Key': Buffer.alloc(15).toString('base64') } }]
  ]
  for (const [name, status, ask, more] of asked) {
    row(`${name}: ${status}`, async () => {
      const { socket, answer } = await ask101(stage.node.ports.http, ask)
      expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
      if (more !== undefined) expect(answer).toMatch(more)
      socket.destroy()
    })
  }
})

interface Sent {
  readonly state?: 'RAW' | 'PRE' | 'ON'
  readonly bytes: Buffer
  readonly code: number
}

describe('frames', () => {
  const closes: readonly (readonly [name: string, sent: Sent])[] = [
    ['W06 an unmasked frame (RFC 6455 §5.1)', { bytes: frame(TEXT, PING_IQ, { masked: false }), code: 1002 }],
    ['W07 a reserved bit (RFC 6455 §5.2)', { bytes: frame(TEXT, PING_IQ, { reserved: 0x40 }), code: 1002 }],
    ['W07 the last reserved bit (RFC 6455 §5.2)', { bytes: frame(TEXT, PING_IQ, { reserved: 0x10 }), code: 1002 }],
    ['W07 opcode 3 (RFC 6455 §5.2)', { bytes: frame(3, PING_IQ), code: 1002 }],
    ['W07 opcode 11 (RFC 6455 §5.2)', { bytes: frame(11), code: 1002 }],
    ['W08 a binary frame (RFC 7395 §3.2)', { bytes: frame(BINARY, PING_IQ), code: 1003 }],
    ['W09 invalid UTF-8 (RFC 6455 §8.1)', { bytes: frame(TEXT, Buffer.from('3c61ff2f3e', 'hex')), code: 1007 }],
    ['W09 a surrogate (RFC 6455 §8.1)', { bytes: frame(TEXT, Buffer.from('eda080', 'hex')), code: 1007 }],
    ['W09 a character that ends with the message (RFC 6455 §8.1)', { bytes: frame(TEXT, Buffer.from('3c612f3ee282', 'hex')), code: 1007 }],
    ['W10 a length of 2^63 (RFC 6455 §5.2)', { bytes: frame(TEXT, 'x', { says: 2n ** 63n }), code: 1009 }],
    ['W10 a length of 1 GiB, at once (RFC 6455 §10.4)', { bytes: frame(TEXT, 'x', { says: 2n ** 30n }), code: 1009 }],
    ['W11 65 fragments of one byte (RFC 6455 §10.4; the number is ours)',
      { bytes: Buffer.concat([frame(TEXT, '<', { fin: false }), ...Array.from({ length: 65 }, () => frame(CONTINUATION, 'a', { fin: false }))]),
        code: 1008 }],
    ['W12 10,000 empty fragments (RFC 6455 §10.4; ours)',
      { bytes: Buffer.concat([frame(TEXT, '<', { fin: false }), ...Array.from({ length: 10_000 }, () => frame(CONTINUATION, '', { fin: false }))]),
        code: 1008 }],
    ['W13 a fragmented control frame (RFC 6455 §5.5)', { bytes: frame(PING, 'x', { fin: false }), code: 1002 }],
    ['W13 a ping of 126 bytes (RFC 6455 §5.5)', { bytes: frame(PING, Buffer.alloc(126)), code: 1002 }],
    ['W24 a continuation of nothing (RFC 6455 §5.4)', { bytes: frame(CONTINUATION, PING_IQ), code: 1002 }],
    ['W24 a new message inside another (RFC 6455 §5.4)',
      { bytes: Buffer.concat([frame(TEXT, '<a', { fin: false }), frame(TEXT, PING_IQ)]), code: 1002 }],
    ['W25 a Close frame of one byte (RFC 6455 §5.5.1)', { bytes: closeFrame(Buffer.from([3])), code: 1002 }],
    ...[999, 1005, 1006, 1015, 2999, 5000].map((code) => [`W25 a Close frame with code ${code} (RFC 6455 §7.4)`,
      { bytes: closeFrame(Buffer.from([code >> 8, code & 0xff])), code: 1002 }] as const),
    ['W25 a Close frame with a reason that is no UTF-8 (RFC 6455 §8.1)', { bytes: closeFrame(Buffer.from([3, 232, 0xff])), code: 1007 }]
  ]
  for (const state of ['PRE', 'ON'] as const) {
    for (const [name, { bytes, code }] of closes) {
      row(`${name}: ${code}, ${state === 'ON' ? 'after' : 'before'} login`, async (lines) => {
        const hostile = await reach(state)
        hostile.wire.socket.write(bytes)
        const ending = await hostile.wire.inbox.over()
        expect(ending.code).toBe(code)
        expect(hostile.wire.inbox.elements.map(String)).toEqual([])
        await endLogged(hostile, lines)
      })
    }
  }

  row('W05 an upgrade and then nothing: 1008 (ours)', async (lines) => {
    const { wire } = await reach('RAW')
    expect(await wire.inbox.over()).toEqual({ closeTag: false, code: 1008 })
    await eventually(() => lines().some((line) => line['event'] === 'stream.closed' && line['reason'] === 'timeout'), () => 'no line')
  })

  row('W14 1,000 pings at once: ten pongs, then 1008 (RFC 6455 §5.5.3; the numbers are ours)', async (lines) => {
    const hostile = await reach('ON')
    hostile.wire.socket.write(Buffer.concat(Array.from({ length: 1_000 }, (_, i) => frame(PING, String(i)))))
    expect((await hostile.wire.inbox.over()).code).toBe(1008)
    expect(hostile.wire.controls.filter(({ opcode }) => opcode === PONG)).toHaveLength(10)
    await endLogged(hostile, lines)
  })

  row('W26 a ping between two fragments is answered at once, and the message is whole (RFC 6455 §5.4)', async (lines) => {
    const hostile = await reach('ON')
    const { wire } = hostile
    const [half, rest] = [PING_IQ.slice(0, 30), PING_IQ.slice(30)]
    wire.socket.write(Buffer.concat([frame(TEXT, half, { fin: false }), frame(PING, 'between')]))
    await eventually(() => wire.controls.length > 0, () => 'no pong')
    expect(wire.controls.map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([[PONG, 'between']])
    wire.socket.write(frame(CONTINUATION, rest))
    expect((await wire.inbox.next((e) => e.attrs['id'] === 'x')).attrs['type']).toBe('result')
    wire.close()
    await wire.inbox.over()
    await endLogged(hostile, lines)
  })
})

/** `<open/>` of ours is there, then one error in a message of its own, then `<close/>`. */
async function refused(hostile: Hostile & { wire: FrameWire }, wanted: Expect, lines: () => readonly LogLine[]): Promise<void> {
  await replied(wanted, hostile)
  expect(await endLogged(hostile, lines)).toMatchObject({ reason: 'stream-error' })
}

describe('messages', () => {
  const errors: readonly (readonly [name: string, state: 'RAW' | 'PRE' | 'ON', text: string, wanted: Expect])[] = [
    ['W10 a message of 262,145 bytes (RFC 6120 §13.12)', 'ON', message(262_145 - message(0).length), XML('policy-violation', 'stanza-too-big')],
    ['W15 a stream tag instead of <open/>, closed (RFC 7395 §3.3.2, §3.4)', 'RAW',
      "<stream:stream to='im.test' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'/>",
      SE('invalid-namespace')],
    ['W15 a stream tag instead of <open/>, left open (RFC 7395 §3.3.2)', 'RAW',
      "<stream:stream to='im.test' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
      XML('not-well-formed')],
    ['W16 <open/> in the namespace of clients (RFC 7395 §3.3.2)', 'RAW', "<open xmlns='jabber:client' to='im.test' version='1.0'/>",
      SE('invalid-namespace')],
    ['W17 two elements in one message (RFC 7395 §3.3.3)', 'ON', PING_IQ + PING_IQ, XML('not-well-formed')],
    ['W17 an element and text after it (RFC 7395 §3.3.3)', 'ON', `${PING_IQ}x`, XML('not-well-formed')],
    ['W18 half an element, the rest in the next message (RFC 7395 §3.3.3)', 'ON', PING_IQ.slice(0, 40), XML('not-well-formed')],
    ['W19 a declaration of another encoding (RFC 6120 §11.6)', 'ON', `<?xml version='1.0' encoding='ISO-8859-1'?>${PING_IQ}`,
      XML('unsupported-encoding')],
    ['W27 the first message is a stanza (RFC 7395 §3.4; ours)', 'RAW', PING_IQ, SE('invalid-namespace')],
    ['W27 the first message is broken (RFC 7395 §3.5)', 'RAW', '<open', XML('not-well-formed')],
    ['W27 <open/> of another domain (RFC 7395 §3.5)', 'RAW',
      "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='other.example' version='1.0'/>", SE('host-unknown')]
  ]
  for (const [name, state, text, wanted] of errors) {
    row(name, async (lines) => {
      const hostile = await reach(state)
      hostile.wire.send(Buffer.from(text))
      await refused(hostile, wanted, lines)
    })
  }

  for (const [name, text] of [
    ['W19 white space before the element passes (RFC 7395 §3.3.3; ours)', ` \r\n${PING_IQ}`],
    ['W19 nothing but white space is dropped (RFC 7395 §3.8; ours)', ' \n '],
    ['W19 a declaration before the element passes (RFC 7395 §3.3.3)', `<?xml version='1.0'?>${PING_IQ}`],
    ['W19 an empty message is dropped (RFC 7395 §3.8; ours)', '']
  ] as const) {
    row(name, async (lines) => {
      const hostile = await reach('ON')
      const { wire } = hostile
      wire.send(Buffer.from(text))
      await ask(wire, 'get', "<ping xmlns='urn:xmpp:ping'/>")
      expect(wire.inbox.elements.map((e) => e.attrs['type'] as unknown)).toEqual(text.includes('iq') ? ['result'] : [])
      wire.close()
      await wire.inbox.over()
      await endLogged(hostile, lines)
    })
  }

  row('W20 <close/> is answered, and the Close frame echoed (RFC 7395 §3.6; RFC 6455 §5.5.1)', async (lines) => {
    const hostile = await reach('ON')
    hostile.wire.close()
    expect(await hostile.wire.inbox.over()).toEqual({ closeTag: true, code: 1000 })
    expect(hostile.wire.controls.filter(({ opcode }) => opcode === CLOSE_FRAME)).toHaveLength(1)
    expect(await endLogged(hostile, lines)).toMatchObject({ reason: 'client-closed' })
  })

  row('W20 <close/> and no Close frame: ours comes, 1000 (RFC 7395 §3.6; ours)', async (lines) => {
    const hostile = await reach('ON')
    hostile.wire.send(Buffer.from("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"))
    expect(await hostile.wire.inbox.over()).toEqual({ closeTag: true, code: 1000 })
    await endLogged(hostile, lines)
  })

  row('W28 <starttls/> fails and ends the stream; it is never offered (RFC 7395 §3.9)', async (lines) => {
    const hostile = await reach('RAW')
    const { wire } = hostile
    expect((await greet(wire)).getChild('starttls')).toBeUndefined()
    wire.send(Buffer.from("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"))
    expect((await wire.inbox.over()).closeTag).toBe(true)
    expect(wire.inbox.text).toMatch(/<failure xmlns=["']urn:ietf:params:xml:ns:xmpp-tls["']\/>/)
    await endLogged(hostile, lines)
  })
})

describe('many', () => {
  row('W11 a hundred sockets with fragments that never end: closed, nobody else waits (RFC 6455 §10.4)', async () => {
    const wires = await Promise.all(Array.from({ length: 100 }, () => openFrames(stage.node.ports.http)))
    for (const wire of wires) {
      wire.header({ to: DOMAIN })
      wire.socket.write(frame(TEXT, '<', { fin: false }))
      for (let i = 0; i < 65; i++) wire.socket.write(frame(CONTINUATION, 'a', { fin: false }))
    }
    const endings = await Promise.all(wires.map((wire) => wire.inbox.over()))
    expect(new Set(endings.map(({ code }) => code))).toEqual(new Set([1008]))
  })
})
