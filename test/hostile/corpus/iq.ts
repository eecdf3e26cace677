/** Q: questions that are wrong, or not for the asker. RFC 6120 §8.2.3, RFC 6121 §2, and the XEPs of what is offered. */
import { DROP, STANZA_FORMS, pass, XE, XML, type Bytes, type Case, type Expect, type Form, type Row } from './row.js'

const ROSTER = 'jabber:iq:roster'
const BLOCKING = 'urn:xmpp:blocking'
const PRIVATE = 'jabber:iq:private'
const REGISTER = 'jabber:iq:register'
const INFO = 'http://jabber.org/protocol/disco#info'
const ITEMS = 'http://jabber.org/protocol/disco#items'

const BAD_REQUEST = XE('modify', 'bad-request')
const FORBIDDEN = XE('auth', 'forbidden')
const UNAVAILABLE = XE('cancel', 'service-unavailable')
const NOT_ACCEPTABLE = XE('modify', 'not-acceptable')

const iq = (type: string, inside: string, to = ''): string =>
  `<iq{ns} type='${type}' id='x'${to === '' ? '' : ` to='${to}'`}>${inside}</iq>`
const query = (ns: string, inside = '', more = ''): string => `<query xmlns='${ns}'${more}>${inside}</query>`
const roster = (...items: readonly string[]): string => iq('set', query(ROSTER, items.join('')))
const item = (jid: string, inside = '', more = ''): string => `<item jid='${jid}'${more}>${inside}</item>`
const group = (name: string): string => `<group>${name}</group>`
const blocking = (name: string, ...jids: readonly string[]): string =>
  iq('set', `<${name} xmlns='${BLOCKING}'>${jids.map((jid) => `<item jid='${jid}'/>`).join('')}</${name}>`)
const ERROR = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"

const each = (sends: Readonly<Record<string, Bytes>>, expect: Expect, more: Partial<Case> = {}): readonly Case[] =>
  Object.entries(sends).map(([what, send]) => ({ what, send, expect, ...more }))

const row = (id: string, says: string, spec: string, cases: readonly Case[], forms: readonly Form[] = STANZA_FORMS): Row =>
  ({ id, says, spec, state: 'ON', forms, cases })

const REMOVED: Pick<Case, 'after'> = { after: [roster(item('kept@im.test', '', " subscription='remove'"))] }
const FORGIVEN: Pick<Case, 'after'> = { after: [blocking('unblock')] }

const BASICS: readonly Row[] = [
  row('Q01', 'a question without an id cannot be answered but by an error', 'RFC 6120 §8.2.3, §8.3.1',
    each({ get: `<iq{ns} type='get'>${query(ROSTER)}</iq>` }, XE('modify', 'bad-request', { id: '' }))),
  row('Q02', 'an IQ has one of four types', 'RFC 6120 §8.2.3', each({
    none: `<iq{ns} id='x'>${query(ROSTER)}</iq>`, foo: iq('foo', query(ROSTER)), 'foo, for another user': iq('foo', query(ROSTER), '{bob}'),
    'none, for another user': `<iq{ns} id='x' to='{bob}'>${query(ROSTER)}</iq>`
  }, BAD_REQUEST)),
  row('Q03', 'get and set have one child', 'RFC 6120 §8.2.3, §8.3.3.1', each({
    'get, none': iq('get', ''), 'set, none': iq('set', ''), 'get, two': iq('get', query(ROSTER) + query('urn:x')),
    'set, two': iq('set', query(ROSTER) + query(ROSTER)), 'none, for another user': iq('get', '', '{bob}'),
    'two, for another user': iq('set', query('urn:x') + query('urn:y'), '{bob}')
  }, BAD_REQUEST)),
  row('Q04', 'a namespace that nobody knows is unavailable, whoever is asked, and nobody\'s being there shows',
    'RFC 6120 §10.3.3, §13.10.2; RFC 6121 §8.5', ['im.test', 'alice@im.test', '', 'bob@im.test', 'nobody@im.test', 'bob@im.test/away',
      '{bob}'].map((to) => ({ what: to === '' ? 'no to' : to, send: iq('get', query('urn:nobody:knows'), to), expect: UNAVAILABLE,
      alike: true }))),
  row('Q05', 'answers that nobody waits for are dropped, but a device gets its own', 'RFC 6120 §8.2.3, §10.3.3; RFC 6121 §8.5.3.1', [
    ...['im.test', 'alice@im.test', '', 'bob@im.test', 'nobody@im.test', 'bob@im.test/away'].flatMap((to) => each({
      [`result to ${to}`]: iq('result', '', to), [`error to ${to}`]: iq('error', ERROR, to)
    }, DROP)),
    { what: 'result to an online device', send: iq('result', '', '{bob}'), expect: pass(/<iq [^>]*type=["']result["']/) },
    { what: 'error to an online device', send: iq('error', ERROR, '{bob}'), expect: pass(/<iq [^>]*type=["']error["']/) }
  ]),
  row('Q06', 'an error is never answered by an error', 'RFC 6120 §8.2.3, §8.3.1', each({
    'without error': iq('error', '', 'im.test'), 'with a question in it': iq('error', query(ROSTER) + ERROR, 'im.test'),
    'to nobody\'s device': iq('error', ERROR, 'nobody@im.test/x'), 'to no address': iq('error', ERROR, '@im.test'),
    'to an unknown domain': iq('error', ERROR, 'a@no-such-domain.invalid'), 'result to an unknown domain': iq('result', '',
      'a@no-such-domain.invalid')
  }, DROP))
]

const ROSTERS: readonly Row[] = [
  row('Q07', 'a roster set has one item with an address', 'RFC 6121 §2.1.2.3, §2.1.5, §2.3.3', each({
    two: roster(item('a@im.test'), item('b@im.test')), none: roster(), 'no address': roster('<item/>')
  }, BAD_REQUEST)),
  row('Q08', 'a group is named once', 'RFC 6121 §2.3.3', each({ twice: roster(item('kept@im.test', group('a') + group('a'))) },
    BAD_REQUEST)),
  row('Q09', 'names and groups have lengths', 'RFC 6121 §2.3.3; the number is ours', each({
    'an empty group': roster(item('kept@im.test', group(''))), 'a long group': roster(item('kept@im.test', group('g'.repeat(1_024)))),
    'a long name': roster(item('kept@im.test', '', ` name='${'n'.repeat(1_024)}'`))
  }, NOT_ACCEPTABLE)),
  row('Q10', 'nobody changes another\'s roster', 'RFC 6121 §2.1.5, §2.3.3', each({
    'another user\'s': iq('set', query(ROSTER, item('kept@im.test')), 'bob@im.test')
  }, FORBIDDEN)),
  row('Q11', 'nobody reads another\'s roster, nor learns that there is one', 'ours; RFC 6120 §13.10.2',
    ['bob@im.test', 'nobody@im.test'].map((to) => ({ what: to, send: iq('get', query(ROSTER), to), expect: UNAVAILABLE, alike: true }))),
  row('Q13', 'nobody is in their own roster', 'RFC 6121 §2.3.3; ours', each({ own: roster(item('alice@im.test')) },
    XE('cancel', 'not-allowed'))),
  row('Q14', 'who is not there cannot be removed', 'RFC 6121 §2.5.3; RFC 6120 §8.3.3.7', each({
    absent: roster(item('absent@im.test', '', " subscription='remove'"))
  }, XE('cancel', 'item-not-found'))),
  row('Q35', 'states of subscriptions are the server\'s', 'RFC 6121 §2.1.5, §2.1.2; ours for ask and approved', [" subscription='both'",
    " ask='subscribe'", " approved='true'", " subscription='foo'"].map((more) => ({
    what: more.trim(), send: roster(item('kept@im.test', '', more)), ...REMOVED, expect: pass(undefined,
      /<iq [^>]*type=["']set["'][^>]*><query [^>]*>\s*<item (?![^>]*(ask|approved)=)[^>]*subscription=["']none["']/)
  })))
]

const VCARD = (bytes: number): string => `<vCard xmlns='vcard-temp'><PHOTO><BINVAL>${'A'.repeat(bytes)}</BINVAL></PHOTO></vCard>`

const STORES: readonly Row[] = [
  row('Q15', 'private data has a namespace, and is asked for by name', 'XEP-0049 §2.3, §3', [
    ...each({ 'set without a child': iq('set', query(PRIVATE)), 'set of a child without its own namespace': iq('set', query(PRIVATE,
      '<x/>')) }, NOT_ACCEPTABLE),
    ...each({ 'get without a child': iq('get', query(PRIVATE)) }, BAD_REQUEST)
  ]),
  row('Q16', 'a vCard has a size', 'RFC 6120 §13.12; ours', [
    { what: '300 KiB', send: iq('set', VCARD(300 << 10)), expect: XML('policy-violation', 'stanza-too-big'),
      on: { bosh: { is: 'close' } } },
    ...each({ '200 KiB': iq('set', VCARD(200 << 10)) }, NOT_ACCEPTABLE)
  ]),
  row('Q45', 'what accounts keep is not for others', 'XEP-0054 §3.2; XEP-0049 §2.3', each({
    'vCard set': iq('set', VCARD(4), 'bob@im.test'), 'private get': iq('get', query(PRIVATE, "<x xmlns='urn:x'/>"), 'bob@im.test'),
    'private set': iq('set', query(PRIVATE, "<x xmlns='urn:x'/>"), 'bob@im.test')
  }, FORBIDDEN))
]

const node = (ns: string, to: string): string => iq('get', query(ns, '', " node='urn:no:such:node'"), to)

const DISCOVERY: readonly Row[] = [
  row('Q17', 'a node that is not there; and strangers learn nothing of an account', 'XEP-0030 §7, §8', [
    ...each({ server: node(INFO, 'im.test'), 'own account': node(INFO, 'alice@im.test'), 'no to': node(INFO, '') },
      XE('cancel', 'item-not-found')),
    ...each({ nobody: node(INFO, 'nobody@im.test'), stranger: node(INFO, 'bob@im.test') }, UNAVAILABLE, { alike: true })
  ]),
  row('Q39', 'an account has no items for strangers, and neither has nobody', 'XEP-0030 §8',
    each({ nobody: iq('get', query(ITEMS), 'nobody@im.test'), stranger: iq('get', query(ITEMS), 'bob@im.test') },
      pass(undefined, /<query xmlns=["']http:\/\/jabber.org\/protocol\/disco#items["']\/>/), { alike: true }))
]

const REGISTRATION: readonly Row[] = [
  { ...row('Q32', 'registration that is off is not there', 'XEP-0077 §3.1',
    each({ get: iq('get', query(REGISTER)), set: iq('set', query(REGISTER, '<username>eve</username><password>x</password>')) },
      UNAVAILABLE, { alsoLogged: ['registration.refused'] })), state: 'PRE' },
  row('Q33', 'nobody changes another\'s password, nor learns of an account by trying', 'XEP-0077 §3.3; RFC 6120 §13.10.2; ours', [
    ...each({ 'by name': iq('set', query(REGISTER, '<username>bob</username><password>of bob</password>')) },
      XE('auth', 'forbidden', { hides: 'of bob' })),
    ...each(Object.fromEntries(['bob', 'nobody'].map((name) => [`by the address of ${name}`,
      iq('set', query(REGISTER, '<username>alice</username><password>of bob</password>'), `${name}@im.test`)])),
    XE('cancel', 'service-unavailable', { hides: 'of bob' }), { alike: true })
  ]),
  row('Q46', 'a password is not empty, and whose it is is said', 'XEP-0077 §3.3', each({
    empty: iq('set', query(REGISTER, '<username>alice</username><password/>')),
    nobody: iq('set', query(REGISTER, '<password>of nobody</password>'))
  }, XE('modify', 'bad-request', { hides: 'of nobody' })))
]

const BLOCKED = XE('cancel', 'not-acceptable', { application: 'blocked' })

const BLOCKS: readonly Row[] = [
  row('Q36', 'whom to block is said, and said well', 'XEP-0191 §3.3', [
    ...each({ nobody: blocking('block'), 'no address': iq('set', `<block xmlns='${BLOCKING}'><item/></block>`) }, BAD_REQUEST),
    ...each({ malformed: blocking('block', 'kept@im.test', '@im.test') }, XE('modify', 'jid-malformed'))
  ]),
  row('Q37', 'nothing goes to whom one has blocked', 'XEP-0191 §3.3', [
    ...each({
      message: "<message{ns} id='x' to='{bob}'><body>x</body></message>", 'presence': "<presence{ns} id='x' to='{bob}'/>",
      get: iq('get', query('urn:x'), '{bob}')
    }, BLOCKED, { before: [blocking('block', 'bob@im.test')], ...FORGIVEN }),
    ...each({ result: iq('result', '', '{bob}'), error: iq('error', ERROR, '{bob}'),
      'error of a message': `<message{ns} id='x' type='error' to='{bob}'>${ERROR}</message>` }, DROP,
    { before: [blocking('block', 'bob@im.test')], ...FORGIVEN })
  ])
]

/** Q12, Q34 and Q38 are plays; the rows that are in neither are of features to come. */
export const IQ_ROWS: readonly Row[] = [...BASICS, ...ROSTERS, ...STORES, ...DISCOVERY, ...REGISTRATION, ...BLOCKS]
