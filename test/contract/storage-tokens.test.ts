/** FAST tokens' rows (XEP-0484) on all three databases, and in the memory that other tests stand on. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { AccountRef, TokenRow, TokenRows } from '../../src/storage/store.js'
import { KINDS } from '../databases.js'
import { account, keysFor, opened, user, type Opened } from '../storage/opened.js'
import { MemoryTokenRows } from '../support/memory-tokens.js'

const AGENT = 'd4565fa7-4d72-4749-b3d3-740edbf87770'
const DAY = 86_400_000
const NOW = 1_760_000_000_000

const token = (nonce: string, changes: Partial<TokenRow> = {}): TokenRow => ({
  nonce, mechanism: 'HT-SHA-256-EXPR', state: 'new', issuedAt: NOW, expiresAt: NOW + 21 * DAY, count: 0, ...changes
})

interface Place {
  readonly rows: TokenRows
  readonly account: () => Promise<AccountRef>
}

function contract(place: () => Place): void {
  let rows: TokenRows
  let owner: AccountRef
  const states = async (agent = AGENT): Promise<Readonly<Record<string, string>>> =>
    Object.fromEntries((await rows.of(owner, agent)).map(({ nonce, state }) => [nonce, state]))
  const begin = async (): Promise<void> => {
    rows = place().rows
    owner = await place().account()
  }

  test('a row comes back as it was stored, for its account and its client only', async () => {
    await begin()
    const row = token('a', { count: 2 ** 31 - 1 })
    await rows.issue(owner, AGENT, row, 10)
    expect(await rows.of(owner, AGENT)).toEqual([row])
    expect(await rows.of(owner, AGENT.toUpperCase())).toEqual([])
    expect(await rows.of(await place().account(), AGENT)).toEqual([])
  })

  test('a new token drops the unused one and leaves the current one (§3.5, §5.1)', async () => {
    await begin()
    await rows.issue(owner, AGENT, token('a'), 10)
    expect(await rows.use(owner, AGENT, token('a'), undefined)).toBe(true)
    await rows.issue(owner, AGENT, token('b', { expiresAt: NOW + 22 * DAY }), 10)
    await rows.issue(owner, AGENT, token('c', { expiresAt: NOW + 23 * DAY }), 10)
    expect(await states()).toEqual({ a: 'current', b: 'dropped', c: 'new' })
  })

  test('using the old one leaves the new one; using the new one drops the old one (§3.5)', async () => {
    await begin()
    const [a, b] = [token('a'), token('b', { expiresAt: NOW + 22 * DAY })]
    for (const row of [a, b]) await rows.issue(owner, AGENT, row, 10)
    expect(await states()).toEqual({ a: 'current', b: 'new' })
    await rows.use(owner, AGENT, b, undefined)
    expect(await states()).toEqual({ a: 'dropped', b: 'current' })
    const c = token('c', { expiresAt: NOW + 23 * DAY })
    await rows.issue(owner, AGENT, c, 10)
    expect(await rows.use(owner, AGENT, b, undefined)).toBe(true)
    expect(await states()).toEqual({ b: 'current', c: 'new' })
    expect(await rows.use(owner, AGENT, c, undefined)).toBe(true)
    expect(await states()).toEqual({ b: 'dropped', c: 'current' })
    expect(await rows.use(owner, AGENT, b, undefined)).toBe(false)
  })

  test('a client without another one that is good keeps the unused one until the next is used: its answer may be lost (§3.5)', async () => {
    await begin()
    const row = (nonce: string, days: number): TokenRow => token(nonce, { issuedAt: NOW + days * DAY, expiresAt: NOW + (days + 21) * DAY })
    const [a, b, c] = [row('a', 0), row('b', 1), row('c', 2)]
    for (const one of [a, b, c]) await rows.issue(owner, AGENT, one, 10)
    expect(await states()).toEqual({ a: 'current', b: 'dropped', c: 'new' })
    expect(await rows.use(owner, AGENT, a, undefined)).toBe(true)
    expect(await states()).toEqual({ a: 'current', b: 'dropped', c: 'new' })
    await rows.issue(owner, AGENT, row('d', 24), 10)                    // the others have expired
    await rows.issue(owner, AGENT, row('e', 24.5), 10)
    expect(await states()).toMatchObject({ d: 'current', e: 'new' })
    expect(await rows.use(owner, AGENT, row('e', 24.5), undefined)).toBe(true)
    expect(await states()).toMatchObject({ a: 'dropped', d: 'dropped', e: 'current' })
  })

  test('using one a second time without counting is fine, as far as nothing else is asked', async () => {
    await begin()
    await rows.issue(owner, AGENT, token('a'), 10)
    expect([await rows.use(owner, AGENT, token('a'), undefined), await rows.use(owner, AGENT, token('a'), undefined)]).toEqual([true, true])
  })

  test('a count is good once, and only growing; who has counted must go on (§3.4)', async () => {
    await begin()
    await rows.issue(owner, AGENT, token('a'), 10)
    const use = (count?: number): Promise<boolean> => rows.use(owner, AGENT, token('a'), count)
    const answers = []
    for (const count of [1, 1, 5, 4, undefined, 2 ** 31 - 1, 2 ** 31 - 1]) answers.push(await use(count))
    expect(answers).toEqual([true, false, true, false, false, true, false])
    expect((await rows.of(owner, AGENT))[0]?.count).toBe(2 ** 31 - 1)
  })

  test('of many who show the same count at once one gets in', async () => {
    await begin()
    await rows.issue(owner, AGENT, token('a'), 10)
    const answers = await Promise.all(Array.from({ length: 8 }, () => rows.use(owner, AGENT, token('a'), 7)))
    expect(answers.filter((answer) => answer)).toHaveLength(1)
  })

  test('a client\'s tokens are dropped together; dropping again says so (§3.6)', async () => {
    await begin()
    await rows.issue(owner, AGENT, token('a'), 10)
    await rows.use(owner, AGENT, token('a'), undefined)
    await rows.issue(owner, AGENT, token('b'), 10)
    await rows.issue(owner, 'other', token('a'), 10)
    expect(await rows.drop(owner, AGENT, 'a')).toBe(true)
    expect(await states()).toEqual({ a: 'dropped', b: 'dropped' })
    expect(await rows.drop(owner, AGENT, 'a')).toBe(false)
    expect(await rows.drop(owner, AGENT, 'never')).toBe(false)
    expect(await states('other')).toEqual({ a: 'new' })
  })

  test('all of an account are dropped, nobody else\'s', async () => {
    await begin()
    const other = await place().account()
    for (const one of [owner, other]) await rows.issue(one, AGENT, token('a'), 10)
    await rows.issue(owner, 'b', token('b'), 10)
    await rows.dropAll(owner)
    expect([await states(), await states('b')]).toEqual([{ a: 'dropped' }, { b: 'dropped' }])
    expect((await rows.of(other, AGENT))[0]?.state).toBe('new')
  })

  test('an account has so many and no more: those that expire first go', async () => {
    await begin()
    for (let n = 1; n <= 5; n++) await rows.issue(owner, `agent${n}`, token('a', { expiresAt: NOW + n * DAY }), 3)
    const left = []
    for (let n = 1; n <= 5; n++) left.push((await rows.of(owner, `agent${n}`)).length)
    expect(left).toEqual([0, 0, 1, 1, 1])
  })

  test('what has expired is forgotten, the rest stays', async () => {
    await begin()
    await rows.issue(owner, 'x', token('a', { expiresAt: NOW - 1 }), 10)
    await rows.issue(owner, 'y', token('a', { expiresAt: NOW }), 10)
    await rows.forget(NOW)
    expect([(await rows.of(owner, 'x')).length, (await rows.of(owner, 'y')).length]).toEqual([0, 1])
  })
}

describe('tokens in memory', () => {
  const rows = new MemoryTokenRows()
  let accounts = 0
  contract(() => ({ rows, account: async () => ({ id: ++accounts, jid: user(`a${accounts}`) }) }))
})

describe.each(KINDS)('tokens on %s', (kind) => {
  let open: Opened
  let accounts = 0
  beforeAll(async () => {
    open = await opened(kind)
  }, 60_000)
  afterAll(() => open.end())

  contract(() => ({ rows: open.tokens, account: () => account(open.store, `owner${++accounts}`) }))

  test('a new password drops them in the same transaction, better keys of the same password do not (XEP-0480)', async () => {
    const owner = await account(open.store, 'changes')
    await open.tokens.issue(owner, AGENT, token('a'), 10)
    await open.store.accounts.addKeys(owner, { ...keysFor('SHA-256'), iterations: 99_999 })
    await open.store.accounts.addKeys(owner, keysFor('SHA-512'))
    const keys = (await open.store.accounts.find(owner.jid))?.keys.map(({ hash, iterations }) => `${hash} ${iterations}`).sort()
    expect(keys).toEqual(['SHA-256 99999', 'SHA-512 10000'])
    expect((await open.tokens.of(owner, AGENT))[0]?.state).toBe('new')
    await open.store.accounts.setKeys(owner, [keysFor()])
    expect((await open.tokens.of(owner, AGENT))[0]?.state).toBe('dropped')
  })

  test('who is disabled loses them, and gets them back by nothing', async () => {
    const owner = await account(open.store, 'locked')
    await open.tokens.issue(owner, AGENT, token('a'), 10)
    await open.store.accounts.setDisabled(owner, false)
    expect((await open.tokens.of(owner, AGENT))[0]?.state).toBe('new')
    await open.store.accounts.setDisabled(owner, true)
    await open.store.accounts.setDisabled(owner, false)
    expect((await open.tokens.of(owner, AGENT))[0]?.state).toBe('dropped')
  })

  test('an account that is gone has none and gets none', async () => {
    const gone = await account(open.store, 'gone')
    await open.tokens.issue(gone, AGENT, token('a'), 10)
    await open.store.accounts.remove(gone.jid)
    expect(await open.tokens.of(gone, AGENT)).toEqual([])
    await expect(open.tokens.issue(gone, AGENT, token('b'), 10)).rejects.toMatchObject({ kind: 'refused' })
  })

  test('two issued at once leave one that is new', async () => {
    const owner = await account(open.store, 'twice')
    await Promise.all(['a', 'b', 'c'].map((nonce) => open.tokens.issue(owner, AGENT, token(nonce), 10)))
    expect((await open.tokens.of(owner, AGENT)).filter(({ state }) => state === 'new')).toHaveLength(1)
  })
})
