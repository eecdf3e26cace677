/** A `Store` in memory, for plugins' tests: what the repositories promise, without a database. */
import type {
  AccountRecord, AccountRef, OfflineRow, Roster, RosterChange, RosterChanges, RosterItem, Store
} from '../../src/storage/store.js'
import { guestOf } from '../../src/xmpp/guest.js'
import type { Jid } from '../../src/xmpp/jid.js'

interface Kept {
  version: number
  readonly items: Map<string, RosterItem>
  readonly log: { version: number; jid: Jid; item: RosterItem | undefined }[]
}

export class MemoryStore implements Store {
  readonly #accounts = new Map<string, AccountRecord>()
  readonly #rosters = new Map<number, Kept>()
  readonly #values = new Map<string, string>()
  readonly #offline = new Map<number, OfflineRow[]>()
  #nextRow = 1

  add(jid: Jid): AccountRecord {
    const record = { id: guestOf(jid)?.id ?? this.#accounts.size + 1, jid, keys: [], disabled: false, createdAt: 0 }
    this.#accounts.set(jid.toString(), record)
    return record
  }

  readonly accounts: Store['accounts'] = {
    find: async (jid) => this.#accounts.get(jid.bare.toString()),
    create: async (jid) => (this.#accounts.has(jid.toString()) ? undefined : this.add(jid)),
    setKeys: async () => undefined,
    setDisabled: async () => undefined,
    addKeys: async () => undefined,
    remove: async (jid) => this.#accounts.delete(jid.toString()),
    count: async () => this.#accounts.size,
    list: async () => [...this.#accounts.values()].map((record) => record.jid)
  }

  readonly rosters: Store['rosters'] = {
    load: async (account): Promise<Roster> => {
      const { version, items } = this.#roster(account)
      return { version, items: new Map(items) }
    },
    update: async (account, contact, change): Promise<RosterChange> => {
      const roster = this.#roster(account)
      const before = roster.items.get(contact.toString())
      const after = change(before, roster.items.size)
      if (after === before) return { before, after, version: roster.version }
      if (after === undefined) roster.items.delete(contact.toString())
      else roster.items.set(contact.toString(), after)
      if (shown(before) !== shown(after)) {
        roster.version += 1
        roster.log.push({ version: roster.version, jid: contact, item: after?.listed === true ? after : undefined })
      }
      return { before, after, version: roster.version }
    },
    changesSince: async (account, version): Promise<RosterChanges | undefined> => {
      const roster = this.#roster(account)
      const latest = new Map(roster.log.filter((entry) => entry.version > version).map((entry) => [entry.jid.toString(), entry]))
      return { version: roster.version, changed: [...latest.values()] }
    }
  }

  readonly values: Store['values'] = {
    get: async (account, key) => this.#values.get(`${account.id} ${key}`),
    set: async (account, key, value) => {
      this.#values.set(`${account.id} ${key}`, value)
    },
    update: async (account, key, change) => {
      const value = change(this.#values.get(`${account.id} ${key}`))
      if (value === undefined) this.#values.delete(`${account.id} ${key}`)
      else this.#values.set(`${account.id} ${key}`, value)
      return value
    },
    note: (account, key, change) => void this.values.update(account, key, change),
    remove: async (account, key) => {
      this.#values.delete(`${account.id} ${key}`)
    }
  }

  readonly offline: Store['offline'] = {
    add: async (account, key, stanza, at, limit) => {
      const rows = this.#rows(account)
      const known = rows.find((row) => row.key === key)
      if (known !== undefined) return known.row
      const bytes = rows.reduce((sum, row) => sum + row.stanza.length, stanza.length)
      if (rows.length >= limit.messages || bytes > limit.bytes) return undefined
      rows.push({ row: this.#nextRow, key, stanza, at })
      return this.#nextRow++
    },
    read: async (account) => [...this.#rows(account)],
    remove: async (account, rows) => {
      this.#offline.set(account.id, this.#rows(account).filter((row) => !rows.includes(row.row)))
    }
  }

  #roster(account: AccountRef): Kept {
    const kept = this.#rosters.get(account.id) ?? { version: 1, items: new Map(), log: [] }
    this.#rosters.set(account.id, kept)
    return kept
  }

  #rows(account: AccountRef): OfflineRow[] {
    const rows = this.#offline.get(account.id) ?? []
    this.#offline.set(account.id, rows)
    return rows
  }
}

/** What a client sees of an item. */
function shown(item: RosterItem | undefined): string {
  if (item?.listed !== true) return ''
  return JSON.stringify([item.jid.toString(), item.name, item.groups, item.subscription, item.ask, item.approved])
}
