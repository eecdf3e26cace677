/** Addresses: `parseJid` refuses with `JidError` or yields what it yields again, and what a link takes (RFC 7622). */
import { linkJid } from '../../src/cluster/envelope-codec.js'
import { JidCache, JidError, PART_BYTES_MAX, parseJid, type Jid } from '../../src/xmpp/jid.js'
import { mutant, tokensOf, type Material } from './mutate.js'
import { same, type Target } from './run.js'
import { HOSTILE_ROWS, filled } from './xml-material.js'

const ADDRESSES: readonly string[] = [
  'alice@im.test', 'alice@im.test/phone', 'im.test', 'im.test/x', 'a@b/c@d/e', 'a@b//', 'Alice@IM.test/Ärger', 'σς@example.com',
    'ΣΣ@x', 'a@127.0.0.1', 'a@[::1]/x',
  'a@xn--mnchen-3ya.de', 'ü@münchen.de', 'a@im.test.', 'ß@x', 'İ@x', 'ﬁ@x', 'ａ@ｂ', 'אב@x', 'ا١@x', 'l·l@x', '\u0375α@x', 'क्‍ष@x',
    'a@b/\u3000x', 'a@b/e\u0301', 'ǆ@x',
  '한@x', '\u1100\u1161@x', "foo\\20bar@x", '!#$%()*+,-.;=?[]^_`{|}~@x', 'a@b.c.d.e', 'a@example.com/<script>', 'a@x/😀', '\u{10428}@x',
    'Ⅷ@x', 'a@x/Ⅷ'
]
const MATERIAL: Material = {
  pool: [...ADDRESSES.map((text) => Buffer.from(text)), ...HOSTILE_ROWS.filter(({ id }) => id.startsWith('J')).flatMap(({ cases }) => cases)
    .map(({ send }) => filled(send).subarray(0, 300))],
  tokens: tokensOf('@', '/', '.', '..', '-', '--', 'xn--', 'xn--a', '[', ']', ':', '::', '%', ' ', '\t', '\n', '\0', '"', '&', "'",
    '<', '>', '\\', 'a', 'A', '1',
    'é', 'e\u0301', 'ß', 'ẞ', 'İ', 'ı', 'K', 'ſ', 'ς', 'Σ', 'ﬀ', 'ａ', '。', '．', '\u00ad', '\u200b', '\u200c', '\u200d', '\u2028',
      '\u3000', '\u00a0', 'א', 'ا', '١',
    '۱', '\u0903', '\u094d', '·', '・', '\u0345', '\u1e9e', '\u{1d400}', '\u{1f600}', '\u{e0100}', '\u0378', '\ufffd', '가', '\u1100',
      '\u11a8', 'x'.repeat(64), 'é'.repeat(100))
}

/** UTF-8, or after a zero byte UTF-16 as it comes, halves of pairs included. */
const textOf = (bytes: Buffer): string => (bytes[0] === 0 ? bytes.toString('utf16le', 1) : bytes.toString('utf8'))

export const JIDS: Target = {
  name: 'addresses', variable: 'JID_FUZZ_CASES', short: 5_000, long: 500_000,
  make(random) {
    const bytes = mutant(random.pick(MATERIAL.pool), MATERIAL, random)
    return random.once(8) ? Buffer.concat([Buffer.of(0), Buffer.from(bytes.toString('utf8'), 'utf16le'),
      random.bytes(random.below(4))]) : bytes
  },
  check(bytes) {
    const text = textOf(bytes)
    const jid = parsed(text)
    plainly(text, jid)
    if (jid === undefined) return false
    whole(jid)
    stable(jid, text)
    return true
  }
}

function parsed(text: string): Jid | undefined {
  try {
    return parseJid(text)
  } catch (error) {
    if (error instanceof JidError) return undefined
    throw error
  }
}

/** RFC 7622 §3.2-3.4: parts that are not too long and have nothing that would move the borders between them. */
function whole({ local, domain, resource }: Jid): void {
  for (const part of [local, domain, resource]) if (Buffer.byteLength(part) > PART_BYTES_MAX) throw new Error('a part that is too long')
  if (domain === '') throw new Error('no domain')
  if (/["&'/:<>@\s]/.test(local)) throw new Error('a localpart with a character that it may not have')
  if (/[@/"&'<>\s]/.test(domain)) throw new Error('a domain with a character that it may not have')
  for (const part of [local, domain, resource]) {
    if (/[\p{Cc}\p{Cs}]/u.test(part)) throw new Error('a control character or half a pair')
    same(part, part.normalize('NFC'), 'a part and its composed form')
  }
}

/** What it yields is what it yields of that, in all the ways that lead there. */
function stable(jid: Jid, text: string): void {
  const again = parseJid(jid.toString())
  same(again.toString(), jid.toString(), 'an address and itself read again')
  if (!again.equals(jid) || !jid.bare.sameBare(jid) || jid.bare.resource !== '') throw new Error('not equal to itself')
  same(new JidCache(4).parse(text).toString(), jid.toString(), 'what the cache says')
  if (jid.resource !== '') same(jid.bare.withResource(jid.resource).toString(), jid.toString(), 'with its resource')
  const linked = linkJid(jid.toString())
  same(`${linked.local} ${linked.domain} ${linked.resource}`, `${jid.local} ${jid.domain} ${jid.resource}`, 'what the other node reads')
}

const PLAIN_LOCAL = /^[!#-%(-.0-9;=?A-Z[-~]*$/
const PLAIN_NAME = /^(?=.{1,253}$)(?:[a-z](?:[a-z0-9]|-(?!-)){0,61}[a-z0-9]|[a-z])(?:\.(?:[a-z](?:[a-z0-9]|-(?!-)){0,61}[a-z0-9]|[a-z]))*$/i

/** A plain reading of RFC 7622 §3.1 for addresses in ASCII whose domain needs no thought. */
function plainly(text: string, jid: Jid | undefined): void {
  const [, local, domain = '', resource] = /^(?:([^@/]*)@)?([^/]*)(?:\/([^]*))?$/.exec(text) ?? []
  if (/[^\0-\x7f]/.test(text) || !PLAIN_NAME.test(domain)) return
  const good = local !== '' && resource !== '' && PLAIN_LOCAL.test(local ?? '') && /^[ -~]*$/.test(resource ?? '') &&
    (local ?? '').length <= PART_BYTES_MAX && (resource ?? '').length <= PART_BYTES_MAX
  const bare = `${local === undefined ? '' : `${local}@`}${domain}`.toLowerCase()
  const wanted = good ? `${bare}${resource === undefined ? '' : `/${resource}`}` : undefined
  same(jid?.toString(), wanted, 'an address and a plain reading of it')
}
