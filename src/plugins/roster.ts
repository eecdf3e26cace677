/**
 * The roster (RFC 6121 §2): get, set and remove, versions, pushes to interested devices. Owns the audience `interested`
 * and the cached roster that other plugins read.
 */
import { randomBytes } from 'node:crypto'
import {
  accountCache, get, integer, plugin, push, reply, set, slot,
  type Context, type Delivery, type Guard, type IqRequest, type Reply, type Roster, type RosterItem
} from '../pipeline/api.js'
import { presenceRequest } from '../rules/presence-request.js'
import { isSeenByContact, seesContact } from '../rules/subscription.js'
import { type Element, xml } from '../xml/element.js'
import { StanzaError } from '../xmpp/errors.js'
import { JidError, parseJid, type Jid } from '../xmpp/jid.js'
import { Stanza } from '../xmpp/stanza.js'

const NS = 'jabber:iq:roster'
/** Of a name and of a group: as much as a part of an address, and enough for any label. */
const TEXT_BYTES_MAX = 1023
/** A contact in more groups than this is no longer sorted by them. */
const GROUPS_MAX = 50

const config = {
  itemsMax: integer('items-max', 2000, 1, 100_000, 'Contacts of one account; each login loads all of them.')
}

/** True: this device has asked for the roster (RFC 6121 §2.1.3). */
const interested = slot('roster-interested', false)

export const rosterCache = accountCache<Roster>('roster', (store, account) => store.rosters.load(account))

/** Refuses one more contact than the account may have; `size` as it stands. */
export function checkRosterSize(ctx: Context, size: number): void {
  if (size >= ctx.settings(config).itemsMax) throw new StanzaError('wait', 'resource-constraint', 'The roster is full')
}

/** The roster push of one item (RFC 6121 §2.1.6). `undefined`: it was removed. */
export function rosterPush(account: Jid, jid: Jid, item: RosterItem | undefined, version: number): Delivery {
  return push(account, 'interested', pushStanza(jid, item, version))
}

function pushStanza(jid: Jid, item: RosterItem | undefined, version: number): Stanza {
  const shown = item?.listed === true ? itemElement(item) : xml('item', { jid: jid.toString(), subscription: 'remove' })
  const query = xml('query', { xmlns: NS, ver: String(version) }, shown) // RFC 6121 §2.6.3
  return Stanza.of({ kind: 'iq', type: 'set', id: randomBytes(8).toString('hex') }, query)
}

function itemElement(item: RosterItem): Element {
  const attributes = {
    jid: item.jid.toString(), subscription: item.subscription,
    ...(item.name !== '' && { name: item.name }), ...(item.ask && { ask: 'subscribe' }), ...(item.approved && { approved: 'true' })
  }
  return xml('item', attributes, ...item.groups.map((group) => xml('group', {}, group)))
}

/** RFC 6121 §2.2, §2.6.3. */
async function readRoster({ payload }: IqRequest, ctx: Context): Promise<Element | Reply> {
  ctx.device?.set(interested, true)
  const known = String(payload.attrs['ver'] ?? '')
  const interim = /^\d{1,15}$/.test(known) ? await changesSince(Number(known), ctx) : undefined
  if (interim !== undefined) return reply(undefined, ...interim)
  const roster = await ctx.read(rosterCache)
  const items = [...roster.items.values()].filter((item) => item.listed)
  return xml('query', { xmlns: NS, ver: String(roster.version) }, ...items.map(itemElement))
}

/** Interim roster pushes to the asking device; `undefined`: the whole roster is shorter, or nobody remembers. */
async function changesSince(version: number, ctx: Context): Promise<readonly Delivery[] | undefined> {
  const { device } = ctx
  const since = await ctx.store.rosters.changesSince(ctx.account, version)
  if (since === undefined || device === undefined || since.version < version) return undefined
  const roster = await ctx.read(rosterCache)
  if (since.changed.length > 0 && since.changed.length >= roster.items.size) return undefined
  const inOrder = [...since.changed].sort((a, b) => a.version - b.version)
  return inOrder.map((change) => push(device.jid, '', pushStanza(change.jid, change.item, change.version)))
}

interface Wish {
  readonly jid: Jid
  readonly name: string
  readonly groups: readonly string[]
  readonly remove: boolean
}

/** RFC 6121 §2.3, §2.4, §2.5. */
async function changeRoster({ payload }: IqRequest, ctx: Context): Promise<Reply> {
  const wish = wishOf(payload, ctx.account.jid)
  const { before, after, version } = await ctx.store.rosters.update(ctx.account, wish.jid, (item, size) => {
    if (wish.remove) {
      checkListed(item)
      return undefined
    }
    if (item?.listed !== true) checkRosterSize(ctx, size)
    return changed(item, wish)
  })
  if (before === after) return reply(undefined)
  await ctx.forget(rosterCache)
  const goodbyes = wish.remove && before !== undefined ? cancellations(ctx.account.jid, before) : []
  return reply(undefined, rosterPush(ctx.account.jid, wish.jid, after, version), ...goodbyes)
}

function checkListed(item: RosterItem | undefined): void {
  if (item?.listed !== true) throw new StanzaError('cancel', 'item-not-found') // RFC 6121 §2.5.3
}

function changed(item: RosterItem | undefined, { jid, name, groups }: Wish): RosterItem {
  const { subscription, ask, approved, pendingIn } = item ?? { subscription: 'none', ask: false, approved: false, pendingIn: undefined }
  const next: RosterItem = { jid, name, groups, subscription, ask, approved, pendingIn, listed: true }
  const same = item?.listed === true && item.name === name && item.groups.length === groups.length &&
    groups.every((group) => item.groups.includes(group))
  return same ? item : next
}

/** RFC 6121 §2.5.2: a contact that is removed loses what it could see, and we what we could. */
export function cancellations(account: Jid, item: RosterItem): readonly Delivery[] {
  const tell = (type: 'unsubscribe' | 'unsubscribed'): Delivery => ({
    stanza: Stanza.of({ kind: 'presence', type, from: account, to: item.jid }), to: item.jid,
    via: 'route', audience: '', except: undefined, readdress: false, row: 0
  })
  return [
    ...(isSeenByContact(item) ? [toOwnDevices(presenceRequest('hide', item.jid, account))] : []),
    ...(isSeenByContact(item) || item.pendingIn !== undefined ? [tell('unsubscribed')] : []),
    ...(seesContact(item) || item.ask ? [tell('unsubscribe')] : [])
  ]
}

/** Straight to the available devices of an account of ours, as it is. */
export function toOwnDevices(stanza: Stanza & { readonly to: Jid }, audience = '', except?: Jid): Delivery {
  return { stanza, to: stanza.to, via: 'devices', audience, except, readdress: false, row: 0 }
}

/** RFC 6121 §2.1.5, §2.3.3. The attributes `subscription`, `ask` and `approved` are the server's, but for `remove`. */
function wishOf(query: Element, own: Jid): Wish {
  const items = query.getChildren('item', NS)
  const [item] = items
  const address: unknown = item?.attrs['jid']
  if (item === undefined || items.length !== 1 || typeof address !== 'string') throw new StanzaError('modify', 'bad-request')
  const jid = addressOf(address)
  if (jid.equals(own)) throw new StanzaError('cancel', 'not-allowed', 'You are always in your own roster')
  const name = String(item.attrs['name'] ?? '')
  const groups = item.getChildren('group', NS).map((group) => group.getText())
  checkTexts(name, groups)
  return { jid, name, groups, remove: item.attrs['subscription'] === 'remove' }
}

function addressOf(text: string): Jid {
  try {
    return parseJid(text).bare
  } catch (error) {
    if (error instanceof JidError) throw new StanzaError('modify', 'jid-malformed', error.message)
    throw error
  }
}

function checkTexts(name: string, groups: readonly string[]): void {
  if (new Set(groups).size < groups.length) throw new StanzaError('modify', 'bad-request', 'A group is named twice')
  if (groups.length > GROUPS_MAX) throw new StanzaError('wait', 'resource-constraint', `At most ${GROUPS_MAX} groups`)
  if (groups.includes('') || [name, ...groups].some((text) => Buffer.byteLength(text) > TEXT_BYTES_MAX)) {
    throw new StanzaError('modify', 'not-acceptable', `Names and groups have at most ${TEXT_BYTES_MAX} bytes, groups at least one`)
  }
}

const notYours = set(NS, 'query', () => {
  throw new StanzaError('auth', 'forbidden') // RFC 6121 §2.1.5
})

/** RFC 6121 §2.1.6: pushes are the server's own; who sends somebody else's device one forges it, however close a friend. */
export function refuseForgedPush({ type, from, to, children }: Stanza, ns: string): void {
  if (type !== 'set' || from === undefined || to === undefined || to.isBare || to.sameBare(from)) return
  if (!children.some((child) => child.ns === ns)) return
  throw new StanzaError('cancel', 'service-unavailable')
}

const guardDevice: Guard = (stanza) => refuseForgedPush(stanza, NS)

export default plugin({
  id: NS,
  aliases: ['roster'],
  config,
  audiences: { interested: (device) => device.get(interested) },
  iqPassing: { arriving: guardDevice },
  iq: {
    self: [get(NS, 'query', readRoster), set(NS, 'query', changeRoster)],
    account: [notYours],
    nobody: [notYours]
  },
  streamFeatures: () => [xml('ver', { xmlns: 'urn:xmpp:features:rosterver' })]
})
