/**
 * FAST tokens (XEP-0484 §5.1). Owns `fast_tokens`. Each change is a compare-and-set in the database, so that it does not matter
 * which node a client comes to.
 */
import { digest, lockAccount } from './columns.js'
import type { Database, Sql, Statement } from './database.js'
import type { AccountRef, TokenRow, TokenRows } from './store.js'

const LIVE: readonly TokenRow['state'][] = ['new', 'current']

/** One read for a login. */
const OF: Statement = {
  name: 'tokens',
  text: 'select nonce, mechanism, state, issued_at, expires_at, use_count from fast_tokens where account_id = ? and agent_key = ?'
}

interface Row {
  readonly nonce: string
  readonly mechanism: string
  readonly state: TokenRow['state']
  readonly issued_at: number
  readonly expires_at: number
  readonly use_count: number
}

interface Client {
  readonly account_id: number
  readonly agent_key: string
}

const clientOf = (account: AccountRef, agent: string): Client => ({ account_id: account.id, agent_key: digest(agent) })

export class SqlTokenRows implements TokenRows {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async of(account: AccountRef, agent: string): Promise<readonly TokenRow[]> {
    const rows = await this.#database.rows<Row>(OF, [account.id, digest(agent)])
    return rows.map(({ nonce, mechanism, state, issued_at, expires_at, use_count }) =>
      ({ nonce, mechanism, state, issuedAt: issued_at, expiresAt: expires_at, count: use_count }))
  }

  issue(...[account, agent, row, max]: Parameters<TokenRows['issue']>): Promise<void> {
    const { nonce, mechanism, state, issuedAt, expiresAt, count } = row
    const client = clientOf(account, agent)
    return this.#database.transaction(async (sql) => {
      await lockAccount(sql, account.id, ['id'])
      // Of those dropped by tokens that came after them only the last is remembered.
      await sql('fast_tokens').where({ ...client, state: 'dropped' }).delete()
      await makeWay(sql, client, issuedAt)
      await makeRoom(sql, account, max)
      await sql('fast_tokens').insert({
        ...client, nonce, mechanism, state, issued_at: issuedAt, expires_at: expiresAt, use_count: count
      })
    })
  }

  use(...[account, agent, { nonce, expiresAt }, count]: Parameters<TokenRows['use']>): Promise<boolean> {
    const client = clientOf(account, agent)
    return this.#database.transaction(async (sql) => {
      // Who has counted once must go on counting.
      const hit = await sql('fast_tokens').where({ ...client, nonce }).whereIn('state', LIVE).andWhere('use_count', '<', count ?? 1)
        .update({ state: 'current', use_count: count ?? 0 })
      if (hit === 0) return false
      await sql('fast_tokens').where(client).andWhere('expires_at', '<', expiresAt).update({ state: 'dropped' })
      return true
    })
  }

  drop(account: AccountRef, agent: string, nonce: string): Promise<boolean> {
    const client = clientOf(account, agent)
    return this.#database.transaction(async (sql) => {
      const hit = await dropTokens(sql, { ...client, nonce })
      await dropTokens(sql, { ...client })
      return hit > 0
    })
  }

  async dropAll(account: AccountRef): Promise<void> {
    await this.#database.write((sql) => dropTokens(sql, { account_id: account.id }))
  }

  async forget(expiredBefore: number): Promise<void> {
    await this.#database.write((sql) => sql('fast_tokens').where('expires_at', '<', expiredBefore).delete())
  }
}

/** §3.5: an unused one goes, but not the only one that the client can have: the answer with the next may never reach it. */
async function makeWay(sql: Sql, client: Client, now: number): Promise<void> {
  const current: unknown = await sql('fast_tokens').where({ ...client, state: 'current' }).andWhere('expires_at', '>', now).first('nonce')
  if (current !== undefined) await dropTokens(sql, { ...client, state: 'new' })
  else await sql('fast_tokens').where({ ...client, state: 'new' }).update({ state: 'current' })
}

/** How many were not dropped before. */
export function dropTokens(sql: Sql, which: object): PromiseLike<number> {
  return sql('fast_tokens').where(which).whereIn('state', LIVE).update({ state: 'dropped' })
}

async function makeRoom(sql: Sql, account: AccountRef, max: number): Promise<void> {
  const mine = { account_id: account.id }
  const rows = await sql('fast_tokens').where(mine).orderBy('expires_at', 'desc').select<Client[]>('agent_key', 'nonce')
  for (const row of rows.slice(max - 1)) await sql('fast_tokens').where({ ...mine, ...row }).delete()
}
