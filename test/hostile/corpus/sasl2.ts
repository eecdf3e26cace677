/** L: SASL2 and FAST, XEP-0388, XEP-0484. Logins of several steps are in `logins2.test.ts`. */
import { SF, type Bytes, type Case, type Expect, type Form, type Row } from './row.js'

const SECURE: readonly Form[] = ['starttls', 'tls']
const NS = "xmlns='urn:xmpp:sasl:2'"
const b64 = (text: string): string => Buffer.from(text).toString('base64')
const authenticate = (mechanism: string, initial: string, more = ''): string =>
  `<authenticate ${NS} mechanism='${mechanism}'><initial-response>${initial}</initial-response>${more}</authenticate>`
const PLAIN_ALICE = b64('\0alice\0secret')
const AGENT = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/>"
const FAST = "<fast xmlns='urn:xmpp:fast:0'/>"
const TOKEN = b64(`alice\0${'t'.repeat(32)}`)

const each = (sends: Readonly<Record<string, Bytes>>, expect: Expect): readonly Case[] =>
  Object.entries(sends).map(([what, send]) => ({ what, send, expect }))
const row = (id: string, says: string, spec: string, cases: readonly Case[], forms: readonly Form[] = SECURE): Row =>
  ({ id, says, spec, state: 'PRE', forms, cases })

const scramFirst = authenticate('SCRAM-SHA-1', b64('n,,n=alice,r=abc'))

export const SASL2_ROWS: readonly Row[] = [
  row('L01', 'SASL2: a mechanism that nobody knows, or none', 'XEP-0388 §2.3', each({
    FOO: authenticate('FOO', ''), none: `<authenticate ${NS}/>`, plain: authenticate('plain', PLAIN_ALICE),
    'ANONYMOUS that is not offered': authenticate('ANONYMOUS', ''), 'EXTERNAL that is not offered': authenticate('EXTERNAL', '')
  }, SF('invalid-mechanism'))),
  row('L05', 'SASL2: base 64 is strict', 'XEP-0388 §2.2; RFC 4648 §3', each({
    'white space': authenticate('PLAIN', ` ${PLAIN_ALICE} `), 'a line break': authenticate('PLAIN', `${PLAIN_ALICE}&#10;`),
    'no padding': authenticate('PLAIN', 'AGFsaWNlAHNlY3JldA'), '!!!': authenticate('PLAIN', '!!!')
  }, SF('incorrect-encoding'))),
  row('L06', 'SASL2: PLAIN without NUL', 'RFC 4616 §2', each({ alice: authenticate('PLAIN', b64('alice')) }, SF('malformed-request'))),
  row('L09', 'SASL2: who logs in as alice is not bob', 'XEP-0388 §2.3; RFC 6120 §6.3.8', each({
    bob: authenticate('PLAIN', b64('bob@im.test\0alice\0secret'))
  }, SF('invalid-authzid'))),
  row('L13', 'SASL2: a response without a challenge', 'XEP-0388 §2.5; ours', each({ response: `<response ${NS}/>` },
    SF('malformed-request'))),
  row('L15', 'SASL2: who gives up is told so', 'XEP-0388 §4.5', each({ abort: `<abort ${NS}/>` }, SF('aborted'))),
  row('L29', 'SASL2 is for streams with TLS', 'XEP-0388 §3; RFC 6120 §6.5.4', each({
    PLAIN: authenticate('PLAIN', PLAIN_ALICE), SCRAM: scramFirst
  }, SF('encryption-required')), ['tcp', 'websocket', 'bosh']),
  row('L38', 'SASL2: an equals sign is no base 64', 'XEP-0388 §2.2, §5.1', each({ '=': authenticate('PLAIN', '=') },
    SF('incorrect-encoding'))),
  row('L45', 'a token says that it is one, and whose client it is of', 'XEP-0484 §3.4, §4.1; ours', each({
    'without <fast/>': authenticate('HT-SHA-256-NONE', TOKEN, AGENT), 'without an id': authenticate('HT-SHA-256-NONE', TOKEN, FAST),
    'with an id that is none': authenticate('HT-SHA-256-NONE', TOKEN, `<user-agent id='x'/>${FAST}`),
    'no NUL': authenticate('HT-SHA-256-NONE', b64('alice'), AGENT + FAST),
    'a count of 0': authenticate('HT-SHA-256-NONE', TOKEN, `${AGENT}<fast xmlns='urn:xmpp:fast:0' count='0'/>`),
    'a count that is none': authenticate('HT-SHA-256-NONE', TOKEN, `${AGENT}<fast xmlns='urn:xmpp:fast:0' count='x'/>`)
  }, SF('malformed-request'))),
  row('L33', 'a token that nobody gave', 'XEP-0484 §3.4', each({
    'of an account': authenticate('HT-SHA-256-NONE', TOKEN, AGENT + FAST),
    'of nobody': authenticate('HT-SHA-256-NONE', b64(`nobody\0${'t'.repeat(32)}`), AGENT + FAST)
  }, SF('not-authorized')))
]
