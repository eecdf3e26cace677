/**
 * SASL as RFC 6120 §6 has it: the offer, the elements of an exchange. The mechanisms themselves are `mechanisms.ts`, failures
 * and their pace `tries.ts`; SASL2 shares both.
 */
import { StreamError } from '../../xmpp/errors.js'
import type { RawElement } from '../../xml/raw.js'
import { SaslFailure } from '../authenticator.js'
import { strictBase64 } from '../base64.js'
import { NS_CHANNEL_BINDING, NS_SASL } from '../namespaces.js'
import type { Answer, Exchange, LoginRules, Offer } from './exchange.js'
import type { Feature, FeatureHost, Negotiator, Outcome } from './feature.js'
import { beginExchange, mechanismsFor, needsTls } from './mechanisms.js'
import { admit, type LoginTries } from './tries.js'

export interface SaslParts {
  readonly rules: LoginRules
  readonly tries: LoginTries
}

export function sasl(parts: SaslParts): Feature {
  const texts = new WeakMap<Offer, string>()
  return {
    id: 'sasl',
    needs: [],
    forbids: ['authenticated', 'sasl2'],
    sets: ['authenticated'],
    restarts: true,
    claims: (element) => element.ns === NS_SASL,
    offer(host) {
      const offer = mechanismsFor(parts.rules, host)
      const text = texts.get(offer) ?? offerText(offer)
      texts.set(offer, text)
      return text
    },
    begin: (host) => new SaslNegotiator(parts, host),
    misplaced() {
      throw new StreamError('policy-violation', 'Already logged in, or by another profile')   // RFC 4422 §3.8
    }
  }
}

// XEP-0440 §3: the bindings stand beside the mechanisms, for SASL2 too.
function offerText({ mechanisms, bindings }: Offer): string {
  if (mechanisms.length === 0) return ''
  const list = mechanisms.map((name) => `<mechanism>${name}</mechanism>`).join('')
  const types = bindings.map((type) => `<channel-binding type='${type}'/>`).join('')
  const told = types === '' ? '' : `<sasl-channel-binding xmlns='${NS_CHANNEL_BINDING}'>${types}</sasl-channel-binding>`
  return `<mechanisms xmlns='${NS_SASL}'>${list}</mechanisms>${told}`
}

class SaslNegotiator implements Negotiator {
  readonly #parts: SaslParts
  readonly #host: FeatureHost
  #exchange: Exchange | undefined
  #mechanism = ''

  constructor(parts: SaslParts, host: FeatureHost) {
    this.#parts = parts
    this.#host = host
  }

  take(element: RawElement): Outcome | Promise<Outcome> {
    const startedAt = this.#host.clock.now()
    try {
      const answer = this.#answer(element)
      return answer instanceof Promise ? this.#wait(answer, startedAt) : this.#say(answer)
    } catch (error) {
      return this.#fail(error, startedAt)
    }
  }

  async #wait(waiting: Promise<Answer>, startedAt: number): Promise<Outcome> {
    try {
      const answer = await waiting
      return this.#host.alive ? this.#say(answer) : 'over'
    } catch (error) {
      return this.#fail(error, startedAt)
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
    const { rules } = this.#parts
    const name = element.attrs['mechanism'] ?? ''
    const offer = mechanismsFor(rules, this.#host)
    if (needsTls(rules, this.#host, name, offer)) throw new SaslFailure('encryption-required', `${name} without TLS`)       // §6.5.4
    this.#exchange = beginExchange(name, { rules, stream: this.#host, offer })
    this.#host.raise(['sasl'])
    this.#mechanism = name
    // §6.3.10: without an initial response an empty challenge asks for it.
    return element.inside.length === 0 && name !== 'ANONYMOUS' ? { kind: 'challenge', data: '' } : this.#next(dataOf(element))
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
    this.#exchange = undefined
    admit(this.#host, answer.identity)
    this.#host.send(dataElement('success', answer.data))
    return 'done'
  }

  // §6.4.5.
  async #fail(error: unknown, startedAt: number): Promise<Outcome> {
    this.#exchange = undefined
    const failure = await this.#parts.tries.failed(this.#host, error, { mechanism: this.#mechanism, startedAt })
    if (failure === undefined) return 'over'
    this.#host.send(`<failure xmlns='${NS_SASL}'><${failure.condition}/></failure>`)
    return 'more'
  }
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
