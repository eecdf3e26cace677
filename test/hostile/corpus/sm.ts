/** M: stream management, XEP-0198. Rows with two connections or a time are plays. */
import { DROP, FAILED, SE, XML, type Case, type Expect, type Form, type Row, type State } from './row.js'

const NS = "xmlns='urn:xmpp:sm:3'"
/** BOSH has acknowledgements of its own. */
const MANAGED: readonly Form[] = ['tcp', 'tls', 'websocket']

const each = (sends: Readonly<Record<string, string>>, expect: Expect, more: Partial<Case> = {}): readonly Case[] =>
  Object.entries(sends).map(([what, send]) => ({ what, send, expect, ...more }))

interface Setting {
  readonly state: State
  readonly cases: readonly Case[]
}

const row = (id: string, says: string, spec: string, { state, cases }: Setting): Row => ({ id, says, spec, state, forms: MANAGED, cases })

const resume = (previd: string, h = '0'): string => `<resume ${NS} previd='${previd}' h='${h}'/>`
const NOT_FOUND = FAILED('item-not-found')
const UNEXPECTED = FAILED('unexpected-request')

export const SM_ROWS: readonly Row[] = [
  row('M01', 'nothing is enabled before binding', 'XEP-0198 §3', { state: 'AUTH', cases: each({ enable: `<enable ${NS}/>`,
    'to resume': `<enable ${NS} resume='true'/>` }, UNEXPECTED) }),
  row('M02', 'what is enabled cannot be enabled again', 'XEP-0198 §3; ours', { state: 'SM', cases: each({ enable: `<enable ${NS}/>` },
    SE('policy-violation'), { also: 'unexpected-request' }) }),
  row('M04', 'a count is an unsigned integer of 32 bits', 'XEP-0198 §4, §6, §13; ours', { state: 'SM', cases: each(Object.fromEntries(
    ['', " h='-1'", " h='x'", " h='4294967296'", " h=''", " h=' 1'", " h='1e3'", " h='0x1'", " h='99999999999999999999'"].map((h) =>
      [h === '' ? 'none' : h.trim(), `<a ${NS}${h}/>`])), SE('bad-format')) }),
  row('M07', 'a session that nobody has cannot be resumed, and binding goes on', 'XEP-0198 §5', { state: 'AUTH', cases: each({
    garbage: resume('garbage'), empty: resume(''), 'a high count': resume('garbage', '4294967295') }, NOT_FOUND) }),
  row('M09', 'nothing is resumed before login', 'XEP-0198 §3, §10', { state: 'PRE', cases: each({ resume: resume('garbage'),
    enable: `<enable ${NS}/>` }, UNEXPECTED) }),
  row('M10', 'nothing is resumed after binding', 'XEP-0198 §6; ours', { state: 'ON', cases: each({ resume: resume('garbage') },
    UNEXPECTED) }),
  row('M11', 'an id is text, whatever stands in it', 'XEP-0198 §5; RFC 6120 §11.3', { state: 'AUTH', cases: [
    ...each({ '5,000 bytes': resume('p'.repeat(5_000)), SQL: resume('&apos;; drop table accounts; --'), 'a path': resume('../../etc/passwd'),
      'another node\'s name': resume('abc.node2'), '__proto__': resume('__proto__') }, NOT_FOUND),
    ...each({ '&#0;': resume('&#0;') }, XML('not-well-formed'))
  ] }),
  row('M17', 'acknowledgements before enabling are nothing', 'XEP-0198 §4; RFC 6120 §4.8.4; ours', { state: 'ON', cases: each({
    r: `<r ${NS}/>`, a: `<a ${NS} h='0'/>` }, DROP) }),
  row('M18', 'resuming needs an id and a count', 'XEP-0198 §5, §6; ours', { state: 'AUTH', cases: each({
    'no h': `<resume ${NS} previd='x'/>`, 'no previd': `<resume ${NS} h='0'/>`, 'h=x': resume('x', 'x'), 'h=-1': resume('x', '-1')
  }, FAILED('bad-request')) })
]
