/**
 * Stream management (XEP-0198): what is said to enable it and to resume a stream, and the acknowledgements on an open one.
 * Not over BOSH, which has its own. What is counted and kept is the session's business.
 */
import { escapeAttribute } from '../../xml/escape.js'
import type { Attributes, RawElement } from '../../xml/raw.js'
import { StanzaError, StreamError, type StanzaCondition } from '../../xmpp/errors.js'
import type { TransportKind } from '../../transport/transport.js'
import { NS_SM, NS_STANZA_ERRORS } from '../namespaces.js'
import type { Enabled, EnableWish, StanzaConsumer } from '../open-stream.js'
import { refuseUnexpected } from '../unexpected.js'
import { ResumeFailure, type Binder, type Resumed, type ResumeWish } from './bind.js'
import type { Feature, FeatureHost, Negotiator, Outcome } from './feature.js'

/** Like failures to bind (RFC 6120 §7.7.3). */
const FAILURES_MAX = 10
/** Counts are of type unsignedInt (§4). */
export const COUNTS = 2 ** 32

export const isManaged = (kind: TransportKind): boolean => kind !== 'bosh'

export function streamManagement(binder: Binder): Feature {
  return {
    id: 'sm',
    needs: ['authenticated'],
    forbids: [],
    sets: ['bound'],                                                    // by resuming
    restarts: false,
    claims: (element) => element.ns === NS_SM,
    offer: (host) => isManaged(host.kind) && !host.flags.managed ? `<sm xmlns='${NS_SM}'/>` : '',
    begin: (host) => new SmNegotiator(binder, host),
    misplaced
  }
}

// §3: enabling and resuming need authentication.
function misplaced(element: RawElement, host: FeatureHost): Outcome {
  if (element.name !== 'enable' && element.name !== 'resume') throw new StreamError('not-authorized', 'Log in first')
  host.send(failedText({ condition: 'unexpected-request' }))
  return 'more'
}

class SmNegotiator implements Negotiator {
  readonly #binder: Binder
  readonly #host: FeatureHost
  #failures = 0

  constructor(binder: Binder, host: FeatureHost) {
    this.#binder = binder
    this.#host = host
  }

  take(element: RawElement): Outcome | Promise<Outcome> {
    switch (element.name) {
      case 'enable': return this.#enable(enableWish(element.attrs))
      case 'resume': return this.#resume(resumeWish(element.attrs))
      case 'r': case 'a': return 'more'                                 // nothing is counted yet
      default: return refuseUnexpected(element)
    }
  }

  #enable(wish: EnableWish): Outcome {
    const { consumer, kind } = this.#host
    if (!isManaged(kind)) return this.#failed({ condition: 'feature-not-implemented' })
    if (consumer === undefined) return this.#failed({ condition: 'unexpected-request' })      // §3: after binding
    try {
      this.#host.send(enabledText(consumer.enable(wish)))
    } catch (error) {
      if (!(error instanceof StanzaError)) throw error
      this.#failed(error)
      throw new StreamError('policy-violation', 'Stream management is enabled once')          // §3
    }
    return 'more'
  }

  #resume(wish: ResumeWish | undefined): Outcome | Promise<Outcome> {
    const { flags, kind, identity } = this.#host
    if (flags.bound || identity === undefined) return this.#failed({ condition: 'unexpected-request' })
    if (!isManaged(kind)) return this.#failed({ condition: 'feature-not-implemented' })
    if (wish === undefined) return this.#failed({ condition: 'bad-request' })
    return this.#binder.resume(identity, wish, this.#host).then((resumed) => this.#succeed(resumed), (error: unknown) => {
      if (error instanceof ResumeFailure) return this.#failed(error)
      throw error
    })
  }

  #succeed(resumed: Resumed): Outcome {
    const host = this.#host
    if (!host.alive) {
      resumed.consumer.ended('connection-lost', host)
      return 'over'
    }
    host.send(resumedText(resumed))
    host.bound(resumed.jid, resumed.consumer)
    resumed.begin()
    return 'done'
  }

  // §6: recoverable, so that the client may bind.
  #failed(failure: Failure): Outcome {
    if (++this.#failures > FAILURES_MAX) throw new StreamError('policy-violation', 'Too many failed attempts to resume')
    this.#host.send(failedText(failure))
    return 'more'
  }
}

/** `<r/>` and `<a/>`. False for anything else. Throws `StreamError`. */
export function isAcknowledging({ name, attrs }: RawElement, consumer: StanzaConsumer): boolean {
  if (name === 'r') {
    consumer.asked()
    return true
  }
  if (name !== 'a') return false
  const h = countOf(attrs['h'])
  if (h === undefined) throw new StreamError('bad-format', 'An answer has a count')
  consumer.acknowledged(h)
  return true
}

/** What `<enable/>` asks for. */
export function enableWish(attrs: Attributes): EnableWish {
  const { resume, max } = attrs
  return { resume: resume === 'true' || resume === '1', max: countOf(max) || undefined }
}

/** What `<resume/>` asks for; `undefined` when it is incomplete. */
export function resumeWish(attrs: Attributes): ResumeWish | undefined {
  const { previd } = attrs
  const h = countOf(attrs['h'])
  return previd === undefined || h === undefined ? undefined : { previd, h }
}

function countOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined
  const count = Number(text)
  return count < COUNTS ? count : undefined
}

interface Failure {
  readonly condition: StanzaCondition
  readonly h?: number | undefined
}

export function enabledText({ id, max, location }: Enabled): string {
  let text = `<enabled xmlns='${NS_SM}'`
  if (id !== undefined) text += ` id='${escapeAttribute(id)}' resume='true'`
  if (max !== undefined) text += ` max='${max}'`
  if (location !== undefined) text += ` location='${escapeAttribute(location)}'`
  return `${text}/>`
}

export function resumedText({ previd, h }: Pick<Resumed, 'previd' | 'h'>): string {
  return `<resumed xmlns='${NS_SM}' previd='${escapeAttribute(previd)}' h='${h}'/>`
}

export function failedText({ condition, h }: Failure): string {
  const count = h === undefined ? '' : ` h='${h}'`
  return `<failed xmlns='${NS_SM}'${count}><${condition} xmlns='${NS_STANZA_ERRORS}'/></failed>`
}
