/**
 * The extensible SASL profile (XEP-0388): login, and with it whatever the client wants to happen at once, without a new
 * stream header. Over TLS only. What is asked for is `authenticate.ts`, what follows from it `bind2.ts`, `fast.ts` and
 * `upgrade.ts`.
 */
import { randomBytes } from 'node:crypto'
import { SALT_BYTES, type ScramHash } from '../../rules/scram.js'
import { escapeText } from '../../xml/escape.js'
import type { RawElement } from '../../xml/raw.js'
import { StreamError } from '../../xmpp/errors.js'
import { SaslFailure, type Identity, type Tokens } from '../authenticator.js'
import { NS_SASL, NS_SASL2 } from '../namespaces.js'
import { dataOf, readWish, type Wish } from './authenticate.js'
import { bind2Offer, establish, type Bind2Parts } from './bind2.js'
import type { Exchange, LoginRules } from './exchange.js'
import { fastOffer, newToken, tokenExchange, tokenMechanisms, type TokenExchange } from './fast.js'
import type { Feature, FeatureHost, Negotiator, Outcome } from './feature.js'
import { beginExchange, mechanismsFor } from './mechanisms.js'
import { admit, type LoginTries } from './tries.js'
import { checkTask, continueText, keysIn, saltText, UPGRADE_OFFER, wantedUpgrades } from './upgrade.js'

export interface Sasl2Parts extends Bind2Parts {
  readonly rules: LoginRules
  readonly tries: LoginTries
  /** `undefined`: there are none here. */
  readonly tokens: Tokens | undefined
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
function offer({ rules, tokens }: Sasl2Parts, host: FeatureHost): string {
  const { mechanisms, bindings } = mechanismsFor(rules, host)
  if (mechanisms.length === 0) return ''
  const list = mechanisms.map((name) => `<mechanism>${name}</mechanism>`).join('')
  const fast = tokens === undefined ? '' : fastOffer(tokenMechanisms(bindings))
  return `<authentication xmlns='${NS_SASL2}'>${list}<inline>${bind2Offer(host)}${fast}</inline>${UPGRADE_OFFER}</authentication>`
}

const NOTHING = Buffer.alloc(0)

/** A login that is under way. */
interface Run {
  readonly wish: Wish
  readonly exchange: Exchange | TokenExchange
}

/** One that has succeeded so far. */
interface Login {
  readonly wish: Wish
  readonly identity: Identity
  /** What the mechanism says with its success. */
  readonly data: string | Buffer | undefined
  /** A token was shown, and should be replaced. */
  readonly due: boolean
}

/** What the client must send next, and nothing else (§2.4). */
interface Awaited {
  readonly name: string
  readonly take: (element: RawElement) => Outcome | Promise<Outcome>
}

class Sasl2Negotiator implements Negotiator {
  readonly #parts: Sasl2Parts
  readonly #host: FeatureHost
  #awaited: Awaited | undefined
  #mechanism = ''

  constructor(parts: Sasl2Parts, host: FeatureHost) {
    this.#parts = parts
    this.#host = host
  }

  async take(element: RawElement): Promise<Outcome> {
    const startedAt = this.#host.clock.now()
    const awaited = this.#awaited
    this.#awaited = undefined
    try {
      if (awaited !== undefined) checkAwaited(element, awaited)
      return await (awaited === undefined ? this.#begin(element) : awaited.take(element))
    } catch (error) {
      const failure = await this.#parts.tries.failed(this.#host, error, { mechanism: this.#mechanism, startedAt })
      if (failure === undefined) return 'over'
      this.#host.send(`<failure xmlns='${NS_SASL2}'><${failure.condition} xmlns='${NS_SASL}'/></failure>`)   // §2.6.2
      return 'more'
    }
  }

  #ask(text: string, name: string, take: Awaited['take']): Outcome {
    if (!this.#host.alive) return 'over'
    this.#host.send(text)
    this.#awaited = { name, take }
    return 'mine'
  }

  async #begin(element: RawElement): Promise<Outcome> {
    this.#mechanism = ''
    if (element.name === 'abort') throw new SaslFailure('aborted', 'the client gave up')
    if (element.name !== 'authenticate') throw new SaslFailure('malformed-request', `<${element.name}/> and nothing to answer`)
    const { rules, tokens } = this.#parts
    const host = this.#host
    if (!host.flags.secure) throw new SaslFailure('encryption-required', 'SASL2 without TLS')            // §3
    const offer = mechanismsFor(rules, host)
    const wish = readWish(element)
    const byToken = tokens !== undefined && tokenMechanisms(offer.bindings).includes(wish.mechanism)
    const exchange = byToken ? tokenExchange(tokens, wish, host) : beginExchange(wish.mechanism, { rules, stream: host, offer })
    this.#mechanism = wish.mechanism
    host.raise(['sasl2'])
    // Without an initial response an empty challenge asks for it, unless the mechanism has nothing to ask.
    const initial = wish.mechanism === 'ANONYMOUS' ? wish.initial ?? NOTHING : wish.initial
    return initial === undefined ? this.#challenge({ wish, exchange }, '') : this.#go({ wish, exchange }, initial)
  }

  async #go(run: Run, message: Buffer): Promise<Outcome> {
    const answer = await run.exchange.next(message)
    if (answer.kind === 'challenge') return this.#challenge(run, answer.data)
    return this.#prove({ wish: run.wish, identity: answer.identity, data: answer.data, due: 'due' in answer && answer.due })
  }

  // XEP-0480 §2.2: before the end, and only for who has shown the password.
  async #prove(login: Login): Promise<Outcome> {
    const { wish, identity } = login
    const knows = wish.mechanism.startsWith('SCRAM-') || wish.mechanism === 'PLAIN'
    const hashes = knows ? await wantedUpgrades(this.#parts.rules.authenticator, identity, wish.upgrades) : []
    return this.#upgrade(login, hashes)
  }

  #upgrade(login: Login, [hash, ...others]: readonly ScramHash[]): Outcome | Promise<Outcome> {
    if (hash === undefined) return this.#finish(login)
    const { authenticator } = this.#parts.rules
    const salting = { hash, salt: randomBytes(SALT_BYTES), iterations: authenticator.iterations }
    return this.#ask(continueText(hash, additional(login.data)), 'next', (next) => {
      checkTask(next, hash)
      return this.#ask(saltText(salting), 'task-data', async (element) => {
        await authenticator.addKeys(login.identity, keysIn(element, salting))
        return this.#upgrade({ ...login, data: undefined }, others)
      })
    })
  }

  #challenge(run: Run, data: string): Outcome {
    const text = data === '' ? `<challenge xmlns='${NS_SASL2}'/>` : `<challenge xmlns='${NS_SASL2}'>${encoded(data)}</challenge>`
    return this.#ask(text, 'response', (element) => this.#go(run, dataOf(element)))
  }

  // §2.6.1: one element tells it all, then what may be negotiated now.
  async #finish({ wish, identity, data, due }: Login): Promise<Outcome> {
    const host = this.#host
    admit(host, identity)
    const token = await this.#tokenFor(wish, identity, due)
    const { bound, resumed, raises, text } = await establish(this.#parts, wish, identity, host)
    if (!host.alive) {
      bound?.consumer.ended('connection-lost', host)
      return 'over'
    }
    const who = `<authorization-identifier>${escapeText(String(bound?.jid ?? identity.jid))}</authorization-identifier>`
    host.send(`<success xmlns='${NS_SASL2}'>${additional(data)}${who}${text}${token}</success>`)
    host.raise(['authenticated', ...raises])
    if (!resumed) host.announce()
    if (bound !== undefined) host.bound(bound.jid, bound.consumer)
    bound?.begin()
    return 'done'
  }

  async #tokenFor(wish: Wish, identity: Identity, due: boolean): Promise<string> {
    const { rules, tokens } = this.#parts
    if (tokens === undefined) return ''
    const { bindings } = mechanismsFor(rules, this.#host)
    return newToken(tokens, { wish, identity, due, mechanisms: tokenMechanisms(bindings) })
  }
}

function checkAwaited(element: RawElement, { name }: Awaited): void {
  if (element.ns === NS_SASL2 && element.name === name) return
  if (element.ns === NS_SASL2 && element.name === 'abort') throw new SaslFailure('aborted', 'the client gave up')      // §4.5
  throw new StreamError('policy-violation', `Nothing but <${name}/> may come now`)
}

function additional(data: string | Buffer | undefined): string {
  return data === undefined ? '' : `<additional-data>${encoded(data)}</additional-data>`
}

const encoded = (data: string | Buffer): string => (typeof data === 'string' ? Buffer.from(data) : data).toString('base64')
