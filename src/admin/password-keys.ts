/** From a password to what is stored of it: one set of SCRAM keys for each hash (RFC 5802 §3). */
import { randomBytes } from 'node:crypto'
import { deriveKeys, SALT_BYTES, SCRAM_HASHES } from '../rules/scram.js'
import type { ScramKeys } from '../storage/store.js'
import { preparePassword } from '../xmpp/saslprep.js'

/** `undefined` for a password that nobody can have: empty, too long, with forbidden characters (RFC 4013). */
export async function keysOf(password: string): Promise<readonly ScramKeys[] | undefined> {
  const prepared = preparePassword(password)
  if (prepared === undefined) return undefined
  return Promise.all(SCRAM_HASHES.map((hash) => deriveKeys(prepared, hash, randomBytes(SALT_BYTES))))
}
