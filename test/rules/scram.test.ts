import { createHash } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import {
  challenge, deriveKeys, finish, inventedKeys, judgeBinding, offerHash, parseClientFirst, ScramFault, verifyPassword, type ScramHash
} from '../../src/rules/scram.js'

const first = (text: string): ReturnType<typeof parseClientFirst> => parseClientFirst(Buffer.from(text))

function conditionOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof ScramFault) return error.condition
    throw error
  }
  return 'accepted'
}

describe('an exchange with the examples of the RFCs', () => {
  test.each([
    ['RFC 5802 §5', 'SHA-1', 'fyko+d2lbbFgONRv9qkxdawL', '3rfcNHYJY1ZVvWVs7j', 'QSXCR+Q6sek8bf92',
      'v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=', 'rmF9pqV8S7suAoZWja4dJRkFsKQ='],
    ['RFC 7677 §3', 'SHA-256', 'rOprNGfwEbeRWgbNEkqO', '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0', 'W22ZaJ0SNY7soEsUEjb6gQ==',
      'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=']
  ] as const)('%s', async (_, hash, clientNonce, serverNonce, salt, proof, signature) => {
    const keys = await deriveKeys('pencil', hash, Buffer.from(salt, 'base64'), 4096)
    const step = challenge(first(`n,,n=user,r=${clientNonce}`), keys, serverNonce)
    expect(step.message).toBe(`r=${clientNonce}${serverNonce},s=${salt},i=4096`)
    expect(finish(step, Buffer.from(`c=biws,r=${clientNonce}${serverNonce},p=${proof}`))).toBe(`v=${signature}`)
  })
})

describe('RFC 5802 §7: the first message of the client', () => {
  test('is understood', () => {
    expect(first('n,,n=user,r=abc')).toEqual({
      username: 'user', authzid: '', nonce: 'abc', flag: 'n', bindingType: '', gs2Header: 'n,,', bare: 'n=user,r=abc'
    })
    expect(first('y,a=u=2Cx,n=a=3Db,r=!~')).toMatchObject({ username: 'a=b', authzid: 'u,x', nonce: '!~', gs2Header: 'y,a=u=2Cx,' })
    expect(first('n,,n=ü,r=abc,x=1').username).toBe('ü')
  })

  test.each([
    ['L16 without r=', 'n,,n=user'], ['L16 an empty r=', 'n,,n=user,r='], ['L16 a comma in r=', 'n,,n=user,r=a,b'],
    ['L16 r= before n=', 'n,,r=a,n=user'], ['L16 a nonce of 5 KiB', `n,,n=user,r=${'a'.repeat(5120)}`],
    ['L16 a space in the nonce', 'n,,n=user,r=a b'],
    ['L17 a mandatory extension (§5.1)', 'n,,m=ext,n=user,r=a'], ['L21 a nameless channel binding (§7)', 'p=,,n=user,r=a'],
    ['L24 a wrong escape (§5.1)', 'n,,n==41lice,r=a'], ['L24 a small escape', 'n,,n==2c,r=a'], ['no name', 'n,,n=,r=a'],
    ['no header', 'n=user,r=a'], ['another flag', 'x,,n=user,r=a'], ['nothing', ''], ['a NUL', 'n,,n=us\0er,r=a'],
    ['another attribute for the authorization identity', 'n,b=x,n=user,r=a']
  ])('%s is malformed', (_, message) => {
    expect(conditionOf(() => first(message))).toBe('malformed-request')
  })

  test('L46: an unknown attribute at the end is ignored', () => {
    expect(first('n,,n=user,r=a,x=1,Y=z').nonce).toBe('a')
  })

  test('bytes that are no UTF-8, and very long ones, are malformed', () => {
    expect(conditionOf(() => parseClientFirst(Buffer.from([0x6e, 0xff])))).toBe('malformed-request')
    expect(conditionOf(() => parseClientFirst(Buffer.alloc(9000, 0x61)))).toBe('malformed-request')
  })
})

describe('RFC 5802 §6: channel binding', () => {
  test('the example of XEP-0474 §6, bound and with the hash of what was offered', async () => {
    const keys = await deriveKeys('pencil', 'SHA-1', Buffer.from('QSXCR+Q6sek8bf92', 'base64'), 4096)
    const hello = first('p=tls-exporter,,n=user,r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6')
    expect(hello).toMatchObject({ flag: 'p', bindingType: 'tls-exporter' })
    const told = offerHash('SHA-1', ['SCRAM-SHA-1-PLUS', 'SCRAM-SHA-1'], ['tls-server-end-point', 'tls-exporter'])
    expect(told).toBe('G6k/rBLDqgOhRRaCuuatSDFkJ08=')
    const channel = { data: Buffer.from('THIS IS FAKE CB DATA'), offerHash: told }
    const step = challenge(hello, keys, 'a09117a6-ac50-4f2f-93f1-93799c2bddf6', channel)
    expect(step.message).toBe('r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6a09117a6-ac50-4f2f-93f1-93799c2bddf6,' +
      's=QSXCR+Q6sek8bf92,i=4096,h=G6k/rBLDqgOhRRaCuuatSDFkJ08=')
    const final = 'c=cD10bHMtZXhwb3J0ZXIsLFRISVMgSVMgRkFLRSBDQiBEQVRB,' +
      'r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6a09117a6-ac50-4f2f-93f1-93799c2bddf6,' +
      'x=19C6532F-1CF4-4A27-A18D-DC9CEA41BBB3,p=M/SIDjT+dfcxUh89jZEypRvFxB4='
    expect(finish(step, Buffer.from(final))).toBe('v=MQrMPvv7yv4x4Cq4W4Ih25EqS2c=')
  })

  test('XEP-0474 §5.1: names are sorted by their bytes; without XEP-0440 the second list is not there', () => {
    const by = (text: string): string => createHash('sha256').update(text).digest('base64')
    expect(offerHash('SHA-256', ['SCRAM-SHA-512', 'PLAIN', 'SCRAM-SHA-1-PLUS', 'SCRAM-SHA-1'], []))
      .toBe(by('PLAIN\x1eSCRAM-SHA-1\x1eSCRAM-SHA-1-PLUS\x1eSCRAM-SHA-512'))
    expect(offerHash('SHA-256', ['B', 'a'], ['z', 'b'])).toBe(by('B\x1ea\x1fb\x1ez'))
  })

  const judged = (flag: string, plus: boolean, offered: boolean): string =>
    conditionOf(() => judgeBinding(first(`${flag},,n=user,r=a`), plus, offered))

  test('L20: a client that could bind and saw no offer, though there was one, has been lied to', () => {
    expect(judged('y', false, true)).toBe('not-authorized')
    expect(judged('y', false, false)).toBe('accepted')
    expect(judged('n', false, true)).toBe('accepted')
  })

  test('L21: the flag fits the mechanism', () => {
    expect(judged('p=tls-exporter', true, true)).toBe('accepted')
    expect(judged('p=tls-exporter', false, true)).toBe('malformed-request')
    expect(judged('n', true, true)).toBe('malformed-request')
    expect(judged('y', true, true)).toBe('malformed-request')
  })

  test('L23: other data than the channel has is not authorized, whatever the proof says', async () => {
    const keys = await deriveKeys('pencil', 'SHA-256', Buffer.from('salt'), 10)
    const step = challenge(first('p=tls-exporter,,n=user,r=a'), keys, 'b', { data: Buffer.from('here'), offerHash: 'x' })
    const last = (data: string): string =>
      conditionOf(() => finish(step, Buffer.from(`c=${Buffer.from(`p=tls-exporter,,${data}`).toString('base64')},r=ab,p=AAAA`)))
    expect(last('there')).toBe('not-authorized')
    expect(() => finish(step, Buffer.from(`c=${Buffer.from('p=tls-exporter,,here').toString('base64')},r=ab,p=AAAA`)))
      .toThrow('a wrong proof')
  })
})

describe('RFC 5802 §5.1: the last message of the client', () => {
  const invented = inventedKeys(Buffer.from('secret'), 'user', 'SHA-1')
  const step = challenge(first('n,,n=user,r=abc'), invented, 'DEF')
  const proof = Buffer.alloc(20).toString('base64')
  const condition = (message: string): string => conditionOf(() => finish(step, Buffer.from(message)))

  test('L18, L19: another nonce or another header is not authorized', () => {
    expect(condition(`c=biws,r=abcDEG,p=${proof}`)).toBe('not-authorized')
    expect(condition(`c=eSws,r=abcDEF,p=${proof}`)).toBe('not-authorized')
  })

  test('L25: a proof that is no base64 is malformed, one of the wrong length or value not authorized', () => {
    expect(condition('c=biws,r=abcDEF,p=!!!!')).toBe('malformed-request')
    expect(condition('c=biws,r=abcDEF,p=AAA')).toBe('malformed-request')
    expect(condition('c=biws,r=abcDEF,p=AAAA')).toBe('not-authorized')
    expect(condition(`c=biws,r=abcDEF,p=${proof}`)).toBe('not-authorized')
  })

  test.each(['', 'c=biws', 'c=biws,r=abcDEF', `r=abcDEF,c=biws,p=${proof}`, `c=biws,r=abcDEF,p=${proof},x=1`])(
    '%s is malformed', (message) => {
    expect(condition(message)).toBe('malformed-request')
  })

  test('an extension before the proof is signed with the rest', () => {
    expect(condition(`c=biws,r=abcDEF,x=1,p=${proof}`)).toBe('not-authorized')
  })
})

test.each<ScramHash>(['SHA-1', 'SHA-256', 'SHA-512'])('a password has its keys of %s and no other password has', async (hash) => {
  const keys = await deriveKeys('secret', hash, Buffer.from('salt'), 10)
  expect(await verifyPassword(keys, 'secret')).toBe(true)
  expect(await verifyPassword(keys, 'Secret')).toBe(false)
})

test('L12: a name without an account gets the same salt each time, another for another name, hash or secret', () => {
  const salt = (secret: string, name: string, hash: ScramHash): string => inventedKeys(Buffer.from(secret), name, hash).salt.toString('hex')
  expect(salt('s', 'a', 'SHA-1')).toBe(salt('s', 'a', 'SHA-1'))
  expect(new Set([salt('s', 'a', 'SHA-1'), salt('s', 'b', 'SHA-1'), salt('s', 'a', 'SHA-256'), salt('t', 'a', 'SHA-1')]).size).toBe(4)
})
