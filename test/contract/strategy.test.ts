/** What every clustering strategy keeps to: cluster.md §5, `router/strategy.ts`. */
import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { broadcast } from '../../src/cluster/strategies/broadcast.js'
import { loadStrategy } from '../../src/cluster/strategies/load.js'
import { onlineUsersCaching } from '../../src/cluster/strategies/online-users-caching.js'
import type { Location } from '../../src/router/strategy.js'
import { Jid } from '../../src/xmpp/jid.js'
import { HandClock } from '../cluster/hand-clock.js'
import { silentLog } from '../support/silent-log.js'
import { MemoryCluster, through, type MakeStrategy, type MemoryNode } from './strategy-cluster.js'

const example = join(import.meta.dirname, '..', '..', 'examples', 'strategy', 'directory.js')
const loaded = await import(example) as { default: MakeStrategy }

const strategies: readonly (readonly [string, MakeStrategy])[] = [
  ['broadcast', () => broadcast()],
  ['online-users-caching', (clock) => onlineUsersCaching({ clock, log: silentLog })],
  ['the example of the guide', (clock) => loaded.default(clock)]
]

const clusters: MemoryCluster[] = []
const cluster = (make: MakeStrategy): MemoryCluster => {
  const made = new MemoryCluster(make)
  clusters.push(made)
  return made
}
afterEach(async () => {
  await Promise.all(clusters.splice(0).map((each) => each.end()))
})

const names = (location: Location): readonly string[] => location.nodes.map((node) => node.name).sort()
const juliet = new Jid('juliet', 'im.test', '')

describe.each(strategies)('%s', (_name, make) => {
  async function three(): Promise<{ all: MemoryCluster, a: MemoryNode, b: MemoryNode, c: MemoryNode }> {
    const all = cluster(make)
    const [a, b, c] = [await all.start('a'), await all.start('b'), await all.start('c')]
    await all.quiet()
    return { all, a, b, c }
  }

  test('§5 announce resolves when a stanza from any node finds the device, by full and by bare JID', async () => {
    const { all, a, b, c } = await three()
    const phone = b.device('juliet@im.test/phone', 1)
    await through(all, b.bind(phone))
    for (const from of [a, c]) {
      expect(names(from.strategy.locate(phone.jid))).toContain('b')
      expect(names(from.strategy.locate(juliet))).toContain('b')
    }
  })

  test('§5 locate never names the node that asks, and each node at most once', async () => {
    const { all, a, b } = await three()
    await through(all, Promise.all([
      a.bind(a.device('juliet@im.test/one', 1)), b.bind(b.device('juliet@im.test/two', 2)), b.bind(b.device('juliet@im.test/three', 3))
    ]))
    const found = names(a.strategy.locate(juliet))
    expect(found).not.toContain('a')
    expect(new Set(found).size).toBe(found.length)
  })

  test('§5 whom it names, together with itself, is everybody who could have the address', async () => {
    const { all, a } = await three()
    await through(all, a.bind(a.device('juliet@im.test/one', 1)))
    expect(a.strategy.locate(juliet).complete).toBe(true)
    expect(a.strategy.locate(new Jid('nobody', 'im.test', '')).complete).toBe(true)
  })

  test('§5 a node that starts later finds those who were there, and is found', async () => {
    const { all, a, b } = await three()
    const phone = a.device('juliet@im.test/phone', 1)
    await through(all, a.bind(phone))
    const d = await all.start('d')
    expect(names(d.strategy.locate(juliet))).toContain('a') // also before anything has arrived
    await all.quiet()
    expect(names(d.strategy.locate(juliet))).toContain('a')
    await through(all, d.bind(d.device('romeo@im.test/x', 2)))
    expect(names(b.strategy.locate(new Jid('romeo', 'im.test', 'x')))).toContain('d')
  })

  test('§2 a lost node is named no more, its next life is', async () => {
    const { all, a, b } = await three()
    await through(all, b.bind(b.device('juliet@im.test/phone', 1)))
    await all.lose(b)
    expect(names(a.strategy.locate(juliet))).not.toContain('b')
    const again = await all.start('b')
    await through(all, again.bind(again.device('juliet@im.test/phone', 2)))
    expect(a.strategy.locate(juliet).nodes).toContainEqual(again.ref)
  })

  test('§5 announce does not wait for ever for a node that is gone', async () => {
    const { all, a, b, c } = await three()
    all.cut.add('b>c')
    const bound = b.bind(b.device('juliet@im.test/phone', 1))
    await all.quiet()
    await all.lose(c)
    await through(all, bound)
    expect(names(a.strategy.locate(juliet))).toContain('b')
  })

  test('§5 devices, when they are given, carry the last presence and priority', async () => {
    const { all, a, b } = await three()
    const phone = b.device('juliet@im.test/phone', 1)
    await through(all, b.bind(phone))
    const shown = { ...phone, priority: 5, presence: '<presence/>' }
    await through(all, b.bind(shown))
    for (const device of a.strategy.locate(juliet).devices ?? [shown]) {
      expect(device).toMatchObject({ priority: 5, presence: '<presence/>', session: phone.session, node: b.ref })
    }
  })

  test('§5 whatever comes and goes, asking the named nodes finds every device', async () => {
    const step = fc.record({ what: fc.constantFrom('bind', 'bind', 'leave', 'lose', 'start'), node: fc.nat(9), user: fc.nat(3) })
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const all = new MemoryCluster(make)
      let session = 0
      await all.start('n0')
      await all.start('n1')
      for (const { what, node, user } of steps) {
        const at = all.nodes[node % all.nodes.length]
        if (at === undefined) continue
        const own = [...at.devices.values()]
        if (what === 'bind') await through(all, at.bind(at.device(`u${user}@im.test/r${session}`, ++session)))
        else if (what === 'leave' && own[0] !== undefined) at.leave(own[0])
        else if (what === 'lose' && all.nodes.length > 1) await all.lose(at)
        else if (what === 'start' && all.nodes.length < 4) await all.start(`late${++session}`)
        expectFound(all)
      }
      await all.end()
    }), { numRuns: 40 })
  })
})

function expectFound(all: MemoryCluster): void {
  for (const holder of all.nodes) {
    for (const device of holder.devices.values()) {
      for (const from of all.nodes.filter((node) => node !== holder)) {
        expect(from.strategy.locate(device.jid).nodes).toContainEqual(holder.ref)
        expect(from.strategy.locate(device.jid.bare).nodes).toContainEqual(holder.ref)
      }
    }
  }
}

describe('online-users-caching', () => {
  const make: MakeStrategy = (clock) => onlineUsersCaching({ clock, log: silentLog })
  const pair = async (): Promise<{ all: MemoryCluster, a: MemoryNode, b: MemoryNode }> => {
    const all = cluster(make)
    const [a, b] = [await all.start('a'), await all.start('b')]
    await all.quiet()
    return { all, a, b }
  }

  test('§5 an unknown user is nowhere: offline at once', async () => {
    const { a } = await pair()
    expect(a.strategy.locate(juliet)).toEqual({ nodes: [], devices: [], complete: true })
  })

  test('§5 a user who went is nowhere once the others have heard', async () => {
    const { all, a, b } = await pair()
    const phone = b.device('juliet@im.test/phone', 1)
    await through(all, b.bind(phone))
    b.leave(phone)
    await all.quiet()
    expect(names(a.strategy.locate(juliet))).toEqual([])
  })

  test('§5 a full sync of 2,500 devices comes in batches, one in flight', async () => {
    const { all, b } = await pair()
    await through(all, Promise.all(Array.from({ length: 2500 }, (_, n) => b.bind(b.device(`u${n + 1}@im.test/r`, n + 1)))))
    all.mostWaiting = 0
    const d = await all.start('d')
    await all.quiet()
    expect(names(d.strategy.locate(new Jid('u2500', 'im.test', 'r')))).toEqual(['b'])
    expect(names(d.strategy.locate(new Jid('u2501', 'im.test', 'r')))).toEqual([])
    expect(all.mostWaiting).toBe(1)
  })

  test('§5 digests heal what was lost', async () => {
    const { all, a, b } = await pair()
    all.dropNext = true
    await through(all, b.bind(b.device('juliet@im.test/phone', 1)))
    expect(names(a.strategy.locate(juliet))).toEqual([])
    await all.clock.move(10_000)
    await all.quiet()
    expect(names(a.strategy.locate(juliet))).toEqual(['b'])
  })

  test('§5 digests heal a full sync that was lost', async () => {
    const { all, a, b } = await pair()
    await through(all, b.bind(b.device('juliet@im.test/phone', 1)))
    all.dropNext = true
    const d = await all.start('d')
    await all.quiet()
    await all.clock.move(10_000)
    await all.quiet()
    expect(names(d.strategy.locate(new Jid('nobody', 'im.test', '')))).toEqual([])
    expect(names(d.strategy.locate(juliet))).toEqual(['b'])
    expect(names(a.strategy.locate(new Jid('nobody', 'im.test', '')))).toEqual([])
  })

  test('§5 digests heal what was kept too long', async () => {
    const { all, a, b } = await pair()
    const phone = b.device('juliet@im.test/phone', 1)
    await through(all, b.bind(phone))
    all.dropNext = true
    b.leave(phone)
    await all.quiet()
    expect(names(a.strategy.locate(juliet))).toEqual(['b'])
    await all.clock.move(10_000)
    await all.quiet()
    expect(names(a.strategy.locate(juliet))).toEqual([])
  })

  test('§5 a login waits at most 2 s for a node that does not answer', async () => {
    const { all, b } = await pair()
    all.cut.add('b>a')
    let bound = false
    const promise = b.bind(b.device('juliet@im.test/phone', 1)).then(() => {
      bound = true
    })
    await all.clock.move(1999)
    expect(bound).toBe(false)
    await all.clock.move(1)
    await promise
    expect(bound).toBe(true)
  })

  test('§5 of one full JID on two nodes the later bind is found', async () => {
    const all = cluster(make)
    const [a, b, c] = [await all.start('a'), await all.start('b'), await all.start('c')]
    await through(all, Promise.all([
      b.bind(b.device('juliet@im.test/phone', 7)), c.bind(c.device('juliet@im.test/phone', 5))
    ]))
    expect(names(a.strategy.locate(new Jid('juliet', 'im.test', 'phone')))).toEqual(['b'])
  })
})

describe('a strategy of one\'s own', () => {
  const settings = { node: 'a', clusterName: 'test', clock: new HandClock(), log: silentLog }

  test('§5 is loaded by path', async () => {
    expect((await loadStrategy(example, settings)).name).toBe('example-directory')
  })

  test.each([
    ['a module that is not there', './no-such-strategy.js', /no-such-strategy/],
    ['a module without a factory', './test/global-setup.js', /./]
  ])('§5 %s is refused with exit code 78', async (_what, name, message) => {
    const refused = await loadStrategy(name, settings).catch((error: unknown) => error)
    expect(refused).toMatchObject({ exitCode: 78 })
    expect(String(refused)).toMatch(message)
  })
})
