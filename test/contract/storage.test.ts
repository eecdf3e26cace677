/** One suite for the repositories on all three databases: accounts, rosters, values, offline messages. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { StanzaError } from '../../src/xmpp/errors.js'
import { Jid } from '../../src/xmpp/jid.js'
import { KINDS } from '../databases.js'
import { account, keysFor, opened, rosterItem, user, type Opened } from '../storage/opened.js'
import { startWorker } from '../storage/processes.js'

const PLENTY = { messages: 100, bytes: 10_000_000 }

describe.each(KINDS)('storage on %s', (kind) => {
  let open: Opened
  beforeAll(async () => {
    open = await opened(kind)
  }, 60_000)
  afterAll(() => open.end())

  describe('accounts', () => {
    test('an account is found with all its keys in one read (RFC 5802 §3)', async () => {
      const { accounts } = open.store
      const made = await accounts.create(user('romeo'), [keysFor('SHA-1'), keysFor('SHA-512')])
      const found = await accounts.find(new Jid('romeo', 'example.com', 'orchard'))
      expect(found?.id).toBe(made?.id)
      expect(String(found?.jid)).toBe('romeo@example.com')
      expect(found?.keys).toEqual([keysFor('SHA-1'), keysFor('SHA-512')])
      expect(found?.disabled).toBe(false)
      expect(found?.createdAt).toBe(made?.createdAt)
    })

    test('a second account of the same name is not made, whoever comes first', async () => {
      const { accounts } = open.store
      const made = await Promise.all([1, 2, 3, 4].map(() => accounts.create(user('tybalt'), [keysFor()])))
      expect(made.filter((each) => each !== undefined)).toHaveLength(1)
    })

    test('new keys replace all old ones', async () => {
      const { accounts } = open.store
      const mercutio = await account(open.store, 'mercutio')
      await accounts.setKeys(mercutio, [keysFor('SHA-512')])
      expect((await accounts.find(mercutio.jid))?.keys.map((key) => key.hash)).toEqual(['SHA-512'])
    })

    test('an account is disabled and enabled again, and keeps its keys', async () => {
      const { accounts } = open.store
      const tybalt = await account(open.store, 'disabled')
      await accounts.setDisabled(tybalt, true)
      expect(await accounts.find(tybalt.jid)).toMatchObject({ id: tybalt.id, disabled: true, keys: [{ hash: expect.any(String) }] })
      await accounts.setDisabled(tybalt, false)
      expect((await accounts.find(tybalt.jid))?.disabled).toBe(false)
      await accounts.remove(tybalt.jid)
      await expect(accounts.setDisabled(tybalt, true)).rejects.toMatchObject({ kind: 'refused' })
    })

    test('nobody is found who is not there', async () => {
      expect(await open.store.accounts.find(user('nobody'))).toBeUndefined()
      expect(await open.store.accounts.remove(user('nobody'))).toBe(false)
    })

    test('an account is removed with all that belongs to it', async () => {
      const { accounts, rosters, values, offline } = open.store
      const paris = await account(open.store, 'paris')
      await rosters.update(paris, user('juliet'), () => rosterItem(user('juliet')))
      await rosters.update(paris, user('old'), () => rosterItem(user('old')))
      await rosters.update(paris, user('old'), () => undefined)
      await values.set(paris, 'vcard', '<vCard/>')
      await offline.add(paris, 'a:1:0', '<message/>', 1, PLENTY)
      expect(await accounts.remove(paris.jid)).toBe(true)
      for (const table of ['scram_keys', 'roster_items', 'roster_removed', 'account_values', 'offline_messages']) {
        expect(await open.database.read((sql) => sql(table).where({ account_id: paris.id }).select())).toEqual([])
      }
      const again = await account(open.store, 'paris')
      expect(again.id).toBeGreaterThan(paris.id)
      expect((await rosters.load(again)).items.size).toBe(0)
    })

    test('nothing is written for an account that is gone', async () => {
      const gone = await account(open.store, 'gone')
      await open.store.accounts.remove(gone.jid)
      await expect(open.store.values.set(gone, 'k', 'v')).rejects.toMatchObject({ kind: 'refused' })
      await expect(open.store.offline.add(gone, 'a:1:0', 'x', 1, PLENTY)).rejects.toMatchObject({ kind: 'refused' })
      await expect(open.store.rosters.update(gone, user('j'), () => rosterItem(user('j')))).rejects.toMatchObject({ kind: 'refused' })
    })

    test('accounts are listed sorted, page by page, of one domain', async () => {
      const { accounts } = open.store
      for (const local of ['c', 'a', 'b', 'é']) await accounts.create(user(local, 'list.example'), [])
      expect([await accounts.count('list.example'), await accounts.count('none.example')]).toEqual([4, 0])
      const first = await accounts.list('list.example', 2)
      expect(first.map(String)).toEqual(['a@list.example', 'b@list.example'])
      const rest = await accounts.list('list.example', 10, 'b')
      expect(rest.map(String)).toEqual(['c@list.example', 'é@list.example'])
    })
  })

  describe('rosters (RFC 6121 §2)', () => {
    test('an item comes back as it was stored', async () => {
      const { rosters } = open.store
      const owner = await account(open.store, 'r1')
      const item = rosterItem(user('juliet'), {
        name: 'Juliet 🌹', groups: ['Friends', 'é "x"'], subscription: 'both', ask: true, approved: true, pendingIn: '<presence/>'
      })
      const change = await rosters.update(owner, user('juliet'), () => item)
      expect(change).toEqual({ before: undefined, after: item, version: 1 })
      const roster = await rosters.load(owner)
      expect(roster.version).toBe(1)
      expect(roster.items.get('juliet@example.com')).toEqual(item)
    })

    test('a domain may be a contact', async () => {
      const owner = await account(open.store, 'r2')
      const contact = new Jid('', 'gateway.example', '')
      await open.store.rosters.update(owner, contact, () => rosterItem(contact))
      expect((await open.store.rosters.load(owner)).items.get('gateway.example')?.jid.equals(contact)).toBe(true)
    })

    test('the version grows only when what is shown has changed (§2.6.2, §3.1.3)', async () => {
      const { rosters } = open.store
      const owner = await account(open.store, 'r3')
      const nurse = user('nurse')
      const pending = rosterItem(nurse, { listed: false, pendingIn: '<presence/>' })
      expect((await rosters.update(owner, nurse, () => pending)).version).toBe(0)
      expect((await rosters.update(owner, nurse, (item) => item && { ...item, listed: true })).version).toBe(1)
      expect((await rosters.update(owner, nurse, (item) => item && { ...item, pendingIn: undefined })).version).toBe(1)
      expect((await rosters.update(owner, nurse, (item) => item)).version).toBe(1)
      expect((await rosters.update(owner, nurse, () => undefined)).version).toBe(2)
      expect((await rosters.update(owner, nurse, () => undefined)).version).toBe(2)
    })

    test('what changed since a version is told, removals too (§2.6.3)', async () => {
      const { rosters } = open.store
      const owner = await account(open.store, 'r4')
      for (const name of ['a', 'b', 'c']) await rosters.update(owner, user(name), () => rosterItem(user(name)))
      await rosters.update(owner, user('a'), () => undefined)
      await rosters.update(owner, user('b'), (item) => item && { ...item, name: 'B' })
      const changes = await rosters.changesSince(owner, 2)
      expect(changes?.version).toBe(5)
      expect(changes?.changed.map(({ version, jid, item }) => [version, String(jid), item?.name])).toEqual([
        [3, 'c@example.com', ''], [4, 'a@example.com', undefined], [5, 'b@example.com', 'B']
      ])
      expect(await rosters.changesSince(owner, 5)).toEqual({ version: 5, changed: [] })
      await rosters.update(owner, user('a'), () => rosterItem(user('a')))
      const last = await rosters.changesSince(owner, 3)
      expect(last?.changed.map(({ jid, item }) => [String(jid), item !== undefined])).toEqual([
        ['b@example.com', true], ['a@example.com', true]
      ])
    })

    test('a version of the future or too long ago is not answered with changes', async () => {
      const { rosters } = open.store
      const owner = await account(open.store, 'r5')
      await rosters.update(owner, user('a'), () => rosterItem(user('a')))
      expect(await rosters.changesSince(owner, 99)).toBeUndefined()
      const removed = Array.from({ length: 200 }, (_, n) => ({
        account_id: owner.id, contact_key: `k${n}`, contact: `x${n}@example.com`, version: n + 2
      }))
      await open.database.write((sql) => sql('roster_removed').insert(removed))
      await open.database.write((sql) => sql('accounts').where({ id: owner.id }).update({ roster_version: 201 }))
      await rosters.update(owner, user('a'), () => undefined)
      expect(await rosters.changesSince(owner, 1)).toBeUndefined()
      expect((await rosters.changesSince(owner, 2))?.changed).toHaveLength(200)
    })

    test('an error thrown in a change changes nothing and arrives as it is', async () => {
      const { rosters } = open.store
      const owner = await account(open.store, 'r6')
      const refuse = (): never => {
        throw new StanzaError('modify', 'not-acceptable')
      }
      await expect(rosters.update(owner, user('a'), refuse)).rejects.toBeInstanceOf(StanzaError)
      expect((await rosters.load(owner)).items.size).toBe(0)
    })

    test('50 updates at once lose none, and each sees the size before it', async () => {
      const { rosters } = open.store
      const owner = await account(open.store, 'r7')
      const contacts = Array.from({ length: 50 }, (_, n) => user(`contact${n}`))
      const sizes: number[] = []
      await Promise.all(contacts.map((contact) => rosters.update(owner, contact, (_, size) => {
        sizes.push(size)
        return rosterItem(contact)
      })))
      const roster = await rosters.load(owner)
      expect(roster.items.size).toBe(50)
      expect(roster.version).toBe(50)
      expect([...new Set(sizes)].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, n) => n))
    })

    test('50 changes of one item at once lose none', async () => {
      const { rosters } = open.store
      const owner = await account(open.store, 'r8')
      const one = user('one')
      await Promise.all(Array.from({ length: 50 }, (_, n) => rosters.update(owner, one, (item) => {
        const before = item ?? rosterItem(one)
        return { ...before, groups: [...before.groups, `g${n}`] }
      })))
      expect((await rosters.load(owner)).items.get(String(one))?.groups).toHaveLength(50)
    })
  })

  describe('values', () => {
    test('a value is set, replaced, changed and removed', async () => {
      const { values } = open.store
      const owner = await account(open.store, 'v1')
      expect(await values.get(owner, 'k')).toBeUndefined()
      await values.set(owner, 'k', '')
      expect(await values.get(owner, 'k')).toBe('')
      await values.set(owner, 'k', 'one')
      expect(await values.update(owner, 'k', (value) => `${value} two`)).toBe('one two')
      expect(await values.update(owner, 'new', (value) => value ?? 'made')).toBe('made')
      expect(await values.update(owner, 'k', () => undefined)).toBeUndefined()
      expect(await values.get(owner, 'k')).toBeUndefined()
      await values.remove(owner, 'new')
      expect(await values.get(owner, 'new')).toBeUndefined()
    })

    test('keys of any length are told apart by every byte', async () => {
      const { values } = open.store
      const owner = await account(open.store, 'v2')
      const keys = ['k', 'K', 'k ', 'ḱ', '', 'x'.repeat(5000), `${'x'.repeat(4999)}y`]
      for (const key of keys) await values.set(owner, key, `of ${key}`)
      for (const key of keys) expect(await values.get(owner, key)).toBe(`of ${key}`)
    })

    test('three processes with 100 transactions each lose none', async () => {
      const owner = await account(open.store, 'v3')
      const workers = [startWorker(), startWorker(), startWorker()]
      const { settings } = open.fresh
      await Promise.all(workers.map((worker) => worker.run({ task: 'count', settings, account: { id: owner.id }, times: 100 })))
      for (const worker of workers) worker.end()
      expect(await open.store.values.get(owner, 'counter')).toBe('300')
    }, 60_000)
  })

  describe('offline messages (XEP-0160)', () => {
    test('a message of the same origin is stored once and keeps its number', async () => {
      const { offline } = open.store
      const owner = await account(open.store, 'o1')
      const first = await offline.add(owner, 'a:1:0', '<message>one</message>', 5, PLENTY)
      const other = await offline.add(owner, 'a:2:0', '<message>two</message>', 6, PLENTY)
      expect(await offline.add(owner, 'a:1:0', '<message>one</message>', 7, PLENTY)).toBe(first)
      expect(await offline.read(owner)).toEqual([
        { row: first, key: 'a:1:0', stanza: '<message>one</message>', at: 5 },
        { row: other, key: 'a:2:0', stanza: '<message>two</message>', at: 6 }
      ])
    })

    test('rows are read in their order, and by index within an origin session', async () => {
      const { offline } = open.store
      const owner = await account(open.store, 'o2')
      for (const key of ['s:x:2:0', 't:1:0', 's:x:10:0', 's:x:1:1', 's:x:1:0']) await offline.add(owner, key, key, 1, PLENTY)
      const rows = await offline.read(owner)
      expect(rows.map((row) => row.key)).toEqual(['s:x:1:0', 't:1:0', 's:x:1:1', 's:x:2:0', 's:x:10:0'])
    })

    test('the limits of an account hold, in messages and in bytes', async () => {
      const { offline } = open.store
      const owner = await account(open.store, 'o3')
      expect(await offline.add(owner, 'a:1:0', 'éé', 1, { messages: 2, bytes: 3 })).toBeUndefined()
      expect(await offline.add(owner, 'a:1:0', 'éé', 1, { messages: 2, bytes: 4 })).toBeDefined()
      expect(await offline.add(owner, 'a:2:0', 'x', 1, { messages: 2, bytes: 4 })).toBeUndefined()
      expect(await offline.add(owner, 'a:2:0', 'x', 1, { messages: 1, bytes: 99 })).toBeUndefined()
    })

    test('rows go by number, and only those of the account; a number never comes back', async () => {
      const { offline } = open.store
      const [one, other] = [await account(open.store, 'o4'), await account(open.store, 'o5')]
      const row = (await offline.add(one, 'a:1:0', 'x', 1, PLENTY)) ?? 0
      await offline.remove(other, [row])
      expect(await offline.read(one)).toHaveLength(1)
      await offline.remove(one, [row])
      expect(await offline.read(one)).toEqual([])
      expect(await offline.add(one, 'a:1:0', 'x', 1, PLENTY)).toBeGreaterThan(row)
      await offline.remove(one, [])
    })
  })
})
