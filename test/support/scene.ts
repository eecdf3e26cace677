/**
 * Two nodes and the people of one play: each account exists once for each test, its devices stand on both nodes by turns,
 * and what a device got is compared as short lines of text.
 */
import type { Element } from 'ltx'
import { freshDatabase } from '../databases.js'
import { Cluster, type StrategyName } from './cluster.js'
import { TestClient } from './client.js'

export type DatabaseName = 'sqlite' | 'postgresql'

export const NS_ROSTER = 'jabber:iq:roster'
const ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas'

export interface Person {
  /** The localpart, with a number that no other test has. */
  readonly user: string
  readonly jid: string
}

export interface Placed {
  /** Stanza-free login: bound, without presence. */
  readonly available?: boolean
  /** What initial presence says. */
  readonly presence?: string
  /** Without asking for the roster. */
  readonly interested?: boolean
}

export class Scene {
  #number = 0

  private constructor(readonly cluster: Cluster) {}

  static async of(strategy: StrategyName, database: DatabaseName = 'sqlite'): Promise<Scene> {
    return new Scene(await Cluster.of({ nodes: 2, database: await freshDatabase(database), strategy, accounts: [] }))
  }

  end(): Promise<void> {
    return this.cluster.end()
  }

  /** New accounts of these names. */
  async people<const N extends readonly string[]>(...names: N): Promise<{ readonly [K in keyof N]: Person }> {
    const people: Person[] = []
    for (const name of names) {
      const user = `${name}${++this.#number}`
      await this.cluster.accounts.add(user, 'localhost', 'secret')
      people.push({ user, jid: `${user}@localhost` })
    }
    return people as unknown as { readonly [K in keyof N]: Person }
  }

  /** One device on the first or the second node (0, 1); silent about what its login brought, unless `keep`. */
  async device(person: Person, node: number, resource: string, how: Placed & { readonly keep?: boolean } = {}): Promise<TestClient> {
    const client = await this.cluster.login(node, person.user, { resource, available: false })
    if (how.interested !== false) await roster(client)
    if (how.available !== false) await client.becomeAvailable(how.presence)
    if (how.keep !== true) {
      await settled(client)
      client.inbox.length = 0
    }
    return client
  }

  /** A device on each node, both available and interested, both with an empty inbox. */
  async pair(person: Person, first: string, second: string): Promise<readonly [TestClient, TestClient]> {
    const one = await this.device(person, 0, first)
    const two = await this.device(person, 1, second, { keep: true })
    await Promise.all([one.presence(two.jid), two.presence(one.jid)])
    await settled(one, two)
    await settled(two, one)
    clear(one, two)
    return [one, two]
  }

  /** Both subscribe to each other through devices of their own, which go again. */
  async befriend(a: Person, b: Person): Promise<void> {
    await this.subscribe(a, b)
    await this.subscribe(b, a)
  }

  /** `user` may see `contact`. */
  async subscribe(user: Person, contact: Person): Promise<void> {
    const one = await this.device(user, 0, 'asks')
    const two = await this.device(contact, 1, 'answers')
    one.write(`<presence to='${contact.jid}' type='subscribe'/>`)
    await two.presence(user.jid, 'subscribe')
    two.write(`<presence to='${user.jid}' type='subscribed'/>`)
    await one.presence(two.jid)
    await Promise.all([one.close(), two.close()])
  }
}

/** Stream features after login (RFC 6120 §6.3.2). */
export async function features(scene: Scene, node: number, person: Person): Promise<Element> {
  const client = await TestClient.open(scene.cluster.node(node).ports.c2s)
  await client.openStream('localhost')
  await client.authenticate({ port: 0, user: person.user })
  const found = await client.openStream('localhost')
  await client.close()
  return found
}

export function clear(...clients: readonly TestClient[]): void {
  for (const client of clients) client.inbox.length = 0
}

export async function roster(client: TestClient, ver?: string): Promise<Element> {
  return client.iq('get', '', `<query xmlns='${NS_ROSTER}'${ver === undefined ? '' : ` ver='${ver}'`}/>`)
}

/** Items of the whole roster in short, sorted by address. */
export async function items(client: TestClient): Promise<string[]> {
  const answer = await roster(client)
  return (answer.getChild('query', NS_ROSTER)?.getChildren('item') ?? []).map(itemText).sort()
}

/**
 * All that `from` has sent so far has been dealt with, and what came of it stands in the inboxes: a marker goes the same
 * way to each of `to`, and a ping brings what is still on its last hop.
 */
export async function settled(from: TestClient, ...to: readonly TestClient[]): Promise<void> {
  await from.ping()
  for (const client of to) {
    const mark = `mark ${from.newId()}`
    from.write(`<message to='${client.jid}'><body>${mark}</body></message>`)
    await client.message(mark)
    await client.ping()
  }
}

/** What `client` has, in short, oldest first; the inbox is empty afterwards. */
export function got(client: TestClient): string[] {
  return client.inbox.splice(0).map(short)
}

/** `type` stands where there is one; addresses lose the numbers and the domain; pushes show their item. */
export function short(e: Element): string {
  const { type, from, to } = e.attrs as Record<string, string | undefined>
  const item = e.getChild('query', NS_ROSTER)?.getChild('item')
  if (e.is('iq') && type === 'set' && item !== undefined) return `push ${itemText(item)}`
  const head = `${e.name}${type === undefined ? '' : ` ${type}`} ${name(from)} > ${name(to)}`
  const inside = e.getChildElements().map((child) => child.is('error') ? condition(e) : child.toString()).join('')
  return inside === '' ? head : `${head} ${inside}`
}

function itemText(item: Element): string {
  const { jid, name: label, subscription, ask, approved } = item.attrs as Record<string, string | undefined>
  const groups = item.getChildren('group').map((group) => group.text()).sort()
  return [
    name(jid), subscription, ask && `ask=${ask}`, approved && `approved=${approved}`, label && `"${label}"`,
    groups.length > 0 && `[${groups.join(', ')}]`
  ].filter(Boolean).join(' ')
}

function name(jid: string | undefined): string {
  return jid === undefined ? '-' : jid.replace(/^([a-z]+)\d*@localhost/, '$1')
}

/** `cancel/service-unavailable`, or the type of the answer that is no error. */
export function condition(answer: Element): string {
  const error = answer.getChild('error')
  if (error === undefined) return String(answer.attrs['type'])
  return `${error.attrs['type']}/${error.getChildElements().find((e) => e.getNS() === ERRORS)?.name}`
}
