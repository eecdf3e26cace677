/**
 * IQs that the server answers (RFC 6120 §8.2.3, RFC 6121 §8.5.2.1.3): one look-up in the doors' tables, the reply built
 * here, so that none is forgotten or sent twice.
 */
import { Reply, type Delivery, type IqAction, type IqRequest } from '../pipeline/api.js'
import type { Door, Owned, Pipeline } from '../pipeline/compile.js'
import { HandlerContext, type Services } from '../pipeline/context.js'
import { runIq } from '../pipeline/run.js'
import type { AccountRef } from '../storage/store.js'
import type { Element } from '../xml/element.js'
import { StanzaError } from '../xmpp/errors.js'
import type { Jid } from '../xmpp/jid.js'
import { Stanza } from '../xmpp/stanza.js'
import type { Cause } from './cause.js'
import { isPromise, type Eventually } from './eventually.js'

export type RequestType = IqRequest['type']

export function isRequest(type: string): type is RequestType {
  return type === 'get' || type === 'set'
}

/** What every IQ must be, whoever it is for. @throws StanzaError */
export function checkIq(stanza: Stanza): void {
  const { type } = stanza
  if (!isRequest(type) && type !== 'result' && type !== 'error') throw new StanzaError('modify', 'bad-request', 'An IQ has a type')
  if (stanza.id === undefined) throw new StanzaError('modify', 'bad-request', 'An IQ has an id')
  if (isRequest(type) && stanza.children.length !== 1) throw new StanzaError('modify', 'bad-request', 'A request has one child')
}

/** The tree is built only if the handler looks. */
class Request implements IqRequest {
  constructor(readonly stanza: Stanza, readonly type: RequestType, readonly from: Jid) {}

  get payload(): Element {
    const [payload] = this.stanza.elements()
    if (payload === undefined) throw new StanzaError('modify', 'bad-request')
    return payload
  }
}

export interface IqDoorsDeps {
  readonly pipeline: Pipeline
  readonly services: Services
  readonly answer: (cause: Cause, reply: Stanza) => void
  readonly send: (cause: Cause, deliveries: readonly Delivery[]) => Eventually<void>
}

export class IqDoors {
  readonly #deps: IqDoorsDeps

  constructor(deps: IqDoorsDeps) {
    this.#deps = deps
  }

  /** Tries the doors in order. @throws StanzaError, or rejects with one */
  request(cause: Cause, stanza: Stanza, doors: readonly Door[], account: AccountRef): Eventually<void> {
    const { type, from } = stanza
    const handler = isRequest(type) ? this.#find(stanza, type, doors) : undefined
    if (!isRequest(type) || from === undefined) return
    if (handler === undefined) throw new StanzaError('cancel', 'service-unavailable')       // RFC 6120 §8.4
    const device = cause.session?.account.id === account.id ? cause.session : undefined
    const ctx = new HandlerContext(this.#deps.services, account, device, cause.itself)
    const result = runIq(handler, new Request(stanza, type, from), ctx)
    if (isPromise(result)) return result.then((settled) => this.#reply(cause, stanza, settled))
    return this.#reply(cause, stanza, result)
  }

  #find(stanza: Stanza, type: RequestType, doors: readonly Door[]): Owned<IqAction> | undefined {
    const [child] = stanza.children
    if (child === undefined) return undefined
    for (const door of doors) {
      const found = this.#deps.pipeline.doors[door].get(child.ns)?.get(child.name)?.[type]
      if (found !== undefined) return found
    }
    return undefined
  }

  #reply(cause: Cause, stanza: Stanza, result: void | Element | Reply): Eventually<void> {
    const payload = result instanceof Reply ? result.payload : result
    const head = { kind: 'iq', type: 'result', id: stanza.id, from: stanza.to, to: stanza.from } as const
    this.#deps.answer(cause, payload === undefined ? Stanza.of(head) : Stanza.of(head, payload))
    if (result instanceof Reply) return this.#deps.send(cause, result.deliveries)
  }
}
