/**
 * The legacy session of RFC 3921 §3: optional, says nothing, answered for clients that still ask (RFC 6121 §1.4).
 */
import { StreamError } from '../../xmpp/errors.js'
import type { RawElement } from '../../xml/raw.js'
import { NS_CLIENT, NS_SESSION } from '../namespaces.js'
import { iqResultText } from '../text.js'
import type { Feature, FeatureHost, Outcome } from './feature.js'

const OFFER = `<session xmlns='${NS_SESSION}'><optional/></session>`

export const legacySession: Feature = {
  id: 'session',
  needs: ['authenticated'],
  forbids: [],
  sets: [],
  restarts: false,
  claims: (element) =>
    element.name === 'iq' && element.ns === NS_CLIENT && element.attrs['type'] === 'set' && element.children[0]?.ns === NS_SESSION,
  offer: ({ flags }) => flags.bound ? '' : OFFER,
  begin: (host) => ({ take: (element) => answer(element, host) }),
  misplaced() {
    throw new StreamError('not-authorized', 'Log in first')
  }
}

function answer(element: RawElement, host: FeatureHost): Outcome {
  if (!host.flags.bound) throw new StreamError('not-authorized', 'Bind a resource first')
  const { id, to } = element.attrs
  host.send(iqResultText(host.form, { id, to: to === undefined ? undefined : host.domain }, ''))
  return 'more'
}
