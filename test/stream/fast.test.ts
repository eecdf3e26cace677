import { describe, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { StorageError } from '../../src/storage/store.js'
import type { TlsFacts } from '../../src/transport/transport.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { AGENT, authenticate, base64, bind2, failure, FAST, hashedToken, plain, unbase64, userAgent } from '../support/sasl2.js'
import { DAY_MS, header, Rig, type RigOptions } from './rig.js'
import type { WireOptions } from './wire.js'

const NONE = 'HT-SHA-256-NONE'
const EXPR = 'HT-SHA-256-EXPR'
const ENDP = 'HT-SHA-256-ENDP'
const attribute = (name: string, text: string): string => new RegExp(`<token [^>]*${name}='([^']*)'`).exec(text)?.[1] ?? ''
const request = (mechanism = NONE): string => `<request-token xmlns='${FAST}' mechanism='${mechanism}'/>`

const EXPORTED = Buffer.alloc(32, 1)
const END_POINT = Buffer.alloc(32, 2)
const tls: TlsFacts = {
  bindings: ['tls-exporter', 'tls-server-end-point'], addresses: [],
  channelBinding: (type) => (type === 'tls-exporter' ? EXPORTED : END_POINT)
}

class Stage {
  readonly rig: Rig

  constructor(options: RigOptions = {}) {
    this.rig = new Rig(options)
  }

  static async open(): Promise<Stage> {
    const stage = new Stage()
    await stage.rig.user('alice@im.test')
    await stage.rig.user('bob@im.test')
    return stage
  }

  /** What a new connection hears to one `<authenticate/>`. */
  async says(text: string, options: WireOptions = {}): Promise<string> {
    const wire = this.rig.connect(options)
    wire.says(header(wire))
    wire.take()
    wire.says(text)
    const heard = await wire.until(/<\/failure>|<\/stream:features>|<\/stream:stream>/, () => this.rig.clock.advance(20))
    wire.cut()
    return heard
  }

  async password(inside = '', options: WireOptions = {}): Promise<string> {
    return this.says(authenticate('PLAIN', plain('alice'), inside), options)
  }

  async token(mechanism = NONE, options: WireOptions = {}, agent = AGENT): Promise<string> {
    return attribute('token', await this.password(userAgent(agent) + request(mechanism), options))
  }

  async show(token: string, { mechanism = NONE, inside = '', agent = AGENT, user = 'alice', binding = Buffer.alloc(0), fast = '', wire = {} } = {}):
    Promise<string> {
    const { first } = hashedToken(user, token, binding)
    return this.says(authenticate(mechanism, first, `${userAgent(agent)}<fast xmlns='${FAST}'${fast}/>${inside}`), wire)
  }

  days(days: number): void {
    this.rig.clock.wallAheadMs += days * DAY_MS
  }
}

describe('the offer (XEP-0484 §3.1)', () => {
  const offerOf = async (options: WireOptions = {}): Promise<string> => {
    const wire = new Rig().connect(options)
    wire.says(header(wire))
    return /<fast.*<\/fast>/.exec(wire.take())?.[0] ?? ''
  }

  test('without channel binding only the mechanism that needs none, and never 0-RTT', async () => {
    expect(await offerOf()).toBe(`<fast xmlns='${FAST}'><mechanism>${NONE}</mechanism></fast>`)
  })

  test('with channel binding all three', async () => {
    expect(await offerOf({ tlsFacts: tls })).toBe(
      `<fast xmlns='${FAST}'><mechanism>${EXPR}</mechanism><mechanism>${ENDP}</mechanism><mechanism>${NONE}</mechanism></fast>`)
  })
})

test('over WebSocket no channel binding is offered, in no profile: what runs in browsers cannot bind, and some of it tries', () => {
  const wire = new Rig().connect({ tlsFacts: tls, kind: 'websocket' })
  wire.says(header(wire))
  const features = wire.take()
  expect(features).toContain('<mechanism>SCRAM-SHA-256</mechanism>')
  expect(features).not.toMatch(/-PLUS|sasl-cb|HT-SHA-256-E/)
})

describe('a token', () => {
  test('is given after a password, with the time it is good for (§3.3)', async () => {
    const stage = await Stage.open()
    const answer = await stage.password(userAgent() + request())
    expect(answer).toMatch(/^<success .*<token xmlns='urn:xmpp:fast:0' expiry='[^']+' token='[^']+'\/><\/success><stream:features>/)
    expect(Date.parse(attribute('expiry', answer)) - stage.rig.clock.wall()).toBeCloseTo(21 * DAY_MS, -5)
  })

  test('logs in, and the server shows that it knows it too (§3.4)', async () => {
    const stage = await Stage.open()
    const token = await stage.token()
    const answer = await stage.show(token, { inside: bind2() })
    expect(answer).toContain(`<additional-data>${hashedToken('alice', token).expected}</additional-data>`)
    expect(answer).toMatch(/<authorization-identifier>alice@im.test\/Balcony\/[^<]+<.*<bound /)
    expect(answer).not.toContain('<token')
    expect(await stage.show(token)).toContain('<success')
  })

  test.each([[EXPR, EXPORTED], [ENDP, END_POINT]])('%s is bound to the channel', async (mechanism, binding) => {
    const stage = await Stage.open()
    const wire = { tlsFacts: tls }
    const token = await stage.token(mechanism, wire)
    const answer = await stage.show(token, { mechanism, binding, wire })
    expect(answer).toContain(`<additional-data>${hashedToken('alice', token, binding).expected}</additional-data>`)
    expect(await stage.show(token, { mechanism, binding: Buffer.alloc(32, 3), wire })).toBe(failure('not-authorized'))
    expect(await stage.show(token, { mechanism, wire })).toBe(failure('not-authorized'))
  })

  test('has 256 bits; of 2,000 no two are the same (A19)', async () => {
    const stage = await Stage.open()
    const { tokens } = stage.rig
    const made = new Set<string>()
    const alice = await stage.rig.credentials.find('alice', 'im.test')
    for (let n = 0; n < 2_000 && alice !== undefined; n++) made.add((await tokens.issue(alice, AGENT, NONE))?.token ?? '')
    expect(made.size).toBe(2_000)
    for (const token of made) expect(token).toMatch(/^[\w-]{43}$/)
  })

  test('is not what is stored', async () => {
    const stage = await Stage.open()
    const token = await stage.token()
    const alice = await stage.rig.credentials.find('alice', 'im.test')
    const kept = alice === undefined ? [] : await stage.rig.accounts.tokens.of(alice, AGENT)
    expect(kept).toHaveLength(1)
    expect(JSON.stringify(kept)).not.toContain(token)
    expect(JSON.stringify(stage.rig.lines)).not.toContain(token)
  })

  test.each([
    ['L44: for a mechanism that is none of FAST', userAgent() + request('PLAIN')],
    ['for one that needs a channel that is not there', userAgent() + request(EXPR)],
    ['L44: without the id of a client', request()],
    ['with an id that is no UUID', userAgent('x') + request()],
    ['without a mechanism', `${userAgent()}<request-token xmlns='${FAST}'/>`],
    ['that nobody has asked for', userAgent()]
  ])('%s: success without a token', async (_name, inside) => {
    const answer = await (await Stage.open()).password(inside)
    expect(answer).toContain('<success')
    expect(answer).not.toContain('<token')
  })

  test('a guest gets none, and it is no fault of the store (XEP-0175 §2)', async () => {
    const stage = new Stage({ guests: true })
    stage.rig.accounts.tokens.weather = () => Promise.reject(new StorageError('no such account', 'refused'))
    const answer = await stage.says(authenticate('ANONYMOUS', undefined, userAgent() + request()))
    expect(answer).toContain('<success')
    expect(answer).not.toContain('<token')
    expect(stage.rig.lines.map(({ event }) => event)).not.toContain('token.store-failed')
  })

  test('L41: a wrong password gets none', async () => {
    const stage = await Stage.open()
    expect(await stage.says(authenticate('PLAIN', plain('alice', 'x'), userAgent() + request()))).toBe(failure('not-authorized'))
    const alice = await stage.rig.credentials.find('alice', 'im.test')
    expect(alice && await stage.rig.accounts.tokens.of(alice, AGENT)).toEqual([])
  })
})

describe('refused', () => {
  test.each([
    ['L33: with another mechanism (§3.4)', { mechanism: EXPR, binding: EXPORTED, wire: { tlsFacts: tls } }, 'not-authorized'],
    ['with a mechanism that this stream does not offer', { mechanism: EXPR }, 'invalid-mechanism'],
    ['by another client', { agent: randomUUID() }, 'not-authorized'],
    ['for another account', { user: 'bob' }, 'not-authorized'],
    ['for a name that nobody has', { user: 'nobody' }, 'not-authorized'],
    ['for a name that cannot be one', { user: 'a@b' }, 'not-authorized'],
    ['L45: by a client without an id', { agent: 'x' }, 'malformed-request'],
    ['with a count of zero', { fast: " count='0'" }, 'malformed-request'],
    ['with a count below zero', { fast: " count='-1'" }, 'malformed-request'],
    ['with a count that is none', { fast: " count='x'" }, 'malformed-request'],
    ['with a count above the schema\'s', { fast: " count='2147483648'" }, 'malformed-request']
  ])('%s', async (_name, how, condition) => {
    const stage = await Stage.open()
    const token = await stage.token()
    expect(await stage.show(token, how)).toBe(failure(condition))
    expect(await stage.show(token)).toContain('<success')
  })

  test('L45: a token mechanism without <fast/>', async () => {
    const stage = await Stage.open()
    const { first } = hashedToken('alice', await stage.token())
    expect(await stage.says(authenticate(NONE, first, userAgent()))).toBe(failure('malformed-request'))
  })

  test.each([
    ['nothing', ''], ['no NUL', base64('alice')], ['no name', base64(Buffer.alloc(33))], ['a proof too short', base64('alice\0x')],
    ['a proof too long', base64(Buffer.concat([Buffer.from('alice\0'), Buffer.alloc(33)]))],
    ['a name that is not UTF-8', base64(Buffer.concat([Buffer.from([0xff, 0]), Buffer.alloc(32)]))],
    ['a name of 5,000 bytes', base64(Buffer.concat([Buffer.alloc(5_000, 97), Buffer.alloc(33)]))]
  ])('a message with %s', async (_name, message) => {
    const stage = await Stage.open()
    expect(await stage.says(authenticate(NONE, message, `${userAgent()}<fast xmlns='${FAST}'/>`))).toBe(failure('malformed-request'))
  })

  test('a proof with one bit changed', async () => {
    const stage = await Stage.open()
    const message = Buffer.from(hashedToken('alice', await stage.token()).first, 'base64')
    message[message.length - 1] = (message.at(-1) ?? 0) ^ 1
    expect(await stage.says(authenticate(NONE, base64(message), `${userAgent()}<fast xmlns='${FAST}'/>`))).toBe(failure('not-authorized'))
  })

  test('the password in the place of the token', async () => {
    const stage = await Stage.open()
    await stage.token()
    expect(await stage.show('secret')).toBe(failure('not-authorized'))
  })

  test('L36: a database that is away, and a login with a password that goes on without a token', async () => {
    const stage = await Stage.open()
    const token = await stage.token()
    stage.rig.accounts.tokens.weather = () => Promise.reject(new StorageError('away', 'away'))
    expect(await stage.show(token)).toBe(failure('temporary-auth-failure'))
    const answer = await stage.password(userAgent() + request())
    expect(answer).toContain('<success')
    expect(answer).not.toContain('<token')
  })
})

describe('the end of a token', () => {
  test('L34: it expires, and is told from one that never was (§4.2)', async () => {
    const stage = await Stage.open()
    const token = await stage.token()
    stage.days(20.9)
    expect(await stage.show(token)).toContain('<success')
    stage.days(0.2)
    expect(await stage.show(token)).toBe(failure('credentials-expired'))
    expect(await stage.show(`${token}x`)).toBe(failure('not-authorized'))
  })

  test('a new password ends all of them (A19)', async () => {
    const stage = await Stage.open()
    const other = randomUUID()
    const [one, two] = [await stage.token(), await stage.token(NONE, {}, other)]
    const alice = await stage.rig.credentials.find('alice', 'im.test')
    if (alice !== undefined) await stage.rig.credentials.setPassword(alice, 'better')
    expect(await stage.show(one)).toBe(failure('credentials-expired'))
    expect(await stage.show(two, { agent: other })).toBe(failure('credentials-expired'))
  })

  test('an account that is disabled loses them, for good', async () => {
    const stage = await Stage.open()
    const token = await stage.token()
    stage.rig.accounts.change(parseJid('alice@im.test'), { disabled: true })
    expect(await stage.show(token)).toBe(failure('account-disabled'))
    stage.rig.accounts.change(parseJid('alice@im.test'), { disabled: false })
    expect(await stage.show(token)).toBe(failure('credentials-expired'))
  })

  test('an account of the same name that is made anew does not have them', async () => {
    const stage = await Stage.open()
    const token = await stage.token()
    await stage.rig.accounts.remove(parseJid('alice@im.test'))
    expect(await stage.show(token)).toBe(failure('not-authorized'))
    await stage.rig.user('carol@im.test')
    await stage.rig.user('alice@im.test')
    expect(await stage.show(token)).toBe(failure('not-authorized'))
  })

  test('L43: the client gives it back (§3.6)', async () => {
    const stage = await Stage.open()
    const token = await stage.token()
    stage.days(10)
    const answer = await stage.show(token, { fast: " invalidate='true'" })
    expect(answer).toContain('<success')
    expect(answer).not.toContain('<token')
    expect(await stage.show(token)).toBe(failure('credentials-expired'))
  })

  test('it may ask for another one at the same time (§3.6)', async () => {
    const stage = await Stage.open()
    const token = await stage.token()
    const next = attribute('token', await stage.show(token, { fast: " invalidate='1'", inside: request() }))
    expect(next).toMatch(/^[\w-]{43}$/)
    expect(await stage.show(token)).not.toContain('<success')
    expect(await stage.show(next)).toContain('<success')
  })

  test('of two who give it back at once one gets in', async () => {
    const stage = await Stage.open()
    const token = await stage.token()
    await stage.show(token)
    const answers = await Promise.all([1, 2].map(() => stage.show(token, { fast: " invalidate='true'" })))
    expect(answers.filter((answer) => answer.includes('<success'))).toHaveLength(1)
  })
})

describe('rotation (§3.5)', () => {
  test('a token of seven days is replaced when it is used, one of six is not', async () => {
    const stage = await Stage.open()
    const token = await stage.token()
    stage.days(6)
    expect(await stage.show(token)).not.toContain('<token')
    stage.days(1.1)
    const answer = await stage.show(token)
    expect(attribute('token', answer)).not.toBe(token)
    expect(Date.parse(attribute('expiry', answer)) - stage.rig.clock.wall()).toBeCloseTo(21 * DAY_MS, -5)
  })

  test('L35, L42: the old one is good until the new one is used, and not after', async () => {
    const stage = await Stage.open()
    const old = await stage.token()
    stage.days(8)
    const lost = attribute('token', await stage.show(old))
    const next = attribute('token', await stage.show(old))
    expect(next).not.toBe(lost)
    expect(await stage.show(lost)).not.toContain('<success')
    expect(await stage.show(next)).toContain('<success')
    expect(await stage.show(old)).toBe(failure('credentials-expired'))
    expect(await stage.show(next)).toContain('<success')
  })

  test('two asked for in a row: the first is good until the second is used, whichever answer was lost', async () => {
    const stage = await Stage.open()
    const first = await stage.token()
    stage.rig.clock.wallAheadMs += 1_000
    const second = await stage.token()
    expect(await stage.show(first)).toContain('<success')
    expect(await stage.show(second)).toContain('<success')
    expect(await stage.show(first)).toBe(failure('credentials-expired'))
  })

  test('a third does not bring the first back: two at most are good', async () => {
    const stage = await Stage.open()
    const first = await stage.token()
    const tokens = [first]
    for (let n = 0; n < 3; n++) {
      stage.rig.clock.wallAheadMs += 1_000
      tokens.push(await stage.token())
    }
    const good = []
    for (const token of tokens) good.push((await stage.show(token)).includes('<success'))
    expect(good).toEqual([true, false, false, true])
  })

  test('the new one has the mechanism of the old one', async () => {
    const stage = await Stage.open()
    const wire = { tlsFacts: tls }
    const old = await stage.token(ENDP, wire)
    stage.days(8)
    const next = attribute('token', await stage.show(old, { mechanism: ENDP, binding: END_POINT, wire }))
    expect(await stage.show(next)).toBe(failure('not-authorized'))
    expect(await stage.show(next, { mechanism: ENDP, binding: END_POINT, wire })).toContain('<success')
  })

  test('another client\'s token is not touched', async () => {
    const stage = await Stage.open()
    const other = randomUUID()
    const [mine, theirs] = [await stage.token(), await stage.token(NONE, {}, other)]
    stage.days(8)
    await stage.show(attribute('token', await stage.show(mine)))
    expect(await stage.show(theirs, { agent: other })).toContain('<success')
  })
})

describe('replay (§3.4)', () => {
  test('a count that was shown before is refused, a lower one and none at all too', async () => {
    const stage = await Stage.open()
    const token = await stage.token()
    expect(await stage.show(token, { fast: " count='5'" })).toContain('<success')
    for (const fast of [" count='5'", " count='4'", '']) expect(await stage.show(token, { fast })).toBe(failure('not-authorized'))
    expect(await stage.show(token, { fast: " count='6'" })).toContain('<success')
  })

  test('the same bytes at many connections at once: one gets in', async () => {
    const stage = await Stage.open()
    const token = await stage.token()
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => stage.show(token, { fast: " count='1'", inside: bind2() })))
    expect(answers.filter((answer) => answer.includes('<success'))).toHaveLength(1)
    expect(answers.filter((answer) => answer === failure('not-authorized'))).toHaveLength(4)
  })

  test('what is wrong counts against the address, what has only expired does not', async () => {
    const stage = await Stage.open()
    const token = await stage.token()
    stage.days(30)
    const wire = stage.rig.connect()
    wire.says(header(wire))
    const show = async (shown: string): Promise<void> => {
      wire.says(authenticate(NONE, hashedToken('alice', shown).first, `${userAgent()}<fast xmlns='${FAST}'/>`))
      await wire.until(/<\/failure>/, () => stage.rig.clock.advance(20))
    }
    await show(token)
    expect(wire.failedLogins).toBe(0)
    await show('another')
    expect(wire.failedLogins).toBe(1)
    expect(unbase64(base64('x'))).toBe('x')
  })
})

describe('secrets of the server', () => {
  test('all are tried, the first makes new tokens: so one can be changed for another', async () => {
    const stage = await Stage.open()
    const token = await stage.token()
    const [old, fresh] = [Buffer.alloc(32, 7), Buffer.alloc(32, 8)]
    const login = (secrets: readonly Buffer[]): Promise<unknown> => {
      const proof = Buffer.from(hashedToken('alice', token).first, 'base64').subarray('alice\0'.length)
      return stage.rig.tokensWith(secrets).login({
        username: 'alice', domain: 'im.test', agent: AGENT, mechanism: NONE, binding: Buffer.alloc(0), proof, count: undefined, invalidate: false
      })
    }
    await expect(login([fresh, old])).resolves.toMatchObject({ due: false })
    await expect(login([fresh])).rejects.toMatchObject({ condition: 'not-authorized' })
  })
})
