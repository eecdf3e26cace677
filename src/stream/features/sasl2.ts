/**
 * The extensible SASL profile (XEP-0388): login, and with it whatever the client wants to happen at once, without a new
 * stream header. Over TLS only. What is asked for is `authenticate.ts`, what follows from it `bind2.ts`, `fast.ts` and
 * `upgrade.ts`.
 */
import { escapeText } from '../../xml/escape.js'
import type { RawElement } from '../../xml/raw.js'
import { StreamError } from '../../xmpp/errors.js'
import { SaslFailure, type Identity } from '../authenticator.js'
import { NS_SASL, NS_SASL2 } from '../namespaces.js'
import { dataOf, readWish, type Wish } from './authenticate.js'
import { BIND2_OFFER, establish, type Bind2Parts } from './bind2.js'
import type { Answer, Exchange, LoginRules } from './exchange.js'
import type { Feature, FeatureHost, Negotiator, Outcome } from './feature.js'
import { beginExchange, mechanismsFor } from './mechanisms.js'
import { admit, type LoginTries } from './tries.js'

export interface Sasl2Parts extends Bind2Parts {
  readonly rules: LoginRules
  readonly tries: LoginTries
}

export function sasl2(parts: Sasl2Parts): Feature {
  return {
    id: 'sasl2',
    needs: [],
    forbids: ['authenticated', 'sasl'],
    sets: ['authenticated'],
    restarts: false,
    claims: (element) => element.ns === NS_SASL2,
    offer: (host) => host.flags.secure ? offer(parts, host) : '',                     // §3: after TLS only
    begin: (host) => new Sasl2Negotiator(parts, host),
    misplaced() {
      throw new StreamError('policy-violation', 'Already logged in, or by another profile')   // §4.8
    }
  }
}

// §2.1. The same for everybody: it may be kept by clients, and tells nothing about any account.
function offer({ rules }: Sasl2Parts, host: FeatureHost): string {
  const { mechanisms } = mechanismsFor(rules, host)
  if (mechanisms.length === 0) return ''
  const list = mechanisms.map((name) => `<mechanism>${name}</mechanism>`).join('')
  return `<authentication xmlns='${NS_SASL2}'>${list}<inline>${BIND2_OFFER}</inline></authentication>`
}

interface Run {
  readonly wish: Wish
  readonly exchange: Exchange
}

class Sasl2Negotiator implements Negotiator {
  readonly #parts: Sasl2Parts
  readonly #host: FeatureHost
  #run: Run | undefined

  constructor(parts: Sasl2Parts, host: FeatureHost) {
    this.#parts = parts
    this.#host = host
  }

  async take(element: RawElement): Promise<Outcome> {
    const startedAt = this.#host.clock.now()
    let mechanism = this.#run?.wish.mechanism ?? ''
    try {
      const run = this.#runOf(element)
      mechanism = run.wish.mechanism
      return await this.#step(run, element)
    } catch (error) {
      this.#run = undefined
      return this.#refuse(await this.#parts.tries.failed(this.#host, error, { mechanism, startedAt }))
    }
  }

  #runOf(element: RawElement): Run {
    const open = this.#run
    if (open === undefined) {
      if (element.name === 'authenticate') return this.#begin(element)
      if (element.name === 'abort') throw new SaslFailure('aborted', 'the client gave up')
      throw new SaslFailure('malformed-request', `<${element.name}/> and nothing to answer`)
    }
    // §2.4: nothing else may come meanwhile.
    if (element.ns !== NS_SASL2 || !(element.name === 'response' || element.name === 'abort')) {
      throw new StreamError('policy-violation', 'Nothing but the answer may come during a login')
    }
    if (element.name === 'abort') throw new SaslFailure('aborted', 'the client gave up')     // §4.5
    return open
  }

  #begin(element: RawElement): Run {
    const { rules } = this.#parts
    const stream = this.#host
    if (!stream.flags.secure) throw new SaslFailure('encryption-required', 'SASL2 without TLS')          // §3
    const wish = readWish(element)
    const exchange = beginExchange(wish.mechanism, { rules, stream, offer: mechanismsFor(rules, stream) })
    stream.raise(['sasl2'])
    return { wish, exchange }
  }

  async #step(run: Run, element: RawElement): Promise<Outcome> {
    const data = element.name === 'authenticate' ? run.wish.initial : dataOf(element)
    this.#run = run
    // Without an initial response an empty challenge asks for it.
    const answer: Answer = data === undefined ? { kind: 'challenge', data: '' } : await run.exchange.next(data)
    if (!this.#host.alive) return 'over'
    if (answer.kind === 'challenge') {
      this.#host.send(dataElement('challenge', answer.data))
      return 'mine'
    }
    this.#run = undefined
    return this.#succeed(run.wish, answer.identity, answer.data)
  }

  // §2.6.1: one element tells it all, then what may be negotiated now.
  async #succeed(wish: Wish, identity: Identity, data: string | undefined): Promise<Outcome> {
    const host = this.#host
    admit(host, identity)
    const { bound, text } = await establish(this.#parts, wish, identity, host)
    if (!host.alive) {
      bound?.consumer.ended('connection-lost')
      return 'over'
    }
    const additional = data === undefined ? '' : `<additional-data>${encoded(data)}</additional-data>`
    const who = `<authorization-identifier>${escapeText(String(bound?.jid ?? identity.jid))}</authorization-identifier>`
    host.send(`<success xmlns='${NS_SASL2}'>${additional}${who}${text}</success>`)
    host.raise(bound === undefined ? ['authenticated'] : ['authenticated', 'bound'])
    host.announce()
    if (bound !== undefined) host.bound(bound.jid, bound.consumer)
    bound?.begin()
    return 'done'
  }

  #refuse(failure: SaslFailure | undefined): Outcome {
    if (failure === undefined) return 'over'
    this.#host.send(`<failure xmlns='${NS_SASL2}'><${failure.condition} xmlns='${NS_SASL}'/></failure>`)   // §2.6.2
    return 'more'
  }
}

function dataElement(name: 'challenge', data: string): string {
  return data === '' ? `<${name} xmlns='${NS_SASL2}'/>` : `<${name} xmlns='${NS_SASL2}'>${encoded(data)}</${name}>`
}

const encoded = (data: string): string => Buffer.from(data).toString('base64')
