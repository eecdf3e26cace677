/**
 * Hashed Token, the SASL mechanisms HT-SHA-256-* of FAST (draft-schmaus-kitten-sasl-ht-09 §3): what the client shows, what the
 * server shows, both proving that they know the token. Pure.
 */
import { createHmac } from 'node:crypto'

const PROOF_BYTES = 32
/** No localpart is longer (RFC 7622 §3.3). */
const NAME_BYTES_MAX = 1023

export interface HashedToken {
  readonly username: string
  readonly proof: Buffer
}

/** `undefined` for what is no such message. */
export function parseHashedToken(message: Buffer): HashedToken | undefined {
  const end = message.indexOf(0)
  if (end < 1 || end > NAME_BYTES_MAX || message.length !== end + 1 + PROOF_BYTES) return undefined
  try {
    const username = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(message.subarray(0, end))
    return { username, proof: message.subarray(end + 1) }
  } catch {
    return undefined
  }
}

/** @param binding data of the channel that the mechanism names; empty for -NONE */
export function hashedToken(token: string, who: 'Initiator' | 'Responder', binding: Buffer): Buffer {
  return createHmac('sha256', token).update(who).update(binding).digest()
}
