/** What two people do who meet for the first time, each with a client of their own on a node of their own. */
import { expect } from '@jest/globals'
import type { Account, Door, Driver } from './driver.js'

export interface Role {
  readonly driver: Driver
  readonly door: Door
  readonly account: Account
}

/** Markup, quotes, the end of a CDATA section, an entity that is none, emoji of several code points, a line break. */
export const ODD_BODY = `<b class="x">'O & co.'</b> ]]> &amp; &#x0; — naïve, 日本語 👩‍🚀 💕\nsecond line`
const ODD_STATUS = 'at <lunch> & "back" soon 🍜'
const MANY = 100

class Person {
  full = ''

  constructor(readonly role: Role) {}

  get bare(): string {
    return `${this.role.account.user}@${this.role.account.domain}`
  }

  get driver(): Driver {
    return this.role.driver
  }
}

export async function play(first: Role, second: Role): Promise<void> {
  const [a, b] = [new Person(first), new Person(second)]
  try {
    await step('login', () => Promise.all([a, b].map(arrive)))
    await step('subscription', async () => {
      await subscribe(a, b)
      await subscribe(b, a)
      for (const [one, other] of [[a, b], [b, a]] as const) {
        expect(await one.driver.roster()).toEqual([{ jid: other.bare, subscription: 'both' }])
      }
    })
    await step('live presence', async () => {
      await change(a, b, 'dnd')
      await change(b, a, 'away')
    })
    await step('messages', async () => {
      await talk(a, b)
      await talk(b, a)
    })
    await step('a hundred in order, both ways at once', () => Promise.all([pour(a, b, b.full), pour(b, a, a.bare)]))
    await step('leaving', () => part(a, b))
  } finally {
    await Promise.all([a, b].map(({ driver }) => driver.end().catch(() => {})))
  }
}

async function step(name: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act()
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

async function arrive(person: Person): Promise<void> {
  const { driver, door, account } = person.role
  person.full = await driver.login(door, account)
  expect(person.full.startsWith(`${person.bare}/`)).toBe(true)
  expect(await driver.roster()).toEqual([])
}

/** RFC 6121 §3.1: asked, accepted, told, and seen at once. */
async function subscribe(asks: Person, asked: Person): Promise<void> {
  await asks.driver.subscribe(asked.bare)
  await asked.driver.journal.presence(asks.bare, 'subscribe')
  await asked.driver.accept(asks.bare)
  await asks.driver.journal.presence(asked.bare, 'subscribed')
  await asks.driver.journal.presence(asked.full, 'available')
}

/** RFC 6121 §4.4. */
async function change(changes: Person, watches: Person, show: 'dnd' | 'away'): Promise<void> {
  await changes.driver.setShow(show, ODD_STATUS)
  await watches.driver.journal.presence(changes.full, 'available', { show, status: ODD_STATUS })
}

/** RFC 6121 §8.5.2, §8.5.3: to the account and to the device. */
async function talk(speaks: Person, listens: Person): Promise<void> {
  for (const to of [listens.bare, listens.full]) {
    const body = `${ODD_BODY} to ${to}`
    await speaks.driver.send(to, body)
    expect(await listens.driver.journal.message(speaks.full)).toEqual({ what: 'message', from: speaks.full, body })
  }
}

/** RFC 6120 §10.1: in the order in which they were sent. */
async function pour(speaks: Person, listens: Person, to: string): Promise<void> {
  const bodies = Array.from({ length: MANY }, (_, i) => `line ${i} <&>`)
  for (const body of bodies) await speaks.driver.send(to, body)
  const heard: string[] = []
  while (heard.length < MANY) heard.push((await listens.driver.journal.message(speaks.full)).body)
  expect(heard).toEqual(bodies)
}

/** RFC 6121 §4.5. */
async function part(leaves: Person, stays: Person): Promise<void> {
  await leaves.driver.leave()
  await stays.driver.journal.presence(leaves.full, 'unavailable')
  await stays.driver.leave()
}
