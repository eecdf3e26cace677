/**
 * Resource binding (RFC 6120 §7): what the client asks for, the answers, and how often it may fail. Who may have which
 * address is the binder's business (`session/`).
 */
import { type StanzaCondition, StanzaError, StreamError } from '../../xmpp/errors.js'
import { JidError, prepareResource, type Jid } from '../../xmpp/jid.js'
import { treesOf } from '../../xml/inside.js'
import { escapeText } from '../../xml/escape.js'
import type { RawElement } from '../../xml/raw.js'
import type { Identity } from '../authenticator.js'
import { NS_BIND, NS_CLIENT } from '../namespaces.js'
import type { Enabled, EnableWish, OpenStream, StanzaConsumer } from '../open-stream.js'
import { iqErrorText, iqResultText } from '../text.js'
import type { Feature, FeatureHost, Negotiator, Outcome } from './feature.js'

/** RFC 6120 §7.7.3: 5 to 10 failures; the next one ends the stream. */
const FAILURES_MAX = 10

export interface Bound {
  /** The full JID. */
  readonly jid: Jid
  readonly consumer: StanzaConsumer
  /** Stream management from now on, before `begin` or later; its answer is written at once. Throws `StanzaError`. */
  enable(wish: EnableWish): Enabled
  /** The client knows its address now: stanzas for it may be written. */
  begin(): void
}

/** `begin` writes again what the client has not handled (XEP-0198 §5). */
export interface Resumed extends Bound {
  readonly previd: string
  /** How many of the client's stanzas are handled. */
  readonly h: number
}

export interface ResumeWish {
  readonly previd: string
  readonly h: number
}

/** `<failed/>`: the client may bind instead. */
export class ResumeFailure extends Error {
  constructor(readonly condition: StanzaCondition, readonly h?: number) {
    super(condition)
    this.name = 'ResumeFailure'
  }
}

export interface Binder {
  /**
   * Gives the stream an address, `resource` if it can be had. Resolves when a stanza from anywhere finds it; rejects
   * with `StanzaError`.
   */
  bind(identity: Identity, resource: string | undefined, stream: OpenStream): Promise<Bound>
  /** Gives the stream the session of an earlier one. Rejects with `ResumeFailure`, or `StreamError` to end the stream. */
  resume(identity: Identity, wish: ResumeWish, stream: OpenStream): Promise<Resumed>
}

export function bind(binder: Binder): Feature {
  return {
    id: 'bind',
    needs: ['authenticated'],
    forbids: ['bound'],
    sets: ['bound'],
    restarts: false,                                                              // §7.3.2
    claims: (element) => element.name === 'iq' && element.ns === NS_CLIENT && element.children[0]?.ns === NS_BIND,
    offer: () => `<bind xmlns='${NS_BIND}'/>`,
    begin: (host) => new BindNegotiator(binder, host),
    misplaced
  }
}

function misplaced(element: RawElement, host: FeatureHost): Outcome {
  if (!host.flags.bound) throw new StreamError('not-authorized', 'Log in first')
  const { id, type } = element.attrs
  if (type === 'error' || type === 'result') return 'more'                        // §8.2.3: never answered
  host.send(iqErrorText(host.form, { id, to: undefined }, new StanzaError('cancel', 'not-allowed', 'One resource a stream')))
  return 'more'
}

class BindNegotiator implements Negotiator {
  readonly #binder: Binder
  readonly #host: FeatureHost
  #failures = 0

  constructor(binder: Binder, host: FeatureHost) {
    this.#binder = binder
    this.#host = host
  }

  async take(element: RawElement): Promise<Outcome> {
    const { identity } = this.#host
    if (identity === undefined) throw new StreamError('internal-server-error')
    try {
      if (element.attrs['type'] !== 'set') throw new StanzaError('modify', 'bad-request', 'An IQ of type "set" binds')
      const bound = await this.#binder.bind(identity, resourceOf(element), this.#host)
      return this.#succeed(element, bound)
    } catch (error) {
      if (error instanceof StanzaError) return this.#fail(element, error)
      throw error
    }
  }

  #succeed(element: RawElement, bound: Bound): Outcome {
    const { jid, consumer } = bound
    if (!this.#host.alive) {
      consumer.ended('connection-lost', this.#host)
      return 'over'
    }
    const payload = `<bind xmlns='${NS_BIND}'><jid>${escapeText(jid.toString())}</jid></bind>`
    this.#host.send(iqResultText(this.#host.form, { id: element.attrs['id'], to: undefined }, payload))
    this.#host.bound(jid, consumer)
    bound.begin()
    return 'done'
  }

  #fail(element: RawElement, error: StanzaError): Outcome {
    this.#failures++
    if (this.#failures > FAILURES_MAX) throw new StreamError('policy-violation', 'Too many failed attempts to bind')
    if (!this.#host.alive) return 'over'
    const { id, identity, log } = this.#host
    const facts = { condition: error.condition, detail: error.message, failures: this.#failures }
    log.info({ ...facts, stream: id, account: identity?.jid.toString() }, 'bind.failed')
    this.#host.send(iqErrorText(this.#host.form, { id: element.attrs['id'], to: undefined }, error))
    return 'more'
  }
}

// §7.7.2.1: what cannot be a resource is replaced by one of ours, not refused.
function resourceOf(element: RawElement): string | undefined {
  const wanted = treesOf(element.inside, element.ns)[0]?.getChildText('resource', NS_BIND)
  if (!wanted) return undefined
  try {
    return prepareResource(wanted)
  } catch (error) {
    if (error instanceof JidError) return undefined
    throw error
  }
}
