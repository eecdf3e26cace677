/**
 * Rosters (RFC 6121 §2), their versions (§2.6) and what was taken out of them. Owns `roster_items` and
 * `roster_removed`. Changes of one roster happen one after another: each locks the account's row first.
 */
import type { Jid } from '../xmpp/jid.js'
import { bareJid, digest, flag, lockAccount } from './columns.js'
import type { Database, Sql, Statement } from './database.js'
import type { AccountRef, Roster, RosterChange, RosterChanges, RosterItem, Rosters, Subscription } from './store.js'

interface ItemRow {
  readonly contact: string
  readonly version: number
  readonly name: string
  readonly group_names: string
  readonly subscription: Subscription
  readonly ask: number
  readonly approved: number
  readonly pending_in: string | null
  readonly listed: number
}

interface Versions {
  readonly roster_version: number
  /** Of removals up to this version nothing is known any more. */
  readonly roster_floor: number
}

/** The account's own columns stand in each row; a roster without items is one row without an item. */
type Joined = Versions & (ItemRow | { readonly contact: null })
type WithItem = Versions & ItemRow

const hasItem = (row: Joined): row is WithItem => row.contact !== null

/** A client that was away for more removals than this gets the whole roster. */
const REMOVED_MAX = 200

const ITEM = ['contact', 'version', 'name', 'group_names', 'subscription', 'ask', 'approved', 'pending_in', 'listed']

/** One read for a login: the version and the items of one moment. */
const LOAD: Statement = {
  name: 'roster',
  text: `select a.roster_version, ${ITEM.map((column) => `i.${column}`).join(', ')} ` +
    'from accounts a left join roster_items i on i.account_id = a.id where a.id = ?'
}

const CHANGES: Statement = {
  name: 'roster-changes',
  text: 'select a.roster_version, a.roster_floor, c.* from accounts a left join (' +
    `select account_id, ${ITEM.join(', ')} from roster_items where account_id = ? and version > ? and listed = 1 union all ` +
    "select account_id, contact, version, '', '', '', 0, 0, null, 0 from roster_removed where account_id = ? and version > ?" +
    ') c on c.account_id = a.id where a.id = ? order by c.version'
}

/** One for all who have no contacts. */
const NOBODY: ReadonlyMap<string, RosterItem> = new Map()

export class SqlRosters implements Rosters {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async load(account: AccountRef): Promise<Roster> {
    const rows = await this.#database.rows<Joined>(LOAD, [account.id])
    const items = new Map<string, RosterItem>()
    for (const row of rows) {
      if (hasItem(row)) items.set(row.contact, itemOf(row))
    }
    return { version: rows[0]?.roster_version ?? 0, items: items.size === 0 ? NOBODY : items }
  }

  update(
    account: AccountRef,
    contact: Jid,
    change: (item: RosterItem | undefined, size: number) => RosterItem | undefined
  ): Promise<RosterChange> {
    const place = { account_id: account.id, contact_key: digest(contact.bare.toString()) }
    return this.#database.transaction(async (sql) => {
      const versions = await lockAccount<Versions>(sql, account.id, ['roster_version', 'roster_floor'])
      const row = itemRow(await sql('roster_items').where(place).first(...ITEM))
      const size = await sql('roster_items').where({ account_id: account.id }).count({ n: '*' }).first()
      const before = row && itemOf(row)
      const after = change(before, Number(size?.['n'] ?? 0))
      if (after === before) return { before, after, version: versions.roster_version }
      const seen = !sameShown(before, after)
      const version = versions.roster_version + (seen ? 1 : 0)
      await writeItem(sql, place, after, seen ? version : row?.version ?? 0)
      if (seen) await writeVersion(sql, { ...place, contact: contact.bare.toString() }, { ...versions, roster_version: version }, after)
      return { before, after, version }
    })
  }

  async changesSince(account: AccountRef, version: number): Promise<RosterChanges | undefined> {
    const { id } = account
    const rows = await this.#database.rows<Joined>(CHANGES, [id, version, id, version, id])
    const [first] = rows
    // A version of the future is from another roster: the account was made anew.
    if (first === undefined || version < first.roster_floor || version > first.roster_version) return undefined
    const changed = rows.filter(hasItem).map((row) => ({
      version: row.version,
      jid: bareJid(row.contact),
      item: row.listed === 1 ? itemOf(row) : undefined
    }))
    return { version: first.roster_version, changed }
  }
}

const itemRow = (row: unknown): ItemRow | undefined => row as ItemRow | undefined

function itemOf(row: ItemRow): RosterItem {
  return {
    jid: bareJid(row.contact),
    name: row.name,
    groups: JSON.parse(row.group_names) as string[],
    subscription: row.subscription,
    ask: row.ask === 1,
    approved: row.approved === 1,
    pendingIn: row.pending_in ?? undefined,
    listed: row.listed === 1
  }
}

/** What a client gets to see of two states: a pending request is not part of it (RFC 6121 §3.1.3). */
function sameShown(before: RosterItem | undefined, after: RosterItem | undefined): boolean {
  const one = before?.listed === true ? before : undefined
  const other = after?.listed === true ? after : undefined
  if (one === undefined || other === undefined) return one === other
  return one.name === other.name && one.subscription === other.subscription && one.ask === other.ask &&
    one.approved === other.approved && JSON.stringify(one.groups) === JSON.stringify(other.groups)
}

interface Place {
  readonly account_id: number
  readonly contact_key: string
}

async function writeItem(sql: Sql, place: Place, item: RosterItem | undefined, version: number): Promise<void> {
  if (item === undefined) {
    await sql('roster_items').where(place).delete()
    return
  }
  const row = {
    contact: item.jid.bare.toString(),
    version,
    name: item.name,
    group_names: JSON.stringify(item.groups),
    subscription: item.subscription,
    ask: flag(item.ask),
    approved: flag(item.approved),
    pending_in: item.pendingIn ?? null,
    listed: flag(item.listed)
  }
  await sql('roster_items').insert({ ...place, ...row }).onConflict(['account_id', 'contact_key']).merge()
}

interface NamedPlace extends Place {
  readonly contact: string
}

async function writeVersion(sql: Sql, place: NamedPlace, versions: Versions, after: RosterItem | undefined): Promise<void> {
  const { account_id, contact_key } = place
  let floor = versions.roster_floor
  if (after?.listed === true) {
    await sql('roster_removed').where({ account_id, contact_key }).delete()
  } else {
    const row = { ...place, version: versions.roster_version }
    await sql('roster_removed').insert(row).onConflict(['account_id', 'contact_key']).merge()
    floor = Math.max(floor, await forgetOldest(sql, account_id))
  }
  await sql('accounts').where({ id: account_id }).update({ roster_version: versions.roster_version, roster_floor: floor })
}

/** Keeps the newest removals; returns the version up to which they are forgotten, 0 for none. */
async function forgetOldest(sql: Sql, id: number): Promise<number> {
  const removed = sql('roster_removed').where({ account_id: id })
  const oldest: unknown = await removed.clone().orderBy('version', 'desc').offset(REMOVED_MAX).first('version')
  if (oldest === undefined) return 0
  const { version } = oldest as { version: number }
  await removed.clone().andWhere('version', '<=', version).delete()
  return version
}
