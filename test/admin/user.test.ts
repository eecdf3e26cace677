/** `starling user`: what it does to the database, what it tells live nodes, how it refuses. */
import { beforeEach, describe, expect, test } from '@jest/globals'
import { addUser, changePassword, deleteUser, listUsers, setUserDisabled, type UserPorts } from '../../src/admin/user.js'
import type { AccountRecord, ScramKeys } from '../../src/storage/store.js'
import { verifyPassword } from '../../src/rules/scram.js'
import { parseJid, type Jid } from '../../src/xmpp/jid.js'

class Fake {
  readonly known = new Map<string, AccountRecord>()
  readonly notices: string[] = []
  readonly printed: string[] = []
  typed = 'typed'
  readonly ports: UserPorts = {
    domains: ['example.org'],
    print: (line) => void this.printed.push(line),
    iterations: 4096,
    readPassword: () => Promise.resolve(this.typed),
    cluster: { notify: async (kind, subject) => void this.notices.push(`${kind} ${subject}`) },
    accounts: {
      find: async (jid: Jid) => this.known.get(jid.toString()),
      create: async (jid: Jid, keys: readonly ScramKeys[]) => {
        const made = { id: this.known.size, jid, keys, disabled: false, createdAt: 0 }
        this.known.set(jid.toString(), made)
        return made
      },
      setKeys: async ({ jid }, keys) => void this.known.set(jid.toString(), { ...(this.known.get(jid.toString()) as AccountRecord), keys }),
      setDisabled: async ({ jid }, disabled) =>
        void this.known.set(jid.toString(), { ...(this.known.get(jid.toString()) as AccountRecord), disabled }),
      addKeys: async () => undefined,
      count: async () => this.known.size,
      remove: async (jid: Jid) => this.known.delete(jid.toString()),
      list: async (domain, limit, after) => [...this.known.values()].map(({ jid }) => jid)
        .filter((jid) => jid.domain === domain && (after === undefined || jid.local > after)).sort((a, b) =>
          (a.local < b.local ? -1 : 1)).slice(0, limit)
    }
  }
}

let fake: Fake
beforeEach(() => {
  fake = new Fake()
})
const passes = async (password: string): Promise<boolean[]> =>
  Promise.all((fake.known.get('romeo@example.org')?.keys ?? []).map((keys) => verifyPassword(keys, password)))

describe('starling user add', () => {
  test('stores keys of three hashes, never the password, and tells the nodes', async () => {
    await addUser(fake.ports, 'Romeo@example.org', 'secret')
    expect(await passes('secret')).toEqual([true, true, true])
    expect(fake.notices).toEqual(['account-added romeo@example.org'])
    expect(fake.printed).toEqual(['added romeo@example.org'])
  })

  test('asks for a password that is not given', async () => {
    await addUser(fake.ports, 'romeo@example.org')
    expect(await passes('typed')).toEqual([true, true, true])
  })

  test('an existing account is refused with a sentence and exit code 1', async () => {
    await addUser(fake.ports, 'romeo@example.org', 'secret')
    await expect(addUser(fake.ports, 'romeo@example.org', 'other')).rejects.toMatchObject(
      { message: 'the account romeo@example.org exists already', exitCode: 1 })
    expect(await passes('secret')).toContain(true)
  })

  test.each([
    ['romeo@other.org', /not a served domain/, 1], ['example.org', /not an account's address/, 64],
    ['romeo@example.org/balcony', /not an account's address/, 64], ['ro meo@example.org', /not an address/, 64]
  ])('%s is refused', async (address, message, exitCode) => {
    await expect(addUser(fake.ports, address, 'x')).rejects.toMatchObject({ message: expect.stringMatching(message), exitCode })
  })

  test.each(['', 'a\u0007b', 'x'.repeat(1025)])('a password that nobody can have is refused (RFC 4013)', async (password) => {
    await expect(addUser(fake.ports, 'romeo@example.org', password)).rejects.toMatchObject({ exitCode: 1 })
  })
})

describe('starling user passwd, delete, list', () => {
  test('passwd replaces the keys and tells the nodes', async () => {
    await addUser(fake.ports, 'romeo@example.org', 'secret')
    await changePassword(fake.ports, 'romeo@example.org', 'other')
    expect(await passes('secret')).not.toContain(true)
    expect(await passes('other')).not.toContain(false)
    expect(fake.notices.at(-1)).toBe('password-changed romeo@example.org')
    await expect(changePassword(fake.ports, 'juliet@example.org', 'x')).rejects.toMatchObject({ exitCode: 1 })
  })

  test('disable tells the nodes, enable need not; a missing account is refused', async () => {
    await addUser(fake.ports, 'romeo@example.org', 'secret')
    await setUserDisabled(fake.ports, 'romeo@example.org', true)
    expect(fake.known.get('romeo@example.org')?.disabled).toBe(true)
    await setUserDisabled(fake.ports, 'romeo@example.org', false)
    expect(fake.known.get('romeo@example.org')?.disabled).toBe(false)
    expect(fake.notices.slice(1)).toEqual(['account-disabled romeo@example.org'])
    expect(fake.printed.slice(1)).toEqual(['disabled romeo@example.org', 'enabled romeo@example.org'])
    await expect(setUserDisabled(fake.ports, 'juliet@example.org', true)).rejects.toMatchObject({ exitCode: 1 })
  })

  test('delete tells the nodes, a missing account is refused with exit code 1', async () => {
    await addUser(fake.ports, 'romeo@example.org', 'secret')
    await deleteUser(fake.ports, 'romeo@example.org')
    expect(fake.notices.at(-1)).toBe('account-removed romeo@example.org')
    await expect(deleteUser(fake.ports, 'romeo@example.org')).rejects.toMatchObject({ message: 'there is no account romeo@example.org',
      exitCode: 1 })
  })

  test('list goes through all pages', async () => {
    for (let i = 0; i < 1100; i++) await fake.ports.accounts.create(parseJid(`u${String(i).padStart(4, '0')}@example.org`), [])
    await listUsers(fake.ports)
    expect(fake.printed).toHaveLength(1100)
    expect(new Set(fake.printed).size).toBe(1100)
  })
})
