/** Blocking command (XEP-0191): who is blocked sees the user offline and reaches nobody. Owns the block list. */
import { randomBytes } from 'node:crypto'
import {
  DROP, accountCache, get, integer, plugin, push, reply, send, set, slot,
  type Context, type Delivery, type Drop, type Guard, type IqRequest, type Reply, type RosterItem
} from '../pipeline/api.js'
import { presenceRequest } from '../rules/presence-request.js'
import { isSeenByContact, seesContact } from '../rules/subscription.js'
import { type Element, xml } from '../xml/element.js'
import { StanzaError } from '../xmpp/errors.js'
import { JidError, parseJid, type Jid } from '../xmpp/jid.js'
import { Stanza } from '../xmpp/stanza.js'
import { refuseForgedPush, rosterCache, toOwnDevices } from './roster.js'

const NS = 'urn:xmpp:blocking'
const KEY = 'blocklist'

const config = {
  itemsMax: integer('items-max', 10_000, 1, 100_000, 'Addresses that one account may block.')
}

/** Prepared addresses as text. */
export type BlockList = ReadonlySet<string>

export const blockedCache = accountCache<BlockList>(KEY, async (store, account) => listOf(await store.values.get(account, KEY)))

const NOBODY: BlockList = new Set()
const listOf = (value: string | undefined): BlockList => (value === undefined || value === '' ? NOBODY : new Set(value.split('\n')))
const textOf = (list: BlockList): string => [...list].join('\n')

/** §5: this very address, its account, its domain with the resource, or its domain. */
export function isBlocked(list: BlockList, jid: Jid): boolean {
  if (list.size === 0) return false
  const { local, domain, resource } = jid
  if (list.has(domain) || (resource !== '' && list.has(`${domain}/${resource}`))) return true
  return local !== '' && (list.has(jid.bare.toString()) || list.has(jid.toString()))
}

/** True: this device has asked for the list, and is told of changes (§3.3). */
const interested = slot('blocking-interested', false)

async function readList(_: IqRequest, ctx: Context): Promise<Element> {
  ctx.device?.set(interested, true)
  return xml('blocklist', { xmlns: NS }, ...items(await ctx.read(blockedCache)))
}

const items = (jids: Iterable<string>): readonly Element[] => Array.from(jids, (jid) => xml('item', { jid }))

/** §3.3. */
async function block({ payload }: IqRequest, ctx: Context): Promise<Reply> {
  const wanted = jidsOf(payload)
  if (wanted.length === 0) throw new StanzaError('modify', 'bad-request', 'Whom?')
  const { itemsMax } = ctx.settings(config)
  const { before, after } = await change(ctx, (list) => {
    const longer = new Set([...list, ...wanted])
    if (longer.size > itemsMax && longer.size > list.size) throw new StanzaError('wait', 'resource-constraint', 'The block list is full')
    return longer
  })
  const fresh = wanted.filter((jid) => !before.has(jid)).map((jid) => presenceRequest('blocked', parseJid(jid), ctx.account.jid))
  return reply(undefined, told(ctx, 'block', wanted), ...await hide(before, after, ctx), ...fresh.map((request) => toOwnDevices(request)))
}

/** §3.4, §3.5. */
async function unblock({ payload }: IqRequest, ctx: Context): Promise<Reply> {
  const wanted = jidsOf(payload)
  const { before, after } = await change(ctx, (list) => {
    return wanted.length === 0 ? new Set<string>() : new Set([...list].filter((jid) => !wanted.includes(jid)))
  })
  return reply(undefined, told(ctx, 'unblock', wanted), ...await show(before, after, ctx))
}

interface Change {
  readonly before: BlockList
  readonly after: BlockList
}

async function change(ctx: Context, edit: (list: BlockList) => BlockList): Promise<Change> {
  let before: BlockList = new Set()
  const value = await ctx.store.values.update(ctx.account, KEY, (old) => {
    before = listOf(old)
    const next = edit(before)
    return next.size === 0 ? undefined : textOf(next)
  })
  await ctx.forget(blockedCache)
  return { before, after: listOf(value) }
}

function told(ctx: Context, name: 'block' | 'unblock', jids: readonly string[]): Delivery {
  const notice = xml(name, { xmlns: NS }, ...items(jids))
  return push(ctx.account.jid, 'blocking', Stanza.of({ kind: 'iq', type: 'set', id: randomBytes(8).toString('hex') }, notice))
}

/** Contacts entitled to presence see the user go (§3.3). */
async function hide(before: BlockList, after: BlockList, ctx: Context): Promise<readonly Delivery[]> {
  return (await turned(before, after, ctx)).filter(isSeenByContact).map((item) => request('hide', item, ctx))
}

/** They see the user again (§3.4), who has missed what they showed meanwhile (RFC 6121 §4.2.2: probes). */
async function show(before: BlockList, after: BlockList, ctx: Context): Promise<readonly Delivery[]> {
  const contacts = await turned(before, after, ctx)
  return [
    ...contacts.filter(isSeenByContact).map((item) => request('show', item, ctx)),
    ...contacts.filter(seesContact).map((item) => send(presenceRequest('show', ctx.account.jid, item.jid)))
  ]
}

function request(what: 'show' | 'hide', contact: RosterItem, ctx: Context): Delivery {
  return toOwnDevices(presenceRequest(what, contact.jid, ctx.account.jid))
}

/** The contacts that one of the two lists blocks, and the other does not. */
async function turned(before: BlockList, after: BlockList, ctx: Context): Promise<readonly RosterItem[]> {
  const { items: contacts } = await ctx.read(rosterCache)
  return [...contacts.values()].filter((item) => isBlocked(before, item.jid) !== isBlocked(after, item.jid))
}

function jidsOf(payload: Element): readonly string[] {
  return payload.getChildren('item', NS).map((item) => addressOf(item.attrs['jid']).toString())
}

function addressOf(text: unknown): Jid {
  if (typeof text !== 'string') throw new StanzaError('modify', 'bad-request', 'An item without an address')
  try {
    return parseJid(text)
  } catch (error) {
    if (error instanceof JidError) throw new StanzaError('modify', 'jid-malformed', error.message)
    throw error
  }
}

/** The user's stanza to somebody blocked (§3.3). */
const outgoing: Guard = (stanza, ctx) => judged(stanza, stanza.to, ctx, refuseOutgoing)

function refuseOutgoing(stanza: Stanza): Drop {
  if (isAnswer(stanza)) return DROP
  throw new StanzaError('cancel', 'not-acceptable', '', { name: 'blocked', ns: `${NS}:errors` })
}

const incomingIq: Guard = (stanza, ctx) => {
  refuseForgedPush(stanza, NS)
  return incoming(stanza, ctx)
}

/** A stanza from somebody blocked: nothing is delivered, and the user seems offline (§3.3). */
const incoming: Guard = (stanza, ctx) => judged(stanza, stanza.from, ctx, refuseIncoming)

function refuseIncoming(stanza: Stanza): Drop {
  if (stanza.kind === 'presence' || isAnswer(stanza)) return DROP
  throw new StanzaError('cancel', 'service-unavailable')
}

const isAnswer = ({ kind, type }: Stanza): boolean => type === 'error' || (kind === 'iq' && type === 'result')

/** At once when the list is at hand. Never among the account's own devices, and never for its own server. */
function judged(stanza: Stanza, other: Jid | undefined, ctx: Context, refuse: (stanza: Stanza) => Drop): ReturnType<Guard> {
  const own = ctx.account.jid
  if (other === undefined || other.sameBare(own) || (other.local === '' && other.domain === own.domain)) return undefined
  const list = ctx.read(blockedCache)
  if (list instanceof Promise) return list.then((loaded) => (isBlocked(loaded, other) ? refuse(stanza) : undefined))
  return isBlocked(list, other) ? refuse(stanza) : undefined
}

export default plugin({
  id: NS,
  aliases: ['blocking'],
  xep: { number: 191, version: '1.3', title: 'Blocking Command' },
  needs: ['jabber:iq:roster'],
  config,
  disco: [NS],
  audiences: { blocking: (device) => device.get(interested) },
  iq: { self: [get(NS, 'blocklist', readList), set(NS, 'block', block), set(NS, 'unblock', unblock)] },
  iqPassing: { leaving: outgoing, arriving: incomingIq },
  message: { leaving: { guard: outgoing }, arriving: { guard: incoming } },
  presence: { leaving: { guard: outgoing }, arriving: { guard: incoming } }
})
