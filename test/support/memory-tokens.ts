/** Token rows in memory, as the databases keep them; `test/contract/storage-tokens.test.ts` holds all of them to the same words. */
import type { AccountRef, TokenRow, TokenRows } from '../../src/storage/store.js'

interface Kept {
  readonly account: number
  readonly agent: string
  row: TokenRow
}

export class MemoryTokenRows implements TokenRows {
  #kept: Kept[] = []
  /** Set to make every query wait for it or fail with it. */
  weather: () => Promise<void> = () => Promise.resolve()

  async of(account: AccountRef, agent: string): Promise<readonly TokenRow[]> {
    await this.weather()
    return this.#of(account, agent).map(({ row }) => row)
  }

  async issue(...[account, agent, row, max]: Parameters<TokenRows['issue']>): Promise<void> {
    await this.weather()
    this.#kept = this.#kept.filter((one) => !(this.#of(account, agent).includes(one) && one.row.state === 'dropped'))
    const others = this.#of(account, agent)
    const has = others.some((one) => one.row.state === 'current' && one.row.expiresAt > row.issuedAt)
    for (const one of others) if (one.row.state === 'new') one.row = { ...one.row, state: has ? 'dropped' : 'current' }
    const mine = this.#kept.filter((one) => one.account === account.id).sort((a, b) => b.row.expiresAt - a.row.expiresAt)
    this.#kept = this.#kept.filter((one) => !mine.slice(max - 1).includes(one))
    this.#kept.push({ account: account.id, agent, row })
  }

  async use(...[account, agent, { nonce, expiresAt }, count]: Parameters<TokenRows['use']>): Promise<boolean> {
    await this.weather()
    const hit = this.#of(account, agent).find(({ row }) => row.nonce === nonce)
    if (hit === undefined || hit.row.state === 'dropped' || hit.row.count >= (count ?? 1)) return false
    hit.row = { ...hit.row, state: 'current', count: count ?? 0 }
    for (const one of this.#of(account, agent)) if (one.row.expiresAt < expiresAt) drop(one)
    return true
  }

  async drop(account: AccountRef, agent: string, nonce: string): Promise<boolean> {
    await this.weather()
    const hit = this.#of(account, agent).some(({ row }) => row.nonce === nonce && row.state !== 'dropped')
    for (const one of this.#of(account, agent)) drop(one)
    return hit
  }

  async dropAll(account: AccountRef): Promise<void> {
    await this.weather()
    for (const one of this.#kept) if (one.account === account.id) drop(one)
  }

  async forget(expiredBefore: number): Promise<void> {
    await this.weather()
    this.#kept = this.#kept.filter(({ row }) => row.expiresAt >= expiredBefore)
  }

  #of(account: AccountRef, agent: string): Kept[] {
    return this.#kept.filter((one) => one.account === account.id && one.agent === agent)
  }
}

function drop(one: Kept): void {
  one.row = { ...one.row, state: 'dropped' }
}
