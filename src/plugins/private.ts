/**
 * Private XML storage (XEP-0049): what clients keep for themselves, one entry for each element name and namespace.
 * Owns the values `private` (which entries there are) and `private:<namespace> <name>`.
 */
import { bytes, get, integer, plugin, set, type Context, type IqRequest } from '../pipeline/api.js'
import { type Element, elementsOf, serializeElement, xml } from '../xml/element.js'
import { treesOf } from '../xml/inside.js'
import { StanzaError } from '../xmpp/errors.js'

const NS = 'jabber:iq:private'
const INDEX = 'private'

const config = {
  entriesMax: integer('entries-max', 100, 1, 10_000, 'Entries of one account.'),
  bytesMax: bytes('bytes-max', 128 * 1024, 1024, 1024 ** 2, 'Bytes of one entry.')
}

/** §2.3: an element has a namespace of its own. */
function keyOf(element: Element): string {
  const ns = element.getNS() ?? ''
  if (ns === '' || ns === NS) throw new StanzaError('modify', 'not-acceptable', 'Private data has a namespace of its own')
  return `${INDEX}:${ns} ${element.getName()}`
}

async function read({ payload }: IqRequest, ctx: Context): Promise<Element> {
  const [wanted, second] = elementsOf(payload)
  if (wanted === undefined || second !== undefined) throw new StanzaError('modify', 'bad-request', 'Ask for one element') // §2.3
  const text = await ctx.store.values.get(ctx.account, keyOf(wanted))
  return xml('query', { xmlns: NS }, ...(text === undefined ? [wanted] : treesOf(Buffer.from(text), NS)))
}

/** Several elements of one name are one entry (§2.3). */
async function write({ payload }: IqRequest, ctx: Context): Promise<undefined> {
  const entries = new Map<string, string>()
  for (const element of elementsOf(payload)) {
    const key = keyOf(element)
    entries.set(key, (entries.get(key) ?? '') + serializeElement(element, NS))
  }
  if (entries.size === 0) throw new StanzaError('modify', 'not-acceptable', 'There is nothing to keep')
  const { bytesMax, entriesMax } = ctx.settings(config)
  if ([...entries.values()].some((text) => Buffer.byteLength(text) > bytesMax)) {
    throw new StanzaError('modify', 'not-acceptable', `An entry has at most ${bytesMax} bytes`)
  }
  const { values } = ctx.store
  await values.update(ctx.account, INDEX, (index) => {
    const known = new Set(index?.split('\n'))
    const all = new Set([...known, ...entries.keys()])
    if (all.size > entriesMax && all.size > known.size) throw new StanzaError('wait', 'resource-constraint', 'Too many entries')
    return [...all].join('\n')
  })
  for (const [key, text] of entries) await values.set(ctx.account, key, text)
}

/** §2.3: nobody else's. */
const forbid = (): never => {
  throw new StanzaError('auth', 'forbidden')
}
const notYours = [get(NS, 'query', forbid), set(NS, 'query', forbid)]

export default plugin({
  id: NS,
  xep: { number: 49, version: '1.2', title: 'Private XML Storage' },
  config,
  disco: [NS],
  iq: { self: [get(NS, 'query', read), set(NS, 'query', write)], account: notYours, nobody: notYours }
})
