import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Jid, JidCache, JidError, parseJid, prepareDomain, prepareLocal, prepareResource } from '../../src/xmpp/jid.js'

const text = (input: string): string => parseJid(input).toString()
const refused = (...inputs: readonly string[]): void => {
  for (const input of inputs) expect(() => parseJid(input)).toThrow(JidError)
}

describe('RFC 7622 §3.5: legal addresses', () => {
  test.each([
    ['juliet@example.com', 'juliet', 'example.com', ''],
    ['juliet@example.com/foo', 'juliet', 'example.com', 'foo'],
    ['juliet@example.com/foo bar', 'juliet', 'example.com', 'foo bar'],
    ['juliet@example.com/foo@bar', 'juliet', 'example.com', 'foo@bar'],
    ['foo\\20bar@example.com', 'foo\\20bar', 'example.com', ''],
    ['fußball@example.com', 'fußball', 'example.com', ''],
    ['π@example.com', 'π', 'example.com', ''],
    ['Σ@example.com/foo', 'σ', 'example.com', 'foo'],
    ['ς@example.com/foo', 'ς', 'example.com', 'foo'],
    ['king@example.com/♚', 'king', 'example.com', '♚'],
    ['example.com', '', 'example.com', ''],
    ['example.com/foobar', '', 'example.com', 'foobar'],
    ['a.example.com/b@example.net', '', 'a.example.com', 'b@example.net'],
    ['a@b.c/d/e', 'a', 'b.c', 'd/e']
  ])('%s', (input, local, domain, resource) => {
    expect(parseJid(input)).toMatchObject({ local, domain, resource })
  })
})

describe('a Jid', () => {
  const full = parseJid('Juliet@IM.Test/Balcony')

  test('has a bare form, and is equal to one made of the same parts', () => {
    expect(full.toString()).toBe('juliet@im.test/Balcony')
    expect(full.bare.toString()).toBe('juliet@im.test')
    expect(full.bare).toBe(full.bare)
    expect(full.bare.bare).toBe(full.bare)
    expect([full.isBare, full.bare.isBare]).toEqual([false, true])
    expect(full.equals(new Jid('juliet', 'im.test', 'Balcony'))).toBe(true)
    expect(full.equals(full.bare)).toBe(false)
    expect(full.equals(undefined)).toBe(false)
    expect(full.sameBare(full.bare)).toBe(true)
  })

  test('takes another resource, prepared', () => {
    expect(full.withResource('a\u3000b').toString()).toBe('juliet@im.test/a b')
    expect(() => full.withResource('')).toThrow(JidError)
  })
})

describe('bad input', () => {
  test('J01: characters that a localpart may not have (RFC 7622 §3.3.1)', () => {
    refused('a b@im.test', 'a"@im.test', 'a&b@im.test', "a'b@im.test", 'a:b@im.test', 'a<b@im.test', 'a>b@im.test', 'a@b@im.test')
    expect(parseJid('a/b@im.test')).toMatchObject({ local: '', domain: 'a', resource: 'b@im.test' })
  })

  test('J02: a localpart has at most 1023 bytes after mapping (RFC 7622 §3.3)', () => {
    const a = (n: number): string => 'a'.repeat(n)
    expect(parseJid(`${a(1023)}@im.test`).local).toHaveLength(1023)
    refused(`${a(1024)}@im.test`)
    expect(parseJid(`${'ａ'.repeat(1023)}@im.test`).local).toBe(a(1023))
    refused(`${'ａ'.repeat(1024)}@im.test`, `${'é'.repeat(512)}@im.test`)
    expect(parseJid(`${'u\u0308\u0304'.repeat(511)}@im.test`).local).toBe('ǖ'.repeat(511))
  })

  test('J03: the limits of domain names (RFC 7622 §3.2, RFC 1034 §3.1)', () => {
    const label = 'a'.repeat(63)
    expect(text(`${label}.test`)).toBe(`${label}.test`)
    refused(`a${label}.test`, `${'ü'.repeat(60)}.test`, 'a.'.repeat(512), `${label}.${label}.${label}.${label}`)
  })

  test('J04: a resource has at most 1023 bytes (RFC 7622 §3.4)', () => {
    expect(parseJid(`a@im.test/${'r'.repeat(1023)}`).resource).toHaveLength(1023)
    refused(`a@im.test/${'r'.repeat(1024)}`, `a@im.test/${'é'.repeat(512)}`)
    expect(() => prepareResource('')).toThrow(JidError)
  })

  test('J05: empty parts (RFC 7622 §3.1)', () => {
    refused('a@im.test/', '@im.test', '', '/', '@', 'a@', 'a@/r', '/r', '@/')
  })

  test('J06, J07, J13: case, width and composition do not matter (RFC 8265 §3.3.1)', () => {
    expect(text('JULIET@IM.TEST')).toBe('juliet@im.test')
    expect(text('ｊｕｌｉｅｔ@im.test')).toBe('juliet@im.test')
    expect(text('Jose\u0301@im.test')).toBe('jos\u00E9@im.test')
  })

  test('J08: a Cyrillic letter makes another account (RFC 7622 §7.3.2)', () => {
    expect(text('jуliet@im.test')).not.toBe('juliet@im.test')
  })

  test('J14, J15: A-labels, U-labels and a trailing dot name one domain (RFC 7622 §3.2)', () => {
    expect(text('a@xn--bcher-kva.example')).toBe('a@bücher.example')
    expect(text('a@BÜCHER.example.')).toBe('a@bücher.example')
    expect(text('a@bu\u0308cher.example')).toBe('a@bücher.example')
    expect(text('im.test.')).toBe('im.test')
    refused('a@xn--.example', 'a@xn--a.example', 'a@xn--bcher-kvaaaa1.example', 'a@xn--abc-.example', 'a@im.test..', 'a@.', '.')
  })

  test('J14: labels are of letters, digits and inner hyphens, U-labels of IDNA2008 (RFC 7622 §3.2.1)', () => {
    expect(text('a@1and1.co-op.example')).toBe('a@1and1.co-op.example')
    expect(text('a@localhost')).toBe('a@localhost')
    expect(prepareDomain('fußball.example')).toBe('fußball.example')
    refused('a@-b.test', 'a@b-.test', 'a@b_c.test', 'a@b..test')
    refused('a@ab--cd.test', 'a@☃.example', 'a@xn--n3h.example', 'a@%61.test', 'a@im.test:80')
    refused('a@im.test\n', 'a@im .test', 'a@\u200B.test')
  })

  test('J17: address literals (RFC 7622 §3.2)', () => {
    expect(text('a@127.0.0.1')).toBe('a@127.0.0.1')
    expect(text('a@[::1]/r')).toBe('a@[::1]/r')
    expect(text('[2001:DB8:0::1]')).toBe('[2001:db8::1]')
    refused('a@[::1', 'a@::1', 'a@[127.0.0.1]', 'a@[fe80::1%eth0]', 'a@127.1', 'a@1.2.3.4.5', 'a@300.1.1.1', 'a@１２７.1', 'a@[]')
    expect(text('a@１２７.0.0.1')).toBe('a@127.0.0.1')
  })

  test('J18: long text is refused unseen (RFC 7622 §3.1)', () => {
    refused('a'.repeat(16_000), `${'\u0300'.repeat(5_000)}@im.test`)
  })

  test('J20: names of JavaScript properties are names like any other', () => {
    expect(text('__proto__@im.test/constructor')).toBe('__proto__@im.test/constructor')
  })

  test('J21: combining marks count as bytes (RFC 7622 §3.3)', () => {
    refused(`a${'\u0300'.repeat(3000)}@im.test`)
    expect(parseJid(`a${'\u0300'.repeat(400)}@im.test`).local).toHaveLength(400)
  })

  test('J25: full-width separators are none: split first, map later (RFC 7622 §3.1)', () => {
    refused('a＠b@im.test', 'juliet＠im.test', 'im.test／x', 'ａ＼＠@im.test', 'a：b@im.test')
  })

  test('J26, J27: white space and joined emoji in a resource (RFC 8265 §4.2)', () => {
    expect(parseJid('a@im.test/ phone').resource).toBe(' phone')
    expect(parseJid('a@im.test/📱').resource).toBe('📱')
    refused('a@im.test/❤\uFE0F', 'a@im.test/👨\u200D👩', 'a@im.test/\u007F', 'a@im.test/\u0085', 'a@im.test/\uD800')
  })
})

test('RFC 7622 §3.3: a localpart alone', () => {
  expect(prepareLocal('ROMEO')).toBe('romeo')
  expect(() => prepareLocal('')).toThrow(JidError)
  expect(() => prepareLocal('ro/meo')).toThrow(JidError)
})

test('the fast way and the slow way agree on plain text', () => {
  for (let c = 0x21; c < 0x7f; c++) {
    const char = String.fromCharCode(c)
    const fast = attempt(() => parseJid(`x${char}y@im.test`).local)
    const slow = attempt(() => `x${prepareLocal(`${char}y`)}`)
    if (char === '/') continue
    expect([char, fast]).toEqual([char, slow])
  }
})

function attempt(run: () => string): string | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}

describe('any text', () => {
  const stable = (input: string): void => {
    const once = attemptJid(input)
    if (once !== undefined) expect(text(once)).toBe(once)
  }
  const attemptJid = (input: string): string | undefined => {
    try {
      return text(input)
    } catch (error) {
      if (error instanceof JidError) return undefined
      throw error
    }
  }
  const parts = fc.string({ unit: 'binary', maxLength: 8 })
  const labels = fc.array(fc.string({ unit: 'grapheme', maxLength: 6 }), { minLength: 1, maxLength: 3 }).map((all) => all.join('.'))

  test('is an address that stays what it is when parsed again, or a JidError', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 20 }), stable), { numRuns: 2000 })
    fc.assert(fc.property(parts, labels, parts, (local, domain, resource) => stable(`${local}@${domain}/${resource}`)), { numRuns: 2000 })
    fc.assert(fc.property(fc.stringMatching(/^[a-zA-Z0-9.@/:[\]-]{0,20}$/), stable), { numRuns: 2000 })
  })
})

describe('a JidCache', () => {
  test('gives the same Jid again, forgets the oldest, and keeps no failures', () => {
    const cache = new JidCache(2)
    const romeo = cache.parse('ROMEO@im.test')
    expect(cache.parse('ROMEO@im.test')).toBe(romeo)
    cache.parse('b@im.test')
    cache.parse('c@im.test')
    expect(cache.parse('ROMEO@im.test')).not.toBe(romeo)
    expect(() => cache.parse('@')).toThrow(JidError)
    expect(() => cache.parse('@')).toThrow(JidError)
  })
})
