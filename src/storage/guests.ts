/**
 * The store as guests see it (XEP-0175): they are found like accounts, and nothing of theirs is kept. The one place that
 * knows the difference: what would be written for a guest is refused, what is read is empty, and no query is made.
 */
import type { Clock } from '../telemetry/clock.js'
import { StanzaError } from '../xmpp/errors.js'
import { guestOf, isGuest, type Guest } from '../xmpp/guest.js'
import type { Jid } from '../xmpp/jid.js'
import type { AccountRecord, Accounts, OfflineMessages, Rosters, Store, Values } from './store.js'

export interface GuestRules {
  /** Whether a domain has guests. */
  readonly admits: (domain: string) => boolean
  readonly clock: Clock
}

const refused = (): Promise<never> => Promise.reject(new StanzaError('cancel', 'not-allowed', 'Nothing is kept for guests'))

export function withGuests(store: Store, rules: GuestRules): Store {
  return {
    accounts: accountsWith(store.accounts, rules), rosters: rostersWith(store.rosters),
    values: valuesWith(store.values), offline: offlineWith(store.offline)
  }
}

function accountsWith(accounts: Accounts, { admits, clock }: GuestRules): Accounts {
  const guestAt = (jid: Jid): Guest | undefined => (admits(jid.domain) ? guestOf(jid) : undefined)
  const record = (guest: Guest): AccountRecord => ({ ...guest, keys: [], disabled: false, createdAt: Math.floor(clock.wall()) })
  return {
    find: (jid) => {
      const guest = guestAt(jid)
      return guest === undefined ? accounts.find(jid) : Promise.resolve(record(guest))
    },
    create: (jid, keys) => (guestAt(jid) === undefined ? accounts.create(jid, keys) : Promise.resolve(undefined)),
    setKeys: (account, keys) => (isGuest(account) ? refused() : accounts.setKeys(account, keys)),
    setDisabled: (account, disabled) => (isGuest(account) ? refused() : accounts.setDisabled(account, disabled)),
    addKeys: (account, keys) => (isGuest(account) ? refused() : accounts.addKeys(account, keys)),
    remove: (jid) => accounts.remove(jid),
    count: (domain) => accounts.count(domain),
    list: (domain, limit, after) => accounts.list(domain, limit, after)
  }
}

function rostersWith(rosters: Rosters): Rosters {
  return {
    load: (account) => (isGuest(account) ? Promise.resolve({ version: 0, items: new Map() }) : rosters.load(account)),
    update: (account, contact, change) => (isGuest(account) ? refused() : rosters.update(account, contact, change)),
    changesSince: (account, version) => (isGuest(account) ? Promise.resolve(undefined) : rosters.changesSince(account, version))
  }
}

function valuesWith(values: Values): Values {
  return {
    get: (account, key) => (isGuest(account) ? Promise.resolve(undefined) : values.get(account, key)),
    set: (account, key, value) => (isGuest(account) ? refused() : values.set(account, key, value)),
    update: (account, key, change) => (isGuest(account) ? refused() : values.update(account, key, change)),
    note: (account, key, change) => (isGuest(account) ? undefined : values.note(account, key, change)),
    remove: (account, key) => (isGuest(account) ? Promise.resolve() : values.remove(account, key))
  }
}

/** A guest who does not take a message has gone for good (RFC 6121 §8.5.2.2.1). */
function offlineWith(offline: OfflineMessages): OfflineMessages {
  const gone = (): Promise<never> => Promise.reject(new StanzaError('cancel', 'service-unavailable'))
  return {
    add: (account, ...message) => (isGuest(account) ? gone() : offline.add(account, ...message)),
    read: (account) => (isGuest(account) ? Promise.resolve([]) : offline.read(account)),
    remove: (account, rows) => (isGuest(account) ? Promise.resolve() : offline.remove(account, rows))
  }
}
