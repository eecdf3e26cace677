/** Streams that share the desks of their parsers (RFC 6120 §4): what one has declared or begun is nothing to the others. */
import { describe, expect, test } from '@jest/globals'
import { Desks } from '../../src/xml/desk.js'
import { StreamParser } from '../../src/xml/stream-parser.js'
import { bytes, HDR, LIMITS, Recorder } from './stage.js'

const withPrefix = HDR.replace(' xml:lang', " xmlns:p='urn:example:p' xml:lang")

function pair(first: string, second: string): readonly { readonly parser: StreamParser, readonly seen: Recorder }[] {
  const desks = new Desks()
  return [first, second].map((header) => {
    const seen = new Recorder()
    const parser = new StreamParser(LIMITS, seen, desks)
    parser.feed(bytes(header))
    return { parser, seen }
  })
}

describe('parsers at shared desks', () => {
  test('an element that is half there waits while another stream is read', () => {
    const [a, b] = pair(HDR, HDR)
    a?.parser.feed(bytes('<message><bo'))
    b?.parser.feed(bytes("<iq id='1'/><message><body>other</body></message>"))
    a?.parser.feed(bytes('dy>mine</body></message>'))
    expect(a?.seen.elements.map(({ name, inside }) => [name, String(inside)])).toEqual([['message', '<body>mine</body>']])
    expect(b?.seen.elements.map(({ name }) => name)).toEqual(['iq', 'message'])
  })

  test('Namespaces in XML §6.1: a prefix of one stream is declared there only', () => {
    const [a, b] = pair(withPrefix, HDR)
    a?.parser.feed(bytes('<message><p:x/></message>'))
    b?.parser.feed(bytes('<message><p:x/></message>'))
    a?.parser.feed(bytes('<message><p:x/></message>'))
    expect(a?.seen.elements.length).toBe(2)
    expect(b?.seen.fault_?.condition).toBe('not-well-formed')
  })

  test('a stream that has failed leaves a clean desk', () => {
    const [a, b] = pair(HDR, HDR)
    a?.parser.feed(bytes('<message><body>&bad;'))
    b?.parser.feed(bytes('<message><body>fine</body></message>'))
    expect(a?.seen.fault_?.condition).toBe('restricted-xml')
    expect(b?.seen.elements.map(({ name }) => name)).toEqual(['message'])
  })

  test('RFC 6120 §6.4.6: after a restart nothing of the old header holds', () => {
    const [a] = pair(withPrefix, HDR)
    a?.parser.restart()
    a?.parser.feed(bytes(`${HDR}<message><p:x/></message>`))
    expect(a?.seen.fault_?.condition).toBe('not-well-formed')
  })
})
