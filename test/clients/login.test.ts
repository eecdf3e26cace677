/**
 * Modern login on two real nodes: one round trip after TLS, counted; a token of one node at the other; what `docs/login.md` shows,
 * compared with what goes over the line; and a client that somebody else has written.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net'
import { join } from 'node:path'
import { client, xml, type FastToken, type XmppClient } from '@xmpp/client'
import { WebSocket } from 'ws'
import { freshDatabase } from '../databases.js'
import { Cluster } from '../support/cluster.js'
import { LoginClient } from '../support/login-client.js'
import { authenticate, bind2, FAST, failure, hashedToken, plain, response, Scram, userAgent } from '../support/sasl2.js'
import { trust } from './trust.js'

// `localhost` has two addresses: on a busy machine the quarter of a second that Node gives to each is too short.
setDefaultAutoSelectFamilyAttemptTimeout(5_000)

const SM = 'urn:xmpp:sm:3'
const NONE = 'HT-SHA-256-NONE'
const ENABLE = `<enable xmlns='${SM}' resume='true'/>`
const request = (mechanism: string): string => `<request-token xmlns='${FAST}' mechanism='${mechanism}'/>`
const show = (more = ''): string => `${userAgent()}<fast xmlns='${FAST}'${more}/>`
const tokenIn = (text: string): string => /<token [^>]*token='([^']*)'/.exec(text)?.[1] ?? ''

let cluster: Cluster
const clients: LoginClient[] = []

async function open(node: number): Promise<LoginClient> {
  const one = await LoginClient.open(cluster.node(node).ports.c2sTls)
  clients.push(one)
  return one
}

beforeAll(async () => {
  cluster = await Cluster.of({ nodes: 2, database: await freshDatabase('postgresql'), accounts: ['juliet', 'romeo'] })
}, 90_000)
afterAll(async () => {
  for (const one of clients) one.end()
  await cluster.end()
}, 30_000)

describe('one round trip after TLS (XEP-0388, XEP-0386, XEP-0484)', () => {
  test('PLAIN with a resource and stream management: one write, then the session is live', async () => {
    const one = await open(0)
    const inside = userAgent(randomUUID()) + bind2(ENABLE)
    const answer = await one.login({ mechanism: 'PLAIN', initial: plain('juliet'), inside, from: 'juliet@localhost' })
    expect(answer).toMatch(/<success .*juliet@localhost\/Balcony\/.*<enabled .*<\/bound><\/success><stream:features>/s)
    expect(one.packets.sent).toBe(1)
    expect(one.packets.heard).toBeLessThanOrEqual(2)              // header and features; success and features
    expect(await one.ping()).toMatch(/type='result'/)
  })

  test('a token with them: the same', async () => {
    const first = await open(0)
    const answer = await first.login({ mechanism: 'PLAIN', initial: plain('juliet'), inside: userAgent() + request(NONE) + bind2(ENABLE) })
    const again = await open(0)
    const asked = { mechanism: NONE, initial: hashedToken('juliet', tokenIn(answer)).first, inside: show() + bind2(ENABLE), from: 'juliet@localhost' }
    expect(await again.login(asked)).toMatch(/<success .*<enabled /s)
    expect(again.packets.sent).toBe(1)
    expect(again.packets.heard).toBeLessThanOrEqual(2)
    expect(await again.ping()).toMatch(/type='result'/)
  })

  test('a session that goes on: the same', async () => {
    const first = await open(0)
    const answer = await first.login({ mechanism: 'PLAIN', initial: plain('romeo'), inside: userAgent() + request(NONE) + bind2(ENABLE) })
    first.end()
    const again = await open(0)
    const id = /<enabled [^>]*id='([^']*)'/.exec(answer)?.[1] ?? ''
    const inside = `${show()}<resume xmlns='${SM}' previd='${id}' h='0'/>`
    expect(await again.login({ mechanism: NONE, initial: hashedToken('romeo', tokenIn(answer)).first, inside })).toMatch(/<resumed /)
    expect(again.packets.sent).toBe(1)
    expect(again.packets.heard).toBeLessThanOrEqual(2)
    expect(await again.ping()).toMatch(/type='result'/)
  })
})

describe('any node', () => {
  test('a token of one node logs in at the other, in the place of the same client\'s older session', async () => {
    const here = await open(0)
    const answer = await here.login({ mechanism: 'PLAIN', initial: plain('romeo'), inside: userAgent() + request(NONE) + bind2() })
    const there = await open(1)
    const moved = await there.login({ mechanism: NONE, initial: hashedToken('romeo', tokenIn(answer)).first, inside: show() + bind2() })
    const jid = /<authorization-identifier>([^<]*)</
    expect(jid.exec(moved)?.[1]).toBe(jid.exec(answer)?.[1])
    expect(await here.until(/<\/stream:stream>/)).toContain('<conflict ')
    expect(await there.ping()).toMatch(/type='result'/)
  })

  test('the same bytes at both nodes at once: one gets in (XEP-0484 §3.4)', async () => {
    const here = await open(0)
    const token = tokenIn(await here.login({ mechanism: 'PLAIN', initial: plain('romeo'), inside: userAgent() + request(NONE) }))
    const asked = { mechanism: NONE, initial: hashedToken('romeo', token).first, inside: show(" count='1'") }
    const answers = await Promise.all((await Promise.all([0, 1, 0, 1].map(open))).map((one) => one.login(asked)))
    expect(answers.filter((answer) => answer.includes('<success'))).toHaveLength(1)
    expect(answers.filter((answer) => answer.includes(failure('not-authorized')))).toHaveLength(3)
  })

  test('a new password, given at one node, ends the tokens at the other', async () => {
    const here = await open(0)
    const token = tokenIn(await here.login({ mechanism: 'PLAIN', initial: plain('romeo'), inside: userAgent() + request(NONE) + bind2() }))
    here.write("<iq type='set' id='pw' to='localhost'><query xmlns='jabber:iq:register'><username>romeo</username><password>secret</password></query></iq>")
    expect(await here.until(/id='pw'/)).toMatch(/type='result'/)
    const there = await open(1)
    const answer = await there.login({ mechanism: NONE, initial: hashedToken('romeo', token).first, inside: show() })
    expect(answer).toContain(failure('credentials-expired'))
  })
})

describe('docs/login.md shows what goes over the line', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'login.md'), 'utf8')
  const blocks = new Map([...page.matchAll(/<!-- (\S+) -->\n```xml\n([\s\S]*?)```/g)].map(([, name = '', text = '']) => [name, text]))

  /** What changes from run to run, and how the page is broken into lines. */
  const masked = (text: string): string => text
    .replace(/ id='[0-9a-f]{32}'/g, " id='…'").replace(/(<enabled [^>]*id=')[^']*/g, "$1…").replace(/(previd=')[^']*/g, '$1…')
    .replace(/(token=')[^']*/g, '$1…').replace(/(expiry=')[^']*/g, '$1…').replace(/( ver=')[^']*/g, '$1…').replace(/(Balcony\/)[\w-]{12}/g, '$1…')
    .replace(/(<(?:initial-response|challenge|response|additional-data)[^>]*>)[^<]+/g, '$1…')
    .replace(/^([CS]: ?)?\s*/gm, (_all, who: string | undefined) => (who === undefined ? '' : who)).replace(/\n/g, '').trim()
  const joined = (line: readonly string[]): string => {
    let text = ''
    let who = ''
    for (const piece of line) {
      if (!piece.startsWith(who) || who === '') text += `\n${piece}`
      else text += piece.slice(3)
      who = piece.slice(0, 3)
    }
    return text.trim()
  }
  const OPENING = /<\?xml version='1.0'\?><stream:stream from='localhost'.*?<\/stream:features>/s
  const compare = (name: string, one: LoginClient): void => {
    // The first block shows it once for all.
    const seen = name === 'one-round-trip' ? joined(one.line) : joined(one.line).replace(OPENING, '(header and features as above)')
    expect(masked(seen)).toBe(masked(blocks.get(name) ?? ''))
  }

  test('one round trip', async () => {
    const one = await open(0)
    await one.login({ mechanism: 'PLAIN', initial: plain('juliet'), inside: userAgent() + bind2(ENABLE) + request(NONE), from: 'juliet@localhost' })
    compare('one-round-trip', one)
  })

  test('with a token', async () => {
    const first = await open(0)
    const token = tokenIn(await first.login({ mechanism: 'PLAIN', initial: plain('juliet'), inside: userAgent() + request(NONE) }))
    const one = await open(0)
    await one.login({ mechanism: NONE, initial: hashedToken('juliet', token).first, inside: show() + bind2(ENABLE), from: 'juliet@localhost' })
    compare('with-a-token', one)
  })

  test('bound to the channel', async () => {
    const one = await open(0)
    await one.features('juliet@localhost')
    const scram = new Scram('SCRAM-SHA-256-PLUS', 'juliet', 'secret', 'p=tls-exporter,,', one.exporter)
    one.write(authenticate('SCRAM-SHA-256-PLUS', scram.first, userAgent() + bind2()))
    const challenge = /<challenge[^>]*>([^<]*)</.exec(await one.until(/<\/challenge>/))?.[1] ?? ''
    one.write(response(scram.final(challenge)))
    expect(await one.until(/<\/stream:features>/)).toContain(scram.expected)
    compare('bound-to-the-channel', one)
  })
})

describe('@xmpp/client', () => {
  const STEP_MS = 20_000
  let distrust: () => void = () => {}
  const libraries: XmppClient[] = []
  beforeAll(() => {
    Object.assign(globalThis, { WebSocket })
    const pem = [0, 1].map((n) => readFileSync(join(cluster.dir, cluster.node(n).name, 'certs', 'self-made-certificate.pem'), 'utf8'))
    distrust = trust(pem)
  })
  afterAll(async () => {
    distrust()
    await Promise.all(libraries.map((one) => one.stop().catch(() => undefined)))
  })

  interface Arrival {
    readonly jid: string
    readonly mechanisms: readonly string[]
    readonly xmpp: XmppClient
  }

  /** Logs in with the token if there is one, else with the password, which may be missing. */
  async function arrive(service: string, agent: string, kept: { token?: FastToken | null }, password?: string): Promise<Arrival> {
    const mechanisms: string[] = []
    const userAgentElement = xml('user-agent', { id: agent })
    const xmpp: XmppClient = client({
      service, domain: 'localhost', username: 'juliet', timeout: STEP_MS, userAgent: userAgentElement,
      credentials: async (authenticateWith, offered, fast) => {
        const credentials = { username: 'juliet', password: password ?? 'not known', token: (await fast?.fetch()) ?? undefined }
        await authenticateWith(credentials, offered[0] ?? 'PLAIN', userAgentElement)
      }
    })
    libraries.push(xmpp)
    xmpp.reconnect.stop()
    xmpp.fast.saveToken = async (token) => { kept.token = token }
    xmpp.fast.fetchToken = async () => kept.token ?? undefined
    xmpp.fast.deleteToken = async () => { kept.token = null }
    xmpp.on('error', () => {})
    xmpp.on('send', (element: { name: string; attrs: Record<string, string> }) => {
      if (element.name === 'authenticate') mechanisms.push(element.attrs['mechanism'] ?? '')
    })
    // The library misses an answer to its header that comes before the system has told it that the header is written.
    const online = new Promise<{ toString(): string }>((done) => { xmpp.once('online', done) })
    const started = xmpp.start()
    started.catch(() => undefined)
    const jid = (await Promise.race([online, started])).toString()
    await xmpp.iqCaller.get(xml('ping', { xmlns: 'urn:xmpp:ping' }), 'localhost')
    return { jid, mechanisms, xmpp }
  }

  test.each([['TLS', 'xmpps'], ['WebSocket', 'wss']])('over %s: logs in, gets a token, comes back with it on the other node', async (_name, scheme) => {
    const service = (n: number): string => {
      const { ports } = cluster.node(n)
      return scheme === 'xmpps' ? `xmpps://localhost:${ports.c2sTls}` : `wss://localhost:${ports.https}/xmpp-websocket`
    }
    const kept: { token?: FastToken | null } = {}
    const agent = randomUUID()
    const first = await arrive(service(0), agent, kept, 'secret')
    expect(first.mechanisms).toEqual([scheme === 'xmpps' ? 'SCRAM-SHA-1' : expect.any(String)])
    expect(kept.token).toMatchObject({ mechanism: NONE, token: expect.stringMatching(/^[\w-]{43}$/) })
    await first.xmpp.stop()
    const second = await arrive(service(1), agent, kept)
    expect(second.mechanisms).toEqual([NONE])
    expect(second.jid).toBe(first.jid)
    expect(second.jid).toMatch(/^juliet@localhost\//)
    await second.xmpp.stop()
  }, 60_000)
})
