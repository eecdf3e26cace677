/** SASLprep (RFC 4013) for passwords. The one importer of @mongodb-js/saslprep. */
import { saslprep } from '@mongodb-js/saslprep'

/** Longer ones are refused before anything is hashed. */
export const PASSWORD_BYTES_MAX = 1024

/** The prepared password, or `undefined` for one that nobody can have: empty, too long, with forbidden characters. */
export function preparePassword(password: string): string | undefined {
  if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) return undefined
  try {
    return saslprep(password) || undefined
  } catch {
    return undefined
  }
}
