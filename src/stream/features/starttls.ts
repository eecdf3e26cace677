/**
 * STARTTLS (RFC 6120 §5). Offered on plain TCP only: elsewhere TLS is the business of the layer below (RFC 7395 §3.9).
 */
import type { RawElement } from '../../xml/raw.js'
import { NS_TLS } from '../namespaces.js'
import type { Feature, FeatureHost, Flag, Outcome } from './feature.js'

const SETS: readonly Flag[] = ['secure']

/** @param required true when nothing else is negotiated on `domain` before TLS (§5.3.1) */
export function starttls(required: (domain: string) => boolean): Feature {
  return {
    id: 'starttls',
    needs: [],
    forbids: ['secure', 'authenticated'],                            // §5.3.4: TLS comes before SASL
    sets: SETS,
    restarts: true,
    claims: (element) => element.ns === NS_TLS,
    offer(host) {
      if (!host.peer.canStartTls) return ''
      return required(host.domain) ? `<starttls xmlns='${NS_TLS}'><required/></starttls>` : `<starttls xmlns='${NS_TLS}'/>`
    },
    begin: (host) => ({
      take(element) {
        return host.peer.canStartTls && element.name === 'starttls' ? proceed(host) : refuse(element, host)
      }
    }),
    misplaced: refuse
  }
}

function proceed(host: FeatureHost): Outcome {
  host.send(`<proceed xmlns='${NS_TLS}'/>`)
  host.secure(SETS)
  return 'over'
}

// §5.4.2.2: not offered, or malformed: failure, end of the stream, end of the connection.
function refuse(_element: RawElement, host: FeatureHost): Outcome {
  host.send(`<failure xmlns='${NS_TLS}'/>`)
  host.close(undefined, 'tls-failed')
  return 'over'
}
