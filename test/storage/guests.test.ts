import { describe, expect, test } from '@jest/globals'
import { withGuests } from '../../src/storage/guests.js'
import { guestOf, isGuest, newGuest } from '../../src/xmpp/guest.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { MemoryStore } from '../plugins/memory-store.js'
import { HandClock } from '../stream/hand-clock.js'

const store = withGuests(new MemoryStore(), { admits: (domain) => domain === 'open.test', clock: new HandClock() })
const guest = newGuest('open.test')

describe('guests', () => {
  test('are known by their address alone, on every node alike', async () => {
    expect(guestOf(guest.jid)).toEqual(guest)
    expect(isGuest(guest)).toBe(true)
    expect(await store.accounts.find(guest.jid)).toMatchObject({ id: guest.id, keys: [], disabled: false })
    expect(await store.accounts.find(guest.jid.withResource('x'))).toMatchObject({ id: guest.id })
  })

  test('are of domains that admit them; elsewhere the same name is nobody', async () => {
    expect(await store.accounts.find(newGuest('shut.test').jid)).toBeUndefined()
    expect(await store.accounts.create(guest.jid, [])).toBeUndefined()
    expect(await store.accounts.create(parseJid('guest-1@open.test'), [])).toMatchObject({ jid: parseJid('guest-1@open.test') })
  })

  test('A19: 10,000 of them have as many names and numbers', () => {
    const all = Array.from({ length: 10_000 }, () => newGuest('open.test'))
    expect(new Set(all.map(({ jid }) => jid.toString())).size).toBe(10_000)
    expect(new Set(all.map(({ id }) => id)).size).toBe(10_000)
    expect(all.every(({ id }) => id < 0 && Number.isSafeInteger(id))).toBe(true)
  })

  test('leave nothing: what would be written is refused, what is read is empty', async () => {
    const limit = { messages: 1, bytes: 1 }
    for (const write of [
      () => store.values.set(guest, 'k', 'v'), () => store.values.update(guest, 'k', () => 'v'), () => store.accounts.setKeys(guest, []),
      () => store.accounts.setDisabled(guest, true), () => store.rosters.update(guest, parseJid('a@open.test'), (item) => item)
    ]) await expect(write()).rejects.toMatchObject({ condition: 'not-allowed' })
    await expect(store.offline.add(guest, 'k', '<message/>', 0, limit)).rejects.toMatchObject({ condition: 'service-unavailable' })
    expect(await store.values.get(guest, 'k')).toBeUndefined()
    expect(await store.offline.read(guest)).toEqual([])
    expect((await store.rosters.load(guest)).items.size).toBe(0)
    expect(await store.rosters.changesSince(guest, 0)).toBeUndefined()
  })

  test('do not touch what accounts keep', async () => {
    const account = await store.accounts.create(parseJid('alice@open.test'), [])
    if (account === undefined) throw new Error('alice is there')
    await store.values.set(account, 'k', 'v')
    expect(await store.values.get(account, 'k')).toBe('v')
  })
})
