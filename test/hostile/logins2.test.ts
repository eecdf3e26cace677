/** L: channel binding, SASL2, Bind 2 and FAST of several steps and connections, over real TLS, at two nodes with one database. */
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import type { Element } from 'ltx'
import { AGENT, authenticate, base64, bind2, FAST, hashedToken, plain, SASL2, userAgent } from '../support/sasl2.js'
import { SE, type Form } from './corpus/row.js'
import { Levers } from './levers.js'
import { noFaultOfOurs, replied } from './runner.js'
import { ask, authenticate as login, bindAndShow, enable, greet, NS_SM, scram, Stage, type ScramTwist } from './stage.js'
import { Tally } from './tally.js'
import { openTcp, type TcpWire } from './wire-tcp.js'

const SECURE: readonly ('starttls' | 'tls')[] = ['starttls', 'tls']
const NONE = 'HT-SHA-256-NONE'
const DAY_MS = 86_400_000
const levers = new Levers()
const tally = new Tally('logins in one round trip')
let stage: Stage
beforeAll(async () => { stage = await Stage.set({ env: levers.env }) }, 60_000)
afterAll(async () => {
  await stage.clear()
  levers.clear()
})

type Secure = 'starttls' | 'tls'
const row = (name: string, run: (form: Secure) => Promise<void>, forms: readonly Secure[] = SECURE): void => {
  for (const form of forms) {
    tally.test(`${name} over ${form}`, form satisfies Form, async () => {
      const lines = stage.mark()
      await run(form)
      await stage.others()
      expect(await stage.deliveredToBob()).toEqual([])
      noFaultOfOurs(lines())
    })
  }
}

const say = (wire: TcpWire, text: string): void => wire.send(Buffer.from(text))
const outcome = (answer: Element): string => (answer.is('failure') ? answer.getChildElements()[0]?.name ?? '' : answer.name)

async function begun(form: Secure, header: Readonly<Record<string, string>> = {}, node = 0): Promise<TcpWire> {
  const wire = await openTcp(form, stage.cluster.node(node).ports)
  await greet(wire, header)
  return wire
}

/** One login and its outcome. */
async function says(wire: TcpWire, text: string): Promise<Element> {
  say(wire, text)
  return wire.inbox.next((e) => e.getNS() === SASL2, 'an outcome')
}

async function ended(wire: TcpWire): Promise<void> {
  wire.close()
  await wire.inbox.over()
}

const exported = (wire: TcpWire): Buffer => (wire.socket as TLSSocket).exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))

describe('channel binding', () => {
  const PLUS = { mechanism: 'SCRAM-SHA-1-PLUS' } as const
  const twists: readonly (readonly [name: string, twist: (wire: TcpWire) => ScramTwist, wanted: string])[] = [
    ['L20 "you cannot bind" to a server that said it can (RFC 5802 §6)', () => ({ gs2: 'y,,' }), 'not-authorized'],
    ['L20 "I cannot bind" (RFC 5802 §6)', () => ({ gs2: 'n,,' }), 'success'],
    ['L21 -PLUS without binding (RFC 5802 §6; ours)', () => ({ ...PLUS, gs2: 'n,,' }), 'malformed-request'],
    ['L21 -PLUS and "you cannot bind" (RFC 5802 §6; ours)', () => ({ ...PLUS, gs2: 'y,,' }), 'malformed-request'],
    ['L21 binding without -PLUS (RFC 5802 §6; ours)', () => ({ gs2: 'p=tls-exporter,,' }), 'malformed-request'],
    ['L22 tls-unique, which TLS 1.3 has not (RFC 9266 §3)', () => ({ ...PLUS, gs2: 'p=tls-unique,,', binding: Buffer.alloc(12) }),
      'not-authorized'],
    ['L22 a binding that nobody knows (RFC 5802 §6)', () => ({ ...PLUS, gs2: 'p=foo,,', binding: Buffer.alloc(12) }), 'not-authorized'],
    ['L23 another channel\'s keys (RFC 9266 §2)', () => ({ ...PLUS, gs2: 'p=tls-exporter,,', binding: Buffer.alloc(32, 7) }),
      'not-authorized'],
    ['L23 another certificate (RFC 5929 §4)', () => ({ ...PLUS, gs2: 'p=tls-server-end-point,,', binding: Buffer.alloc(32, 7) }),
      'not-authorized'],
    ['L23 no data (RFC 5802 §6)', () => ({ ...PLUS, gs2: 'p=tls-exporter,,' }), 'not-authorized'],
    ['L23 the keys of this channel pass (RFC 9266 §2)', (wire) => ({ ...PLUS, gs2: 'p=tls-exporter,,', binding: exported(wire) }), 'success'],
    ['L19 the right keys behind another header (RFC 5802 §6)', (wire) => ({ ...PLUS, gs2: 'p=tls-exporter,,',
      final: (bare, proof) => `${bare.replace(/^c=[^,]*/, `c=${Buffer.concat([Buffer.from('n,,'), exported(wire)]).toString('base64')}`)},p=${proof}` }),
    'not-authorized']
  ]
  for (const [name, twist, wanted] of twists) {
    row(`${name}: ${wanted}`, async (form) => {
      const wire = await begun(form)
      expect(outcome(await scram(wire, 'alice', twist(wire)))).toBe(wanted)
      wire.cut()
    })
  }
})

describe('SASL2', () => {
  row('L28 a second login after success ends the stream (XEP-0388 §4.8; ours)', async (form) => {
    const wire = await begun(form)
    expect(outcome(await says(wire, authenticate('PLAIN', plain('alice'))))).toBe('success')
    await wire.inbox.next((e) => e.getName() === 'features')
    say(wire, authenticate('PLAIN', plain('bob')))
    await replied(SE('policy-violation'), { wire, jid: 'alice@im.test' })
  })

  row('L28 and so does the other profile (XEP-0388 §4.8; RFC 4422 §3.8)', async (form) => {
    const wire = await begun(form)
    expect(outcome(await says(wire, authenticate('PLAIN', plain('alice'))))).toBe('success')
    await wire.inbox.next((e) => e.getName() === 'features')
    say(wire, `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${plain('bob')}</auth>`)
    await replied(SE('policy-violation'), { wire, jid: 'alice@im.test' })
  })

  for (const [what, text] of [['a stanza', "<message to='bob@im.test'><body>x</body></message>"],
    ['a second login', authenticate('PLAIN', plain('alice'))], ['a login of the other profile',
      `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${plain('alice')}</auth>`]] as const) {
    row(`L39 while a login is open, ${what}: the stream ends (XEP-0388 §2.4; ours)`, async (form) => {
      const wire = await begun(form)
      expect(outcome(await says(wire, authenticate('SCRAM-SHA-1', base64('n,,n=alice,r=abc'))))).toBe('challenge')
      say(wire, text)
      await replied(SE('policy-violation'), { wire, jid: '' })
    })
  }

  row('L32 the header is alice\'s, the authorization identity bob\'s: invalid-authzid (XEP-0388 §2.3, §4.4; ours)', async (form) => {
    const wire = await begun(form, { from: 'alice@im.test' })
    expect(outcome(await says(wire, authenticate('PLAIN', plain('alice', 'secret', 'bob@im.test'))))).toBe('invalid-authzid')
    wire.cut()
  })

  row('L40 the header is bob\'s, the login alice\'s: invalid-from and no success (RFC 6120 §6.4.6; ours)', async (form) => {
    const wire = await begun(form, { from: 'bob@im.test' })
    say(wire, authenticate('PLAIN', plain('alice'), bind2()))
    await wire.inbox.over()
    expect(wire.inbox.errors.map((e) => e.getChildElements()[0]?.name)).toEqual(['invalid-from'])
    expect(wire.inbox.text).not.toContain('<success')
  })

  for (const [what, tag, shown] of [['of 3,000 bytes', 't'.repeat(3_000), /^alice@im\.test\/[\w-]{12}$/],
    ['with U+0085', 'a\u0085b', /^alice@im\.test\/[\w-]{12}$/], ['with a slash and an at', 'a@b/c', /^alice@im\.test\/a@b\/c\/[\w-]{12}$/]] as const) {
    row(`L47 a tag ${what}: success, and a resource that can be one (XEP-0386 §3.2.1; RFC 7622 §3.4; ours)`, async (form) => {
      const wire = await begun(form)
      const answer = await says(wire, authenticate('PLAIN', plain('alice'), bind2('', tag)))
      expect(answer.getChildText('authorization-identifier')).toMatch(shown)
      await ended(wire)
    })
  }

  for (const [what, id] of [['of 5 KiB', 'i'.repeat(5_120)], ['that is no UUID', 'my phone'], ['of another version',
    'd4565fa7-4d72-1749-b3d3-740edbf87770']] as const) {
    row(`L48 an id of a client ${what} is passed over and shown to nobody (XEP-0388 §2.3; XEP-0386 §3.2.1; ours)`, async (form) => {
      const resources: string[] = []
      for (let n = 0; n < 2; n++) {
        const wire = await begun(form)
        const answer = await says(wire, authenticate('PLAIN', plain('alice'), userAgent(id) + bind2('', '')))
        resources.push(answer.getChildText('authorization-identifier') ?? '')
        await ended(wire)
      }
      expect(new Set(resources).size).toBe(2)
      for (const resource of resources) expect(resource).not.toContain(id.slice(0, 8))
    })
  }

  row('L48 a right id makes the same resource each time, and is not in it (XEP-0386 §3.2.1)', async (form) => {
    const resources: string[] = []
    for (let n = 0; n < 2; n++) {
      const wire = await begun(form, {}, n)
      const answer = await says(wire, authenticate('PLAIN', plain('alice'), userAgent() + bind2()))
      resources.push(answer.getChildText('authorization-identifier') ?? '')
      await ended(wire)
    }
    expect(resources[0]).toBe(resources[1])
    expect(resources[0]).not.toContain(AGENT.slice(0, 8))
  })
})

describe('resuming with the login', () => {
  const resume = (previd: string, h = 0): string => `<resume xmlns='${NS_SM}' previd='${previd}' h='${h}'/>`
  const left = async (form: Secure): Promise<string> => {
    const wire = await begun(form)
    await login(wire, 'alice')
    await greet(wire)
    await bindAndShow(wire, `inline${Math.random()}`)
    const id = String((await enable(wire)).attrs['id'])
    wire.cut()
    return id
  }

  row('L30 it fails: failed and bound, features follow (XEP-0198 §9.2.1; XEP-0386 §3.2; XEP-0388 §2.6.1)', async (form) => {
    const wire = await begun(form)
    const answer = await says(wire, authenticate('PLAIN', plain('alice'), bind2() + resume('garbage')))
    expect([answer.getChild('failed', NS_SM)?.getChildElements()[0]?.name, answer.getChild('bound', 'urn:xmpp:bind:0') !== undefined])
      .toEqual(['item-not-found', true])
    await wire.inbox.next((e) => e.getName() === 'features')
    await ask(wire, 'get', "<ping xmlns='urn:xmpp:ping'/>")
    await ended(wire)
  })

  row('L31 it succeeds: resumed, nothing bound, no features (XEP-0198 §9.2; XEP-0386 §3.2)', async (form) => {
    const id = await left(form)
    const wire = await begun(form)
    const answer = await says(wire, authenticate('PLAIN', plain('alice'), bind2() + resume(id)))
    expect([answer.getChild('resumed', NS_SM)?.attrs['previd'], answer.getChild('bound', 'urn:xmpp:bind:0')]).toEqual([id, undefined])
    await ask(wire, 'get', "<ping xmlns='urn:xmpp:ping'/>")
    expect(wire.inbox.elements.filter((e) => e.getName() === 'features').map(String)).toEqual([])
    await ended(wire)
  })

  row('L41 a wrong password with everything inline: nothing bound, resumed or given, the session untouched (XEP-0388 §2.6.2; XEP-0198 §10)',
    async (form) => {
    const id = await left(form)
    const wire = await begun(form)
    const all = userAgent() + bind2() + resume(id) + request(NONE)
    expect(outcome(await says(wire, authenticate('PLAIN', plain('alice', 'x'), all)))).toBe('not-authorized')
    expect(wire.inbox.text).not.toMatch(/<(bound|resumed|token|failed)\b/)
    wire.cut()
    const right = await begun(form)
    const answer = await says(right, authenticate('PLAIN', plain('alice'), resume(id)))
    expect(answer.getChild('resumed', NS_SM)?.attrs['previd']).toBe(id)
    await ended(right)
  })
})

const request = (mechanism: string): string => `<request-token xmlns='${FAST}' mechanism='${mechanism}'/>`

describe('FAST', () => {
  /** A login that asks for a token. */
  async function given(form: Secure, agent = AGENT): Promise<string> {
    const wire = await begun(form)
    const answer = await says(wire, authenticate('PLAIN', plain('alice'), userAgent(agent) + request(NONE)))
    await ended(wire)
    return String(answer.getChild('token', FAST)?.attrs['token'])
  }

  interface Shown {
    readonly mechanism?: string
    readonly fast?: string
    readonly agent?: string
    readonly node?: number
  }

  async function shows(form: Secure, token: string, { mechanism = NONE, fast = '', agent = AGENT, node = 0 }: Shown = {}): Promise<Element> {
    const wire = await begun(form, {}, node)
    const answer = await says(wire, authenticate(mechanism, hashedToken('alice', token).first, `${userAgent(agent)}<fast xmlns='${FAST}'${fast}/>`))
    if (answer.is('success')) await ended(wire)
    else wire.cut()
    return answer
  }

  row('L33 a token with another mechanism: not-authorized, and it is good as before (XEP-0484 §3.4; ours)', async (form) => {
    const token = await given(form)
    expect(outcome(await shows(form, token, { mechanism: 'HT-SHA-256-EXPR' }))).toBe('not-authorized')
    expect(outcome(await shows(form, token, { node: 1 }))).toBe('success')
  })

  row('L33 a token of another client (XEP-0484 §3.4)', async (form) => {
    const token = await given(form)
    expect(outcome(await shows(form, token, { agent: 'd4565fa7-4d72-4749-b3d3-740edbf87771' }))).toBe('not-authorized')
  })

  row('L35 a new token that was never used leaves the old one good (XEP-0484 §3.5)', async (form) => {
    const old = await given(form)
    expect(outcome(await shows(form, old))).toBe('success')
    expect(await given(form)).not.toBe(old)
    expect(outcome(await shows(form, old, { node: 1 }))).toBe('success')
  })

  row('L42 once the new one was used the old one is over, at every node (XEP-0484 §3.5; ours)', async (form) => {
    const [old, next] = [await given(form), await given(form)]
    expect(outcome(await shows(form, next))).toBe('success')
    expect(outcome(await shows(form, old, { node: 1 }))).toBe('credentials-expired')
  })

  row('L43 a token that is given back: success without another, then it is over (XEP-0484 §3.6; ours)', async (form) => {
    const token = await given(form)
    const last = await shows(form, token, { fast: " invalidate='true'" })
    expect([outcome(last), last.getChild('token', FAST)]).toEqual(['success', undefined])
    expect(outcome(await shows(form, token, { node: 1 }))).toBe('credentials-expired')
  })

  row('L44 asked for with a mechanism that is none of FAST, or by a client without an id: success and no token (XEP-0484 §3.2, §4.1; ours)',
    async (form) => {
    for (const inside of [userAgent() + request('PLAIN'), request(NONE), userAgent('x') + request(NONE)]) {
      const wire = await begun(form)
      const answer = await says(wire, authenticate('PLAIN', plain('alice'), inside))
      expect([outcome(answer), answer.getChild('token', FAST)]).toEqual(['success', undefined])
      await ended(wire)
    }
  })

  row('L34 a token is over after its time (XEP-0484 §4.2; RFC 6120 §6.5.3)', async (form) => {
    const token = await given(form)
    await levers.moveClock(30 * DAY_MS, [stage.node])
    try {
      expect(outcome(await shows(form, token))).toBe('credentials-expired')
    } finally {
      await levers.moveClock(0, stage.cluster.nodes)
    }
  })

  row('a token that was used may not be used again with the same count (XEP-0484 §3.4; replay)', async (form) => {
    const token = await given(form)
    expect(outcome(await shows(form, token, { fast: " count='5'" }))).toBe('success')
    expect(outcome(await shows(form, token, { fast: " count='5'", node: 1 }))).not.toBe('success')
  })
})
