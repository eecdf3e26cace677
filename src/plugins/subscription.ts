/**
 * Presence subscriptions (RFC 6121 §3), both halves: the tables of `rules/subscription` applied to the roster, requests
 * kept until they are answered, approvals in advance, pushes and automatic replies.
 */
import {
  DROP, drop, plugin, send, slot, type AccountRef, type Context, type Delivery, type Device, type Drop, type RosterChange, type RosterItem
} from '../pipeline/api.js'
import { presenceRequest } from '../rules/presence-request.js'
import { isSubscriptionType } from '../rules/presence.js'
import { inbound, outbound, type SubscriptionState, type SubscriptionType } from '../rules/subscription.js'
import { xml } from '../xml/element.js'
import { delay, NS_DELAY } from '../xmpp/delay.js'
import { StanzaError } from '../xmpp/errors.js'
import type { Jid } from '../xmpp/jid.js'
import { Stanza } from '../xmpp/stanza.js'
import { readStanza } from '../xmpp/stored-stanza.js'
import { checkRosterSize, rosterCache, rosterPush, toOwnDevices } from './roster.js'

/** Requests kept for one account; strangers must not fill its roster (RFC 6121 §3.1.3, security warning). */
const PENDING_MAX = 200
/** A greeting is a sentence; a request that carries more is kept without it. */
const PENDING_BYTES_MAX = 16_384

/** True: the requests that wait have been shown in this presence session. */
const asked = slot('subscription-asked', false)

type Addressed = Stanza & { readonly to: Jid }
const addressed = (stanza: Stanza, from: Jid, to: Jid): Addressed => stanza.with({ from, to }) as Addressed

/** The user's own stanza (Appendix A.2). */
async function leaving(stanza: Stanza, ctx: Context): Promise<Drop> {
  const { type } = stanza
  if (!isSubscriptionType(type) || stanza.to === undefined) throw new StanzaError('modify', 'bad-request')
  const own = ctx.account.jid
  const contact = stanza.to.bare                              // §3.1.2: a full JID is taken for the bare one
  if (contact.equals(own)) return DROP                        // own presence is implied (§4.2.2)
  const change = await update(ctx, contact, (item, size) => {
    const { state } = outbound(type, item)
    if (state?.listed === true && item?.listed !== true) checkRosterSize(ctx, size)
    return state
  })
  const { route, push, access } = outbound(type, change.before)
  return drop(
    ...(access === 'ended' ? [toOwnDevices(presenceRequest('hide', contact, own))] : []), // §3.2.2: before the stanza
    // Before what the contact may answer at once: pushes come in the order of changes (§2.6.3).
    ...(push ? [rosterPush(own, contact, change.after, change.version)] : []),
    ...(route ? [send(addressed(stanza, own, contact))] : []),
    ...(access === 'granted' ? [toOwnDevices(presenceRequest('show', contact, own))] : []) // §3.1.5
  )
}

/** A contact's stanza (Appendix A.3). */
async function arriving(stanza: Stanza, ctx: Context): Promise<Drop> {
  const { type, from } = stanza
  if (!isSubscriptionType(type) || from === undefined) return DROP
  const own = ctx.account.jid
  const contact = from.bare
  if (contact.equals(own)) return DROP
  if (type === 'subscribe') await makeRoom(contact, ctx)
  const here = addressed(stanza, contact, own)
  const change = await update(ctx, contact, (item) => inbound(type, item, type === 'subscribe' ? requestText(here, ctx) : '').state)
  const { deliver, push, reply, access } = inbound(type, change.before)
  return drop(
    ...(deliver ? [toOwnDevices(here, type === 'subscribe' ? '' : 'interested')] : answerToProbe(stanza)), // §3.1.3, §3.1.6
    ...(push ? [rosterPush(own, contact, change.after, change.version)] : []),
    ...(access === 'ended' ? [toOwnDevices(presenceRequest('hide', contact, own))] : []), // §3.3.3
    ...(reply === undefined ? [] : [send(answer(reply, own, contact, stanza.id))]),
    ...(reply === 'subscribed' ? [toOwnDevices(presenceRequest('show', contact, own))] : [])
  )
}

/** A device that asked by itself is told that it may not see (§4.3.2). */
function answerToProbe(stanza: Stanza): readonly Delivery[] {
  return stanza.type === 'unsubscribed' && stanza.to?.isBare === false ? [toOwnDevices(stanza as Addressed)] : []
}

/** The stranger's request that has waited for longest gives way, so that a flood never keeps a new one from being seen. */
async function makeRoom(contact: Jid, ctx: Context): Promise<void> {
  const { items } = await ctx.read(rosterCache)
  if (items.size < PENDING_MAX || items.has(contact.toString())) return
  const waiting = [...items.values()].filter((item) => item.pendingIn !== undefined && !item.listed)
  if (waiting.length < PENDING_MAX) return
  const since = new Map(waiting.map((item) => [item, keptSince(item)]))
  const oldest = waiting.reduce((one, other) => ((since.get(other) ?? '') < (since.get(one) ?? '') ? other : one))
  await update(ctx, oldest.jid, (item) => (item?.listed === true ? item : undefined))
}

/** The stamp is the last child; text that compares like time. */
function keptSince({ pendingIn = '' }: RosterItem): string {
  const stamp = readStanza(pendingIn)?.elements().at(-1)
  return stamp?.is('delay', NS_DELAY) === true ? String(stamp.attrs['stamp']) : ''
}

/** As it came, and when (XEP-0203), for those to whom it is shown later. */
function requestText(request: Stanza, { account, clock }: Context): string {
  const content = request.inside.length <= PENDING_BYTES_MAX ? request.elements() : []
  return request.withChildren([...content, delay(account.jid, clock.wall())]).toString()
}

function answer(type: SubscriptionType, from: Jid, to: Jid, id: string | undefined): Addressed {
  return Stanza.of({ kind: 'presence', type, from, to, id }) as Addressed
}

async function update(
  ctx: Context, contact: Jid, change: (item: RosterItem | undefined, size: number) => SubscriptionState | undefined
): Promise<RosterChange> {
  const result = await ctx.store.rosters.update(ctx.account, contact, (item, size) => {
    const state = change(item, size)
    if (state === undefined || state === item) return state === undefined ? undefined : item
    return { ...(item ?? { jid: contact, name: '', groups: [] }), ...state }
  })
  if (result.before !== result.after) await ctx.forget(rosterCache)
  return result
}

/** §3.1.3: each time a device becomes available, requests without an answer come again. */
async function showPending(device: Device, ctx: Context): Promise<readonly Delivery[]> {
  if (device.get(asked)) return []
  device.set(asked, true)
  const { items } = await ctx.read(rosterCache)
  return [...items.values()].flatMap((item) => pendingRequest(item, ctx.account, device))
}

function pendingRequest({ pendingIn }: RosterItem, account: AccountRef, device: Device): readonly Delivery[] {
  const request = pendingIn === undefined ? undefined : readStanza(pendingIn)
  if (request === undefined) return []
  return [{ ...toOwnDevices(request.with({ to: account.jid }) as Addressed), to: device.jid }]
}

export default plugin({
  id: 'presence-subscription',
  needs: ['jabber:iq:roster'],
  after: ['urn:xmpp:blocking', 'presence-state'],
  pushesTo: ['interested'],
  presence: {
    leaving: { guard: (stanza, ctx) => (isSubscriptionType(stanza.type) ? leaving(stanza, ctx) : undefined) },
    arriving: { guard: (stanza, ctx) => (isSubscriptionType(stanza.type) ? arriving(stanza, ctx) : undefined) }
  },
  life: {
    available: showPending,
    unavailable: (device) => device.set(asked, false)
  },
  streamFeatures: () => [xml('sub', { xmlns: 'urn:xmpp:features:pre-approval' })]
})
