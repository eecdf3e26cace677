/** What the tests of faults say often: counts of presence, bodies in order, rows and logs of a cluster. */
import type { Element } from 'ltx'
import type { TestClient } from './client.js'
import type { NodeProcess } from './node-process.js'
import { until } from './until.js'

export interface MemberPage {
  readonly name: string
  readonly incarnation: number
  readonly address: string
  readonly state: string
  readonly self: boolean
  readonly linked: boolean
}

export interface ClusterPage {
  readonly self: { readonly name: string, readonly incarnation: number }
  readonly serving: boolean
  readonly strategy: string
  readonly health: { readonly state: string, readonly parts: Readonly<Record<string, { readonly state: string, readonly why: string }>> }
  readonly problems: readonly string[]
  readonly members: readonly MemberPage[]
}

export const clusterPage = async (node: NodeProcess): Promise<ClusterPage> => await node.admin('/cluster') as ClusterPage

/** Every node is linked to every other, by its own account. */
export async function mesh(nodes: readonly NodeProcess[]): Promise<void> {
  await Promise.all(nodes.map((node) => until(`${node.name} is linked to all ${nodes.length}`, async () => {
    const { members } = await clusterPage(node)
    return members.length === nodes.length && members.every((member) => member.linked && member.state === 'up')
  })))
}

/** Log lines of `event` about `name`. */
export function told(node: NodeProcess, event: string, name: string): Record<string, unknown>[] {
  return node.events(event).filter((line) => line['node'] === name)
}

/** Full JIDs that became unavailable to this client and have not been looked at, in the order of their coming; taken out. */
export function takeUnavailable(client: TestClient): string[] {
  return take(client, (e) => e.is('presence') && e.attrs['type'] === 'unavailable').map((e) => String(e.attrs['from']))
}

export function take(client: TestClient, wants: (element: Element) => boolean): Element[] {
  const taken: Element[] = []
  for (let i = 0; i < client.inbox.length;) {
    const element = client.inbox[i]
    if (element !== undefined && wants(element)) taken.push(...client.inbox.splice(i, 1))
    else i++
  }
  return taken
}

export function say(from: TestClient, to: string, ...bodies: readonly string[]): void {
  for (const body of bodies) from.write(`<message to='${to}' type='chat' id='${body}'><body>${body}</body></message>`)
}

export const numbered = (word: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${word} ${i}`)

/** The bodies of all messages up to `last`, in order; waits for it. */
export async function bodiesUpTo(client: TestClient, last: string, patienceMs = 30_000): Promise<string[]> {
  const isLast = (e: Element): boolean => e.is('message') && e.getChildText('body') === last
  await until(`${client.jid} gets "${last}"`, () => client.inbox.some(isLast), patienceMs)
  return client.takeBodies()
}
