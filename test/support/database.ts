/** Accounts in a test's database, made through the repositories like the command line does. */
import { offlineKeys } from './keys.js'
import { openStore } from '../../src/storage/open.js'
import { parseJid } from '../../src/xmpp/jid.js'
import type { FreshDatabase } from '../databases.js'
import { silentLog } from './silent-log.js'

export type TestDatabase = Pick<FreshDatabase, 'settings' | 'jdbc' | 'userDb' | 'drop'>

export interface AccountDoor {
  add(user: string, domain: string, password: string): Promise<void>
  remove(user: string, domain: string): Promise<boolean>
  /** Localparts of all accounts there are, sorted. */
  names(domain: string): Promise<readonly string[]>
  /** Resolves when that many messages are stored for the account. */
  stored(user: string, domain: string, count: number): Promise<void>
  close(): Promise<void>
}

export async function openAccounts(database: TestDatabase): Promise<AccountDoor> {
  const opened = await openStore(database.settings, silentLog)
  await opened.migrate()
  return {
    async add(user, domain, password) {
      const made = await opened.store.accounts.create(parseJid(`${user}@${domain}`), await offlineKeys(password))
      if (made === undefined) throw new Error(`${user} is there already`)
    },
    remove: (user, domain) => opened.store.accounts.remove(parseJid(`${user}@${domain}`)),
    names: async (domain) => (await opened.store.accounts.list(domain, 1_000)).map(({ local }) => local),
    async stored(user, domain, count) {
      const account = await opened.store.accounts.find(parseJid(`${user}@${domain}`))
      if (account === undefined) throw new Error(`there is no ${user}`)
      const until = performance.now() + 10_000
      while ((await opened.store.offline.read(account)).length !== count) {
        if (performance.now() > until) throw new Error(`${user} has not ${count} stored messages`)
        await new Promise((done) => { setTimeout(done, 20) })
      }
    },
    close: () => opened.close()
  }
}
