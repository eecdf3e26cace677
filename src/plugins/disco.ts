/**
 * Service discovery (XEP-0030): what served domains and accounts are and can do, as all plugins declare it. Strangers
 * learn nothing of an account, not even that it exists (§8).
 */
import { get, plugin, type Context, type DiscoFacts, type IqRequest } from '../pipeline/api.js'
import { type Element, attributeOf, xml } from '../xml/element.js'
import { StanzaError } from '../xmpp/errors.js'
import { isGuest } from '../xmpp/guest.js'
import { isCapsNode } from './caps.js'
import { isEntitled } from './presence.js'
import { rosterCache } from './roster.js'

const NS_INFO = 'http://jabber.org/protocol/disco#info'
const NS_ITEMS = 'http://jabber.org/protocol/disco#items'

const GUEST = [{ category: 'account', type: 'anonymous', name: '' }]

const nodeOf = (payload: Element): string => attributeOf(payload, 'node') ?? ''

function info({ identities, features }: DiscoFacts, node: string): Element {
  return xml('query', { xmlns: NS_INFO, ...(node !== '' && { node }) },
    ...identities.map(({ category, type, name }) => xml('identity', { category, type, ...(name !== '' && { name }) })),
    ...features.map((feature) => xml('feature', { var: feature })))
}

const noSuchNode = (): StanzaError => new StanzaError('cancel', 'item-not-found') // §7

function hostInfo({ payload }: IqRequest, { server }: Context): Element {
  const node = nodeOf(payload)
  if (node !== '' && !isCapsNode(node, server)) throw noSuchNode()
  return info(server.disco('host'), node)
}

/** §4.1: an entity without items has an empty list. */
function hostItems({ payload }: IqRequest): Element {
  if (nodeOf(payload) !== '') throw noSuchNode()
  return xml('query', { xmlns: NS_ITEMS })
}

async function accountInfo({ payload, from }: IqRequest, ctx: Context): Promise<Element> {
  if (isGuest(ctx.account)) return info({ ...ctx.server.disco('account'), identities: GUEST }, '')   // XEP-0175 §4: for everybody
  if (!isEntitled(await ctx.read(rosterCache), from, ctx.account.jid)) throw new StanzaError('cancel', 'service-unavailable') // §8
  if (nodeOf(payload) !== '') throw noSuchNode()
  return info(ctx.server.disco('account'), '')
}

/** Devices are not listed: presence says what there is to know of them. */
async function accountItems({ payload, from }: IqRequest, ctx: Context): Promise<Element> {
  const entitled = isEntitled(await ctx.read(rosterCache), from, ctx.account.jid)
  if (entitled && nodeOf(payload) !== '') throw noSuchNode()
  return emptyItems(payload)
}

/** §8: for whoever may not see the account the same as for one that does not exist. */
function emptyItems(payload: Element): Element {
  const node = nodeOf(payload)
  return xml('query', { xmlns: NS_ITEMS, ...(node !== '' && { node }) })
}

export default plugin({
  id: 'disco',
  xep: { number: 30, version: '2.5.0', title: 'Service Discovery' },
  disco: [NS_INFO, NS_ITEMS],
  identities: {
    host: [{ category: 'server', type: 'im', name: 'Starling' }],
    account: [{ category: 'account', type: 'registered', name: '' }]
  },
  iq: {
    host: [get(NS_INFO, 'query', hostInfo), get(NS_ITEMS, 'query', hostItems)],
    account: [get(NS_INFO, 'query', accountInfo), get(NS_ITEMS, 'query', accountItems)],
    nobody: [get(NS_ITEMS, 'query', ({ payload }) => emptyItems(payload))]
  }
})
