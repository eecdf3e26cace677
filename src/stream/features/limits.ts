/** What the server takes (XEP-0478): the size of an element before login and after it, and how long it bears silence. */
import { NS_LIMITS } from '../namespaces.js'
import type { Feature } from './feature.js'

export interface ToldLimits {
  /** Bytes of one first-level element, before authentication. */
  readonly beforeBytes: number
  readonly afterBytes: number
  /** Seconds without anything from the peer, after which it is asked or closed; `undefined` where nobody looks. */
  readonly idleSeconds: number | undefined
}

/** @param tlsRequired where it is and there is none yet, nothing is said */
export function limits({ beforeBytes, afterBytes, idleSeconds }: ToldLimits, tlsRequired: (domain: string) => boolean): Feature {
  const text = (bytes: number, idle: number | undefined): string => {
    const silence = idle === undefined ? '' : `<idle-seconds>${idle}</idle-seconds>`
    return `<limits xmlns='${NS_LIMITS}'><max-bytes>${bytes}</max-bytes>${silence}</limits>`
  }
  const [before, after] = [text(beforeBytes, undefined), text(afterBytes, idleSeconds)]
  return {
    id: 'limits',
    needs: [],
    forbids: [],
    sets: [],
    restarts: false,
    claims: () => false,
    offer({ flags, domain }) {
      if (flags.authenticated) return after                              // §4: they may change with login
      return flags.secure || !tlsRequired(domain) ? before : ''
    },
    begin: () => ({ take: () => 'more' }),
    misplaced: () => 'more'
  }
}
