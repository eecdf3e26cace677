/**
 * The protocol of asks under random delays and faults: lanes that run at any relative speed, a database that answers when
 * it likes, devices that come late on any node, a node that dies and is fenced later.
 */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import offline from '../../src/plugins/offline.js'
import type { OfflineMessages } from '../../src/storage/store.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { FakeNet, type StrategyName } from './fake-net.js'
import type { FakeSession } from './fake-session.js'
import { quiet } from './rig.js'

const JULIET = parseJid('juliet@im.test')

/** A database whose calls wait until they are let go, one at a time. */
class SlowTable {
  readonly waiting: (() => void)[] = []

  constructor(offline: OfflineMessages) {
    const { add, read, remove } = offline
    Object.assign(offline, {
      add: async (...args: Parameters<typeof add>) => this.#turn(() => add(...args)),
      read: async (...args: Parameters<typeof read>) => this.#turn(() => read(...args)),
      remove: async (...args: Parameters<typeof remove>) => this.#turn(() => remove(...args))
    })
  }

  /** The call takes effect at one moment, its result arrives at a later one. */
  async #turn<T>(call: () => Promise<T>): Promise<T> {
    await new Promise<void>((resolve) => this.waiting.push(resolve))
    const result = await call()
    await new Promise<void>((resolve) => this.waiting.push(resolve))
    return result
  }
}

interface Plan {
  readonly strategy: StrategyName
  readonly messages: number
  /** Where juliet is from the start; none: offline. */
  readonly start: string | undefined
  readonly binds: readonly string[]
  readonly kill: string | undefined
  readonly to: 'bare' | 'full' | 'mixed'
  readonly choices: readonly number[]
}

class World {
  readonly net: FakeNet
  readonly table: SlowTable
  readonly got = new Map<FakeSession, number[]>()
  readonly #plan: Plan
  #romeo: FakeSession | undefined
  #sent = 0
  #binds: string[]
  #kill: string | undefined
  #fence: string | undefined

  constructor(plan: Plan) {
    this.#plan = plan
    this.#binds = [...plan.binds]
    this.#kill = plan.kill
    this.net = new FakeNet(plan.strategy, ['a', 'b', 'c'], [offline], ['romeo@im.test', JULIET.toString()])
    this.table = new SlowTable(this.net.store.offline)
  }

  get romeo(): FakeSession {
    if (this.#romeo === undefined) throw new Error('romeo is not there')
    return this.#romeo
  }

  async run(): Promise<void> {
    this.#romeo = await this.net.node('a').rig.binds('romeo@im.test/orchard')
    if (this.#plan.start !== undefined) await this.#bind(this.#plan.start, 'first')
    await this.#drain()
    for (const choice of this.#plan.choices) {
      const steps = this.#steps()
      const step = steps[choice % steps.length]
      step?.()
      await quiet()
    }
    for (let steps = this.#steps(); steps.length > 0; steps = this.#steps()) {
      steps[0]?.()
      await quiet()
    }
    await this.#drain()
    this.look()
  }

  /** All that may come next. */
  #steps(): readonly (() => void)[] {
    const { net, table } = this
    const steps: (() => void)[] = net.busy.map((lane) => () => net.step(lane))
    for (let i = 0; i < Math.min(3, table.waiting.length); i++) steps.push(() => table.waiting.splice(i, 1)[0]?.())
    if (this.#sent < this.#plan.messages) steps.push(() => this.#send())
    const [bind] = this.#binds
    if (bind !== undefined) {
      steps.push(() => {
        this.#binds.shift()
        void this.#bind(bind, `late${this.#binds.length}`)
      })
    }
    const [kill, fence] = [this.#kill, this.#fence]
    if (kill !== undefined) steps.push(() => this.#die(kill))
    if (fence !== undefined) {
      steps.push(() => {
        this.#fence = undefined
        net.fence(fence)
      })
    }
    return steps
  }

  #die(name: string): void {
    this.#kill = undefined
    this.#fence = name
    this.#binds = this.#binds.filter((bind) => bind !== name)
    this.look()
    this.net.kill(name)
  }

  #send(): void {
    const full = this.#plan.to === 'full' || (this.#plan.to === 'mixed' && this.#sent % 2 === 0)
    const to = full ? 'juliet@im.test/first' : 'juliet@im.test'
    void this.net.node('a').rig.writes(this.romeo, `<message type='chat' to='${to}'><body>${++this.#sent}</body></message>`)
  }

  async #bind(name: string, resource: string): Promise<void> {
    const session = await this.net.node(name).rig.binds(`juliet@im.test/${resource}`)
    this.got.set(session, [])
    void this.net.node(name).rig.writes(session, '<presence/>')
  }

  async #drain(): Promise<void> {
    for (;;) {
      await this.net.settle()
      const next = this.table.waiting.shift()
      if (next === undefined) return
      next()
    }
  }

  /** Takes what has come to each device. */
  look(): void {
    for (const [session, list] of this.got) {
      for (const stanza of session.stanzas()) if (stanza.kind === 'message') list.push(Number(stanza.elements()[0]?.text()))
    }
  }
}

const node = fc.constantFrom('a', 'b', 'c')
const plans: fc.Arbitrary<Plan> = fc.record({
  strategy: fc.constantFrom<StrategyName>('broadcast', 'caching'),
  messages: fc.integer({ min: 1, max: 6 }),
  start: fc.option(node, { nil: undefined }),
  binds: fc.array(node, { maxLength: 3 }),
  kill: fc.option(fc.constantFrom('b', 'c'), { nil: undefined }),
  to: fc.constantFrom('bare', 'full', 'mixed'),
  choices: fc.array(fc.nat(1000), { maxLength: 120 })
})

async function check(plan: Plan): Promise<void> {
  const world = new World(plan)
  await world.run()
  const { net, romeo, got } = world
  const all = Array.from({ length: plan.messages }, (_, i) => i + 1)
  expect(romeo.got()).toEqual([])
  expect(romeo.h).toBe(plan.messages)
  for (const list of got.values()) {
    expect([...list].sort((x, y) => x - y)).toEqual(list)         // in order
    expect(new Set(list).size).toBe(list.length)                   // and each once
  }
  const account = await net.store.accounts.find(JULIET)
  const reading = account === undefined ? [] : net.store.offline.read(account)
  while (world.table.waiting.length > 0) {
    world.table.waiting.shift()?.()
    await quiet()
  }
  const rows = (await reading).map((row) => Number(/<body[^>]*>(\d+)/.exec(row.stanza)?.[1]))
  const seen = new Set([...got.values()].flat())
  expect(all.filter((message) => !seen.has(message) && !rows.includes(message))).toEqual([])
  const [first] = got.entries()
  if (first !== undefined && plan.start !== undefined && plan.start !== plan.kill) expect(first[1]).toEqual(all)
  const online = [...got.keys()].some((session) => net.nodes.get(nodeOf(session))?.alive === true)
  if (online) expect(rows.filter((row) => !seen.has(row) || plan.kill === undefined)).toEqual([])    // while somebody is here
  for (const { rig } of net.nodes.values()) {
    expect(rig.router.facts()).toMatchObject({ open: 0, asks: 0, parked: 0, viewWaits: 0, openBytes: 0 })
    expect(rig.faults).toEqual([])
  }
}

const nodeOf = (session: FakeSession): string => String.fromCharCode(parseInt(session.session.replace(/^0+/, '').slice(0, 2), 16))

describe('zero-loss design, D.7b: asks', () => {
  test('no message is lost, doubled or overtaken, whatever is delayed, comes late or dies', async () => {
    await fc.assert(fc.asyncProperty(plans, check), { numRuns: Number(process.env['FC_RUNS'] ?? 150) })
  })

  test('100 messages to a device on another node come in order under any delays', async () => {
    const choices = fc.array(fc.nat(1000), { minLength: 200, maxLength: 200 })
    await fc.assert(fc.asyncProperty(choices, fc.constantFrom('bare' as const, 'full' as const), async (list, to) => {
      await check({ strategy: 'broadcast', messages: 100, start: 'b', binds: [], kill: undefined, to, choices: list })
    }), { numRuns: 10 })
  })
})
