import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { obeysBidiRule, opaqueString, PrecisError, usernameCaseMapped } from '../../src/xmpp/precis.js'

const refusedAsName = (...inputs: readonly string[]): void => {
  for (const input of inputs) expect(() => usernameCaseMapped(input)).toThrow(PrecisError)
}

describe('RFC 8265 §3.3: UsernameCaseMapped', () => {
  test('J10: invisible and ignorable characters are refused (RFC 8264 §9.13)', () => {
    refusedAsName('a\u200Bb', 'a\u00ADb', 'a\u2028b', 'a\u{E0001}b', 'a\uFE0Fb', 'a\u2060', '\uFEFFa', 'a\uFDD0', '\u115F')
  })

  test('J11: classes are checked before case is mapped (RFC 8265 §3.3.2, §3.3.3)', () => {
    refusedAsName('\u212A', '\u2126')
    expect(usernameCaseMapped('\u0130')).toBe('i\u0307')
    expect(usernameCaseMapped('ẞ')).toBe('ß')
    expect(usernameCaseMapped('ß')).not.toBe('ss')
  })

  test('J12: unassigned and private code points, controls and lone surrogates are refused (RFC 8264 §4.2.4)', () => {
    refusedAsName('\u0378', '\uE000', '\u0007', '\u0085', '\uD800', '\uDC00a')
  })

  test('spaces, symbols, compatibility characters and old jamo are refused (RFC 8264 §4.2.3)', () => {
    refusedAsName('a b', 'a\u00A0b', '☃', '♚', '½', 'ﬁ', 'Ⅳ', '\u1100\u1161', '\u3000', '\u0640', '')
    expect(usernameCaseMapped('〇')).toBe('〇')
    expect(usernameCaseMapped('한글')).toBe('한글')
  })

  test('half-width forms become wide ones (RFC 8265 §3.3.1)', () => {
    expect(usernameCaseMapped('ｶﾞ')).toBe('ガ')
  })

  test('J23: contextual rules (RFC 5892 Appendix A)', () => {
    expect(usernameCaseMapped('l·l')).toBe('l·l')
    expect(usernameCaseMapped('क्\u200Dष')).toBe('क्\u200Dष')
    expect(usernameCaseMapped('क्\u200Cष')).toBe('क्\u200Cष')
    expect(usernameCaseMapped('می\u200Cخواهم')).toBe('می\u200Cخواهم')
    expect(usernameCaseMapped('\u0375α')).toBe('\u0375α')
    expect(usernameCaseMapped('א\u05F3')).toBe('א\u05F3')
    expect(usernameCaseMapped('ア・イ')).toBe('ア・イ')
    expect(usernameCaseMapped('ب\u0661')).toBe('ب\u0661')
    refusedAsName('a·b', '·l', 'l·', 'a\u200Db', '\u200Db', 'a\u200Cb', 'ا\u200Cب', '\u0375a', 'a\u05F3', '\u05F4', 'a・b', 'ب\u0661\u06F1')
  })

  test('J09: the Bidi Rule (RFC 5893 §2)', () => {
    expect(usernameCaseMapped('אבג')).toBe('אבג')
    expect(usernameCaseMapped('א1')).toBe('א1')
    expect(usernameCaseMapped('אְ')).toBe('אְ')
    refusedAsName('aא', 'אa', 'א-', '1א', 'א1\u0661', '-א', '\u05B0א')
    expect(obeysBidiRule('abc-')).toBe(true)
  })

  test('J24: a capital sigma is mapped by code point, not by word (RFC 7622 §3.5)', () => {
    expect(usernameCaseMapped('ΑΣ')).toBe('ασ')
    expect(usernameCaseMapped('ας')).toBe('ας')
  })
})

describe('RFC 8265 §4.2: OpaqueString', () => {
  test('keeps case and width, maps other spaces to SPACE, composes', () => {
    expect(opaqueString('Correct Horse')).toBe('Correct Horse')
    expect(opaqueString('πßå')).toBe('πßå')
    expect(opaqueString('Jack of ♦s')).toBe('Jack of ♦s')
    expect(opaqueString('foo\u1680bar\u3000')).toBe('foo bar ')
    expect(opaqueString('ｊe\u0301')).toBe('ｊé')
  })

  test('refuses the empty string and controls', () => {
    for (const bad of ['', 'my cat is a \u0009by', '\u0000', '\u200D', '\uFE0F']) expect(() => opaqueString(bad)).toThrow(PrecisError)
  })
})

describe('J22: what is mapped once is mapped for good (RFC 8264 §7)', () => {
  test.each([['names', usernameCaseMapped], ['opaque strings', opaqueString]])('%s, all of the first plane one by one', (_, profile) => {
    for (let point = 0; point < 0x10000; point += 7) expectStable(profile, String.fromCodePoint(point))
  })

  test.each([['names', usernameCaseMapped], ['opaque strings', opaqueString]])('%s, random', (_, profile) => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 6 }), (text) => expectStable(profile, text)), { numRuns: 1500 })
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 3 }), (text) => expectStable(profile, text)), { numRuns: 1500 })
  })
})

function expectStable(profile: (text: string) => string, text: string): void {
  let once: string
  try {
    once = profile(text)
  } catch (error) {
    if (error instanceof PrecisError) return
    throw error
  }
  expect(profile(once)).toBe(once)
}
