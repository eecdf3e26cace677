/**
 * What a device that is gone has not acknowledged (XEP-0198 §4; zero-loss design, M7): messages go on in order, to the next
 * device of the same name, to others, to the store; requests are answered; everything else is forgotten.
 */
import { delayed } from '../session/outgoing.js'
import type { Session } from '../session/session.js'
import type { Entry } from '../session/unacked.js'
import { StanzaError } from '../xmpp/errors.js'
import type { Asks } from './asks.js'
import type { Cause, NodeLife } from './cause.js'
import type { Dispatch } from './dispatch.js'
import { isRequest } from './iq-doors.js'

export interface LeftoversDeps {
  readonly life: NodeLife
  readonly dispatch: Dispatch
  readonly asks: Asks
}

export class Leftovers {
  readonly #deps: LeftoversDeps

  constructor(deps: LeftoversDeps) {
    this.#deps = deps
  }

  /** The session is out of the registry. */
  pass(session: Session, left: readonly Entry[]): void {
    if (left.length === 0) return
    const cause = this.#deps.life.cause()
    for (const entry of left) if (entry.fork?.done !== true) this.#one(cause, session, entry)
    cause.end()
  }

  #one(cause: Cause, session: Session, entry: Entry): void {
    const { stanza, key = cause.itself } = entry
    switch (stanza.kind) {
      case 'presence': return
      case 'iq':
        if (isRequest(stanza.type)) this.#deps.dispatch.refuse(cause, stanza, new StanzaError('cancel', 'service-unavailable'))
        return
      case 'message':
        cause.begin()
        this.#deps.asks.submit({
          cause, key, stanza: delayed(entry, session.jid.domain), to: session.jid, audience: '', except: undefined, readdress: false,
          mayStrand: true, leftBy: session.session
        })
        return
      default: return stanza.kind satisfies never
    }
  }
}
