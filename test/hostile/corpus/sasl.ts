/** L: logins that are wrong, RFC 6120 §6, RFC 4616, RFC 5802. SASL2 and FAST come later. */
import { pass, SF, type Case, type Expect, type Form, type Row } from './row.js'

const SECURE: readonly Form[] = ['starttls', 'tls']
const b64 = (text: string | Buffer): string => Buffer.from(text).toString('base64')
const auth = (mechanism: string, data: string): string =>
  `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='${mechanism}'>${data}</auth>`
const plain = (text: string | Buffer): string => auth('PLAIN', b64(text))
const scram = (text: string): string => auth('SCRAM-SHA-1', b64(text))

const each = (sends: Readonly<Record<string, string>>, expect: Expect): readonly Case[] =>
  Object.entries(sends).map(([what, send]) => ({ what, send, expect }))

const row = (id: string, says: string, spec: string, cases: readonly Case[]): Row => ({ id, says, spec, state: 'PRE', forms: SECURE,
  cases })

export const SASL_ROWS: readonly Row[] = [
  row('L01', 'a mechanism that nobody knows, or none', 'RFC 6120 §6.5.7', each({
    FOO: auth('FOO', ''), none: "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
  }, SF('invalid-mechanism'))),
  row('L02', 'mechanisms are in capitals', 'RFC 4422 §3.1', each({ plain: auth('plain', b64('\0alice\0secret')) },
    SF('invalid-mechanism'))),
  row('L03', 'mechanisms that are not offered', 'RFC 6120 §6.5.7',
    each({ ANONYMOUS: auth('ANONYMOUS', ''), EXTERNAL: auth('EXTERNAL', '='), 'DIGEST-MD5': auth('DIGEST-MD5', '') },
      SF('invalid-mechanism'))),
  row('L04', 'what is no base 64', 'RFC 6120 §6.5.5', each({ '!!!': auth('PLAIN', '!!!') }, SF('incorrect-encoding'))),
  row('L05', 'base 64 is strict', 'RFC 6120 §13.9.1; RFC 4648 §3', each({
    spaces: auth('PLAIN', 'AGFs aWNl'), 'no padding': auth('PLAIN', 'AGFsaWNlAHNlY3JldA'), 'inner padding': auth('PLAIN', 'AG=saWNl'),
      'bits in the padding': auth('PLAIN', 'AB==')
  }, SF('incorrect-encoding'))),
  row('L06', 'PLAIN without NUL', 'RFC 4616 §2', each({ alice: plain('alice') }, SF('malformed-request'))),
  row('L07', 'PLAIN with too many parts, or without a name', 'RFC 4616 §2', each({ three: plain('\0alice\0a\0b'),
    'no name': plain('\0\0secret') }, SF('malformed-request'))),
  row('L08', 'PLAIN without a password', 'RFC 4616 §2', each({ empty: plain('\0alice\0') }, SF('malformed-request'))),
  row('L10', 'PLAIN that is no UTF-8', 'RFC 4616 §2', each({ ff: plain(Buffer.from('00616cff00736563726574', 'hex')) },
    SF('malformed-request'))),
  row('L12', 'a wrong password and an unknown name are the same', 'RFC 6120 §6.5.10', each({
    'wrong password': plain('\0alice\0wrong'), 'unknown name': plain('\0nobody\0secret')
  }, SF('not-authorized'))),
  row('L13', 'a response without a challenge', 'RFC 6120 §6.5.8; ours',
    each({ response: "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>" }, SF('malformed-request'))),
  row('L15', 'who gives up is told so', 'RFC 6120 §6.4.4, §6.5.1', each({ abort: "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>" },
    SF('aborted'))),
  row('L16', 'SCRAM needs a nonce, in its place', 'RFC 5802 §5.1, §7', each({
    missing: scram('n,,n=alice'), empty: scram('n,,n=alice,r='), 'before the name': scram('n,,r=abc,n=alice'),
      'of 5 KiB': scram(`n,,n=alice,r=${'a'.repeat(5_120)}`)
  }, SF('malformed-request'))),
  row('L17', 'SCRAM extensions that must be known are not', 'RFC 5802 §5.1', each({ 'm=': scram('n,,m=ext,n=alice,r=abc') },
    SF('malformed-request'))),
  row('L24', 'SCRAM names have two escapes', 'RFC 5802 §5.1, §7', each({ '=41': scram('n,,n==41lice,r=abc') }, SF('malformed-request'))),
  row('L37', 'no initial response: an empty challenge asks for it', 'RFC 6120 §6.3.10', [{
    send: "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>",
    expect: pass(undefined, /<challenge xmlns=["']urn:ietf:params:xml:ns:xmpp-sasl["']\/>/)
  }]),
  row('L38', 'an equals sign is no data', 'RFC 6120 §6.4.2', each({ '=': auth('PLAIN', '=') }, SF('malformed-request')))
]
