/** XEP-0198 as a client does it, on top of the bare test client. */
import { TestClient } from './client.js'
import type { Element } from 'ltx'

export const NS_SM = 'urn:xmpp:sm:3'

/** What of a session a client remembers. */
export interface Held {
  readonly id: string
  /** Stanzas that the client has got. */
  readonly h: number
}

export interface Resumed {
  readonly client: TestClient
  readonly answer: Element
}

/** Enables it with resumption; the id. */
export async function enableSm(client: TestClient, max?: number): Promise<string> {
  client.write(`<enable xmlns='${NS_SM}' resume='true'${max === undefined ? '' : ` max='${max}'`}/>`)
  const enabled = await client.next((e) => e.getNS() === NS_SM)
  client.stanzas = 0
  return String(enabled.attrs['id'])
}

/** A new connection that asks for the session; the answer is `<resumed/>` or `<failed/>`. */
export async function resumeSm(port: number, user: string, { id, h }: Held): Promise<Resumed> {
  const client = await TestClient.open(port)
  await client.openStream('localhost')
  await client.authenticate({ port, user })
  await client.openStream('localhost')
  client.stanzas = h
  client.write(`<resume xmlns='${NS_SM}' previd='${id}' h='${h}'/>`)
  return { client, answer: await client.next((e) => e.getNS() === NS_SM && e.name !== 'r') }
}

/** Asks until the server has dealt with `count` stanzas; the last `h`. */
export async function handledBy(client: TestClient, count: number): Promise<void> {
  client.write(`<r xmlns='${NS_SM}'/>`)
  await client.next((e) => e.is('a') && Number(e.attrs['h']) >= count)
}
