/** Account caches: one load for all who wait, forgotten here and elsewhere. */
import { describe, expect, test } from '@jest/globals'
import { AccountCaches } from '../../src/pipeline/account-caches.js'
import { accountCache } from '../../src/pipeline/api.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { MemoryStore } from '../plugins/memory-store.js'

function caches(entriesMax?: number): { caches: AccountCaches; told: string[]; store: MemoryStore } {
  const told: string[] = []
  const store = new MemoryStore()
  const invalidate = async (cache: string, key: string): Promise<void> => void told.push(`${cache} ${key}`)
  return { caches: new AccountCaches({ store, invalidate, ...(entriesMax !== undefined && { entriesMax }) }), told, store }
}

describe('account caches', () => {
  test('load once for all who wait, then answer at once', async () => {
    const { caches: all, store } = caches()
    const romeo = store.add(parseJid('romeo@im.test'))
    let loads = 0
    const cache = accountCache('n', async () => ++loads)
    expect(await Promise.all([all.read(cache, romeo), all.read(cache, romeo)])).toEqual([1, 1])
    expect(all.read(cache, romeo)).toBe(1)
  })

  test('forget here and on every node; a load that was under way is not kept', async () => {
    const { caches: all, told, store } = caches()
    const romeo = store.add(parseJid('romeo@im.test'))
    const values = ['old', 'new']
    let release = (): void => undefined
    const cache = accountCache('n', async () => {
      const value = values.shift()
      await new Promise<void>((resolve) => { release = resolve })
      return value
    })
    const first = all.read(cache, romeo)
    await all.forget(cache, romeo)
    expect(told).toEqual(['n romeo@im.test'])
    release()
    expect(await first).toBe('old')
    const second = all.read(cache, romeo)
    expect(second).toBeInstanceOf(Promise)
    release()
    expect(await second).toBe('new')
    all.invalidated('n', 'romeo@im.test')
    expect(all.read(cache, romeo)).toBeInstanceOf(Promise)
  })

  test('keep a bounded number of accounts', async () => {
    const { caches: all, store } = caches(2)
    const accounts = ['a', 'b', 'c'].map((name) => store.add(parseJid(`${name}@im.test`)))
    const cache = accountCache('n', async (_store, account) => account.id)
    for (const account of accounts) await all.read(cache, account)
    expect(accounts.map((account) => typeof all.read(cache, account))).toEqual(['object', 'number', 'number'])
  })

  test('an account that does not exist is looked for again; one that was removed is forgotten', async () => {
    const { caches: all, store, told } = caches()
    const jid = parseJid('romeo@im.test')
    expect(await all.findAccount(jid)).toBeUndefined()
    store.add(jid)
    expect(await all.findAccount(jid.bare)).toMatchObject({ id: 1 })
    expect(all.findAccount(jid)).toMatchObject({ id: 1 })
    await store.accounts.remove(jid)
    await all.forgetAccount(jid)
    expect(await all.findAccount(jid)).toBeUndefined()
    expect(told).toEqual([':account romeo@im.test'])
  })
})
