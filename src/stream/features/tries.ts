/**
 * Logins that fail (RFC 6120 §6.4.5): how many a stream may have, in whatever profile of SASL, how fast they are answered and
 * which of them count against the peer's address.
 */
import { StreamError } from '../../xmpp/errors.js'
import type { Identity } from '../authenticator.js'
import { SaslFailure } from '../authenticator.js'
import type { FeatureHost } from './feature.js'

export interface TriesSettings {
  /** Failures that a stream may have. */
  readonly tries: number
  /** From the peer's element to the failure. */
  readonly delayMs: number
}

export interface Attempt {
  /** '' if none was begun. */
  readonly mechanism: string
  /** By the host's clock. */
  readonly startedAt: number
}

export class LoginTries {
  readonly #settings: TriesSettings
  readonly #failures = new WeakMap<FeatureHost, number>()

  constructor(settings: TriesSettings) {
    this.#settings = settings
  }

  /**
   * What to tell the peer, when it is time to; `undefined` when the stream has ended meanwhile. Rejects with `StreamError`
   * after too many. The pace is the same for all reasons, so that time tells nothing.
   */
  async failed(host: FeatureHost, error: unknown, { mechanism, startedAt }: Attempt): Promise<SaslFailure | undefined> {
    if (error instanceof StreamError) throw error
    const failure = asFailure(error, host)
    const failures = (this.#failures.get(host) ?? 0) + (failure.beforeNames ? 0 : 1)
    this.#failures.set(host, failures)
    host.log.info({ reason: failure.condition, detail: failure.message, mechanism, failures, stream: host.id }, 'auth.failed')
    const refused = isGuess(failure) && host.authFailed()
    if (failure.condition !== 'aborted') await this.#pace(host, startedAt)
    if (!host.alive) return undefined
    if (refused || failures > this.#settings.tries) throw new StreamError('policy-violation', 'Too many failed logins')
    return failure
  }

  #pace({ clock }: FeatureHost, startedAt: number): Promise<void> {
    const wanted = this.#settings.delayMs * (1 + Math.random() / 4)
    const wait = Math.max(0, startedAt + wanted - clock.now())
    return new Promise((resolve) => {
      clock.after(wait, resolve)
    })
  }
}

/** The peer is `identity`; its header must not have named somebody else (RFC 6120 §6.4.6). Before the reply that says so. */
export function admit(host: FeatureHost, identity: Identity): void {
  if (host.claimed !== undefined && !host.claimed.equals(identity.jid)) {
    throw new StreamError('invalid-from', 'The header named another account')
  }
  host.authenticated(identity)
}

function asFailure(error: unknown, { log, id }: FeatureHost): SaslFailure {
  if (error instanceof SaslFailure) return error
  log.error({ err: error, stream: id }, 'auth.error')
  return new SaslFailure('temporary-auth-failure', 'an error of ours')
}

// Clients that speak badly or faults of ours say nothing about who guesses passwords.
function isGuess({ condition, beforeNames }: SaslFailure): boolean {
  return condition === 'not-authorized' && !beforeNames
}
