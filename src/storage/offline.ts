/**
 * Messages kept for accounts without a device (XEP-0160). Owns `offline_messages`. Rows are numbered by the database,
 * never twice, and removed by number; the origin's key makes a repeat recognisable.
 */
import { insertNumbered, lockAccount } from './columns.js'
import type { Database, Sql, Statement } from './database.js'
import type { AccountRef, OfflineLimit, OfflineMessages, OfflineRow } from './store.js'

/** Marks in one statement: SQLite allows 32,766, and each number of marks is one text to prepare. */
const REMOVE_AT_ONCE = 200

/** One read for a login. */
const READ: Statement = {
  name: 'offline',
  text: 'select row_no, origin_key, stanza, at_ms from offline_messages where account_id = ? order by row_no'
}

interface Row {
  readonly row_no: number
  readonly origin_key: string
  readonly stanza: string
  readonly at_ms: number
}

export class SqlOfflineMessages implements OfflineMessages {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  add(...[account, key, stanza, at, limit]: Parameters<OfflineMessages['add']>): Promise<number | undefined> {
    const bytes = Buffer.byteLength(stanza)
    return this.#database.transaction(async (sql) => {
      // Numbers of one account grow in the order of commits.
      await lockAccount(sql, account.id, ['id'])
      const known: unknown = await sql('offline_messages').where({ account_id: account.id, origin_key: key }).first('row_no')
      if (known !== undefined) return (known as Row).row_no
      if (!(await fits(sql, account, bytes, limit))) return undefined
      const row = { account_id: account.id, origin_key: key, stanza, stanza_bytes: bytes, at_ms: at }
      return insertNumbered(this.#database.kind, sql, { table: 'offline_messages', column: 'row_no' }, row)
    })
  }

  async read(account: AccountRef): Promise<readonly OfflineRow[]> {
    const rows = await this.#database.rows<Row>(READ, [account.id])
    return byOrigin(rows.map(({ row_no, origin_key, stanza, at_ms }) => ({ row: row_no, key: origin_key, stanza, at: at_ms })))
  }

  async remove(account: AccountRef, rows: readonly number[]): Promise<void> {
    for (let start = 0; start < rows.length; start += REMOVE_AT_ONCE) {
      const some = rows.slice(start, start + REMOVE_AT_ONCE)
      await this.#database.write((sql) => sql('offline_messages').where({ account_id: account.id }).whereIn('row_no', some).delete())
    }
  }
}

async function fits(sql: Sql, account: AccountRef, bytes: number, limit: OfflineLimit): Promise<boolean> {
  const row = await sql('offline_messages').where({ account_id: account.id }).count({ n: '*' }).sum({ bytes: 'stanza_bytes' }).first()
  return Number(row?.['n'] ?? 0) < limit.messages && Number(row?.['bytes'] ?? 0) + bytes <= limit.bytes
}

interface Origin {
  readonly session: string
  readonly index: number
  readonly part: number
}

/** `osid:index:k`; the session's id may hold colons itself. */
function originOf(key: string): Origin {
  const last = key.lastIndexOf(':')
  const middle = key.lastIndexOf(':', last - 1)
  if (middle < 0) return { session: key, index: 0, part: 0 }
  return { session: key.slice(0, middle), index: Number(key.slice(middle + 1, last)), part: Number(key.slice(last + 1)) }
}

/** The places of a session's rows stay; in them stand its rows by index: a stanza that was stored late is not read late. */
function byOrigin(rows: readonly OfflineRow[]): readonly OfflineRow[] {
  const sessions = new Map<string, { readonly origin: Origin; readonly row: OfflineRow }[]>()
  const order = rows.map((row) => {
    const origin = originOf(row.key)
    const known = sessions.get(origin.session)
    if (known === undefined) sessions.set(origin.session, [{ origin, row }])
    else known.push({ origin, row })
    return origin.session
  })
  // Backwards, so that the next one of a session is the last of its list.
  for (const list of sessions.values()) list.sort((a, b) => b.origin.index - a.origin.index || b.origin.part - a.origin.part)
  return order.flatMap((session) => sessions.get(session)?.pop()?.row ?? [])
}
