/** BOSH sessions, request by request (XEP-0124, XEP-0206). Row ids are those of the bad-input corpus. */
import { describe, expect, test } from '@jest/globals'
import { reasonOfBreak } from '../../src/stream/closing.js'
import { BoshSessions } from '../../src/transport/bosh.js'
import type { BoshAnswer, BoshPost } from '../../src/transport/bosh.js'
import type { Transport } from '../../src/transport/transport.js'
import { limitsFor } from '../contract/transport-kinds.js'
import { attribute, NS, XBOSH } from './bosh-client.js'
import { attached, httpLimits, RecordingSink, REPLY, testRoom, turns } from './support.js'

interface Bench {
  readonly room: ReturnType<typeof testRoom>
  readonly sessions: BoshSessions
  readonly transports: Transport[]
  readonly sinks: RecordingSink[]
  /** What came back, in the order of the posts; `undefined` while the request is held. */
  readonly answers: (BoshAnswer | undefined)[]
  post(attrs: string, payload?: string, from?: Partial<BoshPost>): number
  /** The text of one answer. */
  text(index: number): string
  /** Opens a session: sid, and the index of its first answer. */
  open(attrs?: string): Promise<string>
  readonly lost: (() => void)[]
  onLostOf(index: number): void
}

const FEATURES = "<stream:features xmlns:stream='http://etherx.jabber.org/streams'/>"
const FIRST = `to='im.test' wait='60' hold='1' ver='1.6' xmpp:version='1.0' ${XBOSH}`

function bench(forward: (node: string, request: { sid: string }) => Promise<BoshAnswer> | undefined = () => undefined): Bench {
  const room = testRoom()
  const transports: Transport[] = []
  const sinks: RecordingSink[] = []
  const answers: (BoshAnswer | undefined)[] = []
  const losses: (() => void)[] = []
  const sessions = new BoshSessions({
    room, limits: httpLimits, addresses: limitsFor(room), nodeName: 'a.test', serves: (domain) => domain === 'im.test', forward,
    accept(transport) {
      const sink = attached(transport)
      sink.react = (seen) => {
        if (seen.kind === 'header') {
          transport.open(REPLY)
          transport.send(FEATURES)
        }
        if (seen.kind === 'closed') transport.end()
      }
      transports.push(transport)
      sinks.push(sink)
    }
  })
  return {
    room, sessions, transports, sinks, answers, lost: losses,
    post(attrs, payload = '', from = {}) {
      const index = answers.push(undefined) - 1
      const body = Buffer.from(`<body ${attrs} ${NS}>${payload}</body>`)
      const onLost = (task: () => void): void => { losses[index] = task }
      void sessions.serve({ address: '127.0.0.1', secure: false, body, ...from }, { paid: false, onLost })
        .then((answer) => { answers[index] = answer })
      return index
    },
    text: (index) => answers[index]?.body.toString() ?? '',
    onLostOf: (index) => losses[index]?.(),
    async open(attrs = FIRST) {
      const index = this.post(`rid='100' ${attrs}`)
      await turns()
      return attribute(this.text(index), 'sid') ?? ''
    }
  }
}

const message = (id: string): string => `<message xmlns='jabber:client' id='${id}'/>`
const terminate = (condition: string): string => `type='terminate' condition='${condition}'`

describe('session creation (XEP-0124 §7)', () => {
  test('the answer carries sid, terms and, when they come in the same turn, the stream features (XEP-0206 §4)', async () => {
    const b = bench()
    const sid = await b.open()
    const text = b.text(0)
    expect(sid).toMatch(/^[\w-]{24}\.a\.test$/)
    for (const [name, value] of Object.entries({
      wait: '60', hold: '1', requests: '2', inactivity: '60', polling: '5', maxpause: '120', ver: '1.6' })) {
      expect(attribute(text, name)).toBe(value)
    }
    expect(text).toContain("xmpp:restartlogic='true'")
    expect(text).toContain("authid='s1'")
    expect(text).toContain("xmlns:stream='http://etherx.jabber.org/streams'")
    expect(text).toContain(FEATURES)
    expect(b.sinks[0]?.seen[0]).toMatchObject({ kind: 'header', header: { attrs: { to: 'im.test', version: '1.0' } } })
  })

  test('H14: wait and hold are lowered to ours, and never raised above what was asked', async () => {
    const b = bench()
    await b.open(`to='im.test' wait='99999' hold='50' ver='1.6'`)
    expect([attribute(b.text(0), 'wait'), attribute(b.text(0), 'hold')]).toEqual(['60', '1'])
    const other = bench()
    await other.open(`to='im.test' wait='7' hold='1' ver='1.6'`)
    expect(attribute(other.text(0), 'wait')).toBe('7')
  })

  test.each(['', "rid='0'", "rid='-1'", "rid='9007199254740992'", "rid='1e9'"])('H05: %j is a bad request', async (rid) => {
    const b = bench()
    b.post(`${rid} ${FIRST}`)
    await turns()
    expect(b.text(0)).toContain(terminate('bad-request'))
    expect(b.transports).toHaveLength(0)
  })

  test('H06: no `to` and an empty one are improper addressing, a foreign one is host-unknown (§17.2)', async () => {
    const b = bench()
    b.post("rid='1' ver='1.6'")
    b.post("rid='1' ver='1.6' to=''")
    b.post("rid='1' ver='1.6' to='other.example'")
    await turns()
    expect([0, 1, 2].map((i) => attribute(b.text(i), 'condition'))).toEqual(['improper-addressing', 'improper-addressing', 'host-unknown'])
  })

  test('H23: route is ignored', async () => {
    const b = bench()
    expect(await b.open(`${FIRST} route='xmpp:10.0.0.1:25'`)).not.toBe('')
  })

  test('H24: the content type asked for stands in all answers, and cannot break the header', async () => {
    const b = bench()
    await b.open(`${FIRST} content='text/html; charset=utf-8'`)
    expect(b.answers[0]?.contentType).toBe('text/html; charset=utf-8')
    b.post(`rid='1' ${FIRST} content='text/x&#13;&#10;X: y'`)
    await turns()
    expect(b.text(1)).toContain(terminate('bad-request'))
  })

  test('with ack=1 the answer acknowledges the first rid (§9)', async () => {
    const b = bench()
    await b.open(`${FIRST} ack='1'`)
    expect(attribute(b.text(0), 'ack')).toBe('100')
  })

  test('H19: clients without `ver` get HTTP codes (§17.1)', async () => {
    const b = bench()
    b.post("rid='0' to='im.test'")
    const sid = await b.open("to='im.test' wait='60' hold='1'")
    b.post(`rid='150' sid='${sid}'`)
    await turns()
    expect([b.answers[0]?.status, b.answers[2]?.status]).toEqual([400, 404])
  })

  test('a session that is full or closing takes no more', async () => {
    const b = bench()
    b.sessions.stopAccepting()
    b.post(`rid='1' ${FIRST}`)
    await turns()
    expect(b.text(0)).toContain(terminate('system-shutdown'))
  })
})

describe('requests and answers (XEP-0124 §8, §14)', () => {
  test('a request is held until something is to be sent, and carries all of one turn', async () => {
    const b = bench()
    const sid = await b.open()
    const held = b.post(`rid='101' sid='${sid}'`)
    await turns()
    expect(b.answers[held]).toBeUndefined()
    b.transports[0]?.send(message('x'))
    b.transports[0]?.send(message('y'))
    await turns()
    expect(b.text(held)).toBe(`<body ${NS}>${message('x')}${message('y')}</body>`)
  })

  test('an empty answer goes out when wait is over', async () => {
    const b = bench()
    const sid = await b.open()
    const held = b.post(`rid='101' sid='${sid}'`)
    await turns()
    b.room.clock.move(59_000)
    await turns()
    expect(b.answers[held]).toBeUndefined()
    b.room.clock.move(1_500)
    await turns()
    expect(b.text(held)).toBe(`<body ${NS}/>`)
  })

  test('a second request lets the first go: no more than hold are kept', async () => {
    const b = bench()
    const sid = await b.open()
    const first = b.post(`rid='101' sid='${sid}'`)
    const second = b.post(`rid='102' sid='${sid}'`, message('a'))
    await turns()
    expect(b.text(first)).toBe(`<body ${NS}/>`)
    expect(b.answers[second]).toBeUndefined()
    expect(b.sinks[0]?.names).toEqual(['a'])
  })

  test('H25: a stanza in the wrapper\'s namespace counts as jabber:client (XEP-0206 §2)', async () => {
    const b = bench()
    const sid = await b.open()
    b.post(`rid='101' sid='${sid}'`, "<message id='m'><body>hi</body></message>")
    await turns()
    const seen = b.sinks[0]?.seen.find((entry) => entry.kind === 'element')
    expect(seen).toMatchObject({ element: { ns: 'jabber:client', children: [{ name: 'body', ns: 'jabber:client' }] } })
  })

  test('H21: requests that come in the wrong order are handled and answered in the right one', async () => {
    const b = bench()
    const sid = await b.open()
    const late = b.post(`rid='102' sid='${sid}'`, message('second'))
    await turns()
    expect(b.sinks[0]?.names).toEqual([])
    const early = b.post(`rid='101' sid='${sid}'`, message('first'))
    await turns()
    expect(b.sinks[0]?.names).toEqual(['first', 'second'])
    expect(b.answers[early]).toBeDefined()
    expect(b.answers[late]).toBeUndefined()
  })

  test('H10: a repeated rid gets the very same bytes', async () => {
    const b = bench()
    const sid = await b.open()
    const first = b.post(`rid='101' sid='${sid}'`)
    await turns()
    b.transports[0]?.send(message('x'))
    await turns()
    const again = b.post(`rid='101' sid='${sid}'`)
    await turns()
    expect(b.answers[again]?.body.equals(b.answers[first]?.body ?? Buffer.alloc(0))).toBe(true)
    expect(b.text(again)).toContain(message('x'))
  })

  test('what was sent on a connection that broke is there for the repeat (§14.3)', async () => {
    const b = bench()
    const sid = await b.open()
    const broken = b.post(`rid='101' sid='${sid}'`)
    await turns()
    b.onLostOf(broken)
    b.transports[0]?.send(message('kept'))
    await turns()
    const again = b.post(`rid='101' sid='${sid}'`)
    await turns()
    expect(b.text(again)).toContain(message('kept'))
  })

  test.each([['H08 above the window', 104], ['H09 below the buffer', 90]])('%s: item-not-found, and the session is over',
    async (_row, rid) => {
    const b = bench()
    const sid = await b.open()
    const held = b.post(`rid='101' sid='${sid}'`)
    await turns()
    const wrong = b.post(`rid='${rid}' sid='${sid}'`)
    await turns()
    expect(b.text(wrong)).toBe(`<body ${NS} ${terminate('item-not-found')}/>`)
    expect(b.text(held)).toContain(terminate('other-request'))
    expect(b.sinks[0]?.seen.at(-1)?.kind).toBe('gone')
    expect(b.sessions.size).toBe(0)
  })

  test('H11: a repeat of a held rid lets the old request go with an error; twenty are too many (§14.3)', async () => {
    const b = bench()
    const sid = await b.open()
    const indexes = [...Array(20).keys()].map(() => b.post(`rid='101' sid='${sid}'`))
    await turns()
    expect(b.text(indexes[0] ?? 0)).toBe(`<body ${NS} type='error'/>`)
    expect(b.answers[indexes[19] ?? 0]).toBeUndefined()
    const last = b.post(`rid='101' sid='${sid}'`)
    await turns()
    expect(b.text(last)).toContain(terminate('policy-violation'))
  })

  test('H12: three requests of which none could be answered are too many, unless the third pauses or ends (§11)', async () => {
    const b = bench()
    const sid = await b.open()
    b.transports[0]?.pause()
    b.post(`rid='101' sid='${sid}'`, message('1'))
    b.post(`rid='102' sid='${sid}'`, message('2'))
    await turns()
    expect(b.answers.slice(1)).toEqual([undefined, undefined])
    const third = b.post(`rid='103' sid='${sid}'`, message('3'))
    await turns()
    expect(b.text(third)).toContain(terminate('policy-violation'))

    const other = bench()
    const second = await other.open()
    other.transports[0]?.pause()
    other.post(`rid='101' sid='${second}'`, message('1'))
    other.post(`rid='102' sid='${second}'`, message('2'))
    const ending = other.post(`rid='103' sid='${second}' type='terminate'`)
    await turns()
    expect(other.text(ending)).not.toContain('policy-violation')
  })

  test('H13: a polling client that asks too soon breaks the rules; after an answer with payload it does not (§12)', async () => {
    const b = bench()
    const sid = await b.open("to='im.test' wait='0' hold='0' ver='1.6'")
    b.transports[0]?.send(message('x'))
    const full = b.post(`rid='101' sid='${sid}'`)
    await turns()
    expect(b.text(full)).toContain(message('x'))
    const empty = b.post(`rid='102' sid='${sid}'`)
    await turns()
    expect(b.text(empty)).toBe(`<body ${NS}/>`)
    const soon = b.post(`rid='103' sid='${sid}'`)
    await turns()
    expect(b.text(soon)).toContain(terminate('policy-violation'))
  })

  test('H13: with hold=1 an empty second request within `polling` while the first is open breaks the rules; later it does not (§11)',
    async () => {
    const b = bench()
    const sid = await b.open()
    b.post(`rid='101' sid='${sid}'`)
    b.room.clock.move(6_000)
    const later = b.post(`rid='102' sid='${sid}'`)
    await turns()
    expect(b.text(later)).not.toContain('terminate')
    const soon = b.post(`rid='103' sid='${sid}'`)
    await turns()
    expect(b.text(soon)).toContain(terminate('policy-violation'))
  })

  test.each<[string, string, (b: Bench, sid: string) => void]>([
    ['a request outside the window (§14.2)', 'item-not-found: request 150', (b, sid) => b.post(`rid='150' sid='${sid}'`)],
    ['a pause that is too long (§10)', 'policy-violation: a pause', (b, sid) => b.post(`rid='101' sid='${sid}' pause='99999'`)],
    ['requests too soon (§11)', 'policy-violation: too many', (b, sid) => [101, 102].map((rid) => b.post(`rid='${rid}' sid='${sid}'`))]
  ])('%s ends the stream as an error of the protocol, and says which', async (_name, why, breakRules) => {
    const b = bench()
    breakRules(b, await b.open())
    await turns()
    const end = b.sinks[0]?.seen.at(-1)
    expect(end).toMatchObject({ kind: 'gone', error: { reason: 'stream-error', message: expect.stringContaining(`BOSH ${why}`) } })
    expect(reasonOfBreak(end?.kind === 'gone' ? end.error : undefined)).toBe('stream-error')
  })

  test('pause holds a request unanswered until the stream takes the rest of it', async () => {
    const b = bench()
    const sid = await b.open()
    const [sink] = b.sinks
    const [transport] = b.transports
    if (sink === undefined || transport === undefined) throw new Error('no session')
    sink.react = (seen) => { if (seen.kind === 'element') transport.pause() }
    const index = b.post(`rid='101' sid='${sid}'`, message('1') + message('2'))
    transport.send(message('out'))
    await turns()
    expect(sink.names).toEqual(['1'])
    expect(b.answers[index]).toBeUndefined()
    transport.resume()
    await turns()
    expect(sink.names).toEqual(['1', '2'])
    expect(b.text(index)).toContain(message('out'))
  })
})

describe('times and ends (XEP-0124 §10, §13)', () => {
  test('H07: a session without any request open is gone after `inactivity`', async () => {
    const b = bench()
    const sid = await b.open()
    b.room.clock.move(60_500)
    await turns()
    expect(b.sinks[0]?.seen.at(-1)).toMatchObject({ kind: 'gone', error: { reason: 'timeout' } })
    const late = b.post(`rid='101' sid='${sid}'`)
    await turns()
    expect(b.text(late)).toContain(terminate('item-not-found'))
  })

  test('a request whose predecessor never comes keeps no session, however often it is repeated, and is answered with its end (§14.2)',
    async () => {
    const b = bench()
    const sid = await b.open()
    b.post(`rid='102' sid='${sid}'`)
    await turns()
    b.room.clock.move(40_000)
    await turns()
    const early = b.post(`rid='102' sid='${sid}'`)
    await turns()
    expect(b.answers[early]).toBeUndefined()
    b.room.clock.move(20_500)
    await turns()
    expect(b.sinks[0]?.seen.at(-1)).toMatchObject({ kind: 'gone', error: { reason: 'timeout' } })
    expect(b.text(early)).toContain(terminate('item-not-found'))
  })

  test('pause answers all requests empty and lengthens inactivity once; H15: too long a pause breaks the rules', async () => {
    const b = bench()
    const sid = await b.open()
    const held = b.post(`rid='101' sid='${sid}'`)
    await turns()
    b.transports[0]?.pause()
    b.transports[0]?.resume()
    const pause = b.post(`rid='102' sid='${sid}' pause='110'`)
    await turns()
    expect([b.text(held), b.text(pause)]).toEqual([`<body ${NS}/>`, `<body ${NS}/>`])
    b.room.clock.move(100_000)
    await turns()
    const back = b.post(`rid='103' sid='${sid}'`)
    await turns()
    expect(b.answers[back]).toBeUndefined()
    const tooLong = b.post(`rid='104' sid='${sid}' pause='99999'`)
    await turns()
    expect(b.text(tooLong)).toContain(terminate('policy-violation'))
  })

  test('H22: on terminate payloads come first, the oldest request carries the end and the other is empty', async () => {
    const b = bench()
    const sid = await b.open()
    const held = b.post(`rid='101' sid='${sid}'`)
    await turns()
    const ending = b.post(`rid='102' sid='${sid}' type='terminate'`, message('bye'))
    await turns()
    expect(b.sinks[0]?.names).toEqual(['bye'])
    expect(b.text(held)).toBe(`<body ${NS} type='terminate'/>`)
    expect(b.text(ending)).toBe(`<body ${NS}/>`)
    const late = b.post(`rid='103' sid='${sid}'`)
    await turns()
    expect(b.text(late)).toContain(terminate('item-not-found'))
  })

  test('a stream error ends the session with remote-stream-error and carries it (§17.2)', async () => {
    const b = bench()
    const sid = await b.open()
    const held = b.post(`rid='101' sid='${sid}'`)
    await turns()
    b.transports[0]?.send("<stream:error xmlns:stream='http://etherx.jabber.org/streams'/>")
    b.transports[0]?.end()
    await turns()
    expect(b.text(held)).toContain(terminate('remote-stream-error'))
    expect(b.text(held)).toContain('<stream:error')
  })

  test('without an open request the end waits for the next one, for 5 s', async () => {
    const b = bench()
    const sid = await b.open()
    b.transports[0]?.end()
    b.room.clock.move(4_000)
    const index = b.post(`rid='101' sid='${sid}'`)
    await turns()
    expect(b.text(index)).toContain("type='terminate'")
    const other = bench()
    await other.open()
    other.transports[0]?.end()
    other.room.clock.move(5_500)
    await turns()
    expect(other.sinks[0]?.seen.at(-1)?.kind).toBe('gone')
  })

  test('a restart gives a new header and ignores payloads (XEP-0206 §5)', async () => {
    const b = bench()
    const sid = await b.open()
    b.transports[0]?.restart()
    const index = b.post(`rid='101' sid='${sid}' to='im.test' xmpp:restart='true' ${XBOSH}`, message('ignored'))
    await turns()
    expect(b.sinks[0]?.seen.filter((seen) => seen.kind === 'header')).toHaveLength(2)
    expect(b.sinks[0]?.names).toEqual([])
    expect(b.text(index)).toContain(FEATURES)
    expect(attribute(b.text(index), 'sid')).toBeUndefined()
  })
})

describe('other nodes and other people', () => {
  test('a sid of another node is passed on, and the answer comes back; a node that is away is a 503 to be repeated', async () => {
    const asked: string[] = []
    const b = bench((node, { sid }) => {
      asked.push(node, sid)
      if (node === 'gone.test') return undefined
      return node === 'busy.test' ? Promise.reject(new Error('link down'))
        : Promise.resolve({ status: 200, contentType: 'x/y', body: Buffer.from('there') })
    })
    b.post("rid='5' sid='abc.b.test'")
    b.post("rid='5' sid='abc.busy.test'")
    b.post("rid='5' sid='abc.gone.test'")
    await turns()
    expect(asked.slice(0, 2)).toEqual(['b.test', 'abc.b.test'])
    expect(b.text(0)).toBe('there')
    expect(b.answers[1]?.status).toBe(503)
    expect(b.text(2)).toContain(terminate('item-not-found'))
  })

  test('a request passed on by another node is served here', async () => {
    const b = bench()
    const sid = await b.open()
    const body = Buffer.from(`<body rid='101' sid='${sid}' ${NS}>${message('far')}</body>`)
    const answer = b.sessions.serveForwarded({ sid, address: '127.0.0.1', secure: false, body })
    await turns()
    expect(b.sinks[0]?.names).toEqual(['far'])
    b.transports[0]?.send(message('back'))
    expect((await answer).body.toString()).toContain(message('back'))
  })

  test('H17: plain HTTP for a session of HTTPS drops that connection, and the session lives (§19.1)', async () => {
    const b = bench()
    b.post(`rid='100' ${FIRST}`, '', { secure: true })
    await turns()
    const sid = attribute(b.text(0), 'sid') ?? ''
    const plain = b.post(`rid='101' sid='${sid}'`, message('no'))
    await turns()
    expect(b.answers[plain]?.status).toBe(0)
    b.post(`rid='101' sid='${sid}'`, message('yes'), { secure: true })
    await turns()
    expect(b.sinks[0]?.names).toEqual(['yes'])
  })

  test('H18: an address that guesses sids is told to slow down after twenty misses, for a minute', async () => {
    const b = bench()
    for (let i = 0; i < 21; i++) b.post(`rid='5' sid='guess${i}.a.test'`, '', { address: '203.0.113.5' })
    await turns()
    expect(b.text(19)).toContain(terminate('item-not-found'))
    expect(b.answers[20]?.status).toBe(429)
    b.room.clock.move(61_000)
    const later = b.post("rid='5' sid='more.a.test'", '', { address: '203.0.113.5' })
    await turns()
    expect(b.answers[later]?.status).toBe(200)
  })

  test.each([
    ['text', 'hello'], ['a comment', '<!-- x -->'], ['a second root', '<a/></body><body>'], ['not well-formed', '<a><b></a>']
  ])('H20: %s in the wrapper is a bad request, and nothing of it is processed (§6)', async (_what, payload) => {
    const b = bench()
    const sid = await b.open()
    const index = b.post(`rid='101' sid='${sid}'`, `${message('before')}${payload}`)
    await turns()
    expect(b.text(index)).toContain(terminate('bad-request'))
    expect(b.sinks[0]?.names).toEqual([])
  })

  test('H02: no XML at all is 400, another root or namespace a bad request', async () => {
    const b = bench()
    const serve = (body: string) =>
      b.sessions.serve({ address: '127.0.0.1', secure: false, body: Buffer.from(body) }, { paid: false, onLost() {} })
    expect((await serve('')).status).toBe(400)
    expect((await serve('hello')).status).toBe(400)
    expect((await serve(`<other ${NS}/>`)).body.toString()).toContain(terminate('bad-request'))
    expect((await serve("<body xmlns='urn:x'/>")).body.toString()).toContain(terminate('bad-request'))
  })

  test('an element over 8 KiB before authentication is a policy violation', async () => {
    const b = bench()
    const sid = await b.open()
    b.post(`rid='101' sid='${sid}'`, `<a xmlns='urn:x'>${'x'.repeat(9_000)}</a>`)
    await turns()
    expect(b.sinks[0]?.seen.at(-1)).toMatchObject({ kind: 'fault', fault: { condition: 'policy-violation' } })
  })
})
