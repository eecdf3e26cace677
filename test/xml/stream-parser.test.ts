/** The XML level of the bad-input corpus (B.1) and what of its stream level is a matter of the parser (B.2). */
import { describe, expect, test } from '@jest/globals'
import { StreamParser } from '../../src/xml/stream-parser.js'
import { HDR, LIMITS, NS_STREAMS, Recorder, bytes, eventsOf, only, opened, outcome, raw } from './stage.js'

const message = (inside: string): string => `<message to='bob@im.test'>${inside}</message>`
const body = (text: string): string => message(`<body>${text}</body>`)
const bomb = '<!DOCTYPE a [<!ENTITY x0 "lol"><!ENTITY x1 "&x0;&x0;&x0;&x0;&x0;&x0;&x0;&x0;&x0;&x0;">]><a>&x1;</a>'

type Row = readonly [id: string, sentence: string, input: string | Buffer, condition: string]

const REFUSED: readonly Row[] = [
  ['X01', 'an end tag must match its start tag', '<message><body>a</message>', 'not-well-formed'],
  ['X02', 'an ampersand must begin a reference', body('a & b'), 'not-well-formed'],
  ['X02b', 'an ampersand at the end of text is no reference', body('a &'), 'not-well-formed'],
  ['X03', 'entities other than the five are restricted', body('&foo;'), 'restricted-xml'],
  ['X04', 'comments are restricted', '<message><!-- c --><body/></message>', 'restricted-xml'],
  ['X04b', 'comments between stanzas are restricted', '<!-- c --><message/>', 'restricted-xml'],
  ['X05', 'processing instructions are restricted', '<message><?php x?></message>', 'restricted-xml'],
  ['X05b', 'processing instructions between stanzas are restricted', '<?xml-stylesheet x?>', 'restricted-xml'],
  ['X06', 'a document type between stanzas is restricted', '<!DOCTYPE x>', 'restricted-xml'],
  ['X07', 'an entity bomb is refused at its first character', bomb, 'restricted-xml'],
  ['X08', 'external entities are refused', '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]>', 'restricted-xml'],
  ['X10', 'an attribute is given once', "<message to='a@im.test' to='b@im.test'/>", 'not-well-formed'],
  ['X11', 'a prefix must be declared', message('<x:foo/>'), 'not-well-formed'],
  ['X11b', 'the prefix of an attribute must be declared', message("<foo x:a='1'/>"), 'not-well-formed'],
  ['X12a', 'the prefix xml keeps its meaning', message("<a xmlns:xml='urn:x'/>"), 'not-well-formed'],
  ['X12b', 'the prefix xmlns is not declared', message("<a xmlns:xmlns='urn:x'/>"), 'not-well-formed'],
  ['X12c', 'no other prefix takes the xml namespace', message("<a xmlns:y='http://www.w3.org/XML/1998/namespace'/>"),
    'not-well-formed'],
  ['X12d', 'the xml namespace is no default', message("<a xmlns='http://www.w3.org/XML/1998/namespace'/>"), 'not-well-formed'],
  ['X13', 'a prefix is not undeclared', message("<a xmlns:a=''/>"), 'not-well-formed'],
  ['X14', 'attribute values are quoted', '<message to=bob@im.test/>', 'not-well-formed'],
  ['X15', 'no raw < in an attribute value', "<message to='a<b'/>", 'not-well-formed'],
  ['X16a', 'no reference to U+0000', body('&#0;'), 'not-well-formed'],
  ['X16b', 'no reference to a control character', body('&#x1F;'), 'not-well-formed'],
  ['X16c', 'no reference to U+FFFE', body('&#xFFFE;'), 'not-well-formed'],
  ['X16d', 'no reference to a surrogate', body('&#xD800;'), 'not-well-formed'],
  ['X16e', 'no reference beyond U+10FFFF', body('&#x110000;'), 'not-well-formed'],
  ['X23', 'a character cut off by markup is no UTF-8', raw('<message><body>', [0xe2, 0x82], '</body></message>'),
    'unsupported-encoding'],
  ['X24a', 'U+FFFE is no XML character', raw('<message><body>', [0xef, 0xbf, 0xbe], '</body></message>'), 'not-well-formed'],
  ['X24b', 'U+FFFF is no XML character', raw("<message id='", [0xef, 0xbf, 0xbf], "'/>"), 'not-well-formed'],
  ['X30', 'nesting has a limit', '<a>'.repeat(10_000), 'policy-violation'],
  ['X31', 'attributes have a limit', `<message ${Array.from({ length: 1_000 }, (_, k) => `a${k}=''`).join(' ')}/>`,
    'policy-violation'],
  ['X33', 'names have a limit', `<message><${'a'.repeat(4_097)}/></message>`, 'policy-violation'],
  ['X34', 'elements have a limit', message('<a/>'.repeat(65_000)), 'policy-violation'],
  ['X37', 'namespace declarations have a limit',
    message(`<a ${Array.from({ length: 200 }, (_, k) => `xmlns:p${k}='urn:${k}'`).join(' ')}/>`), 'policy-violation'],
  ['X37b', 'namespace declarations have a limit below that of attributes',
    message(`<a ${Array.from({ length: 33 }, (_, k) => `xmlns:p${k}='urn:${k}'`).join(' ')}/>`), 'policy-violation'],
  ['X38a', 'the prefix stream is not used for jabber:client', message("<stream:error xmlns:stream='jabber:client'/>"),
    'bad-namespace-prefix'],
  ['X38b', 'the prefix stream is not used for another namespace', message("<stream:x xmlns:stream='urn:x'/>"),
    'bad-namespace-prefix'],
  ['X38c', 'nor on a first-level element', "<stream:x xmlns:stream='urn:x'/>", 'bad-namespace-prefix'],
  ['X40', 'an XML declaration stands at the beginning only', "<?xml version='1.0'?>", 'not-well-formed'],
  ['X40b', 'and not inside a stanza', "<message><?xml version='1.0'?></message>", 'not-well-formed'],
  ['X41', ']]> is not for text', body('a]]>b'), 'not-well-formed'],
  ['X42', 'the stream is not closed inside a stanza', '<message></stream:stream>', 'not-well-formed'],
  ['X45', 'an attribute is given once under all prefixes',
    message("<x xmlns:a='urn:x' xmlns:b='urn:x' a:k='1' b:k='2'/>"), 'not-well-formed'],
  ['X48', 'a stanza has no prefix', "<foo:message xmlns:foo='jabber:client' to='bob@im.test'/>", 'bad-namespace-prefix'],
  ['S24', 'text between stanzas is refused', 'hello', 'bad-format'],
  ['S24b', 'references between stanzas are text', '&#32;', 'bad-format'],
  ['S24c', 'CDATA sections between stanzas are text', '<![CDATA[ ]]>', 'bad-format']
]

const BAD_UTF8: readonly (readonly [string, readonly number[]])[] = [
  ['X19a overlong C0 80', [0xc0, 0x80]], ['X19b overlong E0 80 BC', [0xe0, 0x80, 0xbc]], ['X20 a surrogate', [0xed, 0xa0, 0x80]],
  ['X21 a sequence broken by markup', [0xeb, 0x3c, 0x3e]], ['X22a beyond U+10FFFF', [0xf4, 0x90, 0x80, 0x80]], ['X22b FF', [0xff]],
  ['X22c a lone continuation', [0x80]], ['X22d overlong F0 8F', [0xf0, 0x8f, 0xbf, 0xbf]], ['X22e F5', [0xf5, 0x80, 0x80, 0x80]]
]

describe('an open stream refuses (RFC 6120 §11)', () => {
  test.each(REFUSED)('%s: %s', (_id, _sentence, input, condition) => {
    expect(outcome(input)).toBe(condition)
  })

  test.each(BAD_UTF8)('%s, in text, value and CDATA: unsupported-encoding (RFC 6120 §11.6)', (_id, bad) => {
    expect(outcome(raw('<message><body>', bad, '</body></message>'))).toBe('unsupported-encoding')
    expect(outcome(raw("<message id='", bad, "'/>"))).toBe('unsupported-encoding')
    expect(outcome(raw('<message><![CDATA[', bad, ']]></message>'))).toBe('unsupported-encoding')
    expect(outcome(raw('<message><b', bad, '/></message>'))).toBe('unsupported-encoding')
  })

  test.each([0x00, 0x01, 0x0b, 0x1f])('X17: the raw byte %i in text, value and CDATA', (byte) => {
    expect(outcome(raw('<message><body>', [byte], '</body></message>'))).toBe('not-well-formed')
    expect(outcome(raw("<message id='", [byte], "'/>"))).toBe('not-well-formed')
    expect(outcome(raw('<message><![CDATA[', [byte], ']]></message>'))).toBe('not-well-formed')
  })
})

describe('an open stream accepts', () => {
  test('X09: CDATA, written anew as text (RFC 6120 §11.1)', () => {
    expect(outcome(body('<![CDATA[<b>&]]>'))).toBe('<body>&lt;b&gt;&amp;</body>')
  })

  test('X18: characters by number; those in values are written by number again (XML 1.0 §3.3.3)', () => {
    expect(outcome(message("<body a='&#9;&#10;'>&#10;&#x1F600;</body>"))).toBe("<body a='&#9;&#10;'>\n😀</body>")
  })

  test('X25: a character of four bytes that comes byte by byte', () => {
    const { parser, seen } = opened()
    for (const byte of bytes(body('𐍈é漢'))) parser.feed(Buffer.from([byte]))
    expect(seen.elements[0]?.inside.toString()).toBe('<body>𐍈é漢</body>')
  })

  test('X35: a mebibyte of spaces between stanzas, of which nothing is kept', () => {
    const { parser, seen } = opened()
    const spaces = Buffer.alloc(65_536, ' ')
    for (let k = 0; k < 16; k++) parser.feed(spaces)
    expect([parser.heldBytes, parser.midElement, seen.events]).toEqual([0, false, []])
    parser.feed(bytes('<message/>'))
    expect(seen.elements).toHaveLength(1)
  })

  test('X38: a mere rebinding of the prefix stream, which does not survive', () => {
    expect(outcome(message("<x xmlns='urn:x' xmlns:stream='urn:y' stream:a='1'/>")))
      .toBe("<x xmlns='urn:x' xmlns:ns0='urn:y' ns0:a='1'/>")
  })

  test('X39: an element of the stream inside a stanza is flagged and its content kept back, at any depth', () => {
    const nested = `<stream:stream xmlns:stream='${NS_STREAMS}'/>`
    for (const inside of [nested, `<x xmlns='urn:x'>${nested}</x>`, "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"]) {
      expect(only(message(inside))).toMatchObject({ reserved: true, children: [], inside: Buffer.alloc(0) })
    }
    expect(only(message('<x/>')).reserved).toBeUndefined()
  })

  test('X43: a line feed by number stays in the value, for the judge of addresses', () => {
    expect(only("<message to='bob@im.test&#10;x'/>").attrs['to']).toBe('bob@im.test\nx')
  })

  test('X44: namespaces are compared as they are', () => {
    expect(only("<message xmlns='jabber:client '/>").ns).toBe('jabber:client ')
    expect(only("<message xmlns='jabber:client&#10;'/>").ns).toBe('jabber:client\n')
  })

  test('X46: U+FEFF at the start and inside of a body, unchanged (RFC 6120 §11.6)', () => {
    expect(outcome(body('\ufeffa\ufeffb'))).toBe('<body>\ufeffa\ufeffb</body>')
  })

  test('S37: an element of another namespace, for the stream to judge', () => {
    expect(only("<message xmlns='jabber:server'/>")).toMatchObject({ name: 'message', ns: 'jabber:server' })
  })

  test('S38: a prefix declared on the header, declared anew inside', () => {
    const { parser, seen } = opened(LIMITS, HDR.replace(' to=', " xmlns:x='urn:x' to="))
    parser.feed(bytes(message("<x:y><z/></x:y>")))
    expect(seen.elements[0]?.inside.toString()).toBe("<y xmlns='urn:x'><z xmlns='jabber:client'/></y>")
    expect(seen.elements[0]?.children).toEqual([{ name: 'y', ns: 'urn:x' }])
  })

  test('S27: the closing tag of the stream, and nothing after it', () => {
    const { parser, seen } = opened()
    parser.feed(bytes('</stream:stream \n><message/>'))
    expect(seen.events).toEqual([['end']])
  })
})

describe('limits (RFC 6120 §13.12)', () => {
  const sized = (size: number): string => body('a'.repeat(size - body('').length))

  test('S32: 262,144 bytes pass and 262,145 do not; 10,000 pass', () => {
    for (const size of [10_000, 262_144]) expect(only(sized(size)).size).toBe(size)
    const { parser, seen } = opened()
    parser.feed(bytes(sized(262_145)))
    expect(seen.events).toEqual([['fault', 'policy-violation', 'stanza-too-big']])
  })

  test('X32: the limit holds for one attribute, and nothing beyond it is waited for', () => {
    const { parser, seen } = opened()
    parser.feed(bytes(`<message id='${'a'.repeat(262_144)}`))
    expect(seen.events).toEqual([['fault', 'policy-violation', 'stanza-too-big']])
    expect(parser.heldBytes).toBe(0)
  })

  test('S33: stricter limits before authentication, other ones afterwards', () => {
    const { parser, seen } = opened({ ...LIMITS, stanzaBytes: 8_192, elements: 32, depth: 8 })
    parser.feed(bytes(sized(8_192)))
    parser.setLimits(LIMITS)
    parser.feed(bytes(sized(8_193)))
    expect(seen.elements.map((element) => element.size)).toEqual([8_192, 8_193])
    parser.setLimits({ ...LIMITS, elements: 32 })
    parser.feed(bytes(message('<b/>'.repeat(32))))
    expect(seen.fault_?.condition).toBe('policy-violation')
  })

  test('every limit admits what is just inside of it', () => {
    const attributes = Array.from({ length: 64 }, (_, k) => `a${k}=''`).join(' ')
    const declarations = Array.from({ length: 31 }, (_, k) => `xmlns:p${k}='urn:${k}'`).join(' ')
    for (const good of [
      `${'<a>'.repeat(64)}${'</a>'.repeat(64)}`, `<a ${attributes}/>`, `<a ${declarations}/>`, `<${'a'.repeat(1_024)}/>`,
      `<a>${'<b/>'.repeat(4_999)}</a>`
    ]) expect(() => only(good)).not.toThrow()
    for (const bad of [`${'<a>'.repeat(65)}`, `<a ${attributes} b=''/>`, `<${'a'.repeat(1_025)}/>`, `<a>${'<b/>'.repeat(5_000)}</a>`]) {
      expect(outcome(bad)).toBe('policy-violation')
    }
  })

  test('what grows beyond the limit when it is written anew is refused: long names behind short prefixes', () => {
    const ns = `urn:${'x'.repeat(100_000)}`
    expect(outcome(message(`<a xmlns:p='${ns}'>${'<p:b/>'.repeat(4_000)}</a>`))).toBe('policy-violation')
  })

  test('a stanza that comes slowly keeps its bytes and little more; the memory goes when it is complete', () => {
    const { parser, seen } = opened()
    for (const byte of bytes(sized(20_000))) {
      parser.feed(Buffer.from([byte]))
      expect(parser.heldBytes).toBeLessThanOrEqual(20_000)
      expect(parser.midElement).toBe(seen.elements.length === 0 && parser.heldBytes > 1)
    }
    expect([parser.heldBytes, parser.midElement, seen.elements.length]).toEqual([0, false, 1])
  })
})

describe('the beginning of a document (RFC 6120 §11.5, §11.6)', () => {
  const utf16 = (text: string, swap: boolean): Buffer => (swap ? bytes16(text).swap16() : bytes16(text))
  const bytes16 = (text: string): Buffer => Buffer.from(text, 'utf16le')
  const rows: readonly Row[] = [
    ['X26', 'a byte order mark counts as text', `\ufeff${HDR}`, 'not-well-formed'],
    ['X27a', 'UTF-16LE', utf16(HDR, false), 'unsupported-encoding'],
    ['X27b', 'UTF-16BE', utf16(HDR, true), 'unsupported-encoding'],
    ['X27c', 'UTF-16 with byte order mark', utf16(`\ufeff${HDR}`, true), 'unsupported-encoding'],
    ['X28', 'another encoding', HDR.replace("'1.0'?", "'1.0' encoding='ISO-8859-1'?"), 'unsupported-encoding'],
    ['X29', 'another version of XML', HDR.replace('1.0', '1.1'), 'not-well-formed'],
    ['X40c', 'white space before the declaration', ` ${HDR}`, 'not-well-formed'],
    ['X40d', 'two declarations', `<?xml version='1.0'?>${HDR}`, 'not-well-formed'],
    ['A01', 'an entity bomb before the header', bomb, 'restricted-xml'],
    ['S11', 'HTTP', 'GET / HTTP/1.1\r\n\r\n', 'not-well-formed'],
    ['S12', 'TLS', raw([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]), 'not-well-formed'],
    ['S36', 'a PROXY header', raw('\r\n\r\n', [0], '\r\nQUIT\n'), 'not-well-formed'],
    ['S36b', 'a PROXY header in text', 'PROXY TCP4 1.2.3.4', 'not-well-formed'],
    ['X05c', 'an instruction', "<?xml-stylesheet href='x'?>", 'restricted-xml'],
    ['X27d', 'an incomplete declaration', "<?xml version='1.0' standalone='maybe'?>", 'not-well-formed']
  ]

  test.each(rows)('%s: %s is refused', (_id, _sentence, input, condition) => {
    expect(eventsOf(input).events).toEqual([['fault', condition, undefined]])
    expect(eventsOf(input, 1).events).toEqual([['fault', condition, undefined]])
  })

  test.each([
    "<?xml version='1.0' standalone='no'?>", '<?xml version="1.0" encoding="utf-8"?>\n',
    "<?xml version = '1.0' encoding='UTF-8' ?>", '', '\r\n'
  ])('X47: %j is passed over', (declaration) => {
    const header = HDR.slice(HDR.indexOf('?>') + 2)
    const expected = eventsOf(header).events
    expect(expected).toHaveLength(1)
    expect(eventsOf(declaration + header).events).toEqual(expected)
    expect(eventsOf(declaration + header, 1).events).toEqual(expected)
  })

  test('the header is yielded with its namespaces and attributes', () => {
    expect(eventsOf(HDR).events).toEqual([['header', {
      name: 'stream', ns: NS_STREAMS, contentNs: 'jabber:client', attrs: { to: 'im.test', version: '1.0', 'xml:lang': 'en' }
    }]])
  })

  test('S10: any prefix or none for the namespace of streams', () => {
    const [own] = eventsOf(`<s:stream xmlns='jabber:client' xmlns:s='${NS_STREAMS}'><message/></s:stream>`).elements
    expect(own?.ns).toBe('jabber:client')
    const none = eventsOf(`<stream xmlns='${NS_STREAMS}'><message xmlns='jabber:client'><body/></message></stream>`)
    expect(none.events.map(([kind]) => kind)).toEqual(['header', 'element', 'end'])
    expect(none.elements[0]?.children).toEqual([{ name: 'body', ns: 'jabber:client' }])
  })

  test('S04, S14: a header of another namespace is yielded, for the stream to judge', () => {
    expect(eventsOf("<stream:stream xmlns='jabber:client' xmlns:stream='http://wrong/'>").events[0])
      .toMatchObject(['header', { name: 'stream', ns: 'http://wrong/' }])
    expect(eventsOf('<foo/>').events).toEqual([['header', { name: 'foo', ns: '', contentNs: '', attrs: {} }], ['end']])
  })
})

describe('a parser is held, released and begun anew', () => {
  class Patient {
    readonly seen = new Recorder()
    readonly header = this.seen.header.bind(this.seen)
    readonly closed = this.seen.closed.bind(this.seen)
    readonly fault = this.seen.fault.bind(this.seen)
    element(element: Parameters<Recorder['element']>[0]): boolean {
      return !this.seen.element(element)
    }
  }

  test('nothing follows an element until release; bytes are kept, from a chunk that is reused', () => {
    const sink = new Patient()
    const parser = new StreamParser(LIMITS, sink)
    const chunk = bytes(`${HDR}<message id='1'/><message id='2'/><message`)
    parser.feed(chunk)
    chunk.fill(0)
    parser.feed(bytes(" id='3'/>"))
    const ids = (): unknown[] => sink.seen.elements.map((element) => element.attrs['id'])
    expect(ids()).toEqual(['1'])
    parser.release()
    expect(ids()).toEqual(['1', '2'])
    parser.release()
    expect([ids(), parser.heldBytes]).toEqual([['1', '2', '3'], 0])
  })

  test('a release during the callback counts', () => {
    const seen = new Recorder()
    const parser: StreamParser = new StreamParser(LIMITS, {
      header: () => true,
      element: (element) => {
        seen.element(element)
        parser.release()
        return false
      },
      closed: () => { seen.closed() },
      fault: (fault) => { seen.fault(fault) }
    })
    parser.feed(bytes(`${HDR}<message/><message/></stream:stream>`))
    expect(seen.events.map(([kind]) => kind)).toEqual(['element', 'element', 'end'])
  })

  test('restart: a new header in the same bytes, old declarations forgotten (RFC 6120 §6.4.6)', () => {
    const seen = new Recorder()
    const parser: StreamParser = new StreamParser(LIMITS, {
      header: (header) => seen.header(header),
      element: (element) => {
        seen.element(element)
        if (element.name === 'response') parser.restart()
        return true
      },
      closed: () => { seen.closed() },
      fault: (fault) => { seen.fault(fault) }
    })
    const first = HDR.replace(' to=', " xmlns:x='urn:x' to=")
    parser.feed(bytes(`${first}<response/>\n${HDR}<message/><x:y/>`))
    expect(seen.events.map(([kind]) => kind)).toEqual(['header', 'element', 'header', 'element', 'fault'])
    expect(seen.fault_?.condition).toBe('not-well-formed')
  })

  test('S18: discard throws away what came behind the element (RFC 6120 §5.4.3.3)', () => {
    const seen = new Recorder()
    const parser: StreamParser = new StreamParser(LIMITS, {
      header: (header) => seen.header(header),
      element: (element) => {
        seen.element(element)
        parser.discard()
        return true
      },
      closed: () => { seen.closed() },
      fault: (fault) => { seen.fault(fault) }
    })
    parser.feed(bytes(`${HDR}<starttls/><auth/>`))
    expect([seen.elements.map((element) => element.name), parser.heldBytes]).toEqual([['starttls'], 0])
    parser.feed(bytes(HDR))
    expect(seen.events.map(([kind]) => kind)).toEqual(['header', 'element', 'header'])
  })

  test('after a fault nothing is reported any more', () => {
    const { parser, seen } = opened()
    parser.feed(bytes('hello'))
    parser.feed(bytes('<message/>'))
    parser.restart()
    parser.feed(bytes(HDR))
    expect(seen.events).toHaveLength(1)
  })
})

describe('heads', () => {
  test('attributes of foreign namespaces and declarations are no attributes of a root', () => {
    const { attrs } = only("<message xmlns:a='urn:a' a:to='x' to='b' xml:lang='de' xml:space='preserve'/>")
    expect({ ...attrs }).toEqual({ to: 'b', 'xml:lang': 'de' })
  })

  test('values are normalised (XML 1.0 §3.3.3) and their references replaced', () => {
    expect(only("<message id='a\r\n\tb&amp;&#13;&#x9;&lt;&quot;'/>").attrs['id']).toBe('a  b&\r\t<"')
  })

  test('names of Object.prototype are names like any other', () => {
    const element = only("<message __proto__='1' constructor='2' toString='3'><__proto__/><constructor/></message>")
    expect(Object.entries(element.attrs)).toEqual([['__proto__', '1'], ['constructor', '2'], ['toString', '3']])
    expect(element.attrs['hasOwnProperty']).toBeUndefined()
    expect(element.children.map((child) => child.name)).toEqual(['__proto__', 'constructor'])
  })

  test('the inside of a root with a prefix is written for the namespace of the root', () => {
    const element = only("<a:x xmlns:a='urn:a'><y/><a:z/></a:x>")
    expect([element.ns, element.inside.toString()]).toEqual(['urn:a', "<y xmlns='jabber:client'/><z/>"])
  })

  test('boring insides are copied byte by byte, odd ones rewritten', () => {
    const boring = "<body>a &amp; b > c</body><x xmlns='urn:x' a=\"it's\">é</x>text"
    expect(only(message(boring))).toMatchObject({ boring: true, inside: bytes(boring) })
    for (const [odd, written] of [
      ["<body a='>'/>", "<body a='&gt;'/>"], ["<body a='x\ny'/>", "<body a='x y'/>"], ['<body\n/>', '<body/>'],
      ['<body></body >', '<body/>'], ["<body  a = 'b'/>", "<body a='b'/>"], ['<é/>', '<é/>'], ['a\r\nb', 'a\nb'],
      ['\u0085\u007f', '&#133;&#127;'], ["<body xml:lang='en'/>", "<body xml:lang='en'/>"], ["<body xmlns:x='urn:x'/>", '<body/>']
    ] as const) {
      const element = only(message(odd))
      expect([element.boring, element.inside.toString()]).toEqual([false, written])
    }
  })
})
