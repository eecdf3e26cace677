/** H: BOSH's own rules, with requests made by hand (XEP-0124, XEP-0206). */
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import type { LogLine } from '../support/node-process.js'
import { eventually, noFaultOfOurs } from './runner.js'
import { ask, authenticate, bindAndShow, DOMAIN, greet, Stage } from './stage.js'
import { Tally } from './tally.js'
import { HandBosh, HTTPBIND, post, type Answer, type HandSpec, type Post, type PostSpec } from './wire-http.js'

const tally = new Tally('BOSH')
let stage: Stage
let addresses = 0
let resources = 0

beforeAll(async () => {
  stage = await Stage.set({ lines: ['--http-body-timeout-ms=1500', '--bosh-inactivity=5', '--bosh-polling=2'] })
}, 60_000)
afterAll(() => stage.clear())

interface Play {
  /** Its own loopback address: misses are counted by address. */
  readonly at: { readonly port: number, readonly localAddress: string }
  readonly lines: () => readonly LogLine[]
}

const row = (name: string, run: (play: Play) => Promise<void>): void => tally.test(name, 'bosh', async () => {
  const lines = stage.mark()
  await run({ at: { port: stage.node.ports.http, localAddress: `127.0.1.${++addresses}` }, lines })
  await stage.others()
  expect(await stage.deliveredToBob()).toEqual([])
  expect(stage.trapped).toBe(0)
  noFaultOfOurs(lines())
})

const answerTo = (spec: PostSpec): Promise<Answer> => post(spec).answer
const body = (attrs: string, inside = ''): string => `<body ${HTTPBIND}${attrs}>${inside}</body>`
const ended = (condition: string): RegExp => new RegExp(`^<body [^>]*type='terminate' condition='${condition}'`)

/** A session whose stream has its features; nothing is open. */
async function begun(at: Play['at'], more: Partial<HandSpec> = {}): Promise<HandBosh> {
  const hand = new HandBosh({ ...at, ...more })
  await greet(hand)
  return hand
}

async function loggedIn(at: Play['at'], more: Partial<HandSpec> = {}): Promise<HandBosh> {
  const hand = await begun(at, more)
  await authenticate(hand, 'alice')
  await greet(hand)
  await bindAndShow(hand, `h${++resources}`)
  return hand
}

const EMPTY = "<body xmlns='http://jabber.org/protocol/httpbind'/>"
const PING = "<iq xmlns='jabber:client' type='get' id='x'><ping xmlns='urn:xmpp:ping'/></iq>"
const message = (text: string): string => `<message xmlns='jabber:client' to='${stage.bob.jid}'><body>${text}</body></message>`

/** The session is over: its next request finds nothing, and one line says so. */
async function gone(hand: HandBosh, lines: () => readonly LogLine[], before: readonly string[] = []): Promise<void> {
  expect((await hand.post('').answer).text).toMatch(ended('item-not-found'))
  const own = (): readonly LogLine[] => lines().filter((line) => line['ip'] === hand.spec.localAddress)
  await eventually(() => own().some((line) => line['event'] === 'stream.closed'), () => JSON.stringify(lines()))
  expect(own().map((line) => [line['event'], line['level']])).toEqual([...before, 'stream.closed'].map((event) => [event, 'info']))
}

async function lives(hand: HandBosh): Promise<void> {
  await ask(hand, 'get', "<ping xmlns='urn:xmpp:ping'/>")
  await hand.ask(" type='terminate'")
}

describe('requests', () => {
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
    row(`H01 ${method} is not allowed (RFC 9110 §15.5.6; ours)`, async ({ at }) => {
      const answer = await answerTo({ ...at, method, body: '' })
      expect([answer.status, answer.headers.allow]).toEqual([405, 'POST, OPTIONS'])
    })
  }

  for (const [what, text, status, says] of [
    ['no body', '', 400, /^$/], ['text', 'hello', 400, /^$/], ['another root', `<html ${HTTPBIND} rid='1'/>`, 200, ended('bad-request')],
    ['another namespace', "<body xmlns='urn:x' rid='1'/>", 200, ended('bad-request')],
    ['no namespace', "<body rid='1'/>", 200, ended('bad-request')]
  ] as const) {
    row(`H02 ${what}: refused (XEP-0124 §17.1, §17.2)`, async ({ at }) => {
      const answer = await answerTo({ ...at, body: text })
      expect([answer.status, answer.text]).toEqual([status, expect.stringMatching(says)])
    })
  }

  row('H03 a length of 300,001: 413 before a byte of it is read (RFC 9110 §15.5.14; the number is ours)', async ({ at }) => {
    expect((await answerTo({ ...at, body: '<', open: true, headers: { 'content-length': 300_001 } })).status).toBe(413)
  })

  row('H03 a body of 300,001 bytes in chunks: 413 (RFC 9110 §15.5.14; the number is ours)', async ({ at }) => {
    const sent = post({ ...at, body: ' '.repeat(300_001), open: true, headers: { 'transfer-encoding': 'chunked' } })
    expect((await sent.answer).status).toBe(413)
    sent.sent.destroy()
  })

  row('H04 a body that drips: 408 (RFC 9110 §15.5.9; the time is ours)', async ({ at }) => {
    const { sent, answer } = post({ ...at, body: '<', open: true, headers: { 'content-length': 100 } })
    const drip = setInterval(() => { sent.write('b') }, 300)
    expect((await answer.finally(() => { clearInterval(drip) })).status).toBe(408)
    sent.destroy()
  })

  for (const [what, inside] of Object.entries({
    text: 'hello', 'a comment': '<!-- c -->', 'an instruction': '<?php x?>', 'a DTD': '<!DOCTYPE x>', 'an entity': '&foo;',
    'part of an element': '<message>', 'an ampersand': '<message><body>a & b</body></message>', 'a second root': `</body>${body('')}<body>`
  })) {
    row(`H20 a wrapper with ${what}: bad-request, and nothing of it is handled (XEP-0124 §6, §17.2)`, async ({ at, lines }) => {
      const hand = await loggedIn(at)
      expect((await hand.post('', `${message('first')}${inside}`).answer).text).toMatch(ended('bad-request'))
      expect(await stage.deliveredToBob()).toEqual([])
      // Whoever sent it: the request was none of the session's.
      hand.rid--
      await hand.ask(" type='terminate'")
      await gone(hand, lines, ['bosh.bad-request'])
    })
  }
})

describe('the first request', () => {
  for (const ver of ['1.6', '']) {
    for (const rid of ['', '0', '-1', '9007199254740992', '1e9', 'x', ' 1']) {
      row(`${ver === '' ? 'H19 as H05:' : 'H05'} rid='${rid}'${ver === '' ? ' without ver' : ''}: bad-request (XEP-0124 §14.1, §17.2)`,
        async ({ at }) => {
        const attrs = `${rid === '' ? '' : ` rid='${rid}'`}${ver === '' ? '' : ` ver='${ver}'`} to='im.test' wait='1' hold='1'`
        const answer = await answerTo({ ...at, body: body(attrs) })
        if (ver === '') expect(answer.status).toBe(400)
        else expect(answer.text).toMatch(ended('bad-request'))
      })
    }
  }

  for (const [what, to, condition] of [['no to', '', 'improper-addressing'], ['an empty to', " to=''", 'improper-addressing'],
    ['another domain', " to='other.example'", 'host-unknown'], ['an address of a person', " to='bob@im.test'", 'host-unknown']] as const) {
    row(`H06 ${what}: ${condition} (XEP-0124 §17.2)`, async ({ at }) => {
      expect((await answerTo({ ...at, body: body(` rid='1' ver='1.6' wait='1' hold='1'${to}`) })).text).toMatch(ended(condition))
    })
  }

  row('H14 wait and hold are lowered, never raised (XEP-0124 §7.2)', async ({ at }) => {
    const told = async (wait: string, hold: string): Promise<unknown> => {
      const hand = await begun(at, { first: { wait, hold } })
      await hand.ask(" type='terminate'")
      return { wait: hand.inbox.header['wait'], hold: hand.inbox.header['hold'] }
    }
    expect([await told('99999', '50'), await told('7', '1'), await told('5', '0')])
      .toEqual([{ wait: '60', hold: '1' }, { wait: '7', hold: '1' }, { wait: '5', hold: '0' }])
  })

  row('H23 route leads nowhere, and later to and route are not there (XEP-0124 §7.1, §16.3)', async ({ at }) => {
    const hand = await begun(at, { first: { route: `xmpp:127.0.0.1:${stage.trap.port}` } })
    await authenticate(hand, 'alice')
    await hand.ask(` xmpp:restart='true' to='${DOMAIN}' route='xmpp:127.0.0.1:${stage.trap.port}'`)
    await bindAndShow(hand, `h${++resources}`)
    expect((await hand.ask(" to='other.example' route='xmpp:127.0.0.1:25'", PING)).text).toContain("type='result'")
    await lives(hand)
  })

  for (const content of ['text/html&#13;&#10;X-Evil: 1', 'text/html&#10;', 'x', '', 'a/b; charset=&quot;']) {
    row(`H24 content='${content}': bad-request (XEP-0124 §7.1; ours)`, async ({ at }) => {
      const answer = await answerTo({ ...at, body: body(` rid='1' ver='1.6' to='im.test' wait='1' hold='1' content='${content}'`) })
      expect([answer.text, answer.headers['x-evil']]).toEqual([expect.stringMatching(ended('bad-request')), undefined])
    })
  }

  row('H24 a type of content is used for all answers, and browsers do not guess (XEP-0124 §7.1)', async ({ at }) => {
    const hand = await begun(at, { first: { content: 'text/html' } })
    const last = await hand.ask(" type='terminate'")
    expect([last.headers['content-type'], last.headers['x-content-type-options']]).toEqual(['text/html', 'nosniff'])
  })

  row('H16 keys are not offered: who sends them is served without (XEP-0124 §15; ours)', async ({ at }) => {
    const hand = await begun(at, { first: { newkey: 'ca393b51b682f61f98e7877d61146407f3d0a770' } })
    expect((await hand.ask(" key='wrong'", "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")).text).toContain('<aborted/>')
    await hand.ask(" type='terminate'")
  })
})

describe('ids of sessions and requests', () => {
  row('H07 a sid that nobody has (XEP-0124 §10, §17.2)', async ({ at }) => {
    for (const sid of ['x', '', 'abc.node1', 'abc.node2', 'abc.nobody', '.node1', `${'s'.repeat(200)}.node1`]) {
      expect((await answerTo({ ...at, body: body(` rid='5' sid='${sid}'`) })).text).toMatch(ended('item-not-found'))
    }
  })

  row('H07 a session that has ended (XEP-0124 §13)', async ({ at, lines }) => {
    const hand = await begun(at)
    await hand.ask(" type='terminate'")
    await gone(hand, lines)
  })

  row('H07 a session that was idle for too long (XEP-0124 §10)', async ({ at, lines }) => {
    const hand = await begun(at)
    const own = (): boolean => lines().some((line) => line['event'] === 'stream.closed' && line['reason'] === 'timeout'
      && hand.inbox.streamIds.includes(String(line['stream'])))
    await eventually(own, () => 'it lives')
    await gone(hand, lines)
  })

  const outside = { 'H08 above the window': 5, 'H09 below the buffer': -5 }
  for (const [name, step] of Object.entries(outside)) {
    row(`${name}: item-not-found, the session ends (XEP-0124 §14.2, §14.3)`, async ({ at, lines }) => {
      const hand = await loggedIn(at)
      const { text } = await hand.post('', '', hand.rid + step).answer
      expect(text).toBe("<body xmlns='http://jabber.org/protocol/httpbind' type='terminate' condition='item-not-found'/>")
      await gone(hand, lines)
    })

    row(`H19 as ${name}, without ver: 404 (XEP-0124 §17.1)`, async ({ at }) => {
      const hand = await begun(at, { first: { ver: '' } })
      expect((await hand.post('', '', hand.rid + step).answer).status).toBe(404)
    })
  }

  row('H10 a request that was answered is answered again, byte for byte, and not handled again (XEP-0124 §14.3)', async ({ at }) => {
    const hand = await loggedIn(at)
    const { rid } = hand
    const inside = message('once') + PING
    const first = await hand.ask('', inside)
    const again = await hand.post('', inside, rid).answer
    expect(again.text).toBe(first.text)
    expect(await stage.deliveredToBob()).toHaveLength(1)
    hand.inbox.elements.splice(0)
    await lives(hand)
  })

  row('H11 a request that is held and comes again: the old one is released, the new one held (XEP-0124 §14.3)', async ({ at }) => {
    const hand = await loggedIn(at)
    const { rid } = hand
    const held = hand.post('')
    const again = hand.post('', '', rid)
    expect((await held.answer).text).toMatch(/^<body [^>]*type='error'/)
    hand.post('', PING)
    expect((await again.answer).text).toContain("type='result'")
    await hand.ask(" type='terminate'")
  })

  row('H11 twenty repeats are too many (XEP-0124 §17.3; the number is ours)', async ({ at, lines }) => {
    const hand = await loggedIn(at)
    const { rid } = hand
    const posts = [hand.post('')]
    for (let n = 0; n < 22; n++) {
      posts.push(hand.post('', '', rid))
      await posts.at(-2)?.answer
    }
    const texts = (await Promise.all(posts.map(({ answer }) => answer))).map(({ text }) => text)
    expect(texts.filter((text) => ended('policy-violation').test(text))).toHaveLength(1)
    await gone(hand, lines)
  })

  row('H18 who guesses is slowed after 20 misses, others and open sessions are not (ours)', async ({ at }) => {
    const statuses: number[] = []
    for (let n = 0; n < 30; n++) statuses.push((await answerTo({ ...at, body: body(` rid='5' sid='guess${n}.node1'`) })).status)
    expect(statuses).toEqual([...Array.from({ length: 20 }, () => 200), ...Array.from({ length: 10 }, () => 429)])
    const other = await begun({ ...at, localAddress: `127.0.1.${++addresses}` })
    await other.ask(" type='terminate'")
    const own = await begun(at)
    await own.ask(" type='terminate'")
  })

  row('H17 a session of HTTPS is not served in the clear, and lives (XEP-0124 §19.1)', async ({ at }) => {
    const safe = await loggedIn({ ...at, port: stage.node.ports.https }, { tls: true })
    const clear = answerTo({ ...at, body: body(` rid='${safe.rid}' sid='${safe.sid}'`, message('stolen')) })
    await expect(clear).rejects.toThrow()
    await lives(safe)
  })
})

describe('pace and order', () => {
  /** Two requests of which none can be answered yet: the first asks the database for a while. */
  function busy(hand: HandBosh): readonly Post[] {
    const questions = Array.from({ length: 300 }, (_, i) => `<iq xmlns='jabber:client' type='get' id='v${i}'><vCard xmlns='vcard-temp'/></iq>`)
    return [hand.post('', questions.join('')), hand.post('', message('second'))]
  }

  for (const ver of ['1.6', '']) {
    row(`${ver === '' ? 'H19 as H12:' : 'H12'} a third request where two are allowed and none is answered: policy-violation (XEP-0124 §11)`,
      async ({ at, lines }) => {
      const hand = await loggedIn(at, ver === '' ? { first: { ver } } : {})
      const posts = [...busy(hand), hand.post('', message('third'))]
      const answers = await Promise.all(posts.map(({ answer }) => answer))
      if (ver === '') expect(answers.map(({ status }) => status)).toContain(403)
      else {
        expect(answers.filter(({ text }) => ended('policy-violation').test(text))).toHaveLength(1)
        await gone(hand, lines)
      }
      await stage.deliveredToBob()
    })
  }

  for (const [what, attrs] of [['a pause', " pause='3'"], ['an end', " type='terminate'"]] as const) {
    row(`H12 the third at a time with ${what} passes (XEP-0124 §11)`, async ({ at }) => {
      const hand = await loggedIn(at)
      const posts = [...busy(hand), hand.post(attrs)]
      const texts = (await Promise.all(posts.map(({ answer }) => answer))).map(({ text }) => text)
      expect(texts.filter((text) => text.includes('policy-violation'))).toEqual([])
      expect((await stage.deliveredToBob()).map((text) => /<body>(\w+)/.exec(text)?.[1])).toEqual(['second'])
      if (what === 'a pause') await lives(hand)
    })
  }

  row('H13 a polling session that asks too often: policy-violation (XEP-0124 §12)', async ({ at, lines }) => {
    const hand = await begun(at, { first: { hold: '0', wait: '0' } })
    await hand.ask('')
    expect((await hand.ask('')).text).toMatch(ended('policy-violation'))
    await gone(hand, lines)
  })

  row('H19 as H13: the same without ver: 403 (XEP-0124 §17.1)', async ({ at }) => {
    const hand = await begun(at, { first: { hold: '0', wait: '0', ver: '' } })
    await hand.ask('')
    expect((await hand.ask('')).status).toBe(403)
  })

  row('H13 an empty request after an answer with something in it passes (XEP-0124 §12)', async ({ at }) => {
    const hand = await begun(at, { first: { hold: '0', wait: '0' } })
    const text = [(await hand.ask('', "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")).text, (await hand.ask('')).text].join('')
    expect(text).toMatch(/^(?![^]*terminate)[^]*<aborted\/>/)
    if (!text.startsWith(EMPTY)) expect((await hand.ask('')).text).toMatch(ended('policy-violation'))
  })

  row('H13 with hold a second empty request at once: policy-violation (XEP-0124 §11)', async ({ at, lines }) => {
    const hand = await loggedIn(at)
    const held = hand.post('')
    // The first has come: its repeat releases it.
    const again = hand.post('', '', hand.rid - 1)
    await held.answer
    const second = await hand.post('').answer
    expect(second.text).toMatch(ended('policy-violation'))
    expect((await again.answer).text).toMatch(ended('other-request'))
    await gone(hand, lines)
  })

  row('H15 a pause that is too long: policy-violation (XEP-0124 §10; ours)', async ({ at, lines }) => {
    const hand = await loggedIn(at)
    expect((await hand.ask(" pause='99999'")).text).toMatch(ended('policy-violation'))
    await gone(hand, lines)
  })

  row('H15 a pause that is no number: bad-request (XEP-0124 §17.2)', async ({ at }) => {
    const hand = await loggedIn(at)
    expect((await hand.post(" pause='-1'").answer).text).toMatch(ended('bad-request'))
    hand.rid--
    await lives(hand)
  })

  row('H21 requests that overtake each other are handled and answered in order (XEP-0124 §14.2)', async ({ at }) => {
    const hand = await loggedIn(at)
    const first = hand.rid
    hand.rid += 2
    const late = hand.post('', message('second') + PING.replace("'x'", "'second'"), first + 1)
    const early = hand.post('', message('first') + PING.replace("'x'", "'first'"), first)
    const before = (await early.answer).text
    void hand.ask('', PING)
    expect((before + (await late.answer).text).match(/ id='(first|second|x)'/g)?.slice(0, 2)).toEqual([" id='first'", " id='second'"])
    expect((await stage.deliveredToBob()).map((text) => /<body>(\w+)/.exec(text)?.[1])).toEqual(['first', 'second'])
    hand.inbox.elements.splice(0)
    await lives(hand)
  })

  row('H22 an end with something in it: that is handled first, then everything is answered (XEP-0124 §13)', async ({ at, lines }) => {
    const hand = await loggedIn(at)
    const held = hand.post('')
    const last = hand.post(" type='terminate'", message('last words'))
    const [oldest, other] = [await held.answer, await last.answer]
    expect(oldest.text).toMatch(/^<body [^>]*type='terminate'/)
    expect(other.text).toBe(EMPTY)
    expect(await stage.deliveredToBob()).toHaveLength(1)
    await gone(hand, lines)
  })

  row('H25 a stanza without a namespace of its own is one of clients (XEP-0206 §2)', async ({ at }) => {
    const hand = await loggedIn(at)
    await hand.ask('', `<message to='${stage.bob.jid}'><body>x</body></message>${PING}`)
    expect(await stage.deliveredToBob()).toHaveLength(1)
    expect(stage.rawOfBob()).not.toContain('httpbind')
    hand.inbox.elements.splice(0)
    await lives(hand)
  })
})
