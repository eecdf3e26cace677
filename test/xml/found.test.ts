/** What the fuzzer found in the parser, each as small as it goes. */
import { describe, expect, test } from '@jest/globals'
import { StreamParser } from '../../src/xml/stream-parser.js'
import { HDR, LIMITS, Recorder, bytes, opened, outcome } from './stage.js'

describe('a parser reads nothing behind the bytes that have come', () => {
  test('a character or a reference that is cut reads the same as in one piece, whatever stood in its buffer before', () => {
    for (const [stale, text, cut] of [['\u0085', '\u00a0', 1], ['&#9;', '&lt;', 1]] as const) {
      const seen = new Recorder()
      const parser = new StreamParser(LIMITS, seen)
      parser.feed(bytes(HDR))
      // The first message fills the buffer that the second one is put together in.
      const filled = bytes(`<message><a>${stale}</a></message><message><a>`)
      for (const byte of filled) parser.feed(Buffer.of(byte))
      for (const byte of bytes(text).subarray(0, cut)) parser.feed(Buffer.of(byte))
      parser.feed(bytes(text).subarray(cut))
      parser.feed(bytes('</a></message>'))
      expect(seen.elements.map(({ boring }) => boring)).toEqual([false, true])
    }
  })
})

describe('blanks around the name of a namespace (XML Names §2.2: a name is a reference to a URI, which has none)', () => {
  test('hide no attribute that is given twice from receivers that pass over them', () => {
    expect(outcome("<message><x xmlns:a='urn:x' xmlns:b=' urn:x' a:k='1' b:k='2'/></message>")).toBe('not-well-formed')
    expect(outcome("<message><x xmlns:a='urn:x' xmlns:b=' urn:y' a:k='1' b:k='2'/></message>")).toContain("='1'")
  })

  test.each([
    ['a prefix that means nothing but blanks', "xmlns:p='&#10; '"],
    ['the namespace of xml under another prefix', "xmlns:p='&#9;http://www.w3.org/XML/1998/namespace'"],
    ['the namespace of declarations', "xmlns:p='http://www.w3.org/2000/xmlns/ '"],
    ['the namespace of xml as the default', "xmlns=' http://www.w3.org/XML/1998/namespace'"]
  ])('hide no declaration of %s', (_what, declaration) => {
    expect(outcome(`<message><x ${declaration}/></message>`)).toBe('not-well-formed')
  })
})

describe('between first-level elements (RFC 6120 §11.7)', () => {
  test('blanks are written as blanks: a reference to one is text, and text may not stand there', () => {
    expect(outcome('<message/> \t\r\n<message/>')).not.toContain('bad-format')
    for (const blank of ['&#xD;', '&#32;', '&#9;']) expect(outcome(`<message/>${blank}<message/>`)).toBe('bad-format')
  })
})

describe('a long tag', () => {
  test('that is wrong and comes byte by byte is refused with the next tag at the latest', () => {
    const { parser, seen } = opened()
    for (const byte of bytes(`<message to='${'a'.repeat(600)}'a='1' b='`)) parser.feed(Buffer.of(byte))
    parser.feed(bytes('<'))
    expect(seen.fault_?.condition).toBe('not-well-formed')
  })
})
