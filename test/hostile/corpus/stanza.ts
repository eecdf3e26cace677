/** T: stanzas that are XML and not right. RFC 6120 §8, RFC 6121. */
import { DROP, STANZA_FORMS, pass, SE, XE, type Bytes, type Case, type Expect, type Form, type Row } from './row.js'

interface Setting {
  readonly cases: readonly Case[]
  readonly forms?: readonly Form[]
}

const row = (id: string, says: string, spec: string, { cases, forms = STANZA_FORMS }: Setting): Row => ({ id, says, spec, state: 'ON', forms,
  cases })

const each = (sends: Readonly<Record<string, Bytes>>, expect: Expect): Setting =>
  ({ cases: Object.entries(sends).map(([what, send]) => ({ what, send, expect })) })

const message = (attrs: string, inside = '<body>x</body>'): string => `<message{ns} id='x' ${attrs}>${inside}</message>`

const SPOOFED: Expect = { is: 'SE', condition: 'invalid-from', level: 'warn' }
const UNAVAILABLE = XE('cancel', 'service-unavailable')

export const STANZA_ROWS: readonly Row[] = [
  row('T01', 'a malformed address is refused by our domain', 'RFC 6120 §8.3.3.8, §8.3.1; RFC 7622 §3.1', each(
    Object.fromEntries(['@im.test', 'a@', 'a@b@c', 'im.test/'].map((to) => [to, message(`to='${to}'`)])), XE('modify',
      'jid-malformed', { from: 'im.test' }))),
  row('T02', 'a stanza from somebody else ends the stream', 'RFC 6120 §4.9.3.9, §8.1.2.1',
    each({ bob: message("to='{bob}' from='bob@im.test/x'") }, SPOOFED)),
  row('T03', 'one\'s own address is allowed and stamped in full', 'RFC 6120 §8.1.2.1', {
    cases: ['{alice}', 'alice@im.test'].map((from) => ({
      what: from, send: message(`to='{bob}' from='${from}'`), expect: pass(/<message[^>]* from=["']alice@im\.test\/r\d+["']/)
    }))
  }),
  row('T04', 'one\'s own other device is somebody else', 'RFC 6120 §4.9.3.9, §8.1.2.1',
    each({ other: message("to='{bob}' from='alice@im.test/other'") }, SPOOFED)),
  row('T05', 'an error to nobody is dropped', 'RFC 6120 §8.3.1; RFC 6121 §8.5.1', each({
    error: "<message{ns} id='x' type='error' to='nobody@im.test'>"
      + "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
  }, DROP)),
  row('T06', 'chat to nobody comes back', 'RFC 6121 §8.5.1', each({ chat: message("type='chat' to='nobody@im.test'") }, UNAVAILABLE)),
  row('T07', 'an unknown type of message is normal', 'RFC 6121 §5.2.2', { cases: [{ send: message("type='foo' to='bob@im.test'"),
    expect: pass(/<body>x<\/body>/) }] }),
  row('T08', 'an unknown type of presence is refused', 'RFC 6121 §4.7.1', each({
    broadcast: "<presence{ns} id='x' type='foo'/>", directed: "<presence{ns} id='x' type='foo' to='{bob}'/>"
  }, XE('modify', 'bad-request'))),
  row('T09', 'a priority is one number from -128 to 127', 'RFC 6121 §4.7.2.3; ours', each({
    200: "<presence{ns} id='x'><priority>200</priority></presence>", abc: "<presence{ns} id='x'><priority>abc</priority></presence>",
    two: "<presence{ns} id='x'><priority>1</priority><priority>2</priority></presence>"
  }, XE('modify', 'bad-request'))),
  row('T11', 'nobody subscribes to oneself', 'RFC 6121 §4.2.2; ours',
    each({ subscribe: "<presence{ns} id='x' type='subscribe' to='alice@im.test'/>" }, DROP)),
  row('T14', 'groupchat to an account comes back', 'RFC 6121 §8.5.2.1.1', each({ bob: message("type='groupchat' to='bob@im.test'") },
    UNAVAILABLE)),
  row('T15', 'the server does not chat', 'RFC 6120 §10.5.1; ours', each({ domain: message("to='im.test'") }, UNAVAILABLE)),
  row('T21', 'an id has a length, and is mirrored all the same', 'RFC 6120 §8.3.1; ours', {
    cases: [{ send: `<message{ns} id='${'i'.repeat(2_000)}' to='{bob}'><body>x</body></message>`, expect: XE('modify',
      'bad-request', { id: 'i'.repeat(2_000) }) }]
  }),
  row('T23', 'a stanza without namespace is no stanza', 'RFC 7395 §3.3.3; RFC 6120 §4.8.4', {
    forms: ['websocket'], cases: [{ send: "<message to='{bob}'><body>x</body></message>", expect: SE('unsupported-stanza-type') }]
  }),
  row('T24', 'a domain that is not there is not found', 'RFC 6120 §10.4.3, §8.3.3.16', each({
    'no such domain': message("to='juliet@no-such-domain.invalid'")
  }, XE('cancel', 'remote-server-not-found'))),
  row('T27', 'presence to nobody is dropped; what is about subscriptions changes the sender\'s own roster', 'RFC 6121 §8.5.1, §3.1.2', {
    cases: ['', 'unavailable', 'subscribe', 'subscribed', 'unsubscribe', 'unsubscribed'].map((type) => ({
      what: type === '' ? 'available' : type,
      send: `<presence{ns} id='x' to='nobody@im.test'${type === '' ? '' : ` type='${type}'`}/>`,
      expect: type.includes('subscribe') ? pass(undefined, /<item jid=["']nobody@im.test["']/) : DROP
    }))
  })
]
