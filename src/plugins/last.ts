/**
 * Last activity (XEP-0012): how long the server has been up, how long an account has been away. Owns the value `last`:
 * which devices are available on which nodes, and when the last one went.
 */
import { get, plugin, slot, type Context, type Device, type IqRequest, type ServerFacts } from '../pipeline/api.js'
import { type Element, xml } from '../xml/element.js'
import { StanzaError } from '../xmpp/errors.js'
import { NS_CLIENT, type Stanza } from '../xmpp/stanza.js'
import { isEntitled } from './presence.js'
import { rosterCache } from './roster.js'

const NS = 'jabber:iq:last'
const KEY = 'last'
/** Devices remembered as available; more of one account are not told apart. */
const DEVICES_MAX = 100
/** A farewell is a sentence. */
const STATUS_LENGTH_MAX = 1024

interface Last {
  /** Milliseconds since 1970; 0: not known. */
  readonly at: number
  readonly status: string
  /** Node by session. */
  readonly here: readonly (readonly [session: string, node: string])[]
}

const readLast = (text: string | undefined): Last => (text === undefined ? { at: 0, status: '', here: [] } : JSON.parse(text) as Last)

/** True while `last` names this device. */
const noted = slot('last-noted', false)
/** What the device said when it went. */
const farewell = slot('last-farewell', '')

const seconds = (ms: number): string => String(Math.max(0, Math.floor(ms / 1000)))

/** Devices of a node that died are not there any more. */
const alive = ({ here }: Last, server: ServerFacts): Last['here'] => here.filter(([, node]) => server.isLive(node))

function arrive(device: Device, ctx: Context): undefined {
  if (device.get(noted)) return
  device.set(noted, true)
  const { server } = ctx
  const at = ctx.clock.wall()
  ctx.store.values.note(ctx.account, KEY, (text) => {
    const here = [...alive(readLast(text), server).slice(1 - DEVICES_MAX), [device.session, server.node] as const]
    return JSON.stringify({ at, status: '', here } satisfies Last)       // what is left of a life that ends without a word
  })
}

function leave(device: Device, ctx: Context): undefined {
  if (!device.get(noted)) return
  device.set(noted, false)
  const at = ctx.clock.wall()
  const status = device.get(farewell)
  ctx.store.values.note(ctx.account, KEY, (text) => {
    if (text === undefined) return undefined                             // the account was removed: that is why it goes
    const here = alive(readLast(text), ctx.server).filter(([session]) => session !== device.session)
    return JSON.stringify({ at, status, here } satisfies Last)
  })
}

function listen(stanza: Stanza, { device }: Context): void {
  if (stanza.to !== undefined || stanza.type !== 'unavailable') return
  const status = stanza.child('status', NS_CLIENT)?.getText() ?? ''
  if (status !== '' || device?.get(farewell) !== '') device?.set(farewell, status.slice(0, STATUS_LENGTH_MAX))
}

/** §3: for those who may see the account's presence. */
async function accountLast({ from }: IqRequest, ctx: Context): Promise<Element> {
  if (!isEntitled(await ctx.read(rosterCache), from, ctx.account.jid)) throw forbidden()
  const last = readLast(await ctx.store.values.get(ctx.account, KEY))
  if (alive(last, ctx.server).length > 0) return xml('query', { xmlns: NS, seconds: '0' })
  if (last.at === 0) throw new StanzaError('cancel', 'item-not-found', 'Never seen')
  return xml('query', { xmlns: NS, seconds: seconds(ctx.clock.wall() - last.at) }, last.status)
}

const forbidden = (): StanzaError => new StanzaError('auth', 'forbidden')

export default plugin({
  id: NS,
  xep: { number: 12, version: '2.0', title: 'Last Activity' },
  after: ['msgoffline', 'presence-state', 'presence-subscription'],        // nobody waits for what is only noted
  disco: [NS],
  iq: {
    host: [get(NS, 'query', (_, { server }) => xml('query', { xmlns: NS, seconds: seconds(server.upMs()) }))], // §5
    account: [get(NS, 'query', accountLast)],
    nobody: [get(NS, 'query', () => {
      throw forbidden()
    })]
  },
  presence: { leaving: { keep: listen } },
  life: { available: arrive, unavailable: leave, ended: leave }
})
