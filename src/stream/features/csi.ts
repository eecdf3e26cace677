/**
 * Client state indication (XEP-0352 §4): a client says whether anybody looks at it. There are no answers; what follows from it
 * is the session's business.
 */
import type { RawElement } from '../../xml/raw.js'
import { StreamError } from '../../xmpp/errors.js'
import { NS_CSI } from '../namespaces.js'
import { refuseUnexpected } from '../unexpected.js'
import type { Feature, FeatureHost, Outcome } from './feature.js'

export const clientState: Feature = {
  id: 'csi',
  needs: ['authenticated'],
  forbids: [],
  sets: [],
  restarts: false,
  claims: (element) => element.ns === NS_CSI,
  offer: () => `<csi xmlns='${NS_CSI}'/>`,
  begin: (host) => ({ take: (element) => indicate(element, host) }),
  misplaced: () => {
    throw new StreamError('not-authorized', 'Log in first')
  }
}

// Before a resource is bound there is no session, and each begins active (§4.2).
function indicate(element: RawElement, { consumer }: FeatureHost): Outcome {
  if (element.name !== 'active' && element.name !== 'inactive') refuseUnexpected(element)
  consumer?.look(element.name === 'active')
  return 'more'
}
