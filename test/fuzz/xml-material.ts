/** What the targets that read XML begin with: the corpus of bad input, and traffic as clients send it. */
import type { Bytes, Row } from '../hostile/corpus/row.js'
import { ALL_ROWS } from '../hostile/corpus/rows.js'
import { CORPUS } from '../xml/second-opinion.js'
import type { Material } from './mutate.js'
import { tokensOf } from './mutate.js'

/** Longer ones test limits, which have their own tests; short ones mutate where it matters, and fast. */
const LENGTH_MAX = 700
const PLACES: Readonly<Record<string, string>> = { ns: '', alice: 'alice@im.test/r1', bob: 'bob@im.test/home', trap: '1' }

export const HOSTILE_ROWS: readonly Row[] = ALL_ROWS

/** A row's bytes with its places filled in. */
export function filled(send: Bytes, places = PLACES): Buffer {
  const pieces = typeof send === 'string' || send instanceof Uint8Array ? [send] : send
  return Buffer.concat(pieces.map((piece) => (typeof piece === 'string'
    ? Buffer.from(piece.replace(/\{(ns|alice|bob|trap)\}/g, (_all, name: string) => places[name] ?? '')) : Buffer.from(piece))))
}

/** Stanzas and other elements as they come from well-known clients. */
export const TRAFFIC: readonly string[] = [
  "<message to='bob@im.test' type='chat' id='a1'><body>a &amp; &lt;b&gt;</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
  "<message to='bob@im.test' xml:lang='de'><body>é😀</body><request xmlns='urn:xmpp:receipts'/><origin-id xmlns='urn:xmpp:sid:0' id='7'/></message>",
  "<message to='bob@im.test'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>x</body></message></forwarded></message>",
  "<message type='error' to='bob@im.test'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>x</gone></error></message>",
  "<presence><show>away</show><priority>-5</priority><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='Qg='/></presence>",
  "<presence to='bob@im.test' type='subscribe'/>", "<presence type='unavailable'/>",
  "<iq type='get' id='r'><query xmlns='jabber:iq:roster' ver=''/></iq>",
  "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='bob@im.test' name='B'><group>g</group></item></query></iq>",
  "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>",
  "<iq type='get' id='p' to='im.test'><ping xmlns='urn:xmpp:ping'/></iq>",
  "<iq type='get' id='d'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
  "<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>A</FN><PHOTO><BINVAL>AAEC</BINVAL></PHOTO></vCard></iq>",
  "<iq type='set' id='k'><block xmlns='urn:xmpp:blocking'><item jid='bob@im.test'/></block></iq>",
  "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>biwsbj1hLHI9Yg==</auth>",
  "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "<enable xmlns='urn:xmpp:sm:3' resume='true'/>", "<r xmlns='urn:xmpp:sm:3'/>",
  "<a xmlns='urn:xmpp:sm:3' h='4294967295'/>", "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>", "<inactive xmlns='urn:xmpp:csi:0'/>",
  "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>AA==</initial-response></authenticate>"
]

/** Bodies of streams: what stands between header and end. */
export const BODIES: readonly Buffer[] = [
  ...[...CORPUS, ...TRAFFIC].map((text) => Buffer.from(text)),
  ...HOSTILE_ROWS.filter(({ state }) => state !== 'RAW').flatMap(({ cases }) => cases).map(({ send }) => filled(send))
].filter(({ length }) => length <= LENGTH_MAX)

/** Whole streams of rows that begin with the first byte. */
export const WHOLE: readonly Buffer[] = HOSTILE_ROWS.filter(({ state, forms }) => state === 'RAW' && forms.includes('tcp'))
  .flatMap(({ cases }) => cases).map(({ send }) => filled(send)).filter(({ length }) => length <= LENGTH_MAX)

export interface Framed {
  readonly header: Buffer
  readonly end: Buffer
}

const framed = (header: string, end: string): Framed => ({ header: Buffer.from(header), end: Buffer.from(end) })

/** As short as a header may be, and one as clients write it. */
export const FRAMES: readonly [Framed, Framed] = [
  framed("<s:s xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client'>", '</s:s>'),
  framed("<?xml version='1.0'?><stream:stream to='im.test' version='1.0' xml:lang='en' xmlns='jabber:client' xmlns:h='urn:h' "
    + "xmlns:stream='http://etherx.jabber.org/streams'>", '</stream:stream>')
]

const WORDS: readonly string[] = [
  '<', '>', '/', '/>', '</', "'", '"', '=', '&', ';', '&#', '&#x', '&lt;', '&#60;', '&#0;', '&#xD800;', '&#x10FFFF;', '&#x110000;',
    '&x;', '&amp',
  '<![CDATA[', ']]>', ']', ']]', '<!--', '-->', '<?', '?>', "<?xml version='1.0'?>", '<?x y?>', '<!DOCTYPE x>', '<!ENTITY x "y">',
    ' ', '\t', '\n',
  '\r', '\r\n', ':', 'a', 'xml', 'xmlns', 'xmlns:', "xmlns='urn:n'", " xmlns:p='urn:p'", " xmlns:p=''", " xmlns=''", " xmlns=' urn:n '",
  " xmlns:xml='http://www.w3.org/XML/1998/namespace'", " xmlns:stream='urn:x'", " xmlns='http://etherx.jabber.org/streams'",
  " xmlns='jabber:server'", " xmlns='urn:ietf:params:xml:ns:xmpp-framing'", ' p:a=""', '<a>', '</a>', '<a/>', '<p:a/>', '<s:a/>',
    '<stream:a/>',
  '<xml:a/>', " xml:lang=''", " xml:space='preserve'", " s:a='1'", ' a="1" a="2"', ' __proto__="1"', '<constructor>', 'é', '\u00b7',
    '\u0300',
  '\u0085', '\u007f', '\ufffe', '\ufeff', '\u0000', '\u001f', '\u2028', '-', '.', '7', '</stream:stream>', '</s:s>', '<stream:x/>',
    '<message>',
  '</message>', '<iq>', '<body>', '</body>', " type='error'", " to=''", '\u{1f600}', '\u{e0001}', '漢'
]

export const XML_MATERIAL: Material = { pool: BODIES, tokens: tokensOf(...WORDS) }
