/** vCards (XEP-0054): everybody's visiting card, readable by all who know the address. Owns the value `vcard`. */
import { bytes, get, plugin, set, type Context, type IqHandler, type IqRequest } from '../pipeline/api.js'
import type { Element } from '../xml/element.js'
import { treesOf } from '../xml/inside.js'
import { StanzaError } from '../xmpp/errors.js'
import { NS_CLIENT } from '../xmpp/stanza.js'

const NS = 'vcard-temp'
const KEY = 'vcard'

const config = {
  bytesMax: bytes('bytes-max', 128 * 1024, 1024, 1024 ** 2, 'Bytes of one vCard as sent, its picture in Base64 included.')
}

/** §3.1, §3.3: without a card it is for others as if there were no account. */
const read = (missing: 'item-not-found' | 'service-unavailable'): IqHandler => get(NS, 'vCard', async (_, ctx) => {
  const text = await ctx.store.values.get(ctx.account, KEY)
  const [card] = text === undefined ? [] : treesOf(Buffer.from(text), NS_CLIENT)
  if (card === undefined) throw new StanzaError('cancel', missing)
  return card
})

/** §3.2. The bytes are kept as they came. */
async function write({ stanza }: IqRequest, ctx: Context): Promise<Element | undefined> {
  const { bytesMax } = ctx.settings(config)
  if (stanza.inside.length > bytesMax) throw new StanzaError('modify', 'not-acceptable', `A vCard has at most ${bytesMax} bytes`)
  await ctx.store.values.set(ctx.account, KEY, stanza.inside.toString('utf8'))
  return undefined
}

/** §3.2: only one's own can be changed. */
const notYours = set(NS, 'vCard', () => {
  throw new StanzaError('auth', 'forbidden')
})

export default plugin({
  id: NS,
  xep: { number: 54, version: '1.3.0', title: 'vcard-temp' },
  config,
  disco: [NS],
  iq: {
    self: [read('item-not-found'), set(NS, 'vCard', write)],
    account: [read('service-unavailable'), notYours],
    nobody: [notYours]
  }
})
