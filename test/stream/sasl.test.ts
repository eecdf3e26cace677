import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { StorageError } from '../../src/storage/store.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { auth, base64, failure, header, plainAuth, response, Rig, streamError, type RigOptions } from './rig.js'
import type { Wire, WireOptions } from './wire.js'

const ABORT = "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
const unbase64 = (text: string): string => Buffer.from(text, 'base64').toString('utf8')

interface Scene {
  readonly rig: Rig
  readonly wire: Wire
  /** What comes after `text`, the clock moving on as needed. */
  readonly ask: (text: string, pattern?: RegExp) => Promise<string>
}

async function scene(options: RigOptions = {}, wireOptions: WireOptions = {}): Promise<Scene> {
  const rig = new Rig(options)
  await rig.user('alice@im.test')
  const wire = rig.connect(wireOptions)
  wire.says(header(wire))
  wire.take()
  return { rig, wire, ask: (text, pattern = /./) => (wire.says(text), wire.until(pattern, () => rig.clock.advance(20))) }
}

interface ScramUser {
  readonly name: string
  readonly password: string
  readonly nonce?: string
  readonly gs2?: string
  /** Changes the last message before it is sent. */
  readonly spoil?: (final: string) => string
}

const hashOf: Readonly<Record<string, { readonly name: string; readonly bytes: number }>> = {
  'SCRAM-SHA-1': { name: 'sha1', bytes: 20 }, 'SCRAM-SHA-256': { name: 'sha256', bytes: 32 }, 'SCRAM-SHA-512': { name: 'sha512', bytes: 64 }
}

/** The client's side of RFC 5802 §3, on its own feet. Returns the server's last element and the signature expected. */
async function scram({ ask }: Scene, mechanism: string, user: ScramUser) {
  const hash = hashOf[mechanism] ?? { name: 'sha1', bytes: 20 }
  const mac = (key: Buffer, data: string): Buffer => createHmac(hash.name, key).update(data).digest()
  const gs2 = user.gs2 ?? 'n,,'
  const first = `n=${user.name},r=${user.nonce ?? 'clientnonce'}`
  const challenge = unbase64(/<challenge[^>]*>([^<]*)</.exec(await ask(auth(mechanism, base64(gs2 + first))))?.[1] ?? '')
  const [, nonce = '', salt = '', count = ''] = /^r=([^,]+),s=([^,]+),i=(\d+),h=[A-Za-z0-9+/]+=*$/.exec(challenge) ?? []
  const unproved = `c=${base64(gs2)},r=${nonce}`
  const salted = pbkdf2Sync(user.password, Buffer.from(salt, 'base64'), Number(count), hash.bytes, hash.name)
  const clientKey = mac(salted, 'Client Key')
  const signed = `${first},${challenge},${unproved}`
  const signature = mac(createHash(hash.name).update(clientKey).digest(), signed)
  const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0))).toString('base64')
  const final = `${unproved},p=${proof}`
  const answer = await ask(response(base64(user.spoil?.(final) ?? final)))
  return { answer, salt, expected: `v=${mac(mac(salted, 'Server Key'), signed).toString('base64')}` }
}

describe('what is offered', () => {
  test('over TLS that a proxy ended: SCRAM best first, then PLAIN; nothing with channel binding (RFC 6120 §6.3.3)', async () => {
    const wire = new Rig().connect()
    wire.says(header(wire))
    expect(wire.take()).toContain("<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-512</mechanism>" +
      '<mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms>')
  })

  test('where TLS is required: only STARTTLS before it (RFC 6120 §5.3.1, §6.3.4)', () => {
    const wire = new Rig().connect({ secure: false, canStartTls: true })
    wire.says(header(wire))
    expect(wire.take()).toMatch(
      /<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required\/><\/starttls><\/stream:features>$/)
  })

  test('where TLS is not required: SCRAM without TLS, PLAIN only when the operator says so', () => {
    const open = { vhostTlsRequired: false }
    const offer = (settings: NonNullable<RigOptions['settings']>): string => {
      const wire = new Rig({ settings }).connect({ secure: false, canStartTls: true })
      wire.says(header(wire))
      return wire.take()
    }
    expect(offer(open)).toMatch(/<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'\/>.*SCRAM-SHA-1</)
    expect(offer(open)).not.toContain('PLAIN')
    expect(offer({ ...open, saslPlainWithoutTls: true })).toContain('<mechanism>PLAIN</mechanism>')
  })
})

describe('SCRAM through a stream', () => {
  test.each(['SCRAM-SHA-1', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])('%s: both sides prove that they know (RFC 5802 §3)', async (mechanism) => {
    const stage = await scene()
    const { answer, expected } = await scram(stage, mechanism, { name: 'alice', password: 'secret' })
    expect(unbase64(/<success[^>]*>([^<]*)</.exec(answer)?.[1] ?? '')).toBe(expected)
    expect(stage.wire.isAuthenticated).toBe(true)
  })

  test('the account of RFC 7677 §3, its salt and rounds, its password', async () => {
    const stage = await scene()
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
    await stage.rig.accounts.create(parseJid('user@im.test'), [{
      hash: 'SHA-256', salt, iterations: 4096,
      storedKey: Buffer.from('WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=', 'base64'),
      serverKey: Buffer.from('wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=', 'base64')
    }])
    const { answer, expected } = await scram(stage, 'SCRAM-SHA-256', { name: 'user', password: 'pencil', nonce: 'rOprNGfwEbeRWgbNEkqO' })
    expect(unbase64(/<success[^>]*>([^<]*)</.exec(answer)?.[1] ?? '')).toBe(expected)
  })

  test('without an initial response an empty challenge asks for it (RFC 6120 §6.3.10)', async () => {
    const { ask } = await scene()
    expect(await ask(auth('SCRAM-SHA-1'))).toBe("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
    expect(await ask(response(base64('n,,n=alice,r=abc')))).toMatch(/^<challenge [^>]*>[A-Za-z0-9+/=]+<\/challenge>$/)
  })

  test('a name that nobody has: a stable salt, the same rounds, the same failure as a wrong password (RFC 6120 §6.5.10)', async () => {
    const one = await scram(await scene(), 'SCRAM-SHA-256', { name: 'nosuch', password: 'x' })
    const two = await scram(await scene(), 'SCRAM-SHA-256', { name: 'nosuch', password: 'x' })
    const wrong = await scram(await scene(), 'SCRAM-SHA-256', { name: 'alice', password: 'x' })
    expect(one.salt).toBe(two.salt)
    expect(one.answer).toMatch(failure('not-authorized'))
    expect(wrong.answer).toBe(one.answer)
  })

  test('a proof of keys that belong to nobody shows nobody', async () => {
    const stage = await scene()
    const { credentials } = stage.rig
    const asked = credentials.scram.bind(credentials)
    credentials.scram = async (...args) => ({ ...await asked(...args), identity: undefined })
    const { answer } = await scram(stage, 'SCRAM-SHA-1', { name: 'alice', password: 'secret' })
    expect(answer).toMatch(failure('not-authorized'))
  })

  test.each([
    ['L18: another nonce', (final: string) => final.replace(',r=', ',r=x'), 'not-authorized'],
    ['L19: another channel binding', (final: string) => final.replace(/^c=[^,]*/, `c=${base64('y,,')}`), 'not-authorized'],
    ['L25: a proof that is not base 64', (final: string) => final.replace(/p=.*/, 'p=!'), 'malformed-request'],
    ['L25: a proof of another length', (final: string) => final.replace(/p=.*/, 'p=AAAA'), 'not-authorized']
  ])('%s (RFC 5802 §5.1, §6)', async (_name, spoil, condition) => {
    const { answer } = await scram(await scene(), 'SCRAM-SHA-1', { name: 'alice', password: 'secret', spoil })
    expect(answer).toMatch(failure(condition))
  })

  test.each([
    ['n,,n=alice', 'L16: no nonce'], ['n,,r=abc,n=alice', 'L16: the nonce first'], ['n,,m=ext,n=alice,r=abc', 'L17: an extension'],
    ['p=tls-exporter,,n=alice,r=abc', 'L21: channel binding that is not offered'], ['n,,n==41lice,r=abc', 'L24: a wrong escape'],
    [`n,,n=alice,r=${'a'.repeat(5000)}`, 'L16: a nonce of 5 KiB']
  ])('%s: malformed-request: %s (RFC 5802 §7)', async (first) => {
    const { ask, rig } = await scene()
    expect(await ask(auth('SCRAM-SHA-1', base64(first)))).toMatch(failure('malformed-request'))
    expect(rig.accounts.asked).toBe(0)
  })

  test('L26: the right proof of a disabled account: account-disabled; a wrong one says nothing (RFC 6120 §6.5.2)', async () => {
    const stage = await scene()
    stage.rig.accounts.change(parseJid('alice@im.test'), { disabled: true })
    const right = await scram(stage, 'SCRAM-SHA-1', { name: 'alice', password: 'secret' })
    const wrong = await scram(stage, 'SCRAM-SHA-1', { name: 'alice', password: 'x' })
    expect(right.answer).toMatch(failure('account-disabled'))
    expect(wrong.answer).toMatch(failure('not-authorized'))
  })

  test('an authorization identity: one\'s own bare JID passes, any other does not (RFC 6120 §6.3.8)', async () => {
    const own = await scram(await scene(), 'SCRAM-SHA-1', { name: 'alice', password: 'secret', gs2: 'n,a=alice@im.test,' })
    const other = await scram(await scene(), 'SCRAM-SHA-1', { name: 'alice', password: 'secret', gs2: 'n,a=bob@im.test,' })
    expect(own.answer).toContain('<success')
    expect(other.answer).toMatch(failure('invalid-authzid'))
  })
})

describe('PLAIN through a stream', () => {
  test('the right password, also after an empty challenge (RFC 4616 §2; L37)', async () => {
    const { ask } = await scene()
    expect(await ask(auth('PLAIN'))).toBe("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
    expect(await ask(response(base64('\0alice\0secret')))).toBe("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
  })

  test('the name is prepared: ALICE is alice (RFC 8265 §3.3)', async () => {
    const { ask } = await scene()
    expect(await ask(plainAuth('ALICE'))).toContain('<success')
  })

  test.each([
    [base64('alicesecret'), 'L06: no NUL', 'malformed-request'],
    [base64('\0alice\0secret\0'), 'L07: three NULs', 'malformed-request'],
    [base64('\0\0secret'), 'L07: no name', 'malformed-request'],
    [base64('\0alice\0'), 'L08: no password', 'malformed-request'],
    [Buffer.from([0, 0x61, 0, 0xff]).toString('base64'), 'L10: not UTF-8', 'malformed-request'],
    [base64(`\0alice\0${'a'.repeat(1025)}`), 'L11: a password of 1025 bytes', 'not-authorized'],
    ['=', 'L38: data of no length', 'malformed-request'],
    ['!!!', 'L04: not base 64', 'incorrect-encoding'],
    ['AGFs aWNl', 'L05: a space', 'incorrect-encoding'],
    ['AGFs\naWNl', 'L05: a line break', 'incorrect-encoding'],
    ['AGFsaWN', 'L05: padding is missing', 'incorrect-encoding'],
    ['AG=saWNl', 'L05: padding inside', 'incorrect-encoding'],
    ['AGFsaWN1Ab==', 'L05: padding bits that are not zero', 'incorrect-encoding'],
    ['<x/>', 'an element inside', 'malformed-request']
  ])('%s: %s (RFC 6120 §6.5, §13.9.1)', async (data, _name, condition) => {
    const { ask, rig } = await scene()
    expect(await ask(auth('PLAIN', data))).toMatch(failure(condition))
    expect(rig.accounts.asked).toBe(0)
  })

  test.each([
    ['bob@im.test', 'invalid-authzid'], ['bob', 'invalid-authzid'], ['alice@im.test/r', 'invalid-authzid'], ['alice@@x', 'invalid-authzid']
  ])('L09: the right password for the authorization identity %s: %s (RFC 6120 §6.5.6)', async (authzid, condition) => {
    const { ask } = await scene()
    expect(await ask(plainAuth('alice', 'wrong', authzid))).toMatch(failure('not-authorized'))
    expect(await ask(plainAuth('alice', 'secret', authzid))).toMatch(failure(condition))
    expect(await ask(plainAuth('alice', 'secret', 'alice@im.test'))).toContain('<success')
  })

  test('L12: an unknown name and a wrong password get the same bytes (RFC 6120 §6.5.10)', async () => {
    const { ask } = await scene()
    expect(await ask(plainAuth('nosuch'))).toBe(await ask(plainAuth('alice', 'wrong')))
    expect(await ask(plainAuth('a b'))).toMatch(failure('not-authorized'))
  })

  test('L26: a disabled account and its right password: account-disabled (RFC 6120 §6.5.2)', async () => {
    const { ask, rig } = await scene()
    rig.accounts.change(parseJid('alice@im.test'), { disabled: true })
    expect(await ask(plainAuth('alice'))).toMatch(failure('account-disabled'))
    expect(await ask(plainAuth('alice', 'wrong'))).toMatch(failure('not-authorized'))
  })
})

describe('failures of SASL', () => {
  test.each([
    'FOO', 'plain', 'ANONYMOUS', 'EXTERNAL', 'DIGEST-MD5', 'CRAM-MD5', 'X-OAUTH2', 'OAUTHBEARER', 'GSSAPI', 'LOGIN', 'NTLM',
    'SCRAM-SHA-1-PLUS', 'SCRAM-SHA-224', 'HT-SHA-256-NONE', 'toString', ''
  ])('L01-L03, A12: the mechanism %j: invalid-mechanism, nothing is looked up (RFC 6120 §6.5.7)', async (mechanism) => {
    const { ask, rig } = await scene()
    rig.accounts.asked = 0
    expect(await ask(auth(mechanism, base64('x')))).toMatch(failure('invalid-mechanism'))
    expect(rig.accounts.asked).toBe(0)
  })

  test('A12: PLAIN where the operator has switched it off: not offered, not there', async () => {
    const { ask, rig } = await scene({ settings: { saslPlain: false } })
    const wire = rig.connect()
    wire.says(header(wire))
    expect(wire.take()).not.toContain('PLAIN')
    expect(await ask(plainAuth('alice'))).toMatch(failure('invalid-mechanism'))
  })

  test('S17: without TLS where it is required: encryption-required each time, until L27 (RFC 6120 §6.5.4, §6.4.5)', async () => {
    const { ask } = await scene({}, { secure: false, canStartTls: true })
    for (let i = 0; i < 5; i++) expect(await ask(plainAuth('alice'))).toMatch(failure('encryption-required'))
    expect(await ask(auth('SCRAM-SHA-1'))).toMatch(streamError('policy-violation'))
  })

  test('L27: five failures, then the stream ends with policy-violation (RFC 6120 §6.4.5)', async () => {
    const { ask, wire, rig } = await scene()
    for (let i = 0; i < 5; i++) expect(await ask(plainAuth('alice', 'wrong'))).toMatch(failure('not-authorized'))
    expect(await ask(plainAuth('alice', 'wrong'))).toMatch(streamError('policy-violation'))
    expect(wire.ended).toBe(true)
    expect(rig.lines.filter((line) => line.event === 'auth.failed')).toHaveLength(6)
  })

  test('guesses are told to the transport; when the address has had too many the stream ends (XEP-0205 §4)', async () => {
    const { ask, wire, rig } = await scene({}, { failuresMax: 2 })
    rig.accounts.weather = () => Promise.reject(new StorageError('no route', 'away'))
    expect(await ask(plainAuth('alice'))).toMatch(failure('temporary-auth-failure'))
    rig.accounts.weather = () => Promise.resolve()
    expect(await ask(auth('FOO'))).toMatch(failure('invalid-mechanism'))
    expect(wire.failedLogins).toBe(0)
    expect(await ask(plainAuth('alice', 'wrong'))).toMatch(failure('not-authorized'))
    expect(await ask(plainAuth('nosuch'))).toMatch(streamError('policy-violation'))
  })

  test('L13: a response without an exchange: malformed-request (RFC 6120 §6.5.8)', async () => {
    const { ask } = await scene()
    expect(await ask(response('AAAA'))).toMatch(failure('malformed-request'))
  })

  test('L14: a second <auth/> drops the first exchange (RFC 6120 §6.4.2)', async () => {
    const stage = await scene()
    await stage.ask(auth('SCRAM-SHA-512', base64('n,,n=alice,r=abc')))
    const { answer } = await scram(stage, 'SCRAM-SHA-1', { name: 'alice', password: 'secret' })
    expect(answer).toContain('<success')
  })

  test('L15: <abort/>: aborted, with or without an exchange (RFC 6120 §6.4.4)', async () => {
    const { ask } = await scene()
    await ask(auth('SCRAM-SHA-1', base64('n,,n=alice,r=abc')))
    expect(await ask(ABORT)).toMatch(failure('aborted'))
    expect(await ask(ABORT)).toMatch(failure('aborted'))
    expect(await ask(response(base64('c=biws,r=abc,p=AAAA')))).toMatch(failure('malformed-request'))
  })

  test('L28: <auth/> after success: policy-violation (RFC 4422 §3.8)', async () => {
    const { ask, wire } = await scene()
    await ask(plainAuth('alice'))
    await ask(header(wire))
    expect(await ask(plainAuth('alice'))).toMatch(streamError('policy-violation'))
  })

  test('L36: the database fails or does not answer within 5 s: temporary-auth-failure (RFC 6120 §6.5.11)', async () => {
    const { ask, rig } = await scene()
    rig.accounts.weather = () => Promise.reject(new StorageError('no route', 'away'))
    expect(await ask(plainAuth('alice'))).toMatch(failure('temporary-auth-failure'))
    rig.accounts.weather = () => new Promise(() => {})
    const asked = rig.clock.now()
    expect(await ask(auth('SCRAM-SHA-1', base64('n,,n=alice,r=abc')))).toMatch(failure('temporary-auth-failure'))
    expect(rig.clock.now() - asked).toBeLessThan(5_500)
    rig.accounts.weather = () => Promise.resolve()
    expect(await ask(plainAuth('alice'))).toContain('<success')
  })

  test('L40: the header named another account: invalid-from, no success (RFC 6120 §6.4.6)', async () => {
    const rig = new Rig()
    await rig.user('alice@im.test')
    const wire = rig.connect()
    wire.says(header(wire, { from: 'bob@im.test' }))
    wire.says(plainAuth('alice'))
    const text = await wire.until(/<\/stream:stream>/)
    expect(text).toMatch(streamError('invalid-from'))
    expect(text).not.toContain('<success')
  })

  test('a failure waits 200 ms and jitter on the clock, whatever the reason', async () => {
    const { rig, wire } = await scene()
    const started = rig.clock.now()
    wire.says(auth('FOO'))
    expect(wire.paused).toBe(true)
    await wire.until(/failure/, () => rig.clock.advance(1))
    expect(rig.clock.now() - started).toBeGreaterThanOrEqual(200)
    expect(rig.clock.now() - started).toBeLessThanOrEqual(251)
  })

  test('the log tells reason, mechanism and address, and never the password', async () => {
    const { ask, rig } = await scene()
    await ask(plainAuth('alice', 'hunter2'))
    const [line] = rig.lines.filter((entry) => entry.event === 'auth.failed')
    expect(line?.level).toBe('info')
    expect(line?.fields).toMatchObject({ reason: 'not-authorized', mechanism: 'PLAIN', ip: '192.0.2.7', failures: 1 })
    expect(JSON.stringify(rig.lines)).not.toContain('hunter2')
  })
})
