/** Accounts and their SCRAM keys (RFC 5802 §3). Owns `accounts` and `scram_keys`; the password itself is never kept. */
import type { Clock } from '../telemetry/clock.js'
import { Jid } from '../xmpp/jid.js'
import { digest, insertNumbered, lockAccount } from './columns.js'
import type { Database, Sql, Statement } from './database.js'
import { dropTokens } from './tokens.js'
import { StorageError, type AccountRecord, type AccountRef, type Accounts, type ScramHash, type ScramKeys } from './store.js'

interface KeyRow {
  readonly hash: ScramHash | null
  readonly salt: string
  readonly iterations: number
  readonly stored_key: string
  readonly server_key: string
}

interface LoginRow extends KeyRow {
  readonly id: number
  readonly disabled: number
  readonly created_at: number
}

/** One read for a login. */
const FIND: Statement = {
  name: 'account',
  text: 'select a.id, a.disabled, a.created_at, k.hash, k.salt, k.iterations, k.stored_key, k.server_key ' +
    'from accounts a left join scram_keys k on k.account_id = a.id where a.jid_key = ?'
}

export class SqlAccounts implements Accounts {
  readonly #database: Database
  readonly #clock: Clock

  constructor(database: Database, clock: Clock) {
    this.#database = database
    this.#clock = clock
  }

  async find(jid: Jid): Promise<AccountRecord | undefined> {
    const bare = jid.bare
    const rows = await this.#database.rows<LoginRow>(FIND, [digest(bare.toString())])
    const [first] = rows
    if (first === undefined) return undefined
    const keys = rows.flatMap(keysOf)
    return { id: first.id, jid: bare, keys, disabled: first.disabled !== 0, createdAt: first.created_at }
  }

  async create(jid: Jid, keys: readonly ScramKeys[]): Promise<AccountRecord | undefined> {
    const bare = jid.bare
    const createdAt = Math.floor(this.#clock.wall())
    const jidKey = digest(bare.toString())
    const row = { jid_key: jidKey, domain: bare.domain, local: bare.local, created_at: createdAt }
    try {
      const id = await this.#database.transaction(async (sql) => {
        const known: unknown = await sql('accounts').where({ jid_key: jidKey }).first('id')
        if (known !== undefined) return undefined
        const made = await insertNumbered(this.#database.kind, sql, { table: 'accounts', column: 'id' }, row)
        await insertKeys(sql, made, keys)
        return made
      })
      return id === undefined ? undefined : { id, jid: bare, keys: [...keys], disabled: false, createdAt }
    } catch (error) {
      // Somebody made it between our look and our insert.
      if (error instanceof StorageError && error.kind === 'refused' && (await this.find(bare)) !== undefined) return undefined
      throw error
    }
  }

  setKeys(account: AccountRef, keys: readonly ScramKeys[]): Promise<void> {
    return this.#database.transaction(async (sql) => {
      await lockAccount(sql, account.id, ['id'])
      await sql('scram_keys').where({ account_id: account.id }).delete()
      await insertKeys(sql, account.id, keys)
      await dropTokens(sql, { account_id: account.id })
    })
  }

  setDisabled({ id }: AccountRef, disabled: boolean): Promise<void> {
    return this.#database.transaction(async (sql) => {
      await lockAccount(sql, id, ['id'])
      await sql('accounts').where({ id }).update({ disabled: disabled ? 1 : 0 })
      if (disabled) await dropTokens(sql, { account_id: id })
    })
  }

  addKeys(account: AccountRef, keys: ScramKeys): Promise<void> {
    return this.#database.transaction(async (sql) => {
      await lockAccount(sql, account.id, ['id'])
      await sql('scram_keys').where({ account_id: account.id, hash: keys.hash }).delete()
      await insertKeys(sql, account.id, [keys])
    })
  }

  async remove(jid: Jid): Promise<boolean> {
    // Everything of it refers to it with `on delete cascade`: one statement, one transaction.
    const jidKey = digest(jid.bare.toString())
    return (await this.#database.write((sql) => sql('accounts').where({ jid_key: jidKey }).delete())) > 0
  }

  async count(domain: string): Promise<number> {
    const [row] = await this.#database.read((sql) => sql('accounts').where({ domain }).count({ n: '*' }))
    return Number(row?.['n'])          // text on some databases
  }

  async list(domain: string, limit: number, after?: string): Promise<readonly Jid[]> {
    const rows = await this.#database.read((sql) => {
      const page = sql('accounts').where({ domain }).orderBy('local').limit(limit).select('local')
      return after === undefined ? page : page.andWhere('local', '>', after)
    })
    return rows.map(({ local }: { local: string }) => new Jid(local, domain, ''))
  }
}

function keysOf({ hash, salt, iterations, stored_key, server_key }: KeyRow): ScramKeys[] {
  if (hash === null) return []
  const bytes = (text: string): Buffer => Buffer.from(text, 'base64')
  return [{ hash, salt: bytes(salt), iterations, storedKey: bytes(stored_key), serverKey: bytes(server_key) }]
}

async function insertKeys(sql: Sql, id: number, keys: readonly ScramKeys[]): Promise<void> {
  if (keys.length === 0) return
  await sql('scram_keys').insert(keys.map(({ hash, salt, iterations, storedKey, serverKey }) => ({
    account_id: id,
    hash,
    salt: salt.toString('base64'),
    iterations,
    stored_key: storedKey.toString('base64'),
    server_key: serverKey.toString('base64')
  })))
}
