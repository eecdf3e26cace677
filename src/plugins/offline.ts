/**
 * Messages for those who are away (XEP-0160): kept when nobody takes them, given to the next device that does, with the
 * time of their sending (XEP-0203).
 */
import {
  bytes, integer, plugin, stored, type Context, type Delivery, type Device, type OfflineRow, type Shape
} from '../pipeline/api.js'
import { messageType } from '../rules/addressing.js'
import type { Element } from '../xml/element.js'
import { delay, isDelayed, NS_DELAY } from '../xmpp/delay.js'
import { StanzaError } from '../xmpp/errors.js'
import { Jid, parseJid } from '../xmpp/jid.js'
import type { Stanza } from '../xmpp/stanza.js'
import { readStanza } from '../xmpp/stored-stanza.js'

const NS_CHATSTATES = 'http://jabber.org/protocol/chatstates'

const config = {
  messagesMax: integer('messages-max', 500, 0, 100_000, 'Messages kept for one account; further ones are refused to their senders.'),
  bytesMax: bytes('bytes-max', 5 * 1024 ** 2, 0, 1024 ** 3, 'Bytes of messages kept for one account.')
}

/** Says number of the row; 0: dealt with by forgetting it. */
async function keep(stanza: Stanza, ctx: Context): Promise<number | undefined> {
  const type = messageType(stanza.type)
  if (type !== 'normal' && type !== 'chat') return undefined // XEP-0160 §3
  if (!hasContent(stanza)) return 0
  const { messagesMax: messages, bytesMax: most } = ctx.settings(config)
  const row = await ctx.store.offline.add(ctx.account, ctx.key, stanza.toString(), ctx.clock.wall(), { messages, bytes: most })
  if (row === undefined) throw new StanzaError('wait', 'resource-constraint', 'There is no room for more messages')
  return row
}

/** Typing notices are for now or never (XEP-0085), also those that name their thread. */
function hasContent(stanza: Stanza): boolean {
  return stanza.children.some((child) => child.ns !== NS_CHATSTATES && child.ns !== NS_DELAY && child.name !== 'thread')
}

/** XEP-0160 §3: to the first device that wants messages, in the order in which they came. */
async function give(device: Device, ctx: Context): Promise<readonly Delivery[]> {
  if ((device.priority ?? -1) < 0) return []
  const rows = await ctx.store.offline.read(ctx.account)
  return rows.flatMap((row) => restored(row, device, ctx))
}

function restored(row: OfflineRow, device: Device, { log }: Context): readonly Delivery[] {
  const stanza = readStanza(row.stanza)
  if (stanza === undefined) {
    log.warn({ jid: device.account.jid.toString(), row: row.row }, 'offline.unreadable')
    return []
  }
  const { domain } = device.jid
  if (isDelayed(stanza, domain)) return [stored(device, row, stanza)]       // a device had it and is gone
  return [stored(device, row, stanza.withChildren([...stanza.elements(), delay(new Jid('', domain, ''), row.at, 'Offline storage')]))]
}

/** XEP-0203 §5: a delay in our name is ours to state. */
const stripForged: Shape = (stanza, { server }) => {
  if (!stanza.has('delay', NS_DELAY)) return
  const isForged = (element: Element): boolean => element.is('delay', NS_DELAY) && claims(element.attrs['from'], server.domains)
  return stanza.withChildren(stanza.elements().filter((element) => !isForged(element)))
}

function claims(from: unknown, domains: readonly string[]): boolean {
  try {
    const { local, domain } = parseJid(String(from))
    return local === '' && domains.includes(domain)
  } catch {
    return false
  }
}

export default plugin({
  id: 'msgoffline',
  xep: { number: 160, version: '1.0.1', title: 'Best Practices for Handling Offline Messages' },
  config,
  disco: { host: ['msgoffline'] },
  message: { leaving: { shape: stripForged }, stranded: keep },
  life: { available: give }
})
