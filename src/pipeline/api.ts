/**
 * The one door for plugins: everything a plugin may import besides `rules/`, `xmpp/` and `xml/`. A plugin is a typed
 * declaration, found by reading the folder, compiled at boot. The list of extension points is closed.
 */
import type { Device } from '../session/device.js'
import type { AccountRef, OfflineRow, Store } from '../storage/store.js'
import type { Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import type { Element } from '../xml/element.js'
import type { Jid } from '../xmpp/jid.js'
import type { Stanza } from '../xmpp/stanza.js'
import type { Option, Values as OptionValues } from '../config/option.js'

export { bytes, flag, integer, seconds } from '../config/option.js'
export { slot, type Slot } from '../session/slot.js'
export type { Device } from '../session/device.js'
export type {
  AccountRef, OfflineRow, Roster, RosterChange, RosterItem, Store, Subscription
} from '../storage/store.js'

type Eventually<T> = T | Promise<T>

/** One stanza to one address. */
export interface Delivery {
  readonly stanza: Stanza
  readonly to: Jid
  /**
   * `route`: like any stanza, through the receiver's account half. `devices`: straight to the devices of a local
   * account, no account half, never stranded.
   */
  readonly via: 'route' | 'devices'
  /** A declared audience; '' for the rules of RFC 6121 §8. */
  readonly audience: string
  readonly except: Jid | undefined
  /** Each device gets its own full JID as `to`. */
  readonly readdress: boolean
  /** The offline row that the taker deletes; 0 if none. */
  readonly row: number
  /** Origin key of a stored stanza, so that a repeat of it is recognised. */
  readonly key?: string
}

/** Routes `stanza` by its `to`, like one that came from a client. */
export function send(stanza: Stanza & { readonly to: Jid }): Delivery {
  return { stanza, to: stanza.to, via: 'route', audience: '', except: undefined, readdress: false, row: 0 }
}

/** To the devices of `account` for which `audience` holds, wherever they are. */
export function push(account: Jid, audience: string, stanza: Stanza, except?: Jid): Delivery {
  return { stanza, to: account, via: 'devices', audience, except, readdress: true, row: 0 }
}

/**
 * One stanza to many addresses, each of which runs its own account half. It crosses to each node once; every receiver
 * sees its own address in `to`.
 */
export function broadcast(stanza: Stanza, addresses: readonly Jid[]): readonly Delivery[] {
  return addresses.map((to) => ({ stanza, to, via: 'route', audience: '', except: undefined, readdress: false, row: 0 }))
}

/** A stored stanza to the device it waited for (`life.available`); the row is deleted once the device has taken it. */
export function stored(device: Device, row: OfflineRow, stanza: Stanza): Delivery {
  const base = { stanza, to: device.jid, via: 'devices', audience: '', except: undefined, readdress: false } as const
  return { ...base, row: row.row, key: row.key }
}

/** The stanza goes no further; `instead` is sent. Not an error. */
export class Drop {
  constructor(readonly instead: readonly Delivery[] = []) {}
}
export const DROP = new Drop()
export const drop = (...instead: readonly Delivery[]): Drop => new Drop(instead)

/** An IQ's result payload together with deliveries that follow it. */
export class Reply {
  constructor(readonly payload: Element | undefined, readonly deliveries: readonly Delivery[]) {}
}
export const reply = (payload: Element | undefined, ...deliveries: readonly Delivery[]): Reply =>
  new Reply(payload, deliveries)

/** Per-account data kept on each node, loaded on demand, forgotten everywhere when it changes. */
export interface AccountCache<T> {
  readonly name: string
  readonly load: (store: Store, account: AccountRef) => Promise<T>
}
export function accountCache<T>(name: string, load: AccountCache<T>['load']): AccountCache<T> {
  return Object.freeze({ name, load })
}

/** What a handler may use besides its stanza. */
export interface Context {
  /** The account whose half runs. */
  readonly account: AccountRef
  /** The device that sent the stanza, when it is one of `account`'s own on this node. */
  readonly device: Device | undefined
  /** `osid:index:k`, the same again when a client re-sends the stanza. */
  readonly key: string
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly server: ServerFacts
  /** Now when cached, otherwise a promise. */
  read<T>(cache: AccountCache<T>, account?: AccountRef): Eventually<T>
  /** Here and on every live node; resolves when they have forgotten. */
  forget<T>(cache: AccountCache<T>, account?: AccountRef): Promise<void>
  /** `undefined` for an account that does not exist here. Bare JID. */
  findAccount(jid: Jid): Eventually<AccountRef | undefined>
  /** Settings of the plugin's own `config`. */
  settings<G extends Record<string, Option<unknown>>>(group: G): OptionValues<G>
}

export interface ServerFacts {
  readonly version: string
  /** Served domains, prepared. */
  readonly domains: readonly string[]
  readonly admins: readonly Jid[]
  /** Milliseconds since the process started serving. */
  upMs(): number
  /** Features and identities of a served domain or of an account, from all plugins' `disco`. */
  disco(of: 'host' | 'account'): DiscoFacts
  /** Clients of this domain must use TLS before they log in. */
  tlsRequired(domain: string): boolean
  /** No limit holds for clients at this address (`--limits-exempt`). */
  exempt(address: string): boolean
  /** This life of this node, and whether one of that name is alive. */
  readonly node: string
  isLive(node: string): boolean
  /** All devices but `by` are closed soon after (`reset`). Accounts keep keys only, which are made off the event loop. */
  setPassword(account: AccountRef, password: string, by?: Jid): Promise<void>
  checkPassword(account: AccountRef, password: string): Promise<boolean>
  createAccount(jid: Jid, password: string): Promise<AccountRef | undefined>
  /** With its sessions on all nodes, which end when those that asked for it have had their answer. */
  removeAccount(account: AccountRef): Promise<void>
}

export interface Identity {
  readonly category: string
  readonly type: string
  readonly name: string
}
export interface DiscoFacts {
  readonly identities: readonly Identity[]
  readonly features: readonly string[]
}

export type Guard = (stanza: Stanza, ctx: Context) => Eventually<void | Drop>
export type Shape = (stanza: Stanza, ctx: Context) => Eventually<void | Stanza>
export type Keep = (stanza: Stanza, ctx: Context) => Eventually<void>
export type Copy = (stanza: Stanza, ctx: Context) => Eventually<void | readonly Delivery[]>

/** One half of a stanza's way; each phase runs in this order, `after` breaks ties between plugins. */
export interface Half {
  /** May refuse: nothing, `DROP`, or throw `StanzaError`. */
  readonly guard?: Guard
  /** May replace. */
  readonly shape?: Shape
  /** May store. */
  readonly keep?: Keep
  /** May send copies elsewhere; they follow the stanza itself. */
  readonly copy?: Copy
}

/** Once for one device, on its own node, at the last moment. `undefined`: deliver as it is. */
export type Delivering = (stanza: Stanza, device: Device, ctx: Context) => void | Drop | Stanza

/** Nobody took it: returns the number of the offline row it is kept in, 0 when it was dealt with otherwise, nothing when not. */
export type Stranded = (stanza: Stanza, ctx: Context) => Eventually<void | number>

export interface KindHooks {
  /** The sender's account half. */
  readonly leaving?: Half
  /** The receiver's account half, on the sender's node. */
  readonly arriving?: Half
  readonly delivering?: Delivering
  readonly stranded?: Stranded
}

export interface IqRequest {
  readonly stanza: Stanza
  readonly type: 'get' | 'set'
  readonly from: Jid
  /** The child that the handler was found by. */
  readonly payload: Element
}
/** Returns the result's payload, a `Reply`, or nothing for an empty result; throws `StanzaError` to refuse. */
export type IqAction = (request: IqRequest, ctx: Context) => Eventually<void | Element | Reply>
export interface IqHandler {
  readonly type: 'get' | 'set'
  readonly ns: string
  readonly name: string
  readonly action: IqAction
}
export const get = (ns: string, name: string, action: IqAction): IqHandler => ({ type: 'get', ns, name, action })
export const set = (ns: string, name: string, action: IqAction): IqHandler => ({ type: 'set', ns, name, action })

/**
 * Doors for IQs that are not for a full JID. `self`: no `to`, or the sender's own bare JID. `account`: any local bare
 * JID; `ctx.account` is its owner. `host`: a served domain; `ctx.account` is the sender. Without `to`: self, account, host.
 * `nobody`: a bare JID that no account here has, so that it can look like one that refuses; `ctx.account` is the sender.
 */
export interface IqDoors {
  readonly self?: readonly IqHandler[]
  readonly account?: readonly IqHandler[]
  readonly host?: readonly IqHandler[]
  readonly nobody?: readonly IqHandler[]
}

/**
 * Guards for IQs between users (their handlers are found by table, this is what blocking and presence leaks need).
 * They see results and errors too; what they throw then is not sent to anybody.
 */
export interface IqPassing {
  /** The sender's account, for an IQ to anybody else but a served domain. */
  readonly leaving?: Guard
  /** The receiver's account, for an IQ from anybody else, before its door or its device sees it. */
  readonly arriving?: Guard
}

export type LifeHandler = (device: Device, ctx: Context) => Eventually<void | readonly Delivery[]>
export interface Life {
  readonly bound?: LifeHandler
  /**
   * Presence became available, or its priority rose from negative. Messages to the device wait until this is done, so
   * that stored ones come first.
   */
  readonly available?: LifeHandler
  readonly unavailable?: LifeHandler
  /** After the stream is gone; the last thing that happens to a device. */
  readonly ended?: LifeHandler
  readonly accountRemoved?: (account: AccountRef, ctx: Context) => Eventually<void>
}

export interface PluginDeclaration {
  /** Tigase's plugin id where Tigase has one. */
  readonly id: string
  readonly aliases?: readonly string[]
  readonly xep?: { readonly number: number; readonly version: string; readonly title?: string; readonly note?: string }
  /** `off`: loaded only when `--sm-plugins` says `+id`. */
  readonly initially?: 'off'
  readonly needs?: readonly string[]
  readonly after?: readonly string[]
  readonly config?: Readonly<Record<string, Option<unknown>>>
  /** Features for served domains and accounts, or apart. */
  readonly disco?: readonly string[] | { readonly host?: readonly string[]; readonly account?: readonly string[] }
  readonly identities?: { readonly host?: readonly Identity[]; readonly account?: readonly Identity[] }
  readonly iq?: IqDoors
  readonly iqPassing?: IqPassing
  readonly message?: KindHooks
  readonly presence?: KindHooks
  /** Named predicates over one device; evaluated where the device is. */
  readonly audiences?: Readonly<Record<string, (device: Device) => boolean>>
  /** Audiences of other plugins that this one pushes to; boot is refused when one is missing. */
  readonly pushesTo?: readonly string[]
  readonly life?: Life
  /** Elements for the stream features after authentication, for example entity capabilities; asked once. */
  readonly streamFeatures?: (ctx: ServerFacts) => readonly Element[]
}

/** Declares a plugin; the default export of each file in `src/plugins/`. */
export function plugin(declaration: PluginDeclaration): PluginDeclaration {
  return Object.freeze(declaration)
}
