/** SCRAM keys of a password for test accounts; derived once for each password, because that is slow on purpose. */
import { deriveKeys, SCRAM_HASHES, type ScramKeys } from '../../src/rules/scram.js'
import { randomBytes } from 'node:crypto'

const known = new Map<string, Promise<ScramKeys[]>>()

export function offlineKeys(password: string): Promise<ScramKeys[]> {
  const keys = known.get(password) ?? Promise.all(SCRAM_HASHES.map((hash) => deriveKeys(password, hash, randomBytes(16), 4096)))
  known.set(password, keys)
  return keys
}
