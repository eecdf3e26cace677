/** Whole documents: WebSocket messages (RFC 7395 §3.3.3) and BOSH bodies (XEP-0124, XEP-0206). */
import { describe, expect, test } from '@jest/globals'
import { isBlank, parseBody, parseDocument } from '../../src/xml/document.js'
import { XmlFault } from '../../src/xml/raw.js'
import { LIMITS, bytes, raw } from './stage.js'

const FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing'
const BIND = 'http://jabber.org/protocol/httpbind'

function conditionOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof XmlFault) return error.condition
    throw error
  }
  return 'taken'
}

describe('a WebSocket message', () => {
  test('is one element, with its own namespace', () => {
    expect(parseDocument(`<open xmlns='${FRAMING}' to='im.test' version='1.0' xml:lang='de'/>`, LIMITS))
      .toMatchObject({ name: 'open', ns: FRAMING, attrs: { to: 'im.test', version: '1.0', 'xml:lang': 'de' }, children: [] })
    const message = parseDocument(bytes("<message xmlns='jabber:client' to='a@b'><body>é</body></message>"), LIMITS)
    expect([message.inside.toString(), message.boring]).toEqual(['<body>é</body>', true])
    expect(message.children).toEqual([{ name: 'body', ns: 'jabber:client' }])
  })

  test('W15, W16: other roots are yielded, for the stream to judge', () => {
    expect(parseDocument("<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>", LIMITS).name).toBe('stream')
    expect(parseDocument("<open xmlns='jabber:client'/>", LIMITS).ns).toBe('jabber:client')
  })

  test('W19: white space and an XML declaration may stand around it', () => {
    for (const text of [
      " \n<a xmlns='x'/>\r\n", "<?xml version='1.0'?><a xmlns='x'/>", " <?xml version='1.0' encoding='UTF-8'?> <a xmlns='x'/>"
    ]) {
      expect(parseDocument(text, LIMITS).ns).toBe('x')
    }
    expect(['', ' \r\n\t', bytes(' '), 'a', bytes('\u00a0')].map(isBlank)).toEqual([true, true, true, false, false])
  })

  test.each([
    ['W15', 'an element left open', "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>", 'not-well-formed'],
    ['W17', 'two elements', '<a/><b/>', 'not-well-formed'],
    ['W18', 'half an element', "<message to='bob", 'not-well-formed'],
    ['W18b', 'the other half', '</message>', 'not-well-formed'],
    ['W19b', 'another encoding', "<?xml version='1.0' encoding='latin1'?><a/>", 'unsupported-encoding'],
    ['W19c', 'white space alone', '  ', 'not-well-formed'],
    ['W19d', 'a declaration alone', "<?xml version='1.0'?>", 'not-well-formed'],
    ['X04', 'a comment behind', '<a/><!-- c -->', 'restricted-xml'],
    ['X05', 'an instruction before', '<?php?><a/>', 'restricted-xml'],
    ['X06', 'a document type', '<!DOCTYPE a><a/>', 'restricted-xml'],
    ['X40', 'a declaration behind', "<a/><?xml version='1.0'?>", 'not-well-formed'],
    ['X26', 'a byte order mark', '\ufeff<a/>', 'not-well-formed'],
    ['X48', 'a stanza with a prefix', "<c:message xmlns:c='jabber:client'/>", 'bad-namespace-prefix'],
    ['S11', 'text', 'hello', 'not-well-formed'],
    ['S11b', 'text behind', '<a/>hello', 'not-well-formed'],
    ['S11c', 'CDATA', '<![CDATA[a]]>', 'not-well-formed']
  ])('%s: %s is refused', (_id, _sentence, text, condition) => {
    expect(conditionOf(() => parseDocument(text, LIMITS))).toBe(condition)
  })

  test('W10: the limit on its size', () => {
    const sized = (size: number): string => `<a>${'x'.repeat(size - 7)}</a>`
    expect(parseDocument(sized(262_144), LIMITS).size).toBe(262_144)
    expect(() => parseDocument(sized(262_145), LIMITS)).toThrow(expect.objectContaining({ application: 'stanza-too-big' }))
  })

  test('X19-X23: bad UTF-8', () => {
    for (const bad of [[0xc0, 0x80], [0xed, 0xa0, 0x80], [0xeb, 0x3c, 0x3e], [0xff]]) {
      expect(conditionOf(() => parseDocument(raw('<a>', bad, '</a>'), LIMITS))).toBe('unsupported-encoding')
    }
  })
})

describe('a BOSH body', () => {
  test('H25: children that inherit its namespace count as jabber:client (XEP-0206 §2)', () => {
    const { elements } = parseBody(`<body rid='1' xmlns='${BIND}'> <message to='a@b'><body>x</body></message>` +
      "<iq xmlns='jabber:client'/><auth xmlns='urn:s'>x</auth>\n</body>", LIMITS)
    expect(elements.map(({ name, ns }) => [name, ns])).toEqual([['message', 'jabber:client'], ['iq', 'jabber:client'], ['auth', 'urn:s']])
    expect(elements[0]?.children).toEqual([{ name: 'body', ns: 'jabber:client' }])
    expect(elements.map((element) => element.boring)).toEqual([true, true, true])
  })

  test('attributes, those of XEP-0206 by namespace, whatever their prefix', () => {
    const { attrs, elements } = parseBody(`<?xml version='1.0'?><b:body xmlns:b='${BIND}' rid='1573741820' xmlns:q='urn:xmpp:xbosh' ` +
      "q:version='1.0' q:restart='true' xml:lang='en' xmlns:o='urn:o' o:to='x'/>", LIMITS)
    expect({ ...attrs }).toEqual({ rid: '1573741820', 'xbosh:version': '1.0', 'xbosh:restart': 'true', 'xml:lang': 'en' })
    expect(elements).toEqual([])
  })

  test('prefixes declared on the body are declared anew inside', () => {
    const { elements } = parseBody(`<body xmlns='${BIND}' xmlns:x='urn:x'><message><x:y/></message></body>`, LIMITS)
    expect(elements[0]?.inside.toString()).toBe("<y xmlns='urn:x'/>")
  })

  test.each([
    ['H02', 'another root', '<foo/>', 'bad-format'],
    ['H02b', 'another namespace', "<body xmlns='urn:x'/>", 'invalid-namespace'],
    ['H20a', 'text', `<body xmlns='${BIND}'>x</body>`, 'not-well-formed'],
    ['H20b', 'a comment', `<body xmlns='${BIND}'><!-- x --></body>`, 'restricted-xml'],
    ['H20c', 'an instruction', `<body xmlns='${BIND}'><?php?></body>`, 'restricted-xml'],
    ['H20d', 'a document type', `<!DOCTYPE body><body xmlns='${BIND}'/>`, 'restricted-xml'],
    ['H20e', 'an entity', `<body xmlns='${BIND}'><a>&x;</a></body>`, 'restricted-xml'],
    ['H20f', 'a partial element', `<body xmlns='${BIND}'><a>`, 'not-well-formed'],
    ['H20g', 'a second root', `<body xmlns='${BIND}'/><a/>`, 'not-well-formed'],
    ['H20h', 'a body left open', `<body xmlns='${BIND}'><a/>`, 'not-well-formed'],
    ['H20i', 'another end tag', `<body xmlns='${BIND}'></bodyx>`, 'not-well-formed'],
    ['H20j', 'half a start tag', '<body xmlns=', 'not-well-formed'],
    ['H20k', 'something behind', `<body xmlns='${BIND}'><a/></body>x`, 'not-well-formed']
  ])('%s: %s is refused', (_id, _sentence, text, condition) => {
    expect(conditionOf(() => parseBody(text, LIMITS))).toBe(condition)
  })

  test('H24: line ends by number stay in the value, for the judge', () => {
    expect(parseBody(`<body xmlns='${BIND}' content='a&#13;&#10;b'/>`, LIMITS).attrs['content']).toBe('a\r\nb')
  })

  test('limits hold for each element of it', () => {
    const of = (size: number): string => `<body xmlns='${BIND}'><a>${'x'.repeat(size - 7)}</a><b/></body>`
    expect(parseBody(of(1_000), { ...LIMITS, stanzaBytes: 1_000 }).elements).toHaveLength(2)
    expect(() => parseBody(of(1_001), { ...LIMITS, stanzaBytes: 1_000 }))
      .toThrow(expect.objectContaining({ application: 'stanza-too-big' }))
  })
})
