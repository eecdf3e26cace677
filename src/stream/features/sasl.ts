/**
 * SASL (RFC 6120 §6): which mechanisms are offered, the exchange, its failures and their pace. The mechanisms
 * themselves are `mechanisms.ts`.
 */
import { StreamError } from '../../xmpp/errors.js'
import type { RawElement } from '../../xml/raw.js'
import { SaslFailure, type Authenticator } from '../authenticator.js'
import { strictBase64 } from '../base64.js'
import { NS_SASL } from '../namespaces.js'
import type { Feature, FeatureHost, Negotiator, Outcome } from './feature.js'
import { beginExchange, isPlain, mechanismNames, type Answer, type Exchange } from './mechanisms.js'

export interface SaslParts {
  readonly authenticator: Authenticator
  readonly tlsRequired: (domain: string) => boolean
  readonly plainWithoutTls: boolean
  /** Failures that a stream may have. */
  readonly tries: number
  /** From the peer's element to the failure. */
  readonly delayMs: number
}

export function sasl(parts: SaslParts): Feature {
  return {
    id: 'sasl',
    needs: [],
    forbids: ['authenticated', 'sasl2'],
    sets: ['authenticated'],
    restarts: true,
    claims: (element) => element.ns === NS_SASL,
    offer: (host) => offer(offered(parts, host)),
    begin: (host) => new SaslNegotiator(parts, host),
    misplaced() {
      throw new StreamError('policy-violation', 'Already logged in, or by another profile')   // RFC 4422 §3.8
    }
  }
}

function offer(names: readonly string[]): string {
  if (names.length === 0) return ''
  const list = names.map((name) => `<mechanism>${name}</mechanism>`).join('')
  return `<mechanisms xmlns='${NS_SASL}'>${list}</mechanisms>`
}

/** Mechanisms that may be used now; all known ones are `mechanismNames`. RFC 6120 §6.3.4. */
function offered({ authenticator, tlsRequired, plainWithoutTls }: SaslParts, host: FeatureHost): readonly string[] {
  const { secure } = host.flags
  if (!secure && tlsRequired(host.domain)) return []
  const names = mechanismNames(authenticator)
  return secure || plainWithoutTls ? names : names.filter((name) => !isPlain(name))
}

class SaslNegotiator implements Negotiator {
  readonly #parts: SaslParts
  readonly #host: FeatureHost
  #exchange: Exchange | undefined
  #mechanism = ''
  #failures = 0

  constructor(parts: SaslParts, host: FeatureHost) {
    this.#parts = parts
    this.#host = host
  }

  async take(element: RawElement): Promise<Outcome> {
    const startedAt = this.#host.clock.now()
    try {
      const answer = await this.#answer(element)
      return this.#host.alive ? this.#say(answer) : 'over'
    } catch (error) {
      if (error instanceof StreamError) throw error
      return this.#fail(this.#asFailure(error), startedAt)
    }
  }

  #answer(element: RawElement): Promise<Answer> | Answer {
    switch (element.name) {
      case 'auth': return this.#begin(element)
      case 'response': return this.#next(dataOf(element))
      case 'abort': throw new SaslFailure('aborted', 'the client gave up')         // §6.4.4
      default: throw new SaslFailure('malformed-request', `<${element.name}/> from a client`)
    }
  }

  // §6.4.2. An exchange that is open is dropped for the new one.
  #begin(element: RawElement): Promise<Answer> | Answer {
    this.#exchange = undefined
    this.#mechanism = ''
    const name = element.attrs['mechanism'] ?? ''
    this.#checkMechanism(name)
    this.#host.raise(['sasl'])
    this.#mechanism = name
    this.#exchange = beginExchange(name, this.#parts.authenticator, this.#host)
    // §6.3.10: without an initial response an empty challenge asks for it.
    return element.inside.length === 0 ? { kind: 'challenge', data: '' } : this.#next(dataOf(element))
  }

  #checkMechanism(name: string): void {
    if (offered(this.#parts, this.#host).includes(name)) return
    if (mechanismNames(this.#parts.authenticator).includes(name)) {
      throw new SaslFailure('encryption-required', `${name} without TLS`)          // §6.5.4
    }
    throw new SaslFailure('invalid-mechanism', 'a mechanism that is not offered')  // §6.5.7
  }

  #next(data: Buffer): Promise<Answer> | Answer {
    if (this.#exchange === undefined) throw new SaslFailure('malformed-request', 'a response without a challenge')
    return this.#exchange.next(data)
  }

  #say(answer: Answer): Outcome {
    if (answer.kind === 'challenge') {
      this.#host.send(dataElement('challenge', answer.data))
      return 'more'
    }
    const { claimed } = this.#host
    if (claimed !== undefined && !claimed.equals(answer.identity.jid)) {
      throw new StreamError('invalid-from', 'The header named another account')    // §6.4.6
    }
    this.#exchange = undefined
    this.#host.authenticated(answer.identity)
    this.#host.send(dataElement('success', answer.data))
    return 'done'
  }

  #asFailure(error: unknown): SaslFailure {
    if (error instanceof SaslFailure) return error
    this.#host.log.error({ err: error, stream: this.#host.id }, 'auth.error')
    return new SaslFailure('temporary-auth-failure', 'an error of ours')
  }

  // §6.4.5. The same pace for all reasons, so that time tells nothing.
  async #fail(failure: SaslFailure, startedAt: number): Promise<Outcome> {
    const host = this.#host
    const mechanism = this.#mechanism
    this.#exchange = undefined
    this.#failures++
    host.log.info(
      { reason: failure.condition, detail: failure.message, mechanism, failures: this.#failures, stream: host.id }, 'auth.failed')
    const refused = isGuess(failure) && host.authFailed()
    if (failure.condition !== 'aborted') await this.#pace(startedAt)
    if (!host.alive) return 'over'
    if (refused || this.#failures > this.#parts.tries) throw new StreamError('policy-violation', 'Too many failed logins')
    host.send(`<failure xmlns='${NS_SASL}'><${failure.condition}/></failure>`)
    return 'more'
  }

  #pace(startedAt: number): Promise<void> {
    const { clock } = this.#host
    const wanted = this.#parts.delayMs * (1 + Math.random() / 4)
    const wait = Math.max(0, startedAt + wanted - clock.now())
    return new Promise((resolve) => {
      clock.after(wait, resolve)
    })
  }
}

// Clients that speak badly or faults of ours say nothing about who guesses passwords.
function isGuess({ condition }: SaslFailure): boolean {
  return condition === 'not-authorized'
}

// §6.4.2: "=" is data of no length.
function dataOf(element: RawElement): Buffer {
  if (element.children.length > 0) throw new SaslFailure('malformed-request', 'elements inside')
  const text = element.inside.toString('latin1')
  if (text === '' || text === '=') return Buffer.alloc(0)
  const data = strictBase64(text)
  if (data === undefined) throw new SaslFailure('incorrect-encoding', 'not strict base 64')
  return data
}

function dataElement(name: 'challenge' | 'success', data: string | undefined): string {
  if (data === undefined || data === '') return `<${name} xmlns='${NS_SASL}'/>`
  return `<${name} xmlns='${NS_SASL}'>${Buffer.from(data).toString('base64')}</${name}>`
}
