/** How values of the protocol stand in columns: keys of any length as digests, bare JIDs as text, booleans as INT. */
import { hash } from 'node:crypto'
import { Jid } from '../xmpp/jid.js'
import type { Sql } from './database.js'
import type { DatabaseKind } from './settings.js'
import { StorageError } from './store.js'

/** SHA-256, hexadecimal: equal exactly when the texts are equal byte by byte, whatever the collation. */
export function digest(text: string): string {
  return hash('sha256', text)
}

/** From our own tables only: the parts were prepared when they came in. */
export function bareJid(text: string): Jid {
  const at = text.indexOf('@')
  return at < 0 ? new Jid('', text, '') : new Jid(text.slice(0, at), text.slice(at + 1), '')
}

export const flag = (value: boolean): number => (value ? 1 : 0)

/**
 * Locks the account's row to the end of the transaction: what belongs to one account changes one after another, and
 * never after the account is gone.
 */
export async function lockAccount<Row extends object>(sql: Sql, id: number, columns: readonly string[]): Promise<Row> {
  const row: unknown = await sql('accounts').where({ id }).forUpdate().first(...columns)
  if (row === undefined) throw new StorageError('the account is gone', 'refused')
  return row as Row
}

interface Numbered {
  readonly table: string
  readonly column: string
}

/** Inserts one row and returns the number that the database gave it. */
export async function insertNumbered(kind: DatabaseKind, sql: Sql, { table, column }: Numbered, row: object): Promise<number> {
  const insert = sql(table).insert(row)
  const [made] = (kind === 'postgresql' ? await insert.returning(column) : await insert) as unknown[]
  return Number(typeof made === 'object' && made !== null ? (made as Record<string, unknown>)[column] : made)
}
