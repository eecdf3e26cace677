/** A65: text that would end a statement, escape out of it or match too much is a value like any other, on all three databases. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { KINDS } from '../databases.js'
import { account, opened, user, type Opened } from '../storage/opened.js'

const TEXTS = ["' or 1=1; --", "'; drop table accounts; --", "\\'; drop table accounts; --", "\\", "''", '"; drop table accounts; --', '`', '?', '??',
  '$1', ':name', '%', '_', '%_%', "x' union select password from accounts --", '\u00bf\'; drop table accounts; --', '*/ drop table accounts /*',
  '__proto__', 'NULL', "\n'; --"]

describe.each(KINDS)('%s', (kind) => {
  let place: Opened
  beforeAll(async () => { place = await opened(kind) }, 60_000)
  afterAll(() => place.end())

  test.each(TEXTS)('%j as key, value, name, group, resource and stanza is a value like any other', async (text) => {
    const { accounts, values, rosters, offline } = place.store
    const local = `u${TEXTS.indexOf(text)}`
    const mine = await account(place.store, local)
    const other = await account(place.store, `o${local}`)
    await values.set(mine, text, text)
    await values.set(other, 'key', 'theirs')
    expect(await values.get(mine, text)).toBe(text)
    expect(await values.get(mine, 'key')).toBeUndefined()
    const contact = user('friend')
    await rosters.update(mine, contact, () => ({ jid: contact, name: text, groups: [text], subscription: 'none', ask: false, approved: false,
      pendingIn: text, listed: true }))
    expect((await rosters.load(mine)).items.get(contact.toString())).toMatchObject({ name: text, groups: [text], pendingIn: text })
    expect((await rosters.load(other)).items.size).toBe(0)
    await offline.add(mine, text, text, 1, { messages: 10, bytes: 1_000 })
    expect((await offline.read(mine)).map(({ stanza }) => stanza)).toEqual([text])
    expect(await offline.read(other)).toEqual([])
    await values.remove(mine, text)
    expect(await values.get(other, 'key')).toBe('theirs')
    expect(await accounts.find(user(local))).toBeDefined()
  })

  test('and no domain or name lists more than its own', async () => {
    for (const text of ['%', '_', '%.test']) expect(await place.store.accounts.list(text, 10)).toEqual([])
    expect((await place.store.accounts.list('example.com', 100)).length).toBe(2 * TEXTS.length)
  })
})
