/**
 * Registration before login (XEP-0077 §3.1, §4): the offer, the fields, the answers, and how often it may fail. Who may
 * have which name is the registrar's business (`session/`); after login the plugin of the same namespace answers.
 */
import { StanzaError, StreamError } from '../../xmpp/errors.js'
import { JidError, parseJid } from '../../xmpp/jid.js'
import { treesOf } from '../../xml/inside.js'
import type { RawElement } from '../../xml/raw.js'
import { NS_CLIENT, NS_REGISTER, NS_REGISTER_FEATURE } from '../namespaces.js'
import type { Registrar } from '../registrar.js'
import { iqErrorText, iqResultText } from '../text.js'
import type { Feature, FeatureHost, Negotiator, Outcome } from './feature.js'

const OFFER = `<register xmlns='${NS_REGISTER_FEATURE}'/>`
const FIELDS = `<query xmlns='${NS_REGISTER}'><instructions>Choose a name and a password.</instructions><username/><password/></query>`

/** People mistype; the next refusal ends the stream. */
const FAILURES_MAX = 5

export interface RegisterParts {
  readonly registrar: Registrar
  readonly tlsRequired: (domain: string) => boolean
}

export function register(parts: RegisterParts): Feature {
  return {
    id: 'register',
    needs: [],
    forbids: ['authenticated'],
    sets: [],
    restarts: false,
    claims: (element, flags) =>
      !flags.authenticated && element.name === 'iq' && element.ns === NS_CLIENT && element.children[0]?.ns === NS_REGISTER,
    offer: (host) => parts.registrar.isOpen(host.domain) && isSafe(parts, host) ? OFFER : '',
    begin: (host) => new RegisterNegotiator(parts, host),
    misplaced() {
      throw new StreamError('not-authorized', 'Bind a resource first')
    }
  }
}

// §6: a password must not travel in the clear where the domain wants TLS.
function isSafe({ tlsRequired }: RegisterParts, host: FeatureHost): boolean {
  return host.flags.secure || !tlsRequired(host.domain)
}

class RegisterNegotiator implements Negotiator {
  readonly #parts: RegisterParts
  readonly #host: FeatureHost
  #failures = 0
  #done = false

  constructor(parts: RegisterParts, host: FeatureHost) {
    this.#parts = parts
    this.#host = host
  }

  async take(element: RawElement): Promise<Outcome> {
    const host = this.#host
    const { id, type, to } = element.attrs
    const asks = type === 'get' || type === 'set'
    if (!asks || !isFor(to, host.domain)) throw new StreamError('not-authorized', 'Log in first')   // RFC 6120 §4.3.5
    const head = { id, to: to === undefined ? undefined : host.domain }
    try {
      const payload = await this.#answer(element)
      if (!host.alive) return 'over'
      host.send(iqResultText(host.form, head, payload))
    } catch (error) {
      if (!(error instanceof StanzaError)) throw error
      if (!host.alive) return 'over'
      this.#count(error)
      host.send(iqErrorText(host.form, head, error))
    }
    return 'more'
  }

  #answer(element: RawElement): string | Promise<string> {
    const { registrar } = this.#parts
    const { id, type } = element.attrs
    if (!registrar.isOpen(this.#host.domain)) throw new StanzaError('cancel', 'service-unavailable')     // §3.1
    if (!isSafe(this.#parts, this.#host)) throw new StanzaError('auth', 'not-authorized', 'Only over TLS')
    const { length, 0: child } = element.children
    if (id === undefined || length !== 1 || child?.name !== 'query') {                              // RFC 6120 §8.2.3
      throw new StanzaError('modify', 'bad-request', 'An id and one query')
    }
    return type === 'get' ? FIELDS : this.#register(element)
  }

  async #register(element: RawElement): Promise<string> {
    const { domain, peer, log, id } = this.#host
    const query = treesOf(element.inside, element.ns)[0]
    if (query?.getChild('remove', NS_REGISTER) !== undefined) {
      throw new StanzaError('modify', 'unexpected-request', 'Log in to remove an account')                // §3.2
    }
    const username = query?.getChildText('username', NS_REGISTER) ?? ''
    const password = query?.getChildText('password', NS_REGISTER) ?? ''
    if (username === '' || password === '') throw new StanzaError('modify', 'not-acceptable', 'A name and a password are needed')
    if (this.#done) throw new StanzaError('cancel', 'not-acceptable', 'One account a stream')            // §3.1.1
    const account = await this.#parts.registrar.register({ username, domain, password, address: peer.address })
    this.#done = true
    log.info({ account, stream: id }, 'account.registered')
    return ''
  }

  // Who asks which names are taken guesses accounts, which counts like a failed login.
  #count(error: StanzaError): void {
    const { log, id } = this.#host
    this.#failures++
    const refused = error.condition === 'conflict' && this.#host.authFailed()
    log.info({ condition: error.condition, detail: error.message, failures: this.#failures, stream: id }, 'registration.refused')
    if (refused || this.#failures > FAILURES_MAX) throw new StreamError('policy-violation', 'Too many failed registrations')
  }
}

function isFor(to: string | undefined, domain: string): boolean {
  if (to === undefined) return true
  try {
    const { local, resource, domain: asked } = parseJid(to)
    return local === '' && resource === '' && asked === domain
  } catch (error) {
    if (error instanceof JidError) return false
    throw error
  }
}
