/** A conversation of two people whose phones lose their connection again and again, each on a node of its own (XEP-0198 §5). */
import { expect } from '@jest/globals'
import { Forwarder } from '../support/forwarder.js'
import type { Account, Door, ResumingDriver } from './driver.js'

export interface Party {
  readonly driver: ResumingDriver
  readonly door: Door
  readonly account: Account
}

export interface Amount {
  /** Each way. */
  readonly messages: number
  /** Of each of the two. */
  readonly cuts: number
}

/** Some of what is said meanwhile has arrived then. */
const MOMENT_MS = 15
const DOORS = ['c2s', 'c2sTls', 'http', 'https'] as const

class Talker {
  full = ''
  readonly #ways: Forwarder[] = []

  constructor(readonly party: Party) {}

  get driver(): ResumingDriver {
    return this.party.driver
  }

  /** Logs in by ways that can be cut. */
  async arrive(): Promise<void> {
    const { door, account } = this.party
    const ports: Record<string, number> = {}
    for (const name of DOORS) {
      const way = await Forwarder.open(door.ports[name])
      this.#ways.push(way)
      ports[name] = way.port
    }
    this.full = await this.driver.login({ ...door, ports: { ...door.ports, ...ports } }, account)
  }

  /**
   * By turns the connection is reset, and goes silent while the client finds another network: the node still has the old one.
   * Twice at once, when all that was said lately is still on its way; twice a moment later, in the middle of what follows.
   */
  async loseConnection(turn: number): Promise<void> {
    if (turn % 4 >= 2) await new Promise((resolve) => { setTimeout(resolve, MOMENT_MS) })
    const back = this.driver.line.back()
    if (turn % 2 === 0) {
      for (const way of this.#ways) way.cut()
      for (const way of this.#ways) way.heal()
    } else {
      for (const way of this.#ways) way.freeze()
      await this.driver.changeNetworks()
    }
    await back
  }

  async end(): Promise<void> {
    await this.driver.end().catch(() => {})
    await Promise.all(this.#ways.map((way) => way.close()))
  }
}

/** Nothing is lost, nothing comes twice, all in order, both ways at once. */
export async function converse(first: Party, second: Party, amount: Amount): Promise<void> {
  const [a, b] = [new Talker(first), new Talker(second)]
  try {
    await Promise.all([a.arrive(), b.arrive()])
    await Promise.all([speak(a, b.full, amount), speak(b, a.full, amount), hear(a, b.full, amount), hear(b, a.full, amount)])
    for (const talker of [a, b]) await settle(talker, amount)
  } finally {
    await Promise.all([a.end(), b.end()])
  }
}

const lines = (messages: number): readonly string[] => Array.from({ length: messages }, (_, i) => `line ${i} <&>`)

async function speak(talker: Talker, to: string, { messages, cuts }: Amount): Promise<void> {
  const stretch = Math.floor(messages / (cuts + 1))
  let losing = Promise.resolve()
  for (const [i, line] of lines(messages).entries()) {
    if (i > 0 && i % stretch === 0 && i / stretch <= cuts) {
      await losing
      losing = talker.loseConnection(i / stretch - 1)
      losing.catch(() => {})
    }
    await talker.driver.send(to, line)
    await new Promise((resolve) => { setImmediate(resolve) })                 // the network has its turn
  }
  await losing
}

async function hear(talker: Talker, from: string, { messages }: Amount): Promise<void> {
  const { journal } = talker.driver
  const heard: string[] = []
  while (heard.length < messages) heard.push((await journal.message(from)).body)
  const said = (line: string): string => `${journal.owner} heard ${line}`
  expect(heard.map(said)).toEqual(lines(messages).map(said))
}

/** All that was on its way is there after a round trip: no message more. */
async function settle({ driver }: Talker, { cuts }: Amount): Promise<void> {
  await driver.roster()
  const { journal: { owner, rest }, line: { resumptions } } = driver
  expect({ owner, rest: rest.filter(({ what }) => what === 'message'), resumptions }).toEqual({ owner, rest: [], resumptions: cuts })
  await driver.leave()
}
