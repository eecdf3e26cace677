/** The types that bite: what one database keeps and another cuts, folds, pads or turns into text. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Jid } from '../../src/xmpp/jid.js'
import { KINDS } from '../databases.js'
import { account, claimOf, keysFor, opened, rosterItem, type Opened } from '../storage/opened.js'

const PLENTY = { messages: 100, bytes: 10_000_000 }
const BIG = Number.MAX_SAFE_INTEGER

describe.each(KINDS)('types on %s', (kind) => {
  let open: Opened
  beforeAll(async () => {
    open = await opened(kind)
  }, 60_000)
  afterAll(() => open.end())

  test('a stanza of 200 KiB comes back whole (MariaDB\'s TEXT ends at 64 KiB)', async () => {
    const owner = await account(open.store, 'long')
    const stanza = `<message><body>${'é'.repeat(100 * 1024)}</body></message>`
    await open.store.offline.add(owner, 'a:1:0', stanza, 1, PLENTY)
    await open.store.values.set(owner, 'k', stanza)
    await open.store.rosters.update(owner, owner.jid, () => rosterItem(owner.jid, { pendingIn: stanza }))
    expect((await open.store.offline.read(owner))[0]?.stanza).toBe(stanza)
    expect(await open.store.values.get(owner, 'k')).toBe(stanza)
    expect((await open.store.rosters.load(owner)).items.get('long@example.com')?.pendingIn).toBe(stanza)
  })

  test('accents, case and spaces at the end make different accounts', async () => {
    const { accounts } = open.store
    const names = ['jose', 'josé', 'JOSÉ', 'JOSÉ ', 'jose ', 'Jose', 'jose\u0301', 'ｊose', 'ß', 'ss']
    const made = []
    for (const name of names) made.push(await accounts.create(new Jid(name, 'fold.example', ''), [keysFor()]))
    expect(new Set(made.map((each) => each?.id)).size).toBe(names.length)
    for (const [index, name] of names.entries()) {
      expect((await accounts.find(new Jid(name, 'fold.example', '')))?.id).toBe(made[index]?.id)
    }
    expect((await accounts.list('fold.example', 50)).map((jid) => jid.local).sort()).toEqual([...names].sort())
    expect(await accounts.list('FOLD.example', 50)).toEqual([])
  })

  test('keys of origins are told apart by every byte too', async () => {
    const owner = await account(open.store, 'origins')
    const keys = ['a:1:0', 'A:1:0', 'á:1:0', 'a:1:0 ']
    const rows = await Promise.all(keys.map((key) => open.store.offline.add(owner, key, key, 1, PLENTY)))
    expect(new Set(rows).size).toBe(keys.length)
  })

  test('names of nodes are told apart by every byte', async () => {
    for (const name of ['n', 'N', 'n ']) {
      expect((await open.cluster.claim(claimOf(name, name.trim()))).outcome).toBe('claimed')
    }
    expect((await open.cluster.rows('play')).map((row) => row.hostname)).toEqual(['N', 'n', 'n '])
    expect(await open.cluster.rows('PLAY')).toEqual([])
  })

  test('a value of the whole cluster is drawn once, whoever comes first', async () => {
    const drawn = await Promise.all(['a', 'b', 'c', 'd'].map((value) => open.values.once('secret', () => value)))
    expect(new Set(drawn).size).toBe(1)
    expect(await open.values.once('secret', () => 'later')).toBe(drawn[0])
    expect(await open.values.once('Secret', () => 'another')).toBe('another')
  })

  test('a value of a span of time is drawn once and forgotten after it, not before by a clock that is behind', async () => {
    const drawn = await Promise.all(['a', 'b', 'c'].map((value) => open.values.forSpan('key', 9, () => value)))
    expect(new Set(drawn).size).toBe(1)
    expect(await open.values.forSpan('key', 10, () => 'next')).toBe('next')
    expect(await open.values.forSpan('key', 9, () => 'again')).toBe('again')
    expect(await open.values.forSpan('key', 10, () => 'later')).toBe('next')
    expect(await open.values.forSpan('key', 9, () => 'third')).toBe('third')
    expect(await open.values.forSpan('keys', 1, () => 'other')).toBe('other')
    expect(await open.values.forSpan('key', 11, () => 'last')).toBe('last')
    expect(await open.values.forSpan('keys', 1, () => 'lost')).toBe('other')
  })

  test('the database says what its clock says, and how its schema stands', async () => {
    expect(Math.abs(await open.wall() - Date.now())).toBeLessThan(60_000)
    expect(await open.schema()).toBe('same')
  })

  test('large numbers are numbers', async () => {
    const owner = await account(open.store, 'numbers')
    await open.store.offline.add(owner, 'a:1:0', 'x', BIG, PLENTY)
    expect((await open.store.offline.read(owner))[0]?.at).toBe(BIG)
    const big = { id: BIG, kind: 'k', subject: 's' }
    await open.database.write((sql) => sql('cluster_notices').insert(big))
    expect(await open.cluster.notices(BIG - 1)).toEqual([big])
    const claimed = await open.cluster.claim(claimOf('big', 'b'))
    await open.database.write((sql) => sql('cluster_nodes').where({ hostname: 'big' }).update({ beat: BIG - 1, cpu_usage: 99.5 }))
    if (claimed.outcome !== 'claimed') throw new Error(claimed.outcome)
    expect(await open.cluster.renew(claimed.life, { cpuUsage: 0.125, memUsage: 50, links: 3 })).toBe(true)
    expect((await open.cluster.rows('play')).find((row) => row.hostname === 'big')).toMatchObject({ beat: BIG, cpuUsage: 0.125, links: 3 })
  })

  test('booleans, empty texts, nothing and emoji come back as they were', async () => {
    const owner = await account(open.store, 'small')
    const jid = new Jid('🌹', 'exämple.com', '')
    const texts = ['', ' ', '\t\n', '🌹👩‍👩‍👧', '\u{10FFFF}', 'a\\\'"; --', '\\', '%_']
    for (const ask of [true, false]) {
      const item = rosterItem(jid, { name: '', groups: texts, ask, approved: !ask, pendingIn: ask ? '' : undefined })
      await open.store.rosters.update(owner, jid, () => item)
      expect((await open.store.rosters.load(owner)).items.get(String(jid))).toEqual(item)
    }
    for (const text of texts) {
      await open.store.values.set(owner, text, text)
      expect(await open.store.values.get(owner, text)).toBe(text)
    }
  })

  test('parts of an address have up to 1,023 bytes each (RFC 7622 §3)', async () => {
    const part = (letter: string): string => letter.repeat(1023)
    const jid = new Jid(part('l'), part('d'), part('r'))
    const made = await open.store.accounts.create(jid, [keysFor()])
    expect((await open.store.accounts.find(jid))?.id).toBe(made?.id)
    const wide = new Jid('ü'.repeat(511), part('d'), '')
    await open.store.accounts.create(wide, [])
    expect(await open.store.accounts.list(part('d'), 5)).toHaveLength(2)
    if (made === undefined) throw new Error('not made')
    await open.store.rosters.update(made, wide, () => rosterItem(wide))
    expect((await open.store.rosters.load(made)).items.get(String(wide))?.jid.equals(wide)).toBe(true)
    expect(await open.store.offline.add(made, `${'o'.repeat(200)}:1:0`, 'x', 1, PLENTY)).toBeDefined()
  })
})
