/** From a password on the command line to what is stored of it (RFC 5802 §3). */
import { randomBytes } from 'node:crypto'
import { deriveAllKeys, SALT_BYTES, type ScramKeys } from '../rules/scram.js'
import { preparePassword } from '../xmpp/saslprep.js'

/** `undefined` for a password that nobody can have: empty, too long, with forbidden characters (RFC 4013). */
export async function keysOf(password: string, iterations?: number): Promise<readonly ScramKeys[] | undefined> {
  const prepared = preparePassword(password)
  return prepared === undefined ? undefined : deriveAllKeys(prepared, randomBytes(SALT_BYTES), iterations)
}
