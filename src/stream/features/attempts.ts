/**
 * Failed logins of one stream (RFC 6120 §6.4.5): counted, told to operators, and answered at one pace whatever the reason
 * was, so that time tells nothing.
 */
import { StreamError } from '../../xmpp/errors.js'
import { SaslFailure } from '../authenticator.js'
import type { FeatureHost } from './feature.js'

export interface AttemptRules {
  /** Failures that a stream may have. */
  readonly tries: number
  /** From the peer's element to the failure. */
  readonly delayMs: number
}

export class Attempts {
  readonly #rules: AttemptRules
  readonly #host: FeatureHost
  #failures = 0

  constructor(rules: AttemptRules, host: FeatureHost) {
    this.#rules = rules
    this.#host = host
  }

  /**
   * What to answer, once it may be answered; the stream may have ended meanwhile. Throws `StreamError` when it is the last.
   * @param startedAt when the peer's element came
   */
  async failed(error: unknown, mechanism: string, startedAt: number): Promise<SaslFailure> {
    const host = this.#host
    const failure = this.#asFailure(error)
    const { condition, message } = failure
    const failures = ++this.#failures
    host.log.info({ reason: condition, detail: message, mechanism, failures, stream: host.id }, 'auth.failed')
    // Clients that speak badly or faults of ours say nothing about who guesses passwords.
    const refused = condition === 'not-authorized' && host.authFailed()
    if (condition !== 'aborted') await this.#pace(startedAt)
    if (refused || failures > this.#rules.tries) throw new StreamError('policy-violation', 'Too many failed logins')
    return failure
  }

  #asFailure(error: unknown): SaslFailure {
    if (error instanceof SaslFailure) return error
    this.#host.log.error({ err: error, stream: this.#host.id }, 'auth.error')
    return new SaslFailure('temporary-auth-failure', 'an error of ours')
  }

  #pace(startedAt: number): Promise<void> {
    const { clock } = this.#host
    const wanted = this.#rules.delayMs * (1 + Math.random() / 4)
    return new Promise((resolve) => {
      clock.after(Math.max(0, startedAt + wanted - clock.now()), resolve)
    })
  }
}
