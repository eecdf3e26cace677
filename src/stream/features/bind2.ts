/**
 * Bind 2 (XEP-0386): the resource that a client gets together with its login, and what is switched on with it. There is no
 * archive here, so no messages are cleared and no metadata are told (§3.2).
 */
import { createHmac, randomBytes } from 'node:crypto'
import { StanzaError } from '../../xmpp/errors.js'
import { JidError, prepareResource } from '../../xmpp/jid.js'
import type { Element } from '../../xml/element.js'
import type { Identity } from '../authenticator.js'
import { NS_BIND2 } from '../namespaces.js'
import type { Wish } from './authenticate.js'
import type { Binder, Bound } from './bind.js'
import type { FeatureHost } from './feature.js'

export const BIND2_OFFER = `<bind xmlns='${NS_BIND2}'/>`

/** What login and binding came to. */
export interface Established {
  readonly bound: Bound | undefined
  /** For `<success/>`. */
  readonly text: string
}

export interface Bind2Parts {
  readonly binder: Binder
  /** Turns clients' ids into parts of resources that show nothing of them; the same on all nodes. */
  readonly secret: Buffer
}

const NOTHING: Established = { bound: undefined, text: '' }

/** Never rejects with `StanzaError`: without a resource the client is logged in, and may ask again in the old way. */
export async function establish({ binder, secret }: Bind2Parts, wish: Wish, identity: Identity, host: FeatureHost): Promise<Established> {
  if (wish.bind === undefined) return NOTHING
  try {
    const bound = await binder.bind(identity, resourceFor(secret, identity, wish.bind, wish.agent), host)
    return { bound, text: `<bound xmlns='${NS_BIND2}'/>` }
  } catch (error) {
    if (!(error instanceof StanzaError)) throw error
    const { condition, message } = error
    host.log.info({ condition, detail: message, failures: 1, stream: host.id, account: identity.jid.toString() }, 'bind.failed')
    return NOTHING
  }
}

const SUFFIX_BYTES = 9

/** §3.2.1: `tag/suffix`; the same client of the same account gets the same one each time. */
function resourceFor(secret: Buffer, { id }: Identity, bind: Element, agent: string | undefined): string {
  const bytes = agent === undefined ? randomBytes(SUFFIX_BYTES) : createHmac('sha256', secret).update(`resource\0${id}\0${agent}`).digest()
  const suffix = bytes.subarray(0, SUFFIX_BYTES).toString('base64url')
  const tag = bind.getChildText('tag', NS_BIND2)
  if (!tag) return suffix
  try {
    return prepareResource(`${tag}/${suffix}`)
  } catch (error) {
    if (error instanceof JidError) return suffix           // a tag that is too long, or with what no resource may have
    throw error
  }
}
