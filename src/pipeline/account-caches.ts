/**
 * Per-account data that plugins keep in memory on each node: bounded, loaded once for all who wait, forgotten here and
 * on every live node when it changes. Also the look-up of accounts themselves.
 */
import { LRUCache } from 'lru-cache'
import type { AccountRef, Store } from '../storage/store.js'
import type { Jid } from '../xmpp/jid.js'
import type { AccountCache } from './api.js'

/** Entries of one cache: the accounts that are busy at one time on one node; more would only be memory. */
const ENTRIES_MAX = 20_000
/** No plugin's cache is called so. */
const ACCOUNTS = ':account'

interface Kept<T> {
  readonly value: T
}
interface Shelf {
  readonly kept: LRUCache<string, Kept<unknown>>
  /** Under way; an entry that is no longer here when its load ends was forgotten meanwhile and is not kept. */
  readonly loading: Map<string, Promise<unknown>>
}

export interface AccountCachesOptions {
  readonly store: Store
  /** Makes all other live nodes forget; resolves when they have. */
  readonly invalidate: (cache: string, key: string) => Promise<void>
  readonly entriesMax?: number
}

export class AccountCaches {
  readonly #store: Store
  readonly #invalidate: AccountCachesOptions['invalidate']
  readonly #entriesMax: number
  readonly #shelves = new Map<string, Shelf>()

  constructor(options: AccountCachesOptions) {
    this.#store = options.store
    this.#invalidate = options.invalidate
    this.#entriesMax = options.entriesMax ?? ENTRIES_MAX
  }

  /** Now when kept, otherwise a promise. */
  read<T>(cache: AccountCache<T>, account: AccountRef): T | Promise<T> {
    const shelf = this.#shelf(cache.name)
    const key = account.jid.toString()
    const kept = shelf.kept.get(key) as Kept<T> | undefined
    return kept === undefined ? load(shelf, key, () => cache.load(this.#store, account)) : kept.value
  }

  forget<T>(cache: AccountCache<T>, account: AccountRef): Promise<void> {
    return this.#forget(cache.name, account.jid.toString())
  }

  /** `undefined` when there is no such account; that is not kept, because others may create it. */
  findAccount(jid: Jid): AccountRef | undefined | Promise<AccountRef | undefined> {
    const shelf = this.#shelf(ACCOUNTS)
    const key = jid.bare.toString()
    const kept = shelf.kept.get(key) as Kept<AccountRef> | undefined
    return kept === undefined ? load(shelf, key, () => this.#find(jid.bare)) : kept.value
  }

  /** Everything about an account that was removed, here and on every live node. */
  async forgetAccount(jid: Jid): Promise<void> {
    const key = jid.bare.toString()
    await Promise.all([...this.#shelves.keys()].map((name) => this.#forget(name, key)))
  }

  /** Another node says that its `key` changed. */
  invalidated(cache: string, key: string): void {
    const shelf = this.#shelves.get(cache)
    shelf?.kept.delete(key)
    shelf?.loading.delete(key)
  }

  /** When this node has been out of touch. */
  clear(): void {
    for (const shelf of this.#shelves.values()) {
      shelf.kept.clear()
      shelf.loading.clear()
    }
  }

  #forget(name: string, key: string): Promise<void> {
    this.invalidated(name, key)
    return this.#invalidate(name, key)
  }

  async #find(jid: Jid): Promise<AccountRef | undefined> {
    const record = await this.#store.accounts.find(jid)
    return record === undefined || record.disabled ? undefined : { id: record.id, jid: record.jid }
  }

  #shelf(name: string): Shelf {
    const known = this.#shelves.get(name)
    if (known !== undefined) return known
    const shelf: Shelf = { kept: new LRUCache({ max: this.#entriesMax }), loading: new Map() }
    this.#shelves.set(name, shelf)
    return shelf
  }
}

function load<T>(shelf: Shelf, key: string, start: () => Promise<T>): Promise<T> {
  const under = shelf.loading.get(key) as Promise<T> | undefined
  if (under !== undefined) return under
  const loading: Promise<T> = start().then((value) => {
    if (shelf.loading.get(key) === loading && value !== undefined) shelf.kept.set(key, { value })
    return value
  }).finally(() => {
    if (shelf.loading.get(key) === loading) shelf.loading.delete(key)
  })
  shelf.loading.set(key, loading)
  return loading
}
