/** The message of SASL PLAIN (RFC 4616 §2): authzid NUL authcid NUL passwd. */
import { SaslFailure } from '../authenticator.js'

export interface PlainMessage {
  readonly authzid: string | undefined
  readonly username: string
  readonly password: string
}

/** Longer passwords would only buy work; nobody has one. */
const PASSWORD_BYTES_MAX = 1024

/** Throws `SaslFailure`. */
export function parsePlain(message: Buffer): PlainMessage {
  const [authzid, username, password, ...more] = decode(message).split('\0')
  if (authzid === undefined || !username || !password || more.length > 0) {
    throw new SaslFailure('malformed-request', 'not authzid NUL authcid NUL password, the last two not empty')
  }
  if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) {
    throw new SaslFailure('not-authorized', `a password of more than ${PASSWORD_BYTES_MAX} bytes`)
  }
  return { authzid: authzid === '' ? undefined : authzid, username, password }
}

function decode(message: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(message)
  } catch {
    throw new SaslFailure('malformed-request', 'not UTF-8')
  }
}
