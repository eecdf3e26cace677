/** Accounts for a load test: u0, u1 … with the password `pw`, written through the server's own storage. */
import { randomBytes } from 'node:crypto'
import { deriveAllKeys } from '../dist/rules/scram.js'
import { openStore } from '../dist/storage/open.js'
import { parseJid } from '../dist/xmpp/jid.js'

const silent = { child: () => silent, trace() {}, debug() {}, info() {}, warn: console.error, error: console.error }
const TOGETHER = 50

/** The keys are those of one password under one salt: a login costs the same, making thousands costs little. */
export async function makeAccounts(file, count, contacts = 0) {
  const open = await openStore({ kind: 'sqlite', file, poolSize: 4, waitSeconds: 5 }, silent)
  try {
    await open.migrate()
    const keys = await deriveAllKeys('pw', randomBytes(16), 10_000)
    for (let first = 0; first < count; first += TOGETHER) {
      const some = Array.from({ length: Math.min(TOGETHER, count - first) }, (_, i) => first + i)
      await Promise.all(some.map((n) => open.store.accounts.create(parseJid(`u${n}@localhost`), keys)))
    }
    if (contacts > 0) await addContacts(open.store, contacts)
  } finally {
    await open.close()
  }
}

/** `contacts` entries in the rosters of the first 200 accounts: people who are never there. */
async function addContacts(store, contacts) {
  for (let n = 0; n < 200; n++) {
    const account = await store.accounts.find(parseJid(`u${n}@localhost`))
    if (account === undefined) return
    for (let first = 0; first < contacts; first += TOGETHER) {
      const some = Array.from({ length: Math.min(TOGETHER, contacts - first) }, (_, i) => parseJid(`friend${first + i}@localhost`))
      await Promise.all(some.map((jid) => (
        store.rosters.put(account, { jid, name: jid.local, groups: [], subscription: 'both', ask: false }))))
    }
  }
}
