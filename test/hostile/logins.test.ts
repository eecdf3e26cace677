/** L: logins of several steps, RFC 6120 §6, RFC 4616, RFC 5802: each step is right but one. */
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import type { Element } from 'ltx'
import { SqlDoor } from '../support/rows.js'
import type { Form } from './corpus/row.js'
import { SE } from './corpus/row.js'
import { NS_SASL } from './inbox.js'
import { eventually, noFaultOfOurs, replied } from './runner.js'
import { DOMAIN, greet, PASSWORD, scram, Stage, type ScramTwist } from './stage.js'
import { Tally } from './tally.js'
import { openWire, type Wire } from './wire.js'

const SECURE: readonly Form[] = ['starttls', 'tls']
const ALL: readonly Form[] = ['tcp', 'starttls', 'tls', 'websocket', 'bosh']
const LONG = 'p'.repeat(255)

const tally = new Tally('logins')
let stage: Stage
beforeAll(async () => {
  stage = await Stage.set({ nodes: 1, accounts: ['alice', 'disabled'], lines: ['--scram-iterations=4096'] })
  await stage.cluster.accounts.add('long', DOMAIN, LONG)
  const sql = new SqlDoor(stage.cluster.database)
  await sql.run("update accounts set disabled = 1 where local = 'disabled'")
  await sql.close()
}, 60_000)
afterAll(() => stage.clear())

/** Ends the play with one line for the stream, and one for each login that failed. */
function row(name: string, forms: readonly Form[], play: (wire: Wire) => Promise<void>, from = ''): void {
  for (const form of forms) {
    tally.test(`${name} over ${form}`, form, async () => {
      const lines = stage.mark()
      const wire = await openWire(form, stage.node.ports)
      await greet(wire, from === '' ? {} : { from })
      await play(wire)
      const failures = [...wire.inbox.text.matchAll(/<failure xmlns=["']urn:ietf:params:xml:ns:xmpp-sasl["']/g)].length
      wire.cut()
      const own = (): readonly string[] => lines().filter((line) => wire.inbox.streamIds.includes(String(line['stream'])))
        .map((line) => String(line['event']))
      await eventually(() => own().filter((event) => event === 'auth.failed').length >= failures, () => JSON.stringify(lines()))
      // BOSH tells no id when it begins anew.
      await eventually(() => own().includes('stream.closed') || form === 'bosh', () => JSON.stringify(lines()))
      await stage.others()
      noFaultOfOurs(lines())
    })
  }
}

const b64 = (text: string): string => Buffer.from(text).toString('base64')
const say = (wire: Wire, text: string): void => wire.send(Buffer.from(text))

async function plain(wire: Wire, { authzid = '', user = 'alice', password = PASSWORD }): Promise<Element> {
  say(wire, `<auth xmlns='${NS_SASL}' mechanism='PLAIN'>${b64(`${authzid}\0${user}\0${password}`)}</auth>`)
  return wire.inbox.next((e) => e.getNS() === NS_SASL, 'an outcome')
}

const outcome = (answer: Element): string => (answer.is('failure') ? answer.getChildElements()[0]?.name ?? '' : answer.name)

describe('PLAIN', () => {
  for (const [id, what, login, wanted] of [
    ['L09', 'the authorization identity of somebody else', { authzid: 'bob@im.test' }, 'invalid-authzid'],
    ['L09', 'of somebody else, by name alone', { authzid: 'bob' }, 'invalid-authzid'],
    ['L09', 'of nobody', { authzid: 'nobody@im.test' }, 'invalid-authzid'],
    ['L09', 'one\'s own full address', { authzid: 'alice@im.test/r1' }, 'invalid-authzid'],
    ['L09', 'one\'s own name at another served domain', { authzid: 'alice@two.test' }, 'invalid-authzid'],
    ['L09', 'what is no address', { authzid: '@@' }, 'invalid-authzid'],
    ['L09', 'one\'s own bare address', { authzid: 'alice@im.test' }, 'success'],
    ['L09', 'one\'s own bare address in capitals', { authzid: 'ALICE@im.test' }, 'success'],
    ['L09', 'somebody else\'s, and a wrong password', { authzid: 'bob@im.test', password: 'x' }, 'not-authorized'],
    ['L11', 'a password of 255 bytes', { user: 'long', password: LONG }, 'success'],
    ['L11', 'a password of 1,025 bytes', { password: 'p'.repeat(1_025) }, 'not-authorized'],
    ['L26', 'an account that is disabled', { user: 'disabled' }, 'account-disabled'],
    ['L26', 'a disabled account and a wrong password', { user: 'disabled', password: 'x' }, 'not-authorized']
  ] as const) {
    row(`${id} ${what}: ${wanted} (RFC 6120 §6.3.8, §6.5; RFC 4616 §2)`, SECURE, async (wire) => {
      expect(outcome(await plain(wire, login))).toBe(wanted)
    })
  }

  row('L14 a second <auth/> while one is open: the new one is served (RFC 6120 §6.4.2)', SECURE, async (wire) => {
    say(wire, `<auth xmlns='${NS_SASL}' mechanism='SCRAM-SHA-1'>${b64('n,,n=bob,r=abc')}</auth>`)
    await wire.inbox.next((e) => e.is('challenge'))
    expect(outcome(await plain(wire, {}))).toBe('success')
  })

  row('L14 and the old one is gone: its response answers nothing (RFC 6120 §6.4.2)', SECURE, async (wire) => {
    say(wire, `<auth xmlns='${NS_SASL}' mechanism='SCRAM-SHA-1'>${b64('n,,n=bob,r=abc')}</auth>`)
    await wire.inbox.next((e) => e.is('challenge'))
    expect(outcome(await plain(wire, { password: 'x' }))).toBe('not-authorized')
    say(wire, `<response xmlns='${NS_SASL}'>${b64('c=biws,r=abc,p=')}</response>`)
    expect(outcome(await wire.inbox.next((e) => e.getNS() === NS_SASL))).toBe('malformed-request')
  })

  row('L37 a response to the empty challenge counts as usual (RFC 6120 §6.3.10)', SECURE, async (wire) => {
    say(wire, `<auth xmlns='${NS_SASL}' mechanism='PLAIN'/>`)
    await wire.inbox.next((e) => e.is('challenge'))
    say(wire, `<response xmlns='${NS_SASL}'>${b64(`\0alice\0${PASSWORD}`)}</response>`)
    expect(outcome(await wire.inbox.next((e) => e.getNS() === NS_SASL))).toBe('success')
  })
})

describe('SCRAM', () => {
  const otherNonce = (bare: string, proof: string): string => `${bare.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a'))},p=${proof}`
  const twists: readonly (readonly [id: string, what: string, twist: ScramTwist, wanted: string])[] = [
    ['L18', 'another nonce at the end (RFC 5802 §5.1)', { final: otherNonce }, 'not-authorized'],
    ['L18', 'the client\'s nonce alone at the end (RFC 5802 §5.1)',
      { final: (bare, proof) => `${bare.replace(/r=.*/, 'r=abc')},p=${proof}` }, 'not-authorized'],
    ['L19', 'another header at the end (RFC 5802 §6)', { final: (bare, proof) => `${bare.replace(/^c=[^,]*/, `c=${b64('y,,')}`)},p=${proof}` },
      'not-authorized'],
    ['L21', 'channel binding without -PLUS (RFC 5802 §6; ours)', { gs2: 'p=tls-exporter,,' }, 'malformed-request'],
    ['L25', 'a proof that is no base 64 (RFC 5802 §7)', { final: (bare) => `${bare},p=!!!` }, 'malformed-request'],
    ['L25', 'no proof (RFC 5802 §7)', { final: (bare) => bare }, 'malformed-request'],
    ['L25', 'an empty proof (RFC 5802 §7)', { final: (bare) => `${bare},p=` }, 'malformed-request'],
    ['L25', 'a proof that is too short (RFC 5802 §7)', { final: (bare, proof) => `${bare},p=${proof === '' ? '' : b64('short')}` },
      'not-authorized'],
    ['L25', 'a proof that is too long (RFC 5802 §7)',
      { final: (bare, proof) => `${bare},p=${proof === '' ? '' : b64('l'.repeat(64))}` }, 'not-authorized'],
    ['L25', 'a wrong proof (RFC 5802 §7)', { password: 'wrong' }, 'not-authorized'],
    ['L26', 'a disabled account, proved (RFC 6120 §6.5.2)', {}, 'account-disabled'],
    ['L46', 'an attribute that nobody knows at the end of the first (RFC 5802 §5.1, §7)', { first: (bare) => `${bare},x=1` }, 'success'],
    ['L46', 'and of the last message (RFC 5802 §5.1, §7)', { final: (bare, proof) => `${bare},x=1,p=${proof}` }, 'success'],
    ['L09', 'the authorization identity of somebody else (RFC 6120 §6.3.8)', { gs2: 'n,a=bob@im.test,' }, 'invalid-authzid'],
    ['L09', 'of oneself (RFC 6120 §6.3.8)', { gs2: 'n,a=alice@im.test,' }, 'success'],
    ['L09', 'somebody else\'s, and a wrong password (RFC 6120 §6.3.8)', { gs2: 'n,a=bob@im.test,', password: 'x' }, 'not-authorized'],
    ['L24', 'a name with its escapes (RFC 5802 §5.1): as the name that it means', { first: (bare) => bare.replace('alice', 'a=2Cb=3Dc') },
      'not-authorized']
  ]
  for (const [id, what, twist, wanted] of twists) {
    row(`${id} ${what}: ${wanted}`, id === 'L21' ? SECURE : ALL, async (wire) => {
      expect(outcome(await scram(wire, id === 'L26' ? 'disabled' : 'alice', twist))).toBe(wanted)
      if (wanted !== 'success') expect(wire.inbox.text).not.toContain('<success')
    })
  }
})

describe('too much', () => {
  row('L27 after five failures the next one ends the stream (RFC 6120 §6.4.5)', ALL, async (wire) => {
    for (let n = 0; n < 5; n++) expect(outcome(await scram(wire, 'alice', { password: 'wrong' }))).toBe('not-authorized')
    await expect(scram(wire, 'alice', { password: 'wrong' })).rejects.toThrow()
    await replied(SE('policy-violation'), { wire, jid: '' })
  })

  row('L28 a login after a login ends the stream (RFC 4422 §3.8; ours)', ALL, async (wire) => {
    expect(outcome(await scram(wire, 'alice'))).toBe('success')
    await greet(wire)
    say(wire, `<auth xmlns='${NS_SASL}' mechanism='SCRAM-SHA-1'>${b64('n,,n=bob,r=abc')}</auth>`)
    await replied(SE('policy-violation'), { wire, jid: 'alice@im.test' })
  })

  row('L40 the header names bob and alice logs in: invalid-from, no success (RFC 6120 §6.4.6, §4.9.3.9)', ['starttls', 'tls'],
    async (wire) => {
    await scram(wire, 'alice').catch(() => undefined)
    await wire.inbox.over()
    expect(wire.inbox.errors.map((e) => e.getChildElements()[0]?.name)).toEqual(['invalid-from'])
    expect(wire.inbox.text).not.toContain('<success')
  }, 'bob@im.test')

  row('L12 names that are there and names that are not get the same salt each time, and the same words (RFC 6120 §6.5.10)', ALL,
    async (wire) => {
    const salts: string[] = []
    for (const user of ['nobody', 'nobody', 'alice', 'alice']) {
      say(wire, `<auth xmlns='${NS_SASL}' mechanism='SCRAM-SHA-1'>${b64(`n,,n=${user},r=abc`)}</auth>`)
      const challenge = await wire.inbox.next((e) => e.is('challenge'))
      salts.push(Buffer.from(challenge.text(), 'base64').toString().replace(/^r=[^,]*,/, ''))
    }
    expect([salts[0], salts[2]]).toEqual([salts[1], salts[3]])
    expect(salts[0]?.replace(/s=[^,]*/, '').length).toBe(salts[2]?.replace(/s=[^,]*/, '').length)
    expect(salts[0]?.length).toBe(salts[2]?.length)
  })
})
