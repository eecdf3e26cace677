/**
 * Errors of the protocol as values. `StanzaError` becomes a reply (RFC 6120 §8.3), `StreamError` closes the
 * stream (RFC 6120 §4.9). Any other thrown thing is a bug of ours.
 */
import type { Element } from '../xml/element.js'

export const STANZA_CONDITIONS = [
  'bad-request', 'conflict', 'feature-not-implemented', 'forbidden', 'gone', 'internal-server-error', 'item-not-found',
  'jid-malformed', 'not-acceptable', 'not-allowed', 'not-authorized', 'policy-violation', 'recipient-unavailable',
  'redirect', 'registration-required', 'remote-server-not-found', 'remote-server-timeout', 'resource-constraint',
  'service-unavailable', 'subscription-required', 'undefined-condition', 'unexpected-request'
] as const
export type StanzaCondition = (typeof STANZA_CONDITIONS)[number]
export type StanzaErrorType = 'auth' | 'cancel' | 'continue' | 'modify' | 'wait'

export const STREAM_CONDITIONS = [
  'bad-format', 'bad-namespace-prefix', 'conflict', 'connection-timeout', 'host-gone', 'host-unknown', 'improper-addressing',
  'internal-server-error', 'invalid-from', 'invalid-namespace', 'invalid-xml', 'not-authorized', 'not-well-formed',
  'policy-violation', 'remote-connection-failed', 'reset', 'resource-constraint', 'restricted-xml', 'see-other-host',
  'system-shutdown', 'undefined-condition', 'unsupported-encoding', 'unsupported-feature', 'unsupported-stanza-type',
  'unsupported-version'
] as const
export type StreamCondition = (typeof STREAM_CONDITIONS)[number]

/** An application-specific condition beside the defined one: an element with nothing inside. */
export interface ApplicationCondition {
  readonly name: string
  readonly ns: string
  readonly attrs?: Readonly<Record<string, string>>
}

export class StanzaError extends Error {
  #payload: Element | undefined

  constructor(
    readonly type: StanzaErrorType,
    readonly condition: StanzaCondition,
    text = '',
    readonly application?: ApplicationCondition
  ) {
    super(text)
    this.name = 'StanzaError'
  }

  /** What the answer repeats in place of the refused payload, for example a form that asks for more. */
  get payload(): Element | undefined {
    return this.#payload
  }

  with(payload: Element): this {
    this.#payload = payload
    return this
  }
}

export class StreamError extends Error {
  constructor(readonly condition: StreamCondition, text = '', readonly application?: ApplicationCondition) {
    super(text)
    this.name = 'StreamError'
  }
}
