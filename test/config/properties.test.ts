/** Java Properties text (java.util.Properties.load) and the three kinds of line. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { classify, decodeProperties, readProperties, typeFault } from '../../src/config/properties.js'

const pairs = (text: string) => readProperties('f', text).entries.map(({ key, value, origin }) => [origin.line, key, value])

describe('Java Properties', () => {
  test('the key ends at the first unescaped space, = or :', () => {
    expect(pairs('a=1\nb:2\nc 3\n  d  =  4 \n\\e\\ \\=\\:f=5\ng\nh=')).toEqual([
      [1, 'a', '1'], [2, 'b', '2'], [3, 'c', '3'], [4, 'd', '4'], [5, 'e =:f', '5'], [6, 'g', ''], [7, 'h', '']
    ])
  })

  test('comments begin with # or !, blank lines are nothing', () => {
    expect(pairs('# a=1\n\n  ! b=2\\\nc=3')).toEqual([[4, 'c', '3']])
  })

  test('a backslash at the end joins lines, and what follows keeps its line number', () => {
    expect(pairs('a=x,\\\n   y,\\\n\tz\nb=1')).toEqual([[1, 'a', 'x,y,z'], [4, 'b', '1']])
  })

  test('escapes', () => {
    expect(pairs('a=\\t\\u0041\\\\n\\q')).toEqual([[1, 'a', '\tA\\nq']])
  })

  test('line ends of all systems, a byte order mark', () => {
    expect(pairs('\uFEFFa=1\r\nb=2\rc=x\\\r\n  y')).toEqual([[1, 'a', '1'], [2, 'b', '2'], [3, 'c', 'xy']])
  })

  test('\\u without four hexadecimal digits is refused, a doubled backslash before u is none', () => {
    expect(readProperties('f', 'a=\\u12\nb\\uXYZW=1\nc=\\\\u12').faults.map((fault) => [fault.origin.line, fault.key])).toEqual([[1, 'a'],
      [2, 'buXYZW']])
    expect(pairs('c=\\\\u12')).toEqual([[1, 'c', '\\u12']])
  })

  test('duplicates are kept in order, for the last to win', () => {
    expect(pairs('a=1\na=2')).toEqual([[1, 'a', '1'], [2, 'a', '2']])
  })

  test('bytes are UTF-8, else ISO 8859-1', () => {
    expect(decodeProperties(Buffer.from('ü=日'))).toBe('ü=日')
    expect(decodeProperties(Buffer.from('ü', 'latin1'))).toBe('ü')
  })

  test('what is written with escapes is read back, whatever it is', () => {
    const escaped = (text: string): string =>
      [...text].map((c) => (/[\w]/.test(c) ? c : [...Buffer.from(c, 'utf16le').swap16().toString('hex').matchAll(/.{4}/g)].map(([h]) =>
        `\\u${h}`).join(''))).join('')
    fc.assert(fc.property(fc.string({ unit: 'binary', minLength: 1 }), fc.string({ unit: 'binary' }), (key, value) => {
      const { entries, faults } = readProperties('f', `#\n${escaped(key)}=${escaped(value)}x`)
      expect(faults).toEqual([])
      expect(entries).toEqual([{ origin: { file: 'f', line: 2 }, key, value: `${value}x` }])
    }), { numRuns: 200 })
  })

  test('no text makes the reader throw or lose count of lines', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom('\\', '\n', '\r', '=', ':', 'u', '0', 'a', ' ', '#', '!') }), (text) => {
      const { entries } = readProperties('f', `${text}\n\nend=1`)
      const last = entries.at(-1)
      expect(last?.key.endsWith('end')).toBe(true)
      expect(last?.origin.line).toBeLessThanOrEqual(text.split(/\r\n?|\n/).length + 2)
    }), { numRuns: 500 })
  })
})

describe('kinds of line', () => {
  test('config-type, global options with and without domains, component lines with a type letter', () => {
    expect(classify('config-type')).toEqual({ kind: 'global', name: 'config-type', domains: [] })
    expect(classify('--user-db[a.org, b.org]')).toEqual({ kind: 'global', name: '--user-db', domains: ['a.org', 'b.org'] })
    expect(classify('c2s/connections/5223/socket[S]')).toEqual({ kind: 'component', component: 'c2s', path: ['connections', '5223',
      'socket'], type: 'S' })
    expect(classify('sess-man/plugins-conf/http://jabber.org/protocol/commands/x')).toMatchObject({ path: ['plugins-conf', 'http:', '',
      'jabber.org', 'protocol', 'commands', 'x'] })
  })

  test.each(['x', '-x=', '--', '/x', 'x/', 'x/y[]', 'x/y[BB]', 'x/y[q]', '--x/y'])('%s is refused', (key) => {
    expect(() => classify(key)).toThrow(/a key is|type letter/)
  })

  test('type letters: small ones are lists', () => {
    expect(typeFault('i', '1, 2,3')).toBeUndefined()
    expect(typeFault('I', '1,2')).toMatch(/whole number/)
    expect(typeFault('L', '20m')).toBeUndefined()
    expect(typeFault('S', 'anything')).toBeUndefined()
    expect(typeFault('F', '1.5')).toBeUndefined()
    expect(typeFault('F', 'x')).toMatch(/a number/)
  })
})
