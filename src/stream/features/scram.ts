/** One login with SCRAM (RFC 5802, RFC 7677): the pure rules with the secrets of an account and the channel of a stream. */
import { randomUUID } from 'node:crypto'
import {
  challenge, finish, judgeBinding, parseClientFirst, ScramFault, type Challenge, type ClientFirst, type ScramHash
} from '../../rules/scram.js'
import { SaslFailure, type ScramSecret } from '../authenticator.js'
import { checkAuthzid, type Answer, type Exchange, type ExchangeParts, type LoginStream } from './exchange.js'

const UNBOUND = Buffer.alloc(0)

interface Challenged {
  readonly challenge: Challenge
  readonly secret: ScramSecret
}

/** @param plus the mechanism is the one with -PLUS */
export function scramExchange(parts: ExchangeParts, hash: ScramHash, plus: boolean): Exchange {
  const { rules: { authenticator }, stream, offer } = parts
  let challenged: Challenged | undefined

  async function begin(message: Buffer): Promise<Answer> {
    const first = faultsAsFailures(() => parseClientFirst(message))
    faultsAsFailures(() => judgeBinding(first, plus, offer.bindings.length > 0), true)
    const channel = { data: plus ? channelData(parts, first) : UNBOUND, offerHash: offer.hash(hash) }
    const secret = await authenticator.scram(first.username, stream.domain, hash)
    challenged = { secret, challenge: challenge(first, secret.keys, randomUUID() + randomUUID(), channel) }
    return { kind: 'challenge', data: challenged.challenge.message }
  }

  return {
    next: (message) => challenged === undefined ? begin(message) : prove(parts.stream, challenged, message)
  }
}

// RFC 5802 §6: a type that the server does not have fails the login.
function channelData({ stream, offer }: ExchangeParts, { bindingType }: ClientFirst): Buffer {
  const type = offer.bindings.find((known) => known === bindingType)
  const data = type === undefined ? undefined : stream.peer.tls?.channelBinding(type)
  if (data === undefined) {
    throw new SaslFailure('not-authorized', `no channel binding of the type ${bindingType} here`, { beforeNames: true })
  }
  return data
}

function prove(stream: LoginStream, { challenge: sent, secret: { identity, disabled } }: Challenged, message: Buffer): Answer {
  const data = faultsAsFailures(() => finish(sent, message))
  if (identity === undefined) throw new SaslFailure('not-authorized', 'a name that nobody has')
  if (disabled) throw new SaslFailure('account-disabled', 'a disabled account')       // RFC 6120 §6.5.2
  checkAuthzid(sent.first.authzid, identity, stream)
  return { kind: 'success', data, identity }
}

function faultsAsFailures<T>(rule: () => T, beforeNames = false): T {
  try {
    return rule()
  } catch (error) {
    if (error instanceof ScramFault) throw new SaslFailure(error.condition, error.message, { beforeNames })
    throw error
  }
}
