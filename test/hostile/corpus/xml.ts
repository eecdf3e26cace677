/** X: XML that is wrong, forbidden, or right and unusual. RFC 6120 §4.9.3, §11; XML 1.0; Namespaces in XML 1.0. */
import { FORMS, hex, pass, SE, STREAMS, XE, XML, type Bytes, type Case, type Expect, type Form, type Row, type State } from './row.js'

const MALFORMED = XML('not-well-formed')
const RESTRICTED = XML('restricted-xml')
const ENCODING = XML('unsupported-encoding')
const LIMIT = XML('policy-violation')

const text = (...inside: (string | Uint8Array)[]): Bytes => ["<message{ns} to='{bob}'><body>", ...inside, '</body></message>']
const attribute = (...value: (string | Uint8Array)[]): Bytes => ["<message{ns} to='{bob}'><x xmlns='urn:x' k='", ...value, "'/></message>"]

/** RFC 6455 §8.1: in a text message bad UTF-8 ends the connection before XMPP sees it. */
const BAD_UTF8: Pick<Case, 'expect' | 'on'> = { expect: ENCODING, on: { websocket: { is: 'close', code: 1007 } } }

const declarations = (count: number): string => Array.from({ length: count }, (_, i) => ` xmlns:p${i}='urn:${i}'`).join('')
const bomb = (): string => Array.from({ length: 10 }, (_, i) =>
  `<!ENTITY e${i} "${i === 0 ? 'ha' : `&e${i - 1};`.repeat(10)}">`).join('')

const header = (declaration: string): string =>
  `${declaration}<stream:stream to='im.test' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`

interface More {
  readonly state?: State
  readonly forms?: readonly Form[]
}

function row(id: string, says: string, spec: string, cases: readonly Case[], { state = 'ON', forms = FORMS }: More): Row {
  return { id, says, spec, state, forms, cases }
}

const one = (id: string, says: string, spec: string, [send, expect, more = {}]: readonly [Bytes, Expect, More?]): Row =>
  row(id, says, spec, [{ send, expect }], more)

const each = (sends: Readonly<Record<string, Bytes>>, how: Pick<Case, 'expect' | 'on'>): readonly Case[] =>
  Object.entries(sends).map(([what, send]) => ({ what, send, ...how }))

const RAW_STREAM: More = { state: 'RAW', forms: STREAMS }

const SYNTAX: readonly Row[] = [
  one('X01', 'an end tag of another name is not well-formed', 'RFC 6120 §4.9.3.13', ['<message{ns}><body>a</message>', MALFORMED]),
  one('X02', 'a bare ampersand is not well-formed', 'RFC 6120 §11.3', [text('a & b'), MALFORMED]),
  one('X03', 'an entity of nobody\'s is restricted', 'RFC 6120 §11.1', [text('&foo;'), RESTRICTED]),
  one('X04', 'a comment is restricted', 'RFC 6120 §11.1', ['<message{ns}><!-- c --><body/></message>', RESTRICTED]),
  one('X05', 'a processing instruction is restricted', 'RFC 6120 §11.1', ['<message{ns}><?php x?></message>', RESTRICTED]),
  one('X06', 'a DTD between stanzas is restricted', 'RFC 6120 §11.1', ['<!DOCTYPE x>', RESTRICTED]),
  one('X07', 'an entity bomb is refused at its first byte', 'RFC 6120 §11.1', [`<!DOCTYPE x [${bomb()}]><message{ns}>&e9;</message>`,
    RESTRICTED]),
  row('X08', 'external entities are refused, and nothing is opened or asked', 'RFC 6120 §11.1', each({
    file: '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><message{ns}><body>&e;</body></message>',
    http: '<!DOCTYPE x SYSTEM "http://127.0.0.1:{trap}/x.dtd"><message{ns}/>'
  }, { expect: RESTRICTED }), {}),
  one('X09', 'CDATA is allowed and arrives as escaped text', 'RFC 6120 §11.1', [text('<![CDATA[<b>&]]>'),
    pass(/<body>&lt;b&gt;&amp;<\/body>/)]),
  one('X10', 'an attribute given twice is not well-formed', 'RFC 6120 §11.3', ["<message{ns} to='a@im.test' to='b@im.test'/>", MALFORMED]),
  one('X11', 'a prefix that nobody declared is not well-formed', 'RFC 6120 §11.3', ['<x:foo/>', MALFORMED]),
  row('X12', 'the names xml and xmlns cannot be rebound', 'RFC 6120 §11.3; XML Names §3', each({
    'xmlns:xml': "<message{ns}><x xmlns:xml='urn:x'/></message>",
    'xmlns:xmlns': "<message{ns}><x xmlns:xmlns='urn:x'/></message>",
    'a prefix of the xml namespace': "<message{ns}><x xmlns:p='http://www.w3.org/XML/1998/namespace'/></message>"
  }, { expect: MALFORMED }), {}),
  one('X13', 'a prefix cannot be undeclared', 'RFC 6120 §11.3; XML Names §5', ["<message{ns}><x xmlns:a=''/></message>", MALFORMED]),
  one('X14', 'an attribute without quotes is not well-formed', 'RFC 6120 §11.3', ['<message{ns} to=bob@im.test/>', MALFORMED]),
  one('X15', 'a raw < in an attribute is not well-formed', 'RFC 6120 §11.3', ["<message{ns} to='a<b'/>", MALFORMED]),
  row('X16', 'references to what XML does not allow are not well-formed', 'RFC 6120 §11.3; XML 1.0 §4.1',
    each(Object.fromEntries(['&#0;', '&#x1F;', '&#xFFFE;', '&#xD800;', '&#x110000;'].map((r) => [r, text(r)])), { expect: MALFORMED }), {}),
  row('X17', 'raw control characters are not well-formed', 'RFC 6120 §11.3; XML 1.0 §2.2', ['00', '01', '0b', '1f'].flatMap((byte) =>
    each({ [`${byte} in text`]: text(hex(byte)), [`${byte} in an attribute`]: attribute(hex(byte)) }, { expect: MALFORMED })), {}),
  one('X18', 'references to white space survive, also in attributes', 'XML 1.0 §3.3.3', [
    ["<message{ns} to='{bob}'><body>&#10;&#x1F600;</body><x xmlns='urn:x' k='&#9;&#10;'/></message>"],
    pass(/k=["']&#(9|x9);&#(10|xA);["']/i)]),
  one('X40', 'a second declaration is not well-formed', 'RFC 6120 §11.3', ["<?xml version='1.0'?>", MALFORMED,
    { forms: STREAMS }]),
  one('X41', ']]> in text is not well-formed', 'RFC 6120 §11.3; XML 1.0 §2.4', [text(']]>'), MALFORMED]),
  one('X42', 'the stream\'s end tag inside a stanza is not well-formed', 'RFC 6120 §11.3', ["<message{ns} to='{bob}'></stream:stream>",
    MALFORMED]),
  one('X45', 'two prefixes of one namespace make two attributes of one name', 'XML Names §6.3',
    ["<message{ns}><x xmlns:a='urn:x' xmlns:b='urn:x' a:k='1' b:k='2'/></message>", MALFORMED])
]

const ENCODINGS: readonly Row[] = [
  row('X19', 'overlong forms are no UTF-8', 'RFC 6120 §4.9.3.22, §11.6', each({
    'C0 80': text(hex('c080')), 'E0 80 BC': text(hex('e080bc'))
  }, BAD_UTF8), {}),
  row('X20', 'surrogates are no UTF-8', 'RFC 6120 §11.6', each({ 'ED A0 80': text(hex('eda080')) }, BAD_UTF8), {}),
  row('X21', 'a lead byte before markup does not swallow it', 'RFC 6120 §11.6', each({
    'in text': text(hex('eb3c3e')), 'in an attribute': attribute(hex('eb3c3e')), 'in a name': ['<mess', hex('eb3c3e'), '/>']
  }, BAD_UTF8), {}),
  row('X22', 'bytes beyond Unicode are no UTF-8', 'RFC 6120 §11.6', each({
    'F4 90 80 80': text(hex('f4908080')), FF: text(hex('ff')), 'a lone 80': text(hex('80'))
  }, BAD_UTF8), {}),
  row('X23', 'a character that is cut off is no UTF-8', 'RFC 6120 §11.6', each({ 'E2 82 <': text(hex('e282')) }, BAD_UTF8), {}),
  row('X24', 'U+FFFE and U+FFFF are right UTF-8 and not XML', 'RFC 6120 §11.3; XML 1.0 §2.2', each({
    'U+FFFE': text(hex('efbfbe')), 'U+FFFF': text(hex('efbfbf'))
  }, { expect: MALFORMED }), {}),
  row('X25', 'a character may come byte by byte', 'RFC 6120 §11.6',
    [{ send: text('\u{1F600}'), expect: pass(/<body>\u{1F600}<\/body>/u), cut: 'byte' }], {}),
  one('X26', 'a byte order mark before the declaration counts as text', 'RFC 6120 §11.6',
    [[hex('efbbbf'), header("<?xml version='1.0'?>")], MALFORMED, RAW_STREAM]),
  row('X27', 'UTF-16 is not supported', 'RFC 6120 §11.6', each({
    'little endian': Buffer.from(`\ufeff${header('')}`, 'utf16le'), 'big endian': Buffer.from(`\ufeff${header('')}`, 'utf16le').swap16()
  }, { expect: ENCODING }), RAW_STREAM),
  one('X28', 'another encoding in the declaration is not supported', 'RFC 6120 §11.6',
    [header("<?xml version='1.0' encoding='ISO-8859-1'?>"), ENCODING, RAW_STREAM]),
  one('X29', 'XML 1.1 is not well-formed', 'RFC 6120 §11.8; ours', [header("<?xml version='1.1'?>"), MALFORMED, RAW_STREAM]),
  one('X46', 'U+FEFF within a body stays where it is', 'RFC 6120 §11.6', [text('\ufeffa\ufeffb'), pass(/<body>\ufeffa\ufeffb<\/body>/)]),
  one('X47', 'standalone is ignored', 'RFC 6120 §11.5; ours', [header("<?xml version='1.0' standalone='no'?>"), pass(undefined,
    /<stream:features/), RAW_STREAM])
]

const LIMITS: readonly Row[] = [
  one('X30', 'nesting has a limit', 'RFC 6120 §4.9.3.14; ours', [['<message{ns}>', "<a xmlns='urn:x'>", '<a>'.repeat(9_999)], LIMIT]),
  one('X31', 'attributes of one element have a limit', 'RFC 6120 §4.9.3.14; ours',
    [`<message{ns}><x xmlns='urn:x'${Array.from({ length: 1_000 }, (_, i) => ` a${i}=''`).join('')}/></message>`, LIMIT]),
  one('X32', 'an attribute counts with its stanza', 'RFC 6120 §13.12; ours',
    [attribute('a'.repeat(262_145)), XML('policy-violation', 'stanza-too-big')]),
  one('X33', 'a name has a limit', 'RFC 6120 §4.9.3.14; ours', [`<message{ns}><${'a'.repeat(4_097)} xmlns='urn:x'/></message>`, LIMIT]),
  one('X34', 'elements of one stanza have a limit', 'RFC 6120 §4.9.3.14; ours', [`<message{ns}>${'<a/>'.repeat(65_000)}</message>`, LIMIT]),
  one('X35', 'white space between stanzas costs nothing', 'RFC 6120 §11.7',
    [[' '.repeat(1 << 20), "<message to='{bob}'><body>after it</body></message>"], pass(/after it/), { forms: STREAMS }]),
  one('X37', 'namespace declarations of one element have a limit', 'RFC 6120 §4.9.3.14; ours',
    [`<message{ns}><x${declarations(200)} xmlns='urn:x'/></message>`, LIMIT])
]

const NAMES: readonly Row[] = [
  row('X38', 'what would confuse a receiver\'s stream is not handed on; a mere rebinding is', 'RFC 6120 §4.8.5, §8.4', [
    ...each({
      'an element stream:error in jabber:client': "<message{ns} to='{bob}'><stream:error xmlns:stream='jabber:client'/></message>",
      'an element stream:x': "<message{ns} to='{bob}'><stream:x xmlns:stream='urn:x'/></message>"
    }, { expect: XML('bad-namespace-prefix') }),
    { what: 'a rebinding', send: "<message{ns} to='{bob}'><x xmlns='urn:x' xmlns:stream='urn:x'/></message>", expect: pass(/urn:x/) }
  ], {}),
  one('X39', 'elements of streams inside a stanza are not acceptable', 'RFC 6120 §8.4; ours', [
    "<message{ns} to='{bob}' id='x'><stream:stream xmlns:stream='http://etherx.jabber.org/streams'/></message>", XE('modify',
      'not-acceptable')]),
  one('X43', 'a line break in an address makes it malformed', 'RFC 6120 §8.3.3.8; RFC 7622 §3.2',
    ["<message{ns} to='bob@im.test&#10;x' id='x'/>", XE('modify', 'jid-malformed', { from: 'im.test' })]),
  row('X44', 'a namespace with white space is another namespace', 'RFC 6120 §4.8.4', each({
    'a space': "<message xmlns='jabber:client ' to='{bob}'><body/></message>",
    'a line break': "<message xmlns='jabber:client&#10;' to='{bob}'><body/></message>"
  }, { expect: SE('unsupported-stanza-type') }), {}),
  one('X48', 'a stanza with a prefix is refused', 'RFC 6120 §4.8.5', [
    "<foo:message xmlns:foo='jabber:client' to='{bob}'><foo:body/></foo:message>", XML('bad-namespace-prefix')])
]

/** X36 waits for a time-out and runs with the limits. */
export const XML_ROWS: readonly Row[] = [...SYNTAX, ...ENCODINGS, ...LIMITS, ...NAMES]
