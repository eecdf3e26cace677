/** How the sources treat secrets: compared in constant time (A14), drawn from the system's generator (A19). */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'

const src = join(import.meta.dirname, '..', '..', 'src')
const lines = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts')).flatMap((file) =>
  readFileSync(join(src, file), 'utf8').split('\n').map((text) => ({ file, text: text.trim() })))

const SECRET = '(?:stored_?key|server_?key|client_?key|proof|signature|secret|token|password|passphrase|verifier|nonce|hmac|digest|cookie|csrf)s?'
/** Whether there is one, how many or how long it is, is no secret. */
const EQUAL = new RegExp(`${SECRET}\\)? ?[!=]==? (?!undefined|null|''|0\\b|true|false)|[!=]==? [\\w.#?]*${SECRET}\\b(?!\\.length|:)`, 'i')

/** What is called so and is none, by file. */
const HARMLESS: Readonly<Record<string, RegExp>> = {
  'cluster/peer.ts': /ping\.token !== token/,                 // the number of a ping
  'storage/nodes.ts': /bootNonce === claim\.bootNonce/,       // a node's own row, and public
  'cluster/beat.ts': /bootNonce === this\.parts\.life\.bootNonce/,
  'server-accounts.ts': /kind [!=]== ACCOUNT_NOTICES\.password/  // what was changed, not what it is
}

test('A14: no secret is compared with === or !==', () => {
  const found = lines.filter(({ file, text }) => EQUAL.test(text) && HARMLESS[file]?.test(text) !== true && !/\.length [!=]==/.test(text))
  expect(found).toEqual([])
})

test('A14: the check sees what it should', () => {
  const bad = ['if (sent.proof === proof)', 'return storedKey !== row.storedKey', 'a === this.#secret', "password == 'x'", 'hmac(a) === digest(b)']
  expect(bad.filter((text) => !EQUAL.test(text))).toEqual([])
  const good = ["password === ''", 'proof === undefined', 'secret.length === 0', 'a === b']
  expect(good.filter((text) => EQUAL.test(text))).toEqual([])
})

test('A19: chance that anybody could foresee decides nothing but pauses', () => {
  const allowed = ['stream/features/tries.ts', 'storage/database.ts', 'storage/values.ts', 'cluster/links.ts']  // jitter
  expect([...new Set(lines.filter(({ text }) => text.includes('Math.random')).map(({ file }) => file))]
    .filter((file) => !allowed.includes(file))).toEqual([])
})
