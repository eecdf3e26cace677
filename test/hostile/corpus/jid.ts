/** J: addresses in `to`. RFC 7622, RFC 8264, RFC 8265. Logging in under odd names is in `plays-addresses.ts`. */
import { STANZA_FORMS, pass, XE, XML, type Bytes, type Case, type Expect, type Form, type Row } from './row.js'

const JULIET = 'juliet'
const MALFORMED = XE('modify', 'jid-malformed', { from: 'im.test' })
const NOT_FOUND = XE('cancel', 'remote-server-not-found')
/** The address is right, and nobody has it. */
const NOBODY = XE('cancel', 'service-unavailable')

const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/'/g,
  '&apos;').replace(/"/g, '&quot;')
const to = (address: string): Bytes => `<message{ns} id='x' to='${escaped(address)}'><body>x</body></message>`

const each = (addresses: readonly string[], expect: Expect): readonly Case[] =>
  addresses.map((address) => ({ what: name(address), send: to(address), expect }))

const name = (address: string): string =>
  (address.length > 60 ? `${address.length} characters` : address.replace(/[^\x20-\x7e]/gu, (c) =>
    `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`))

function row(id: string, says: string, spec: string, cases: readonly Case[], forms: readonly Form[] = STANZA_FORMS): Row {
  return { id, says, spec, state: 'ON', forms, cases }
}

const A = (count: number): string => 'a'.repeat(count)
const label = (count: number): string => `${A(count)}.test`

/** Reaches the account that bob has under this name, too: he hears it. */
const bobs = (addresses: readonly string[]): readonly Case[] => addresses.map((address) => ({
  what: name(address), send: to(address), expect: pass(/<body>x<\/body>/)
}))

export const JID_ROWS: readonly Row[] = [
  row('J01', 'a localpart has no separators and no quotes', 'RFC 7622 §3.2, §3.3.1', [
    ...each([' ', '"', '&', "'", ':', '<', '>', '@'].map((c) => `a${c}b@im.test`), MALFORMED),
    ...each(['a/b@im.test'], NOT_FOUND)
  ]),
  row('J02', 'a localpart has 1,023 bytes after mapping', 'RFC 7622 §3.3', [
    ...each([`${A(1_023)}@im.test`, `${'ａ'.repeat(1_023)}@im.test`], NOBODY), ...each([`${A(1_024)}@im.test`], MALFORMED)
  ]),
  row('J03', 'a domain and its labels have lengths', 'RFC 7622 §3.2', [
    ...each([`a@${Array.from({ length: 64 }, () => A(15)).join('.')}`, `a@${label(64)}`], MALFORMED), ...each([`a@${label(63)}`], NOT_FOUND)
  ]),
  row('J05', 'no part is empty', 'RFC 7622 §3.1', each(['a@im.test/', '@im.test', ''], MALFORMED)),
  row('J06', 'case does not matter in names and domains', 'RFC 7622 §3.2.2, §3.3; RFC 8265 §3.3.1', bobs(['BOB@IM.TEST', 'Bob@iM.tEST'])),
  row('J07', 'width does not matter in names', 'RFC 8265 §3.3.1', bobs(['ｂｏｂ@im.test'])),
  row('J09', 'directions do not mix', 'RFC 8265 §3.3.1; RFC 5893 §2', each(['aא@im.test'], MALFORMED)),
  row('J10', 'invisible characters are not in names', 'RFC 8264 §4.2.3, §9.13',
    each(['\u200b', '\u00ad', '\u2028', '\u{e0001}', '\ufe0f'].map((c) => `a${c}b@im.test`), MALFORMED)),
  row('J11', 'compatibility characters are no letters; İ and ß stay themselves', 'RFC 8265 §3.3.2, §3.3.3; RFC 8264 §9.17', [
    ...each(['\u212a@im.test'], MALFORMED), ...each(['\u0130@im.test', 'ß@im.test'], NOBODY)
  ]),
  row('J12', 'code points that nobody assigned are not in names', 'RFC 8264 §4.2.4', each(['a\u0378@im.test'], MALFORMED)),
  row('J14', 'an A-label decodes', 'RFC 7622 §3.2.1, §3.2.3', each(['a@xn--a.test', 'a@xn--zz99999999999.test'], MALFORMED)),
  row('J15', 'a trailing dot is the root\'s', 'RFC 7622 §3.2', bobs(['bob@im.test.'])),
  row('J17', 'a literal is an address of a server that is not found', 'RFC 7622 §3.1, §3.2; ours',
    [...each(['a@[::1]', 'a@127.0.0.1'], NOT_FOUND), ...each(['a@[::1'], MALFORMED)]),
  row('J18', 'a very long address is refused before it is looked at', 'RFC 6120 §13.12; RFC 7622 §3.1; ours', [
    { what: '1 MiB', send: `<message{ns} to='${A(1 << 20)}'/>`, expect: XML('policy-violation', 'stanza-too-big'),
      on: { websocket: { is: 'close', code: 1009 }, bosh: { is: 'close' } } },
    ...each([`${A(16_000)}@im.test`], MALFORMED)
  ]),
  row('J21', 'marks are bytes', 'RFC 7622 §3.3', [
    ...each([`a${'\u0301'.repeat(3_000)}@im.test`], MALFORMED), ...each([`a${'\u0301'.repeat(400)}@im.test`], NOBODY)
  ]),
  row('J23', 'some characters are right only in company', 'RFC 8264 §8; RFC 5892 §A', [
    ...each(['l·l@im.test', 'क\u094d\u200dष@im.test'], NOBODY),
    ...each(['a·b@im.test', 'a\u200db@im.test', '\u0661\u06f1@im.test'], MALFORMED)
  ]),
  row('J25', 'wide separators separate nothing', 'RFC 7622 §3.1, §3.3.1', each(['a＠b@im.test', `${JULIET}＠im.test`, 'im.test／x'],
    MALFORMED)),
  row('J26', 'a resource may begin with a space', 'RFC 7622 §3.5; RFC 8265 §4.2; ours', each(['bob@im.test/ x'], NOBODY)),
  row('J27', 'variation selectors and joiners are not in resources', 'RFC 8264 §4.3.3, §9.13, §8',
    each(['bob@im.test/❤\ufe0f', 'bob@im.test/\u{1f468}\u200d\u{1f469}\u200d\u{1f467}'], MALFORMED))
]

