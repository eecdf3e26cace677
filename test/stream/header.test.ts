import { describe, expect, test } from '@jest/globals'
import { header, Rig, streamError, type HeaderAttributes } from './rig.js'
import type { Wire, WireOptions } from './wire.js'

function answer(attributes: HeaderAttributes, options: WireOptions = {}): string {
  const wire = new Rig().connect(options)
  wire.says(header(wire, attributes))
  return wire.take()
}

function raw(text: string, options: WireOptions = {}): { readonly wire: Wire; readonly text: string } {
  const wire = new Rig().connect(options)
  wire.says(text)
  return { wire, text: wire.take() }
}

const STREAMS = "xmlns:stream='http://etherx.jabber.org/streams'"
const idOf = (text: string): string => / id='([0-9a-f]+)'/.exec(text)?.[1] ?? ''

describe('the header of a stream', () => {
  test('is answered with from, an id, version, language and the features (RFC 6120 §4.7)', () => {
    const text = answer({})
    expect(text).toMatch(/^<\?xml version='1.0'\?><stream:stream from='im.test' id='[0-9a-f]{32}' version='1.0' xml:lang='en' /)
    expect(text).toMatch(/<stream:features>.*<\/stream:features>$/)
  })

  test('S01: without "to" it is served as the first domain (RFC 6120 §4.7.2)', () => {
    expect(answer({ to: undefined })).toMatch(/from='im.test'.*<stream:features>/)
  })

  test('S02: for a host not served: host-unknown, and our header does not name what was asked (RFC 6120 §4.9.3.6)', () => {
    const text = answer({ to: 'strange.example' })
    expect(text).toMatch(/^<\?xml version='1.0'\?><stream:stream from='' id=/)
    expect(text).toMatch(streamError('host-unknown'))
    expect(text).not.toContain('strange.example')
  })

  test.each(['', 'a@@b', 'im.test/res', 'alice@im.test'])('S03: "to" of %j is no domain: improper-addressing (RFC 6120 §4.7.2)', (to) => {
    expect(answer({ to })).toMatch(streamError('improper-addressing'))
  })

  test('J14: an A-label that does not decode: host-unknown; J15: a trailing dot and J06: capitals name the same domain', () => {
    expect(answer({ to: 'xn--a-ecp.test' })).toMatch(streamError('host-unknown'))
    expect(answer({ to: 'im.test.' })).toMatch(/from='im.test'.*<stream:features>/)
    expect(answer({ to: 'IM.Test' })).toMatch(/from='im.test'.*<stream:features>/)
  })

  test('S04: a wrong stream namespace: invalid-namespace, after a right header (RFC 6120 §4.8.1, §4.9.1.2)', () => {
    const { text } = raw("<stream:stream to='im.test' version='1.0' xmlns='jabber:client' xmlns:stream='http://wrong/'>")
    expect(text).toMatch(/^<\?xml version='1.0'\?><stream:stream from='im.test' .*http:\/\/etherx/)
    expect(text).toMatch(streamError('invalid-namespace'))
  })

  test.each(['jabber:foo', 'jabber:server'])('S05, S06: the content namespace %s: invalid-namespace (RFC 6120 §4.9.3.10)', (ns) => {
    expect(raw(`<stream:stream to='im.test' version='1.0' xmlns='${ns}' ${STREAMS}>`).text).toMatch(streamError('invalid-namespace'))
  })

  test('S07: no version: unsupported-version, and our header has none (RFC 6120 §4.7.5)', () => {
    const text = answer({ version: undefined })
    expect(text).toMatch(streamError('unsupported-version'))
    expect(text).not.toMatch(/<stream:stream[^>]* version=/)
  })

  test.each(['2.0', '1.7', '01.0'])('S08: version %s is answered with 1.0 and features (RFC 6120 §4.7.5)', (version) => {
    expect(answer({ version })).toMatch(/<stream:stream[^>]* version='1.0'.*<stream:features>/)
  })

  test.each(['abc', '0.9', '-1.0', '1', '1.', '1.0.0'])('S09: version %s: unsupported-version (RFC 6120 §4.7.5)', (version) => {
    expect(answer({ version })).toMatch(streamError('unsupported-version'))
  })

  test('S10: another prefix, or none, for the right namespace passes (RFC 6120 §4.8.2)', () => {
    const other = raw("<s:stream to='im.test' version='1.0' xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'>")
    const none = raw("<stream to='im.test' version='1.0' xmlns='http://etherx.jabber.org/streams'>")
    expect(other.text).toContain('<stream:features>')
    expect(none.text).toContain('<stream:features>')
  })

  test('S14: another root: invalid-namespace; another name in the right namespace: bad-format (RFC 6120 §4.8.1, §4.9.3.1)', () => {
    expect(raw('<foo>').text).toMatch(streamError('invalid-namespace'))
    expect(raw(`<stream:foo to='im.test' version='1.0' xmlns='jabber:client' ${STREAMS}>`).text).toMatch(streamError('bad-format'))
  })

  test('S39: its id is ignored, ours is another one each time (RFC 6120 §4.7.3)', () => {
    const [one, two] = [answer({ id: 'x' }), answer({ id: 'x' })]
    expect(one).not.toContain("id='x'")
    expect(idOf(one)).not.toBe(idOf(two))
  })

  test('S40: over TLS a "from" of another domain: invalid-from (XEP-0388 §2.1)', () => {
    expect(answer({ from: 'alice@other.example' })).toMatch(streamError('invalid-from'))
    expect(answer({ from: 'alice@other.example' }, { secure: false, canStartTls: true })).toContain('<stream:features>')
  })

  test('"from" comes back as the bare JID in "to", and only if it was there (RFC 6120 §4.7.2)', () => {
    expect(answer({ from: 'alice@im.test/phone' })).toMatch(/<stream:stream from='im.test' to='alice@im.test' /)
    expect(answer({})).not.toMatch(/<stream:stream[^>]* to=/)
    expect(answer({ from: 'a@@b' })).toMatch(streamError('invalid-from'))
  })

  test('our language is our own, whatever the client prefers (RFC 6120 §4.7.4)', () => {
    expect(answer({ 'xml:lang': 'de-CH' })).toMatch(/<stream:stream[^>]* xml:lang='en'/)
    expect(answer({ 'xml:lang': undefined })).toMatch(/<stream:stream[^>]* xml:lang='en'/)
  })

  test('S24: text at the top level: bad-format (RFC 6120 §4.9.3.1)', () => {
    const wire = new Rig().connect()
    wire.says(header(wire))
    wire.take()
    wire.says('hello')
    expect(wire.take()).toMatch(streamError('bad-format'))
  })

  test('S11: an HTTP request: not-well-formed after a header of ours (RFC 6120 §11.3)', () => {
    const { text } = raw('GET / HTTP/1.1\r\n\r\n')
    expect(text).toMatch(/^<\?xml version='1.0'\?><stream:stream from=''/)
    expect(text).toMatch(streamError('not-well-formed'))
  })
})

describe('the header of a framed stream', () => {
  const websocket: WireOptions = { kind: 'websocket' }

  test('is answered with <open/> and features that declare their prefix (RFC 7395 §3.3.3, §3.4)', () => {
    const text = answer({}, websocket)
    expect(text).toMatch(/^<open from='im.test' id='[0-9a-f]{32}' version='1.0' xml:lang='en' xmlns='urn:ietf:params:xml:ns:xmpp-framing'\/>/)
    expect(text).toContain("<stream:features xmlns:stream='http://etherx.jabber.org/streams'>")
  })

  test('W15: <stream:stream/> instead: invalid-namespace, after our <open/> (RFC 7395 §3.3.2, §3.5)', () => {
    const { text } = raw(`<stream:stream to='im.test' version='1.0' xmlns='jabber:client' ${STREAMS}/>`, websocket)
    expect(text).toMatch(/^<open /)
    expect(text).toMatch(streamError('invalid-namespace'))
  })

  test('W16: <open/> in jabber:client: invalid-namespace (RFC 7395 §3.3.2)', () => {
    expect(raw("<open xmlns='jabber:client' to='im.test' version='1.0'/>", websocket).text).toMatch(streamError('invalid-namespace'))
  })

  test('W17: two elements in one message: not-well-formed; W18: half an element: not-well-formed (RFC 7395 §3.3.3)', () => {
    const rig = new Rig()
    for (const text of ['<a/><b/>', '<a><b>']) {
      const wire = rig.connect(websocket)
      wire.says(header(wire))
      wire.take()
      wire.says(text)
      expect(wire.take()).toMatch(streamError('not-well-formed'))
    }
  })

  test('W27: a stanza as the first message: our <open/>, then invalid-namespace (RFC 7395 §3.4, §3.5)', () => {
    const { text } = raw("<message xmlns='jabber:client' to='bob@im.test'/>", websocket)
    expect(text).toMatch(/^<open /)
    expect(text).toMatch(streamError('invalid-namespace'))
  })

  test('W20: <close/> is answered with <close/> (RFC 7395 §3.6)', () => {
    const wire = new Rig().connect(websocket)
    wire.says(header(wire))
    wire.take()
    wire.says("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
    expect(wire.take()).toBe('<close/>')
    expect(wire.ended).toBe(true)
  })

  test('a second <open/> on a stream that needs no new one ends it', () => {
    const wire = new Rig().connect(websocket)
    wire.says(header(wire))
    wire.says(header(wire))
    expect(wire.take()).toMatch(streamError('unsupported-stanza-type'))
  })

  test('W28: STARTTLS is never offered, and refused when asked for (RFC 7395 §3.9)', () => {
    const wire = new Rig().connect({ kind: 'websocket', secure: false })
    wire.says(header(wire))
    expect(wire.take()).not.toContain('starttls')
    wire.says("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    expect(wire.take()).toBe("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><close/>")
  })
})
