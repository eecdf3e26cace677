/** Between bytes and trees. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { attributeOf, elementsOf, serializeElement, textOf, xml } from '../../src/xml/element.js'
import type { Element } from '../../src/xml/element.js'
import { escapeAttribute, escapeText } from '../../src/xml/escape.js'
import { bytesOf, checkInside, namesOf, treesOf } from '../../src/xml/inside.js'
import { XmlFault } from '../../src/xml/raw.js'
import { CORPUS, told } from './second-opinion.js'
import { LIMITS, bytes, opened, raw } from './stage.js'

const CLIENT = 'jabber:client'
const trees = (text: string): readonly Element[] => treesOf(bytes(text), CLIENT)
const written = (...elements: readonly Element[]): string => bytesOf(elements).toString('utf8')

describe('treesOf', () => {
  test('children of a stanza are found by name, with and without namespace', () => {
    const [body, active] = trees("<body>hi &amp; &#x1F600;</body><active xmlns='urn:a'><x/></active>")
    expect([body?.getText(), body?.getNS(), body?.is('body', CLIENT)]).toEqual(['hi & 😀', CLIENT, true])
    expect(active?.getNS()).toBe('urn:a')
    expect(active?.getChild('x', 'urn:a')?.getNS()).toBe('urn:a')
    const [forwarded] = trees(`<forwarded xmlns='urn:f'><message xmlns='${CLIENT}'><body>x</body></message></forwarded>`)
    expect(forwarded?.getChild('message', CLIENT)?.getChildText('body')).toBe('x')
  })

  test('elements lose their prefixes and say where the namespace changes', () => {
    const [x] = trees("<p:x xmlns:p='urn:p' xmlns='urn:d'><y/><p:z p:a='1' b='2'/></p:x>")
    expect(x?.attrs).toEqual({ xmlns: 'urn:p' })
    expect(x?.getChild('y', 'urn:d')?.attrs).toEqual({ xmlns: 'urn:d' })
    expect(x?.getChild('z', 'urn:p')?.attrs).toEqual({ 'xmlns:ns0': 'urn:p', 'ns0:a': '1', b: '2' })
  })

  test('text, CDATA and references become one text; line ends are normalised (XML 1.0 §2.11)', () => {
    const [x] = trees("<x a='&#10;\t'>a\r\nb\rc&#13;<![CDATA[&amp;\r\n]]>]]</x>")
    expect(x?.children).toEqual(['a\nb\nc\r&amp;\n]]'])
    expect(x?.attrs['a']).toBe('\n ')
  })

  test('bytes that the parser would refuse give no tree', () => {
    for (const bad of ['<a>', '</a>', '<a/></x>', '<![CDATA[', '&x;', '<p:a/>', '<a', '<!-- -->', '&am']) {
      expect(() => trees(bad)).toThrow(XmlFault)
    }
    expect(() => treesOf(raw('<a>', [0xc0, 0x80], '</a>'), CLIENT)).toThrow(XmlFault)
  })

  test('names of Object.prototype are names like any other', () => {
    const [x] = trees("<constructor __proto__='1' hasOwnProperty='2'><__proto__/></constructor>")
    if (x === undefined) throw new Error('no tree')
    expect(Object.getPrototypeOf(x.attrs)).toBe(Object.prototype)
    expect([attributeOf(x, '__proto__'), attributeOf(x, 'hasOwnProperty'), attributeOf(x, 'toString')]).toEqual(['1', '2', undefined])
    expect(written(x)).toBe("<constructor __proto__='1' hasOwnProperty='2'><__proto__/></constructor>")
  })
})

describe('bytesOf', () => {
  test('declares namespaces where they change, relative to jabber:client', () => {
    expect(written(xml('body', {}, 'a<b>&"\'c'), xml('x', 'urn:x', xml('y'), xml('z', CLIENT))))
      .toBe("<body>a&lt;b&gt;&amp;\"'c</body><x xmlns='urn:x'><y/><z xmlns='jabber:client'/></x>")
    expect(written(xml('a', { xmlns: CLIENT }), xml('b', { xmlns: '' }, xml('c', CLIENT))))
      .toBe("<a/><b xmlns=''><c xmlns='jabber:client'/></b>")
  })

  test('an element taken out of a tree keeps its namespace', () => {
    const [query] = trees("<query xmlns='urn:q'><item/></query>")
    const item = query?.getChild('item') as Element
    expect(written(item)).toBe("<item xmlns='urn:q'/>")
    expect(namesOf([item])).toEqual([{ name: 'item', ns: 'urn:q' }])
  })

  test('whatever a plugin puts in, the bytes are XML 1.0', () => {
    const anything = fc.string({ unit: 'binary', maxLength: 8 })
    fc.assert(fc.property(anything, anything, (text, value) => {
      const inside = bytesOf([xml('x', { a: value, b: undefined }, text)])
      expect(checkInside(inside, LIMITS)).toEqual([{ name: 'x', ns: CLIENT }])
      const [x] = treesOf(inside, CLIENT)
      if (!/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ufffd]/.test(text + value)) {   // eslint-disable-line no-control-regex
        expect([x?.getText(), x?.attrs['a']]).toEqual([text, value])
      }
    }), { seed: 7, numRuns: 2_000 })
    expect(escapeText('a\0\ud800b')).toBe('a\ufffd\ud800b')
    expect(bytesOf([xml('x', {}, '\ud800')]).toString()).toBe('<x>\ufffd</x>')
    expect(escapeAttribute('\u0001<\'"\t\u0085')).toBe('\ufffd&lt;&apos;&quot;&#9;&#133;')
  })

  test('a name that would break out is our bug, and thrown', () => {
    for (const name of ['', 'a b', 'a>', "a'", 'a/', 'a=']) {
      expect(() => bytesOf([xml(name)])).toThrow('not a name')
      expect(() => bytesOf([xml('x', { [name]: '1' })])).toThrow('not a name')
    }
  })

  test.each(CORPUS)('there and back again: %s', (stanzas) => {
    const { parser, seen } = opened(LIMITS, undefined)
    parser.feed(bytes(stanzas.replace(/h:x/g, "x xmlns:h='urn:h'")))
    expect(seen.elements.length).toBeGreaterThan(0)
    for (const element of seen.elements) {
      const once = treesOf(element.inside, CLIENT)
      const again = treesOf(bytesOf(once), CLIENT)
      expect(again.map((e) => told(e, CLIENT))).toEqual(once.map((e) => told(e, CLIENT)))
      expect(bytesOf(again)).toEqual(bytesOf(once))
      expect(namesOf(treesOf(element.inside, element.ns))).toEqual(element.children)
    }
  })
})

describe('checkInside', () => {
  test('names the children of good bytes', () => {
    expect(checkInside(bytes("<body>x</body> text ]] <x xmlns='urn:x'><y/></x>"), LIMITS))
      .toEqual([{ name: 'body', ns: CLIENT }, { name: 'x', ns: 'urn:x' }])
    expect(checkInside(Buffer.alloc(0), LIMITS)).toEqual([])
  })

  test.each(['<a>', '</message><message>', '<a/></a>', '<p:a/>', '&x;', '<!-- -->', "<a b='1' b='2'/>", '<a', 'a]]>', '<![CDATA[x', '&lt'])(
    'refuses %s', (inside) => {
      expect(() => checkInside(bytes(inside), LIMITS)).toThrow(XmlFault)
    })

  test('refuses elements of the stream, and what is too big', () => {
    expect(() => checkInside(bytes("<x><error xmlns='http://etherx.jabber.org/streams'/></x>"), LIMITS)).toThrow('an element of the stream')
    expect(() => checkInside(bytes('<x/>'.repeat(10)), { ...LIMITS, stanzaBytes: 39 })).toThrow('more than 39 bytes')
    expect(() => checkInside(bytes('<x/>'.repeat(10)), { ...LIMITS, elements: 9 })).toThrow('more than 9 elements')
  })
})

describe('readers and the writer for first-level elements', () => {
  test('serializeElement leaves out what is declared outside', () => {
    const features = xml('stream:features', {}, xml('bind', 'urn:b'))
    expect(serializeElement(features, CLIENT)).toBe("<stream:features><bind xmlns='urn:b'/></stream:features>")
    expect(serializeElement(xml('success', 'urn:s', 'dj0='), CLIENT)).toBe("<success xmlns='urn:s'>dj0=</success>")
    expect(serializeElement(xml('message', CLIENT), '')).toBe("<message xmlns='jabber:client'/>")
  })

  test('textOf and elementsOf', () => {
    const x = xml('x', {}, 'a', xml('b', {}, 'no'), 'c')
    expect(textOf(x)).toBe('ac')
    expect(elementsOf(x).map((e) => e.name)).toEqual(['b'])
  })
})
