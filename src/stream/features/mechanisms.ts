/**
 * The SASL mechanisms: SCRAM (RFC 5802, RFC 7677) by the pure rules, PLAIN (RFC 4616). What an exchange is, and which
 * there are, best first.
 */
import { randomBytes } from 'node:crypto'
import { challenge, finish, parseClientFirst, ScramFault, type Challenge, type ScramHash } from '../../rules/scram.js'
import { JidError, parseJid, type Jid } from '../../xmpp/jid.js'
import { SaslFailure, type Authenticator, type Identity, type ScramSecret } from '../authenticator.js'
import { parsePlain } from './plain.js'

export type Answer =
  | { readonly kind: 'challenge'; readonly data: string }
  | { readonly kind: 'success'; readonly data: string | undefined; readonly identity: Identity }

/** One run of one mechanism. Throws or rejects with `SaslFailure`. */
export interface Exchange {
  next(message: Buffer): Answer | Promise<Answer>
}

export function isPlain(mechanism: string): boolean {
  return mechanism === 'PLAIN'
}

export function mechanismNames(authenticator: Authenticator): readonly string[] {
  return [...authenticator.hashes.map((hash) => `SCRAM-${hash}`), 'PLAIN']
}

export function beginExchange(mechanism: string, authenticator: Authenticator, { domain }: { readonly domain: string }): Exchange {
  const hash = authenticator.hashes.find((known) => mechanism === `SCRAM-${known}`)
  return hash === undefined ? plainExchange(authenticator, domain) : scramExchange(authenticator, domain, hash)
}

function plainExchange(authenticator: Authenticator, domain: string): Exchange {
  return {
    async next(message) {
      const { authzid, username, password } = parsePlain(message)
      const identity = await authenticator.plain(username, domain, password)
      checkAuthzid(authzid, identity)
      return { kind: 'success', data: undefined, identity }
    }
  }
}

const NONCE_BYTES = 18

interface Challenged {
  readonly challenge: Challenge
  readonly secret: ScramSecret
}

function scramExchange(authenticator: Authenticator, domain: string, hash: ScramHash): Exchange {
  let challenged: Challenged | undefined

  async function begin(message: Buffer): Promise<Answer> {
    const first = faultsAsFailures(() => parseClientFirst(message))
    const secret = await authenticator.scram(first.username, domain, hash)
    challenged = { secret, challenge: challenge(first, secret.keys, randomBytes(NONCE_BYTES).toString('base64')) }
    return { kind: 'challenge', data: challenged.challenge.message }
  }

  return {
    next: (message) => challenged === undefined ? begin(message) : prove(challenged, message)
  }
}

function prove({ challenge: sent, secret: { identity, disabled } }: Challenged, message: Buffer): Answer {
  const data = faultsAsFailures(() => finish(sent, message))
  if (identity === undefined) throw new SaslFailure('not-authorized', 'a name that nobody has')
  if (disabled) throw new SaslFailure('account-disabled', 'a disabled account')       // RFC 6120 §6.5.2
  checkAuthzid(sent.first.authzid, identity)
  return { kind: 'success', data, identity }
}

function faultsAsFailures<T>(rule: () => T): T {
  try {
    return rule()
  } catch (error) {
    if (error instanceof ScramFault) throw new SaslFailure(error.condition, error.message)
    throw error
  }
}

/** RFC 6120 §6.3.8: nobody acts for another account here, and an authorization identity is a bare JID. */
export function checkAuthzid(authzid: string | undefined, identity: Identity): void {
  if (authzid === undefined || authzid === '') return
  if (jidOf(authzid)?.equals(identity.jid) !== true) throw new SaslFailure('invalid-authzid', 'to act for somebody else')
}

function jidOf(text: string): Jid | undefined {
  try {
    return parseJid(text)
  } catch (error) {
    if (error instanceof JidError) return undefined
    throw error
  }
}
