/**
 * Presence (RFC 6121 §4): broadcast to those entitled, probes, directed presence and its end, the account's own devices.
 * Subscriptions are `subscription.ts`.
 */
import {
  DROP, broadcast, drop, plugin, send, slot,
  type Context, type Delivering, type Delivery, type Device, type Drop, type Guard, type Roster
} from '../pipeline/api.js'
import { presenceRequest, requested, type PresenceRequest } from '../rules/presence-request.js'
import { isSubscriptionType, parsePriority, presenceType } from '../rules/presence.js'
import { isSeenByContact, seesContact } from '../rules/subscription.js'
import { StanzaError } from '../xmpp/errors.js'
import type { Jid } from '../xmpp/jid.js'
import { NS_CLIENT, Stanza } from '../xmpp/stanza.js'
import { blockedCache, isBlocked, type BlockList } from './blocking.js'
import { rosterCache, toOwnDevices } from './roster.js'

/** Others than contacts that a device shows itself to: rooms, chat partners. More is a spammer's list. */
const DIRECTED_MAX = 1000

/** True between initial presence and unavailable. */
const shown = slot('presence-shown', false)
/** Whom directed presence made aware of this device, by text of the address (§4.6.1). */
const directed = slot<ReadonlyMap<string, Jid>>('presence-directed', new Map())
/** Full JIDs that have shown themselves to this device directly. */
const grants = slot<ReadonlySet<string>>('presence-grants', new Set())
/** True on the very device that has just said that it goes; not on a later one of its name. */
const going = slot('presence-going', false)

type Addressed = Stanza & { readonly to: Jid }

/** §4.7: types and priorities that mean nothing are refused. */
const check: Guard = (stanza, ctx) => {
  const type = presenceType(stanza.type)
  if (type === undefined) throw new StanzaError('modify', 'bad-request', `There is no presence of type ${stanza.type}`)
  if (stanza.children.some((child) => child.name === 'priority') && parsePriority(prioritiesOf(stanza)) === undefined) {
    throw new StanzaError('modify', 'bad-request', 'A priority is one whole number from -128 to 127')
  }
  if (stanza.to !== undefined) {
    checkDirected(stanza.to, type, ctx)
    return
  }
  if (type === 'probe' || type === 'error') return DROP
  if (isSubscriptionType(type)) throw new StanzaError('modify', 'bad-request', 'Whose subscription?')
}

function prioritiesOf(stanza: Stanza): readonly string[] {
  return stanza.elements().filter((element) => element.is('priority', NS_CLIENT)).map((element) => element.getText())
}

function checkDirected(to: Jid, type: string, { device }: Context): void {
  const known = device?.get(directed)
  if (type === 'available' && known !== undefined && known.size >= DIRECTED_MAX && !known.has(to.toString())) {
    throw new StanzaError('wait', 'resource-constraint', 'Directed presence to too many')
  }
}

/** What follows the user's own presence. */
async function spread(stanza: Stanza, ctx: Context): Promise<readonly Delivery[]> {
  const { device } = ctx
  if (device === undefined || (stanza.type !== '' && stanza.type !== 'unavailable')) return []
  if (stanza.to !== undefined) return showDirectly(stanza, stanza.to, device, ctx)
  if (stanza.type === '') return showUp(stanza, device, ctx)
  device.set(going, true)
  return [...await leave(stanza, device, ctx), toOwnDevices(stanza.with({ from: device.jid, to: device.jid }) as Addressed, 'going')]
}

/** §4.6.3: whom the broadcasts do not reach must learn of the end all the same. */
async function showDirectly(stanza: Stanza, to: Jid, device: Device, ctx: Context): Promise<readonly Delivery[]> {
  const roster = await ctx.read(rosterCache)
  const list = new Map(device.get(directed))
  list.delete(to.toString())
  const available = stanza.type === ''
  if (available && !(device.get(shown) && isEntitled(roster, to, ctx.account.jid))) list.set(to.toString(), to)
  device.set(directed, list)
  return available && ctx.server.domains.includes(to.domain) ? [toOwnDevices(presenceRequest('granted', device.jid, to))] : []
}

/** §4.2.2, §4.4.2. */
async function showUp(stanza: Stanza, device: Device, ctx: Context): Promise<readonly Delivery[]> {
  const [roster, blocked] = await Promise.all([ctx.read(rosterCache), ctx.read(blockedCache)])
  const initial = !device.get(shown)
  device.set(shown, true)
  device.set(going, false)
  const presence = stanza.with({ from: device.jid })
  const known = broadcast(presence, [ctx.account.jid, ...audience(roster, blocked)])
  return initial ? [...known, ...probes(roster, blocked, device, ctx)] : known
}

/** §4.5.2: once for each presence session, whoever notices first. */
async function leave(stanza: Stanza, device: Device, ctx: Context): Promise<readonly Delivery[]> {
  if (!device.get(shown) && device.get(directed).size === 0) return []
  const [roster, blocked] = await Promise.all([ctx.read(rosterCache), ctx.read(blockedCache)])
  const wasShown = device.get(shown)
  const others = device.get(directed)
  device.set(shown, false)
  device.set(directed, new Map())
  const entitled = wasShown ? [ctx.account.jid, ...audience(roster, blocked)] : []
  const told = new Set(entitled.map(String))
  const rest = [...others.values()].filter((jid) => !told.has(jid.toString()) && !isBlocked(blocked, jid))
  return broadcast(stanza.with({ from: device.jid }), [...entitled, ...rest])
}

/** The client has gone without a word. */
function vanish(device: Device, ctx: Context): Promise<readonly Delivery[]> {
  return leave(Stanza.of({ kind: 'presence', type: 'unavailable' }), device, ctx)
}

/** What is still shown now belongs to a newer device of the same name. */
function end(device: Device, ctx: Context): Promise<readonly Delivery[]> | undefined {
  return device.get(shown) ? undefined : vanish(device, ctx)
}

function audience(roster: Roster, blocked: BlockList): readonly Jid[] {
  const contacts: Jid[] = []
  for (const item of roster.items.values()) if (isSeenByContact(item) && !isBlocked(blocked, item.jid)) contacts.push(item.jid)
  return contacts
}

/**
 * §4.3.1. In the name of the device to accounts of ours, so that only it gets the answers; of the bare JID, as the
 * specification has it, to others. The account's other devices are asked likewise.
 */
function probes(roster: Roster, blocked: BlockList, device: Device, ctx: Context): readonly Delivery[] {
  const own = ctx.account.jid
  const ask = (to: Jid): Delivery => {
    const local = ctx.server.domains.includes(to.domain)
    return send(presenceRequest('show', local ? device.jid : own, to))
  }
  const contacts = [...roster.items.values()].filter((item) => seesContact(item) && !isBlocked(blocked, item.jid))
  return [{ ...ask(own), except: device.jid }, ...contacts.map((item) => ask(item.jid))]
}

/** §4.3.2: who asks must be entitled; a full JID may also have been shown directly (§4.6.6). */
async function authorise(stanza: Stanza, ctx: Context): Promise<void | Drop> {
  const { from } = stanza
  if (from === undefined) return DROP
  if (stanza.to?.isBare === false || isEntitled(await ctx.read(rosterCache), from, ctx.account.jid)) return
  return refuse(ctx.account.jid, from)
}

/** To whom nothing is shown, the subscription is over (§4.3.2, rule 1). The same as for an account that is not there. */
function refuse(account: Jid, from: Jid): Drop {
  return drop(send(Stanza.of({ kind: 'presence', type: 'unsubscribed', from: account, to: from }) as Addressed))
}

async function demote(stanza: Stanza, ctx: Context): Promise<void | Stanza> {
  if (stanza.from === undefined || stanza.to === undefined) return
  if (isEntitled(await ctx.read(rosterCache), stanza.from, ctx.account.jid)) return
  return presenceRequest('directed', stanza.from, stanza.to)
}

/** `who` may see the presence of `account`. */
export function isEntitled(roster: Roster, who: Jid, account: Jid): boolean {
  if (who.sameBare(account)) return true
  const item = roster.items.get(who.bare.toString())
  return item !== undefined && isSeenByContact(item)
}

/** Each device answers for itself; no client ever sees a probe. */
const answer: Delivering = (stanza, device) => {
  const { from, type } = stanza
  if (from === undefined || (type !== 'probe' && type !== 'unavailable')) return
  if (type === 'unavailable') {
    forgetWhoLeft(from, device)
    return
  }
  const what = requested(stanza)
  if (what === 'blocked') return drop(...farewells(from, device))
  const presence = what === 'show' && stanza.to?.isBare === false ? mere(from, device) : answerTo(from, what, device)
  return presence === undefined ? DROP : drop(send(presence))
}

/** §4.3.2: a probe of one device learns that it is there, and nothing of what it says to all. */
function mere(to: Jid, device: Device): Addressed | undefined {
  return device.presence && Stanza.of({ kind: 'presence', from: device.jid, to }) as Addressed
}

/** XEP-0191 §3.3: later nothing goes to whom is blocked, so that they learn now that this device is gone. */
function farewells(blocked: Jid, device: Device): readonly Delivery[] {
  const list: BlockList = new Set([blocked.toString()])
  const others = [...device.get(directed).values()].filter((jid) => isBlocked(list, jid))
  if (others.length === 0) return []
  device.set(directed, new Map([...device.get(directed)].filter(([, jid]) => !others.includes(jid))))
  return others.map((to) => send(Stanza.of({ kind: 'presence', type: 'unavailable', from: device.jid, to }) as Addressed))
}

function answerTo(from: Jid, what: Exclude<PresenceRequest, 'blocked'>, device: Device): Addressed | undefined {
  const head = { kind: 'presence', from: device.jid, to: from } as const
  switch (what) {
    case 'show': return device.presence?.with(head) as Addressed | undefined
    case 'hide': return device.presence && Stanza.of({ ...head, type: 'unavailable' }) as Addressed
    case 'directed': {
      const list = device.get(directed)
      return list.has(from.toString()) || list.has(from.bare.toString()) ? Stanza.of(head) as Addressed : undefined
    }
    case 'granted': {
      device.set(grants, new Set([...device.get(grants), from.toString()].slice(-DIRECTED_MAX)))
      return undefined
    }
    default: return what satisfies never
  }
}

/** §4.6.1: whoever says that it has gone needs no goodbye. */
function forgetWhoLeft(who: Jid, device: Device): void {
  const text = who.toString()
  if (device.get(directed).has(text)) device.set(directed, new Map([...device.get(directed)].filter(([other]) => other !== text)))
  if (device.get(grants).has(text)) device.set(grants, new Set([...device.get(grants)].filter((other) => other !== text)))
}

/** §8.5.3.1: only those who may see a device can ask it anything; to others it looks like one that is not there. */
const guardDevice: Guard = (stanza, ctx) => {
  const { to, type } = stanza
  if (to === undefined || to.isBare || (type !== 'get' && type !== 'set') || !ctx.server.domains.includes(to.domain)) return
  return ctx.device?.get(grants).has(to.toString()) === true ? undefined : checkEntitled(to, ctx)
}

async function checkEntitled(to: Jid, ctx: Context): Promise<void> {
  const account = await ctx.findAccount(to.bare)
  if (account === undefined) return
  const roster = await ctx.read(rosterCache, account)
  if (!isEntitled(roster, ctx.account.jid, account.jid)) throw new StanzaError('cancel', 'service-unavailable')
}

export default plugin({
  id: 'presence-state',
  aliases: ['presence'],
  needs: ['jabber:iq:roster'],
  after: ['urn:xmpp:blocking'],
  presence: {
    leaving: { guard: check, copy: spread },
    arriving: {
      guard: (stanza, ctx) => (stanza.type === 'probe' ? authorise(stanza, ctx) : undefined),
      shape: (stanza, ctx) => (stanza.type === 'probe' ? demote(stanza, ctx) : undefined)
    },
    delivering: answer
  },
  iqPassing: { leaving: guardDevice },
  audiences: { going: (device) => device.get(going) },
  life: { unavailable: vanish, ended: end }
})
