/**
 * Accounts for a load test: u0, u1 … with the password `pw`. The first is made through the server's own storage, the rest are copies of
 * its rows: 19,000 take seconds.
 */
import { randomBytes } from 'node:crypto'
import { deriveAllKeys } from '../dist/rules/scram.js'
import { digest } from '../dist/storage/columns.js'
import { openStore } from '../dist/storage/open.js'
import { parseJid } from '../dist/xmpp/jid.js'

const silent = { child: () => silent, trace() {}, debug() {}, info() {}, warn: console.error, error: console.error }
/** Rows of one statement, which is a union of so many for SQLite: it takes 500. */
const TOGETHER = 400
/**
 * As many as ejabberd's. To derive a key is the load generator's work, on its one core: with more for one server than for another it
 * would ask less often of that one, which then serves logins one by one that come together elsewhere.
 */
const ITERATIONS = 4_096
/** Who has contacts, where anybody has. */
const TALKERS = 100

/** The keys are those of one password under one salt: a login costs the same. With `contacts`, u0 to u99 have those after u99. */
export async function makeAccounts(file, count, contacts = 0) {
  const open = await openStore({ kind: 'sqlite', file, poolSize: 4, waitSeconds: 5 }, silent)
  try {
    await open.migrate()
    const first = await open.store.accounts.create(parseJid('u0@localhost'), await deriveAllKeys('pw', randomBytes(16), ITERATIONS))
    const more = Math.max(count, contacts > 0 ? TALKERS + contacts : 0) - 1
    await open.database.transaction(async (sql) => {
      const [account] = await sql('accounts').where({ id: first.id })
      const keys = await sql('scram_keys').where({ account_id: first.id })
      const numbers = Array.from({ length: more }, (_, i) => i + 1)
      await insert(sql, 'accounts', numbers.map((n) => ({ ...account, id: first.id + n, jid_key: digest(`u${n}@localhost`), local: `u${n}` })))
      await insert(sql, 'scram_keys', numbers.flatMap((n) => keys.map((key) => ({ ...key, account_id: first.id + n }))))
    })
    if (contacts > 0) await befriend(open, first, contacts)
  } finally {
    await open.close()
  }
}

/** Each of the talkers and each of the others see each other; the others are never there. */
async function befriend({ store, database }, first, contacts) {
  await store.rosters.update(first, parseJid(`u${TALKERS}@localhost`), () => ({
    jid: parseJid(`u${TALKERS}@localhost`), name: '', groups: [], subscription: 'both', ask: false, approved: false, pendingIn: undefined, listed: true
  }))
  await database.transaction(async (sql) => {
    const [item] = await sql('roster_items').where({ account_id: first.id })
    await sql('roster_items').delete()
    const others = Array.from({ length: contacts }, (_, i) => TALKERS + i)
    const of = (owner, n) => ({ ...item, account_id: first.id + owner, contact_key: digest(`u${n}@localhost`), contact: `u${n}@localhost` })
    for (let talker = 0; talker < TALKERS; talker++) {
      await insert(sql, 'roster_items', others.flatMap((other) => [of(talker, other), of(other, talker)]))
    }
  })
}

async function insert(sql, table, rows) {
  for (let at = 0; at < rows.length; at += TOGETHER) await sql(table).insert(rows.slice(at, at + TOGETHER))
}
