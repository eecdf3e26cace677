/**
 * What makes stanzas: one inbound stanza of a session, or the node itself. Owns the origin key and the count of
 * destinations that have not answered; when the last has, the session hears that the stanza is handled (I6).
 */
import type { Session } from '../session/session.js'
import { K, type StanzaKey } from './envelope.js'

export class Cause {
  /** One for whoever made this, until `end()`. */
  #open = 1
  #k: number = K.first
  readonly itself: StanzaKey

  constructor(readonly osid: string, readonly index: number, readonly session: Session | undefined) {
    this.itself = { osid, index, k: K.itself }
  }

  /** For the next stanza that the pipeline adds; `undefined` when this inbound stanza has made more than there are codes. */
  next(): StanzaKey | undefined {
    return this.#k > K.max ? undefined : { osid: this.osid, index: this.index, k: this.#k++ }
  }

  /** With this the cause is the key of what answers its stanza. */
  get k(): number {
    return K.answer
  }

  begin(): void {
    this.#open++
  }

  end(): void {
    if (--this.#open === 0) this.session?.handled(this.index)
  }
}

/** Causes of the node's own: its life is the session, its counter the index. */
export class NodeLife {
  #index = 0

  /** @param osid 32 hexadecimal digits, drawn anew for each life */
  constructor(readonly osid: string) {}

  cause(): Cause {
    return new Cause(this.osid, ++this.#index, undefined)
  }
}
