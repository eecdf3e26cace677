/** Whole documents: WebSocket messages and BOSH bodies, against the second parser; and the PROXY protocol's headers. */
import { readRequest, readWish } from '../../src/transport/bosh-body.js'
import { parseProxyHeader, type ProxyResult } from '../../src/transport/proxy-protocol.js'
import { parseBody, parseDocument, type Body } from '../../src/xml/document.js'
import { XmlFault, type RawElement } from '../../src/xml/raw.js'
import { secondOpinion, type Opinion } from '../xml/second-opinion.js'
import { mutant, tokensOf, type Material } from './mutate.js'
import { same, type Target } from './run.js'
import { LIMITS, sameElement, sameRaw } from './xml-target.js'
import { BODIES, TRAFFIC, XML_MATERIAL } from './xml-material.js'

function attempt<T>(read: () => T): T | XmlFault {
  try {
    return read()
  } catch (error) {
    if (error instanceof XmlFault) return error
    throw error
  }
}

/** Both take it or both refuse it. */
function agree(fault: XmlFault | undefined, { wellFormed, forbidden, excessive, blanks }: Opinion): void {
  if (fault === undefined) {
    if (!wellFormed) throw new Error('we took what the other refuses')
    if (forbidden && !blanks) throw new Error('we took what XMPP forbids')
    return
  }
  const { condition, message } = fault
  const reason = condition === 'policy-violation' ? excessive : condition === 'bad-namespace-prefix' && blanks
  if (wellFormed && !forbidden && !reason) throw new Error(`we refuse what the other takes: ${condition} ${message}`)
}

const DECLARATION = "<?xml version='1.0' encoding='utf-8'?>"
const MESSAGES: readonly Buffer[] = [
  ...BODIES, ...TRAFFIC.map((text) => Buffer.from(text.replace(/^<(message|presence|iq)/, "<$1 xmlns='jabber:client'"))),
  ...["<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='im.test' version='1.0' xml:lang='en'/>",
    "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>", `${DECLARATION}<a/>`, ' \n<a/>\t', ''].map((text) => Buffer.from(text))
]

export const MESSAGE: Target = {
  name: 'WebSocket messages', variable: 'WEBSOCKET_FUZZ_CASES', short: 3_000, long: 200_000,
  make: (random) => mutant(random.pick(MESSAGES), XML_MATERIAL, random),
  check(message) {
    const element = attempt(() => parseDocument(message, LIMITS))
    const opinion = secondOpinion(message, 0)
    const fault = element instanceof XmlFault ? element : undefined
    agree(fault, opinion)
    if (element instanceof XmlFault) return false
    sameElement(element, opinion.elements[0])
    sameRaw(parseDocument(message.toString(), LIMITS), element)
    return true
  }
}

const NS = "xmlns='http://jabber.org/protocol/httpbind'"
const WRAPPERS: readonly (readonly [string, string])[] = [
  [`<body ${NS} rid='1' sid='s'>`, '</body>'],
    [`<body ${NS} rid='9007199254740991' sid='s' xmlns:stream='http://etherx.jabber.org/streams'>`, '</body>'],
  [`<body ${NS} content='text/xml; charset=utf-8' hold='1' rid='1573741820' to='im.test' ver='1.6' wait='60' xml:lang='en' `
    + "xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh' ack='1'>", '</body>'],
  [`<h:body xmlns:h='http://jabber.org/protocol/httpbind' rid='2' sid='s' pause='60'>`, '</h:body>'],
  [`<body ${NS} rid='3' sid='s' type='terminate' condition='x' xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh'>`, '</body>']
]
const BOSH_MATERIAL: Material = {
  pool: [...BODIES, ...WRAPPERS.map(([open, close]) => Buffer.from(open + close))],
  tokens: [...XML_MATERIAL.tokens, ...tokensOf(' rid="2"', " pause='1'", " wait=''", ` ${NS}`, '<body>', '</body>',
    " xbosh:restart='1'", "'1e3'")]
}

export const BODY: Target = {
  name: 'BOSH bodies', variable: 'BOSH_FUZZ_CASES', short: 3_000, long: 200_000,
  make(random) {
    const [open, close] = random.pick(WRAPPERS)
    return mutant(Buffer.concat([Buffer.from(open), ...random.list(2, () => random.pick(BODIES)), Buffer.from(close)]), BOSH_MATERIAL,
      random)
  },
  check(bytes) {
    const body = attempt(() => parseBody(bytes, LIMITS))
    const opinion = secondOpinion(bytes, 1, true)
    const wrapped = opinion.root?.name === 'body' && opinion.root.ns === 'http://jabber.org/protocol/httpbind'
    if (body instanceof XmlFault) {
      const own = body.condition === 'bad-format' || body.condition === 'invalid-namespace'
      if (!own || (wrapped && !opinion.blanks)) agree(body, opinion)
      return false
    }
    if (!wrapped && !opinion.blanks) throw new Error('we took what is no body')
    agree(undefined, opinion)
    sameBodies(body, opinion)
    readable(body)
    return true
  }
}

/** Ours are of `jabber:client` when they inherit the body's namespace (XEP-0206 §2). */
function sameBodies({ elements }: Body, opinion: Opinion): void {
  const client = (text: string): string => text.replaceAll('http://jabber.org/protocol/httpbind', 'jabber:client')
  same(elements.length, opinion.elements.length, 'numbers of elements')
  elements.forEach((element, index) => {
    const other = opinion.elements[index]
    if (other === undefined) return
    same(client(element.ns.trim()), client(other.ns), 'namespaces')
    same(element.name, other.name, 'names')
    if (element.reserved !== true) same(client(namesOf(element)), client(other.children), 'names of children')
  })
}

const namesOf = ({ children }: RawElement): string => children.map(({ name, ns }) => `${ns.trim()}\u0001${name}\u0002`).join('')

/** What the wrapper says can be asked for without a fault, and numbers are whole. */
function readable({ attrs, elements }: Body): void {
  const request = readRequest(attrs, elements)
  if (request !== undefined && !(Number.isSafeInteger(request.rid) &&
    request.rid > 0)) throw new Error(`a request of number ${request.rid}`)
  const wish = readWish(attrs)
  if (wish !== undefined && /[\r\n]/.test(wish.content)) throw new Error('a content type that ends its header')
}

const SIGNATURE = '0d0a0d0a000d0a515549540a'
const PROXY: Material = {
  pool: [
    ...['PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n', 'PROXY TCP6 2001:db8::1 ::1 1 65535\r\n', 'PROXY UNKNOWN\r\n',
      'PROXY UNKNOWN ffff:f:f 1 2 3\r\n', 'PROXY TCP6 ::ffff:1.2.3.4 ::1 0 0\r\nGET /'].map((text) => Buffer.from(text)),
    ...[`${SIGNATURE}2111000c c0000201 c0000202 dc04 01bb`, `${SIGNATURE}2111000f c0000201 c0000202 dc04 01bb 200000`,
      `${SIGNATURE}21110017 c0000201 c0000202 dc04 01bb 20 0008 01 00000000 040000`, `${SIGNATURE}20000000`, `${SIGNATURE}2100 0000 3c3f`,
      `${SIGNATURE}21210024 20010db8000000000000000000000001 00000000000000000000000000000001 0001 ffff`, `${SIGNATURE}2131 0002 0000`
    ].map((digits) => Buffer.from(digits.replace(/ /g, ''), 'hex'))
  ],
  tokens: tokensOf('PROXY ', 'TCP4 ', 'TCP6 ', 'UNKNOWN', '\r\n', '\r', ' ', '1.2.3.4', '::', '256', '00', '65536', '\0', '\u0001',
    '\u0020\0\u0005', '%lo')
}

export const PROXY_HEADER: Target = {
  name: 'PROXY protocol', variable: 'PROXY_FUZZ_CASES', short: 5_000, long: 500_000,
  make: (random) => mutant(random.pick(PROXY.pool), PROXY, random),
  check(bytes, random) {
    const result = parseProxyHeader(bytes)
    for (let cut = 0; cut < bytes.length; cut++) keepsTo(parseProxyHeader(bytes.subarray(0, cut)), result)
    keepsTo(result, parseProxyHeader(Buffer.concat([bytes, random.bytes(3)])))
    if (result.kind !== 'header') return false
    const { size, client } = result.header
    if (size > bytes.length || size < 8) throw new Error(`a header of ${size} bytes`)
    if (client !== undefined && !(client.port >= 0 && client.port <= 65_535)) throw new Error(`port ${client.port}`)
    return true
  }
}

/** What has been said of fewer bytes holds for more of them. */
function keepsTo(early: ProxyResult, late: ProxyResult): void {
  if (early.kind === 'garbage') same(early.kind, late.kind, 'what is said of the beginning and of the whole')
  if (early.kind === 'header') same(JSON.stringify(early), JSON.stringify(late), 'what is said of the beginning and of the whole')
}
