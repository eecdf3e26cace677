/** S: headers, order of negotiation, what may stand at the top level. RFC 6120 §4. Rows that need more than bytes are plays. */
import { FORMS, pass, SE, SF, STREAMS, XE, XML, type Bytes, type Case, type Expect, type Form, type Row, type State } from './row.js'

const NS_BIND = 'urn:ietf:params:xml:ns:xmpp-bind'
const NS_SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'

interface HeaderParts {
  readonly to?: string | undefined
  readonly version?: string | undefined
  readonly ns?: string
  readonly streams?: string
  readonly more?: string
}

function header({ to = 'im.test', version = '1.0', ns = 'jabber:client', streams = 'http://etherx.jabber.org/streams',
  more = '' }: HeaderParts): string {
  return `<?xml version='1.0'?><stream:stream to='${to}' version='${version}' xml:lang='en' xmlns='${ns}' xmlns:stream='${streams}'${more}>`
}

const without = (text: string, attribute: string): string => text.replace(new RegExp(` ${attribute}='[^']*'`), '')

const FEATURES = /<stream:features/
const TCP: readonly Form[] = ['tcp']

const each = (sends: Readonly<Record<string, Bytes>>, expect: Expect): readonly Case[] =>
  Object.entries(sends).map(([what, send]) => ({ what, send, expect }))

interface Setting {
  readonly state?: State
  readonly forms?: readonly Form[]
}

function row(id: string, says: string, spec: string, more: Setting & { readonly cases: readonly Case[] }): Row {
  return { id, says, spec, state: more.state ?? 'RAW', forms: more.forms ?? TCP, cases: more.cases }
}

const scramFirst = `<auth xmlns='${NS_SASL}' mechanism='SCRAM-SHA-1'>${Buffer.from('n,,n=alice,r=abc').toString('base64')}</auth>`
const plainAuth = Buffer.from('\0alice\0secret').toString('base64')

export const STREAM_ROWS: readonly Row[] = [
  row('S01', 'a header without to is served as the first domain, and our from says so', 'RFC 6120 §4.7.2, §4.9.1.3', {
    forms: STREAMS, cases: [{ send: without(header({}), 'to'), expect: pass(undefined,
      /<stream:stream [^>]*from=["']im\.test["'][\s\S]*<stream:features/) }]
  }),
  row('S02', 'another domain is unknown here, and our from does not repeat it', 'RFC 6120 §4.9.3.6, §4.9.1.3', {
    forms: STREAMS, cases: each({ 'other.example': header({ to: 'other.example' }) }, SE('host-unknown'))
  }),
  row('S03', 'a to that is no domain is improper', 'RFC 6120 §4.7.2; ours', {
    cases: each({ empty: header({ to: '' }), 'a@@b': header({ to: 'a@@b' }), 'with a resource': header({ to: 'im.test/res' }) },
      SE('improper-addressing'))
  }),
  row('S04', 'the stream\'s namespace must be right', 'RFC 6120 §4.8.1', { cases: each({ wrong: header({ streams: 'http://wrong/' }) },
    SE('invalid-namespace')) }),
  row('S05', 'the content\'s namespace must be known',
    'RFC 6120 §4.9.3.10', { cases: each({ 'jabber:foo': header({ ns: 'jabber:foo' }) }, SE('invalid-namespace')) }),
  row('S06', 'servers are not clients', 'RFC 6120 §4.9.3.10', { cases: each({ 'jabber:server': header({ ns: 'jabber:server' }) },
    SE('invalid-namespace')) }),
  row('S07', 'a header without version is not served', 'RFC 6120 §4.7.5; ours', {
    cases: each({ 'no version': without(header({}).slice(21), 'version') }, SE('unsupported-version'))
  }),
  row('S08', 'versions from 1.0 on are answered with 1.0', 'RFC 6120 §4.7.5', {
    cases: ['2.0', '1.7', '01.0'].map((version) => ({
      what: version, send: header({ version }), expect: pass(undefined, /<stream:stream [^>]*version=["']1\.0["'][\s\S]*<stream:features/)
    }))
  }),
  row('S09', 'what is no version from 1.0 on is not supported', 'RFC 6120 §4.7.5, §4.9.3.25; ours', {
    cases: each(Object.fromEntries(['abc', '0.9', '-1.0', '1'].map((version) => [version, header({ version })])), SE('unsupported-version'))
  }),
  row('S10', 'prefixes are free', 'RFC 6120 §4.8.2, §4.8.5; ours', {
    cases: each({
      's:': "<s:stream to='im.test' version='1.0' xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'></s:stream>",
      'no prefix': "<stream to='im.test' version='1.0' xmlns='http://etherx.jabber.org/streams'></stream>"
    }, pass(undefined, FEATURES))
  }),
  row('S11', 'HTTP is not well-formed', 'RFC 6120 §11.3', { cases: each({ GET: 'GET / HTTP/1.1\r\n\r\n' }, XML('not-well-formed')) }),
  row('S14', 'another root is no stream', 'RFC 6120 §4.8.1, §4.9.3.1', {
    cases: [
      { what: 'foo', send: '<foo/>', expect: SE('invalid-namespace') },
      { what: 'stream:foo', send: "<stream:foo xmlns:stream='http://etherx.jabber.org/streams' to='im.test' version='1.0'>",
        expect: SE('bad-format') }
    ]
  }),
  row('S15', 'a stanza before login is not authorized', 'RFC 6120 §4.9.3.12', {
    state: 'PRE', forms: FORMS, cases: each({ message: "<message{ns} to='{bob}'><body>x</body></message>" }, SE('not-authorized'))
  }),
  row('S16', 'binding before login is not authorized', 'RFC 6120 §4.9.3.12', {
    state: 'PRE', forms: FORMS, cases: each({ bind: `<iq{ns} type='set' id='x'><bind xmlns='${NS_BIND}'/></iq>` }, SE('not-authorized'))
  }),
  row('S17', 'a login before TLS needs encryption, where TLS is required and for PLAIN everywhere', 'RFC 6120 §6.5.4', {
    cases: [
      { what: 'TLS required', send: [header({ to: 'two.test' }), scramFirst], expect: SF('encryption-required') },
      { what: 'PLAIN', send: [header({}), `<auth xmlns='${NS_SASL}' mechanism='PLAIN'>${plainAuth}</auth>`],
        expect: SF('encryption-required') }
    ]
  }),
  row('S18', 'what follows <starttls/> in the clear ends the connection', 'RFC 6120 §5.4.3.1, §5.4.3.3; ours', {
    state: 'PRE', cases: [{
      send: `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><auth xmlns='${NS_SASL}' mechanism='PLAIN'>${plainAuth}</auth>`,
      expect: { is: 'close', text: /^(?![\s\S]*<success)/ }
    }]
  }),
  row('S19', '<starttls/> on a stream with TLS fails and ends it', 'RFC 6120 §5.4.2.2', {
    state: 'PRE', forms: ['starttls', 'tls', 'websocket'],
    cases: [{
      send: "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
      expect: { is: 'close', text: /<failure xmlns=["']urn:ietf:params:xml:ns:xmpp-tls["']\/>(<\/stream:stream>|<close )/ }
    }]
  }),
  row('S20', 'compression is not offered', 'RFC 6120 §4.8.4; ours', {
    state: 'PRE', forms: FORMS,
    cases: each({
      zlib: "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>"
    }, SE('unsupported-stanza-type'))
  }),
  row('S23', 'an element that nobody knows is no stanza', 'RFC 6120 §4.8.4, §4.9.3.24', {
    state: 'ON', forms: FORMS, cases: each({ foo: "<foo xmlns='bar'/>" }, SE('unsupported-stanza-type'))
  }),
  row('S24', 'text at the top level is bad format', 'RFC 6120 §4.9.3.1, §11.7; ours', {
    state: 'ON', forms: STREAMS, cases: each({ hello: 'hello' }, XML('bad-format'))
  }),
  row('S25', 'a stanza before binding is not authorized', 'RFC 6120 §7.1, §4.3.5', {
    state: 'AUTH', forms: FORMS, cases: each({ message: "<message{ns} to='{bob}'><body>x</body></message>" }, SE('not-authorized'))
  }),
  row('S26', 'a second binding is not allowed', 'RFC 6120 §7.6.2.2', {
    state: 'ON', forms: FORMS, cases: each({ bind: `<iq{ns} type='set' id='x'><bind xmlns='${NS_BIND}'/></iq>` }, XE('cancel',
      'not-allowed'))
  }),
  row('S32', 'a stanza has a size', 'RFC 6120 §13.12, §4.9.3.14; XEP-0205 §4.5; the number is ours', {
    state: 'ON', forms: STREAMS, cases: [
      { what: '262,145 bytes', send: sized(262_145), expect: XML('policy-violation', 'stanza-too-big') },
      { what: '262,144 bytes', send: sized(262_144), expect: pass(/aaaa<\/body>/) },
      { what: '10,000 bytes', send: sized(10_000), expect: pass(/aaaa<\/body>/) }
    ]
  }),
  row('S33', 'before login elements are small', 'RFC 6120 §4.9.3.14; ours', {
    state: 'PRE', forms: FORMS, cases: [{
      send: `<auth xmlns='${NS_SASL}' mechanism='PLAIN'>${'A'.repeat(8_193)}</auth>`, expect: XML('policy-violation', 'stanza-too-big'),
      on: { bosh: SE('policy-violation', 'stanza-too-big') }
    }]
  }),
  row('S36', 'a PROXY header where none is expected is not well-formed', 'RFC 6120 §11.3; ours', {
    cases: each({
      'version 1': 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n', 'version 2': Buffer.from('0d0a0d0a000d0a515549540a21110000', 'hex')
    }, XML('not-well-formed'))
  }),
  row('S37', 'a stanza of servers is in the wrong namespace', 'RFC 6120 §4.8.3', {
    state: 'ON', forms: FORMS, cases: each({ message: "<message xmlns='jabber:server' to='{bob}'><body>x</body></message>" },
      SE('invalid-namespace'))
  }),
  row('S39', 'a client\'s id is not ours', 'RFC 6120 §4.7.3', {
    cases: [{ send: header({ more: " id='x'" }), expect: pass(undefined,
      /<stream:stream (?![^>]*\bid=["']x["'])[^>]*\bid=["'][0-9a-f]{32}["'][\s\S]*<stream:features/) }]
  }),
  row('S40', 'with TLS a header from another domain\'s account is refused', 'XEP-0388 §2.1', {
    forms: ['tls'], cases: each({ 'alice@other.example': header({ more: " from='alice@other.example'" }) }, SE('invalid-from'))
  })
]

function sized(bytes: number): Bytes {
  const frame = "<message to='bob@im.test/home'><body></body></message>"
  return frame.replace('</body>', `${'a'.repeat(bytes - frame.length)}</body>`)
}

