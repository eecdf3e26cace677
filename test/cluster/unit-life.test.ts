/** Joining, leaving, losing, isolation: cluster.md §1-§3. Real links, tables in memory, time moved by hand. */
import { createServer, connect, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { onlineUsersCaching } from '../../src/cluster/strategies/online-users-caching.js'
import type { ClusterSettings } from '../../src/cluster/settings.js'
import type { DeviceRecord, NodeRef, Strategy } from '../../src/router/strategy.js'
import { Jid } from '../../src/xmpp/jid.js'
import { silentLog } from '../support/silent-log.js'
import { HandClock } from './hand-clock.js'
import { MemoryTables } from './memory-tables.js'
import { Impostor } from './raw-link.js'
import { envelope, linked, node, type TestNode } from './meshes.js'

let clock: HandClock
let tables: MemoryTables
let running: TestNode[]
let wires: Wire[]

beforeEach(() => {
  clock = new HandClock()
  tables = new MemoryTables()
  running = []
  wires = []
})
afterEach(async () => {
  tables.away = false
  tables.awayFor.clear()
  for (const wire of wires) wire.mend()
  await passing(Promise.all(running.map((each) => each.mesh.stop())))
  for (const wire of wires) wire.end()
})

/** A way to a node that can be cut: what the others dial. */
class Wire {
  #server: Server
  #sockets = new Set<Socket>()
  #cut = false
  #stalled = false
  target = 0

  private constructor() {
    this.#server = createServer((socket) => this.#take(socket))
  }

  static async open(): Promise<Wire> {
    const wire = new Wire()
    await new Promise<void>((resolve) => wire.#server.listen(0, '127.0.0.1', resolve))
    wires.push(wire)
    return wire
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Nothing passes and nothing says so. */
  stall(): void {
    this.#stalled = true
    for (const socket of this.#sockets) socket.unpipe().pause()
  }

  cut(): void {
    this.#cut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  mend(): void {
    this.#cut = this.#stalled = false
  }

  end(): void {
    this.cut()
    this.#server.close()
  }

  #take(socket: Socket): void {
    if (this.#cut) return void socket.destroy()
    const onward = connect({ host: '127.0.0.1', port: this.target })
    for (const [here, there] of [[socket, onward], [onward, socket]] as const) {
      this.#sockets.add(here)
      here.on('error', () => {})
      here.on('close', () => {
        this.#sockets.delete(here)
        there.destroy()
      })
      if (!this.#stalled) here.pipe(there)
    }
  }
}

const make = (name: string, settings: Partial<ClusterSettings> = {}): TestNode => {
  const made = node({ name, tables, clock, settings })
  running.push(made)
  return made
}

/** A node that others reach over a wire. */
async function wired(name: string): Promise<{ node: TestNode, wire: Wire }> {
  const wire = await Wire.open()
  const port = await freePort()
  wire.target = port
  return { wire, node: make(name, { advertise: `127.0.0.1:${wire.port}`, listen: [{ host: '127.0.0.1', port }] }) }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return typeof address === 'object' && address !== null ? address.port : 0
}

const breath = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 4))

/** Moves the clock in quarter seconds and lets the sockets do their part. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 250) {
    await clock.move(250)
    await breath()
  }
}

/** Lets time pass until it holds. */
async function comes(holds: () => boolean, what: string, withinMs = 30_000): Promise<void> {
  for (let passed = 0; !holds(); passed += 250) {
    if (passed > withinMs) throw new Error(`${what} did not come`)
    await pass(250)
  }
}

async function passing<T>(promise: Promise<T>): Promise<T> {
  let done = false
  const settled = promise.finally(() => {
    done = true
  })
  settled.catch(() => {})
  for (let turns = 0; !done && turns < 2000; turns++) await pass(250)
  return settled
}

async function start(...nodes: readonly TestNode[]): Promise<void> {
  await passing(Promise.all(nodes.map((each) => each.mesh.start())))
  await passing(Promise.all(nodes.map((each) => each.mesh.ready())))
  await passing(Promise.all(nodes.map((each) => each.mesh.up({ c2s: '127.0.0.1:1' }))))
  await pass(1500)
}

const names = (each: TestNode): readonly string[] => each.mesh.view().map((ref) => ref.name).sort()
const changes = (each: TestNode): readonly string[] =>
  each.arrived.nodes.map(({ change, node: { name, incarnation } }) => `${change} ${name} ${incarnation}`)
const ref = (each: TestNode, name: string): NodeRef => each.mesh.view().find((other) => other.name === name) ?? each.mesh.self
const events = (each: TestNode, event: string): readonly Record<string, unknown>[] =>
  each.lines.filter((line) => line.event === event).map((line) => line.fields)

describe('joining and leaving', () => {
  test('§1 each node says once who joined, with the member list and a mark at itself', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    await start(a, b)
    const line = events(a, 'cluster.joined').find((fields) => fields['node'] === 'b.example')
    expect(line).toMatchObject({
      reason: 'joined', address: `127.0.0.1:${b.port()}`,
      members: `Members [2] { 127.0.0.1:${a.port()} this, 127.0.0.1:${b.port()} }`
    })
    expect(events(a, 'cluster.joined').filter((fields) => fields['node'] === 'b.example')).toHaveLength(1)
    expect(changes(a)).toEqual([`up b.example ${b.mesh.self.incarnation}`])
  })

  test('§1 a node that stops has left: its row says so, the others hear it once', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    await start(a, b)
    const { incarnation } = b.mesh.self
    await passing(b.mesh.stop())
    await comes(() => names(a).length === 1, 'the leaving')
    expect(tables.byName.get('b.example')?.state).toBe('left')
    expect(changes(a)).toEqual([`up b.example ${incarnation}`, `left b.example ${incarnation}`])
    expect(events(a, 'cluster.left')).toHaveLength(1)
    expect(events(a, 'cluster.lost')).toHaveLength(0)
  })

  test('§1 a stopping node says that it has left when the database is there again; it waits half a minute for it', async () => {
    const [a, b, c] = [make('a.example'), make('b.example'), make('c.example')]
    await start(a, b, c)
    tables.awayFor.add('b.example').add('c.example')
    const stopped = Promise.all([b.mesh.stop(), c.mesh.stop()])
    await comes(() => events(b, 'cluster.left.unwritten').length > 1, 'the first tries')
    tables.awayFor.delete('b.example')
    await passing(stopped)
    expect(tables.byName.get('b.example')?.state).toBe('left')
    expect(tables.byName.get('c.example')?.state).not.toBe('left')
    expect([b.arrived.fenced, c.arrived.fenced]).toEqual([0, 0])
  })

  test('§1 a stopping node whose last word was written, though the answer was lost, has left', async () => {
    const b = make('b.example')
    await start(b)
    const setState = tables.setState.bind(tables)
    tables.setState = async (...change) => {
      await setState(...change)
      tables.setState = setState
      throw new Error('the answer was lost')
    }
    await passing(b.mesh.stop())
    expect(tables.byName.get('b.example')?.state).toBe('left')
    expect(b.arrived.fenced).toBe(0)
    expect(events(b, 'cluster.fenced')).toEqual([])
  })

  test('§1 client ports wait for a link to every live node, at most a minute, and the log says for whom', async () => {
    const { node: a } = await wired('a.example')
    const { node: b, wire } = await wired('b.example')
    await start(a)
    wires.forEach((each) => each.cut())
    await passing(b.mesh.start())
    let ready = false
    void b.mesh.ready().then(() => {
      ready = true
    })
    await pass(20_000)
    expect(ready).toBe(false)
    expect(events(b, 'cluster.waiting')[0]).toMatchObject({ for: ['a.example'] })
    wire.mend()
    await comes(() => ready, 'readiness')
    expect(linked(b, 'a.example')).toBe(true)
  })

  test('§1 after a minute they open all the same', async () => {
    const { node: a } = await wired('a.example')
    const { node: b } = await wired('b.example')
    await start(a)
    wires.forEach((each) => each.cut())
    await passing(b.mesh.start())
    const before = clock.now()
    await passing(b.mesh.ready())
    expect(clock.now() - before).toBeLessThan(62_000)
    expect(events(b, 'cluster.incomplete')).toHaveLength(1)
  })

  test('§3 static discovery: one contact is enough, the mesh completes itself', async () => {
    const a = make('a.example', { discovery: ['static'] })
    await start(a)
    const b = make('b.example', { discovery: ['static'], contacts: [`127.0.0.1:${a.port()}`] })
    await start(b)
    const c = make('c.example', { discovery: ['static'], contacts: [`127.0.0.1:${b.port()}`] })
    await start(c)
    await comes(() => linked(a, 'c.example') && linked(c, 'a.example'), 'the link between the ends of the chain')
  })

  test('§2 a held name: the second process refuses with exit code 75 and says who holds it', async () => {
    await start(make('a.example'))
    const second = node({ name: 'a.example', tables, clock })
    const refused = await passing(second.mesh.start().catch((error: unknown) => error))
    expect(refused).toMatchObject({ exitCode: 75 })
    expect(String(refused)).toContain(`127.0.0.1:${running[0]?.port() ?? 0}`)
  })

  test('§2 the name of a process that died without a word is free once its beat stood still for 5 s', async () => {
    await start(make('a.example'))
    tables.awayFor.add('a.example') // its beats stop
    const before = clock.now()
    const second = node({ name: 'a.example', tables: notCutOff(tables), clock })
    running.push(second)
    await passing(second.mesh.start())
    expect(clock.now() - before).toBeGreaterThanOrEqual(5000)
    expect(clock.now() - before).toBeLessThan(9000)
    expect(tables.fencedLives.has('a.example 1')).toBe(true)
  })

  test('§2 a name of another cluster is refused with both cluster names, exit code 78', async () => {
    await start(make('a.example'))
    const other = node({ name: 'a.example', tables, clock, settings: { clusterName: 'other' } })
    const refused = await passing(other.mesh.start().catch((error: unknown) => error))
    expect(refused).toMatchObject({ exitCode: 78 })
    expect(String(refused)).toMatch(/"test".*"other"/)
  })
})

/** The same tables for a process that is not cut off. */
function notCutOff(of: MemoryTables): MemoryTables {
  return new Proxy(of, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        const cut = [...target.awayFor]
        target.awayFor.clear()
        try {
          return Reflect.apply(value, target, args)
        } finally {
          cut.forEach((name) => target.awayFor.add(name))
        }
      }
    }
  })
}

describe('losing', () => {
  test('§2 a node whose beat stands still is fenced by one compare-and-set, and lost once for everybody', async () => {
    const [a, b, c] = [make('a.example'), make('b.example'), make('c.example')]
    await start(a, b, c)
    const life = c.mesh.self
    tables.awayFor.add('c.example')
    const before = clock.now()
    await comes(() => names(a).length === 2 && names(b).length === 2, 'the fence')
    expect(clock.now() - before).toBeGreaterThanOrEqual(4000) // 5 s from the last beat, which is up to a second ago
    expect(await tables.isFenced('c.example', life.incarnation)).toBe(true)
    for (const each of [a, b]) {
      expect(changes(each).filter((change) => change.includes('lost'))).toEqual([`lost c.example ${life.incarnation}`])
      expect(events(each, 'cluster.lost')).toHaveLength(1)
    }
    expect([...events(a, 'cluster.fence'), ...events(b, 'cluster.fence')]).toHaveLength(1)
  })

  test('§2 the fenced node serves nothing, ends its life once, and rejoins with a new incarnation', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    await start(a, b)
    const life = b.mesh.self
    tables.awayFor.add('b.example')
    await comes(() => names(a).length === 1, 'the fence')
    await pass(250)
    expect(b.mesh.serving()).toBe(false)
    expect(b.arrived.fenced).toBe(0)
    tables.awayFor.clear()
    await comes(() => names(a).length === 2, 'the new life')
    expect(b.arrived.fenced).toBe(1)
    expect(b.mesh.self.incarnation).toBeGreaterThan(life.incarnation)
    await comes(() => b.mesh.serving() && tables.byName.get('b.example')?.state === 'up', 'service')
    expect(events(b, 'cluster.fenced')).toHaveLength(1)
    expect(changes(a).at(-1)).toBe(`up b.example ${b.mesh.self.incarnation}`)
    expect(b.arrived.gates.at(-1)).toBe(true)
  })

  test('§2 a database that came back without its last moments is told our state again', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    await start(a, b)
    tables.tamper('b.example', { state: 'joining', services: {} })
    await comes(() => tables.byName.get('b.example')?.state === 'up', 'the state')
    expect(tables.byName.get('b.example')?.services).toEqual({ c2s: '127.0.0.1:1' })
    expect(b.arrived.fenced).toBe(0)
  })

  test('§2 a database that came back without a life\'s claim: it ends, and the next life has a number that nobody has heard of', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    await start(a, b)
    const { incarnation } = b.mesh.self
    tables.forgetLast('b.example')
    await comes(() => b.arrived.fenced === 1 && names(b).length === 2 && linked(b, 'a.example'), 'the new life')
    const next = Math.max(incarnation, a.mesh.self.incarnation) + 1
    expect(b.mesh.self.incarnation).toBe(next)
    expect(changes(a)).toEqual([`up b.example ${incarnation}`, `lost b.example ${incarnation}`, `up b.example ${next}`])
  })

  test('§2 a death certificate fences that life at once, and a later one not at all', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    await start(a, b)
    const life = b.mesh.self
    expect(await a.mesh.fenceLife('b.example', life.incarnation + 5)).toBe(false)
    expect(await a.mesh.fenceLife('b.example', life.incarnation)).toBe(true)
    expect(changes(a)).toContain(`lost b.example ${life.incarnation}`)
    await comes(() => b.arrived.fenced === 1, 'the end of that life')
  })

  test('§2 an operator deletes the row of a live node: it ends itself and rejoins', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    await start(a, b)
    tables.tamper('b.example', undefined)
    await comes(() => b.arrived.fenced === 1 && names(b).length === 2 && linked(b, 'a.example'), 'the new life')
    expect(changes(a).filter((change) => change.startsWith('lost'))).toHaveLength(1)
  })

  test('§2 the database away: nobody is fenced, everybody serves, health says so; then all goes on', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    await start(a, b)
    tables.away = true
    await pass(30_000)
    expect([a.mesh.serving(), b.mesh.serving()]).toEqual([true, true])
    expect(a.mesh.problems().join()).toMatch(/database is away/)
    a.mesh.route(ref(a, 'b.example'), envelope(1, 'juliet@im.test'))
    await comes(() => a.arrived.answers.length === 1, 'the answer')
    tables.away = false
    await pass(10_000)
    expect(a.mesh.problems()).toEqual([])
    expect(changes(a)).toHaveLength(1)
  })
})

describe('a cut link', () => {
  async function pair(): Promise<readonly [TestNode, TestNode]> {
    const [{ node: a }, { node: b }] = [await wired('a.example'), await wired('b.example')]
    await start(a, b)
    await comes(() => linked(a, 'b.example') && linked(b, 'a.example'), 'the link')
    return [a, b]
  }

  test('§2 is no reason to fence; what is sent meanwhile waits and arrives in order, once', async () => {
    const [a, b] = await pair()
    for (let index = 1; index <= 20; index++) a.mesh.route(ref(a, 'b.example'), envelope(index, 'juliet@im.test'))
    wires.forEach((wire) => wire.cut())
    await pass(15_000)
    for (let index = 21; index <= 40; index++) a.mesh.route(ref(a, 'b.example'), envelope(index, 'juliet@im.test'))
    expect(names(a)).toEqual(['a.example', 'b.example'])
    expect(a.mesh.problems().join()).toMatch(/no link to b.example/)
    expect([a.mesh.serving(), b.mesh.serving()]).toEqual([true, true])
    wires.forEach((wire) => wire.mend())
    await comes(() => a.arrived.answers.length === 40, 'all answers')
    expect(b.arrived.envelopes.map((each) => each.envelope.key.index)).toEqual(Array.from({ length: 40 }, (_, n) => n + 1))
  })

  test('§4 a cache behind it is forgotten when it is back; who asked for that waits 10 s at most', async () => {
    const [a, b] = await pair()
    wires.forEach((wire) => { wire.cut() })
    await pass(500)
    const before = clock.now()
    await passing(a.mesh.invalidate('blocks', 'romeo@im.test'))
    expect(clock.now() - before).toBeLessThanOrEqual(10_500)
    expect(b.arrived.invalidated).toEqual([])
    wires.forEach((wire) => { wire.mend() })
    await comes(() => b.arrived.invalidated.length === 1, 'forgetting')
  })

  test('§4 what waits too long, or too much, is answered with a wait error', async () => {
    const [a] = await pair()
    wires.forEach((wire) => wire.cut())
    await pass(1000)
    const to = ref(a, 'b.example')
    expect(a.mesh.route(to, envelope(1, 'juliet@im.test'))).toBe(true)
    await pass(31_000)
    expect(a.arrived.answers.map(({ verdict }) => verdict)).toEqual([
      { kind: 'reject', why: 'error', type: 'wait', condition: 'remote-server-timeout' }
    ])
    const large = envelope(2, 'juliet@im.test', { stanza: envelope(2, 'juliet@im.test').stanza })
    let paused = 0
    for (let n = 0; n < 60_000; n++) if (!a.mesh.route(to, large)) paused++
    await pass(250)
    expect(paused).toBeGreaterThan(0)
    expect(a.arrived.answers.at(-1)?.verdict).toMatchObject({ type: 'wait', condition: 'resource-constraint' })
  })

  test.each([
    ['the database', () => void (tables.away = false)],
    ['a link', () => wires.forEach((wire) => wire.mend())]
  ])('§2 isolation: neither database nor links, it stops serving within 5 s, and serves again when %s is back', async (_what, mend) => {
    const [a, b] = await pair()
    wires.forEach((wire) => wire.cut())
    tables.away = true
    await pass(5500)
    for (const each of [a, b]) {
      expect(each.mesh.serving()).toBe(false)
      expect(each.arrived.gates).toEqual([false])
    }
    mend()
    await comes(() => a.mesh.serving() && b.mesh.serving(), 'service')
    await pass(250)
    expect([a.arrived.gates, b.arrived.gates]).toEqual([[false, true], [false, true]])
    expect([...a.arrived.nodes, ...b.arrived.nodes].every(({ change }) => change === 'up')).toBe(true)
  })

  test('§2 fenced again while it rejoins, it takes another life and then serves', async () => {
    const [a, b] = await pair()
    wires.forEach((wire) => wire.cut())
    const name = b.mesh.self.name
    for (const time of [1, 2, 3]) {
      const { incarnation } = b.mesh.self
      tables.tamper(name, { state: 'fenced', viewNo: 9 })
      await comes(() => b.mesh.self.incarnation > incarnation && tables.byName.get(name)?.state === 'joining', `life ${time + 1}`)
      expect(b.mesh.serving()).toBe(false)
    }
    wires.forEach((wire) => wire.mend())
    await comes(() => b.mesh.serving() && tables.byName.get(name)?.state === 'up', 'service')
    expect(b.arrived.fenced).toBe(3)
    expect(b.arrived.gates.at(-1)).toBe(true)
    await comes(() => linked(a, name), 'the link')
  })

  test('§2 the database goes away while it rejoins: it serves when that is back', async () => {
    const [, b] = await pair()
    wires.forEach((wire) => wire.cut())
    const { name, incarnation } = b.mesh.self
    tables.tamper(name, { state: 'fenced', viewNo: 9 })
    await comes(() => b.mesh.self.incarnation > incarnation && tables.byName.get(name)?.state === 'joining', 'the new life')
    await pass(2000)
    tables.awayFor.add(name)
    wires.forEach((wire) => wire.mend())
    await comes(() => events(b, 'cluster.rejoin').length > 0, 'a failure')
    tables.awayFor.clear()
    await comes(() => b.mesh.serving() && tables.byName.get(name)?.state === 'up', 'service')
    expect(b.arrived.fenced).toBe(1)
  })

  test('§2 isolation: links that stand and carry nothing do not count, with the database away it stops serving within 5 s', async () => {
    const [a, b] = await pair()
    await pass(5000)                     // both have dialled, and one link is left
    wires.forEach((wire) => wire.stall())
    tables.away = true
    await pass(3500)
    expect([a.mesh.serving(), b.mesh.serving()]).toEqual([true, true])
    await pass(2000)
    expect([linked(a, b.mesh.self.name), linked(b, a.mesh.self.name)]).toEqual([true, true])
    expect([a.mesh.serving(), b.mesh.serving()]).toEqual([false, false])
  })
})

describe('waking up', () => {
  test('§2 the first look at the clock after a pause shuts the gate, before any timer; a renewal opens it', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    await start(a, b)
    expect(a.mesh.serving()).toBe(true)
    clock.jump(3000)
    expect(a.mesh.serving()).toBe(false)
    await comes(() => a.mesh.serving(), 'service')
    expect(a.arrived.gates).toEqual([false, true])
  })

  test('§2 woken after it was fenced, a node serves nothing in that life', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    await start(a, b)
    await b.mesh.fenceLife('a.example', a.mesh.self.incarnation)
    clock.jump(30_000)
    expect(a.mesh.serving()).toBe(false)
    await comes(() => a.arrived.fenced === 1, 'the end of that life')
  })
})

describe('a peer that does not read', () => {
  test('K15 the link is reset after 15 s without an answer to a PING; the node is not fenced for it', async () => {
    const a = make('a.example')
    await start(a)
    const z = await Impostor.in(tables)
    const link = await passing(z.link(a.port()))
    await comes(() => linked(a, 'z.example'), 'the link')
    const from = clock.now()
    while (linked(a, 'z.example') && clock.now() - from < 40_000) {
      tables.tamper('z.example', { beat: clock.now() })
      await pass(500)
    }
    expect(clock.now() - from).toBeGreaterThanOrEqual(14_500)
    expect(clock.now() - from).toBeLessThan(22_000)
    expect(tables.byName.get('z.example')?.state).toBe('joining')
    expect(names(a)).toContain('z.example')
    link.socket.destroy()
  })
})

describe('between nodes', () => {
  test('§4 a secret is changed without a cut: one node has both, the other the old one', async () => {
    const a = make('a.example', { secrets: ['new', 'old'] })
    const b = make('b.example', { secrets: ['old'] })
    await start(a, b)
    expect(linked(a, 'b.example')).toBe(true)
  })

  test('§4 another secret is refused as wrong-key', async () => {
    const [a, b] = [make('a.example', { secrets: ['one'] }), make('b.example', { secrets: ['two'] })]
    await passing(Promise.all([a.mesh.start(), b.mesh.start()]))
    await pass(3000)
    expect(linked(a, 'b.example')).toBe(false)
    const refused = [...events(a, 'cluster.link.refused'), ...events(b, 'cluster.link.refused')]
    expect(refused.map((fields) => fields['reason'])).toContain('wrong-key')
  })

  test('K18 both dial at once: one link stays, no frame is lost or doubled', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    await passing(Promise.all([a.mesh.start(), b.mesh.start()]))
    await comes(() => names(a).length === 2 && names(b).length === 2, 'the view')
    for (let index = 1; index <= 50; index++) {
      a.mesh.route(ref(a, 'b.example'), envelope(index, 'juliet@im.test'))
      b.mesh.route(ref(b, 'a.example'), envelope(index, 'juliet@im.test'))
      if (index % 10 === 0) await pass(250)
    }
    await comes(() => a.arrived.answers.length === 50 && b.arrived.answers.length === 50, 'all answers')
    const order = Array.from({ length: 50 }, (_, n) => n + 1)
    expect(a.arrived.envelopes.map((each) => each.envelope.key.index)).toEqual(order)
    expect(b.arrived.envelopes.map((each) => each.envelope.key.index)).toEqual(order)
  })

  test('K21 a tampered address leads to somebody else: refused, and the node is not fenced for it', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    await start(a, b)
    tables.tamper('b.example', { advertise: `127.0.0.1:${a.port()}`, certSha256: 'ff'.repeat(32) })
    await pass(3000)
    expect(names(a)).toEqual(['a.example', 'b.example'])
  })

  test('§6 a BOSH request for another node\'s session goes there and its answer comes back', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    await start(a, b)
    b.mesh.onBosh((from, request) => Promise.resolve({
      status: 200, contentType: 'text/xml', body: Buffer.from(`${from.name} ${request.sid} ${request.body.toString()}`)
    }))
    const request = { sid: 's1', address: '192.0.2.7', secure: true, body: Buffer.from('<body/>') }
    const answer = await passing(a.mesh.boshTo('b.example', request))
    expect(answer.body.toString()).toBe('a.example s1 <body/>')
    b.mesh.onBosh(() => new Promise(() => {}))
    const open = a.mesh.boshTo('b.example', request).catch((error: unknown) => String(error))
    await b.mesh.fenceLife('a.example', 0)
    await a.mesh.fenceLife('b.example', b.mesh.self.incarnation)
    expect(await passing(open)).toMatch(/is gone/)
  })

  test('§9 notices are read with the beat, once', async () => {
    const a = make('a.example')
    await tables.notify('account-deleted', 'old@im.test')
    const heard: string[] = []
    a.mesh.onNotice((kind, subject) => void heard.push(`${kind} ${subject}`))
    await start(a)
    await tables.notify('account-deleted', 'romeo@im.test')
    await pass(4000)
    expect(heard).toEqual(['account-deleted romeo@im.test'])
  })

  test('§5 the caching strategy over real links: a later node knows everybody, a lost node\'s devices are forgotten', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    const devices = new Map<TestNode, DeviceRecord[]>()
    const strategies = new Map<TestNode, Strategy>()
    const serve = async (each: TestNode): Promise<void> => {
      devices.set(each, [])
      const strategy = onlineUsersCaching({ clock, log: silentLog })
      strategies.set(each, strategy)
      await pass(500) // whatever comes before it listens is kept for it
      await strategy.start(each.mesh.host(() => devices.get(each) ?? []))
    }
    const bind = (each: TestNode, user: string, n: number): Promise<unknown> => {
      const record = {
        node: each.mesh.self, jid: new Jid(user, 'im.test', 'r'), session: n.toString(16).padStart(32, '0'), hlc: { ms: n, count: 0 },
        priority: 1, presence: '<presence/>'
      }
      devices.get(each)?.push(record)
      return passing(strategies.get(each)?.announce(record) ?? Promise.resolve())
    }
    const where = (each: TestNode, user: string): readonly string[] =>
      (strategies.get(each)?.locate(new Jid(user, 'im.test', '')).nodes ?? []).map(({ name }) => name)
    await start(a, b)
    await Promise.all([serve(a), serve(b)])
    await bind(b, 'juliet', 1)
    expect(where(a, 'juliet')).toEqual(['b.example'])
    const c = make('c.example')
    await start(c)
    await serve(c)
    await comes(() => where(c, 'juliet').length === 1 && where(c, 'nobody').length === 0, 'the sync')
    await bind(c, 'romeo', 2)
    expect(where(a, 'romeo')).toEqual(['c.example'])
    tables.awayFor.add('b.example') // so that it cannot rejoin
    await a.mesh.fenceLife('b.example', b.mesh.self.incarnation)
    await comes(() => where(a, 'juliet').length === 0 && where(c, 'juliet').length === 0, 'forgetting')
  })

  test('§4 a fault in another room is said once and refused, the link lives', async () => {
    const a = make('a.example')
    const b = node({ name: 'b.example', tables, clock, onEnvelope: () => {
      throw new Error('a bug')
    } })
    running.push(b)
    await start(a, b)
    a.mesh.route(ref(a, 'b.example'), envelope(1, 'juliet@im.test'))
    await comes(() => a.arrived.answers.length === 1, 'the answer')
    expect(a.arrived.answers[0]?.verdict).toMatchObject({ condition: 'internal-server-error' })
    expect(events(b, 'cluster.handler.failed')).toHaveLength(1)
    expect(linked(a, 'b.example')).toBe(true)
  })

  test('D.7b a higher view number of a peer is adopted once the table was read after it', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    await start(a, b)
    expect(a.mesh.viewNo).toBe(b.mesh.viewNo)
    const higher = b.mesh.viewNo + 100 // a row is gone that made the peer's sum
    a.mesh.route(ref(a, 'b.example'), envelope(1, 'juliet@im.test', { view: higher }))
    await comes(() => b.mesh.viewNo === higher, 'the number')
  })

  test('§9 a notice asks for a fence', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    await start(a, b)
    await tables.notify('fence', `b.example ${b.mesh.self.incarnation}`)
    await comes(() => b.arrived.fenced === 1, 'the end of that life')
    expect(changes(a).some((change) => change.startsWith('lost b.example'))).toBe(true)
  })

  test('§4 an envelope too big for a frame goes in halves; one that cannot be halved is refused', async () => {
    const [a, b] = [make('a.example'), make('b.example')]
    await start(a, b)
    const one = envelope(1, 'juliet@im.test')
    const many = Array.from({ length: 200_000 }, (_, n) => one.addressees.map((each) => ({ ...each, ask: n + 1 }))).flat()
    a.mesh.route(ref(a, 'b.example'), { ...one, addressees: many })
    await comes(() => a.arrived.answers.length === 200_000, 'all answers')
    expect(b.arrived.envelopes.length).toBeGreaterThan(1)
  })
})
