/**
 * Bind 2 (XEP-0386): the resource that a client gets together with its login, and what is switched on with it; or the session
 * that it had (XEP-0198 §9). There is no archive here, so no messages are cleared and no metadata are told (§3.2).
 */
import { createHmac, randomBytes } from 'node:crypto'
import { StanzaError } from '../../xmpp/errors.js'
import { JidError, prepareResource } from '../../xmpp/jid.js'
import type { Element } from '../../xml/element.js'
import type { Identity } from '../authenticator.js'
import { NS_BIND2, NS_CSI, NS_SM } from '../namespaces.js'
import type { Wish } from './authenticate.js'
import { ResumeFailure, type Binder, type Bound, type Resumed } from './bind.js'
import type { FeatureHost, Flag } from './feature.js'
import { enabledText, enableWish, failedText, isManaged, resumedText, resumeWish } from './sm.js'

/** What login and binding came to. */
export interface Established {
  readonly bound: Bound | undefined
  /** The stream goes on as the earlier one did: there is nothing to negotiate (XEP-0198 §9.2). */
  readonly resumed: boolean
  readonly raises: readonly Flag[]
  /** For `<success/>`. */
  readonly text: string
}

export interface Bind2Parts {
  readonly binder: Binder
  /** Turns clients' ids into parts of resources that show nothing of them; the same on all nodes. */
  readonly secret: Buffer
}

/** For `<inline/>` (§3.1, XEP-0198 §9). */
export function bind2Offer({ kind }: FeatureHost): string {
  const csi = `<feature var='${NS_CSI}'/>`
  if (!isManaged(kind)) return `<bind xmlns='${NS_BIND2}'><inline>${csi}</inline></bind>`
  return `<bind xmlns='${NS_BIND2}'><inline>${csi}<feature var='${NS_SM}'/></inline></bind><sm xmlns='${NS_SM}'/>`
}

const MANAGED: readonly Flag[] = ['bound', 'managed']

/** The earlier session if it can be had, else a new one if it is wanted. */
export async function establish(parts: Bind2Parts, wish: Wish, identity: Identity, host: FeatureHost): Promise<Established> {
  let failed = ''
  if (wish.resume !== undefined) {
    const resumed = await resume(parts.binder, wish.resume, identity, host)
    if (!(resumed instanceof ResumeFailure)) return { bound: resumed, resumed: true, raises: MANAGED, text: resumedText(resumed) }
    failed = failedText(resumed)
  }
  const bound = wish.bind && await bind(parts, wish, identity, host)
  if (wish.bind === undefined || bound === undefined) return { bound: undefined, resumed: false, raises: [], text: failed }
  const enabled = wish.bind.getChild('enable', NS_SM)
  const inside = enabled === undefined ? '' : enable(bound, enabled, host)
  if (wish.bind.getChild('inactive', NS_CSI) !== undefined) bound.consumer.look(false)      // §3.2
  const text = inside === '' ? `<bound xmlns='${NS_BIND2}'/>` : `<bound xmlns='${NS_BIND2}'>${inside}</bound>`
  return { bound, resumed: false, raises: inside.startsWith('<enabled') ? MANAGED : ['bound'], text: failed + text }
}

async function resume(binder: Binder, { attrs }: Element, identity: Identity, host: FeatureHost): Promise<Resumed | ResumeFailure> {
  const wish = resumeWish(attrs)
  if (!isManaged(host.kind)) return new ResumeFailure('feature-not-implemented')
  if (wish === undefined) return new ResumeFailure('bad-request')
  try {
    return await binder.resume(identity, wish, host)
  } catch (error) {
    if (error instanceof ResumeFailure) return error
    throw error
  }
}

// Who cannot have a resource is logged in without one: the older way of binding says why.
async function bind({ binder, secret }: Bind2Parts, wish: Wish, identity: Identity, host: FeatureHost): Promise<Bound | undefined> {
  try {
    return await binder.bind(identity, resourceFor(secret, identity, wish), host)
  } catch (error) {
    if (!(error instanceof StanzaError)) throw error
    const { condition, message } = error
    host.log.info({ condition, detail: message, failures: 1, stream: host.id, account: identity.jid.toString() }, 'bind.failed')
    return undefined
  }
}

// XEP-0198 §9.1.
function enable(bound: Bound, { attrs }: Element, { kind }: FeatureHost): string {
  if (!isManaged(kind)) return failedText({ condition: 'feature-not-implemented' })
  try {
    return enabledText(bound.enable(enableWish(attrs)))
  } catch (error) {
    if (error instanceof StanzaError) return failedText(error)
    throw error
  }
}

const SUFFIX_BYTES = 9

/** §3.2.1: `tag/suffix`; the same client of the same account gets the same one each time. */
function resourceFor(secret: Buffer, { id }: Identity, { agent, bind }: Wish): string {
  const bytes = agent === undefined ? randomBytes(SUFFIX_BYTES) : createHmac('sha256', secret).update(`resource\0${id}\0${agent}`).digest()
  const suffix = bytes.subarray(0, SUFFIX_BYTES).toString('base64url')
  const tag = bind?.getChildText('tag', NS_BIND2)
  if (!tag) return suffix
  try {
    return prepareResource(`${tag}/${suffix}`)
  } catch (error) {
    if (error instanceof JidError) return suffix           // a tag that is too long, or with what no resource may have
    throw error
  }
}
