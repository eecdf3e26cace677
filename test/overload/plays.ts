/** The overload plays, each with one arrow of the way as its bottleneck (limits, E.3). The same code for both tiers. */
import { expect } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { jidOf, type Seat } from './crowd.js'
import { SlowLog } from './slow-log.js'
import { names, seats, Stage, type Form } from './stage.js'
import { rssMb } from './watch.js'

const KIB = 1024
/** A fence takes 5 s; and so long it rests between two freezes. */
const FROZEN_MS = 3000
const FROZEN_EVERY_MS = 4000

async function onStage(spec: Parameters<typeof Stage.of>[0], run: (stage: Stage) => Promise<void>): Promise<void> {
  const stage = await Stage.of(spec)
  try {
    await run(stage)
  } finally {
    await stage.end()
  }
}

/** Clients that read nothing, or 10 kB/s, of a megabyte a second for each; who is cut comes back and does the same. */
export async function slowReaders(form: Form): Promise<void> {
  const count = form.seconds > 10 ? 10 : 4
  const users = [...names('reader', count), ...names('sender', count)]
  await onStage({ title: `slow readers: ${count} take 0 or 10 kB/s of 1 MB/s each`, nodes: 1, users }, async (stage) => {
    const readers = seats('reader', count)
    const from = await stage.seat(0, seats('sender', count))
    const to = await stage.seat(0, readers, { sm: true })
    const slow = async (): Promise<void> => {
      for (const [i, jid] of to.entries()) if (await stage.crowd.alive([jid]) > 0) await stage.crowd.read([jid], i % 2 === 0 ? 'paused' : 10 * KIB)
    }
    const returns: Record<string, number> = {}
    const back = async (): Promise<void> => {
      const gone: Seat[] = []
      for (const seat of readers) if (await stage.crowd.alive([jidOf(seat)]) === 0) gone.push(seat)
      if (gone.length === 0) return
      const { how, failures } = await stage.crowd.login({ port: stage.node(0).ports.c2s, logins: gone, sm: true, resume: true })
      for (const [what, count] of Object.entries({ ...how, ...failures })) returns[what] = (returns[what] ?? 0) + count
    }
    const took = await stage.play(form, {
      async overload() {
        await slow()
        const flood = stage.crowd.flood({ from, to, perSecond: 250 * count, seconds: form.seconds, bytes: form.bodyBytes })
        for (let second = 0; second < form.seconds; second++) {
          await sleep(1000)
          // A client that reads nothing does not see that it was cut.
          if (second % 5 === 4) await stage.crowd.cut(to.filter((_, i) => i % 2 === 0))
          await back()
          await slow()
        }
        await flood
      },
      async heal() {
        for (const jid of to) if (await stage.crowd.alive([jid]) > 0) await stage.crowd.read([jid], 'open')
        await back()
      },
      recovered: async () => {
        await back()                   // whoever was cut has seen it now
        return await stage.delivers(0, 0) && await stage.crowd.barrier(to, 1000) === count
      }
    })
    let tally = await stage.settled()
    if (tally.open > 0) {
      stage.watch.note(`${tally.open} were waiting for ${count - await stage.crowd.alive(to)} readers who had been cut once more`)
      await back()
      tally = await stage.settled()
    }
    stage.tell(tally)
    stage.watch.note(`readers came back: ${JSON.stringify(returns)}; the server's reasons: ${JSON.stringify(stage.closings(0))}`)
    expect(await stage.crowd.alive(from)).toBe(count)
    expect(tally.open).toBe(0)       // a session that is over gives what was not acknowledged once more: that is no fault
    // Each may have 8 MiB that are not acknowledged, as much of a session that is just being put into the store, and 5 MiB stored
    // that are there twice while they are read, as rows and as bytes; V8 lets 64 MB of buffers grow before it looks which are held.
    stage.judge(form, 150 + 64 + count * 26, took)
  })
}

/** A link that takes a tenth of what is sent. */
export async function slowLink(form: Form): Promise<void> {
  const users = [...names('sender', 5), ...names('receiver', 5)]
  await onStage({ title: 'slow link: 100 kB/s, 1 MB/s sent', nodes: 2, users }, async (stage) => {
    const from = await stage.seat(0, seats('sender', 5))
    const to = await stage.seat(1, seats('receiver', 5))
    const took = await stage.play(form, {
      async overload() {
        for (const way of stage.ways) way.bytesPerSecond = 100 * KIB
        await stage.crowd.flood({ from, to, perSecond: 250, seconds: form.seconds, bytes: form.bodyBytes })
      },
      async heal() {
        for (const way of stage.ways) way.bytesPerSecond = Number.POSITIVE_INFINITY
        for (const way of stage.ways) way.heal()
      },
      recovered: () => stage.crosses(from)
    })
    const tally = await stage.settled()
    stage.tell(tally)
    expect(tally).toMatchObject({ open: 0, doubled: 0, disordered: 0 })
    stage.judge(form, 150, took)
  })
}

/** A node that stands still, but not long enough to be fenced: what is for it waits at its origin. */
export async function frozenNode(form: Form): Promise<void> {
  const users = [...names('sender', 5), ...names('receiver', 5)]
  await onStage({ title: 'a node stands still for 3 s, 5,000 messages a second for it', nodes: 2, users }, async (stage) => {
    const from = await stage.seat(0, seats('sender', 5))
    const to = await stage.seat(1, seats('receiver', 5))
    const took = await stage.play(form, {
      async overload() {
        for (let until = performance.now() + form.seconds * 1000; performance.now() < until; await sleep(FROZEN_EVERY_MS)) {
          const flood = stage.crowd.flood({ from, to, perSecond: 5000, seconds: 3, bytes: 200 })
          stage.node(1).signal('SIGSTOP')
          await sleep(FROZEN_MS)
          stage.node(1).signal('SIGCONT')
          await flood
        }
      },
      heal: () => Promise.resolve(),
      recovered: () => stage.crosses(from)
    })
    const tally = await stage.settled()
    stage.tell(tally)
    expect(tally).toMatchObject({ open: 0, doubled: 0, disordered: 0 })
    stage.judge(form, 150, took, 'node2')
  })
}

/** Every statement takes half a second longer; logins and messages for people who are not there are ten times what it can do. */
export async function slowDatabase(form: Form): Promise<void> {
  const users = [...names('sender', 5), ...names('absent', 50), ...names('guest', 40), 'chatter', 'listening']
  await onStage({ title: 'slow database: 500 ms a statement, 200 messages for the absent and 20 logins a second', nodes: 1, users }, async (stage) => {
    const from = await stage.seat(0, seats('sender', 5))
    const [chatter = '', listening = ''] = await stage.seat(0, [{ user: 'chatter', resource: 'r' }, { user: 'listening', resource: 'r' }])
    const absent = names('absent', 50).map((user) => `${user}@localhost`)
    const guests = seats('guest', 40)
    const failures: Record<string, number> = {}
    let letIn = 0
    const visit = async (until: number): Promise<void> => {
      for (let turn = 0; performance.now() < until; turn++) {
        const logins = guests.map(({ user }) => ({ user, resource: `t${turn % 5}` }))
        const seen = await stage.crowd.login({ port: stage.node(0).ports.c2s, logins, atOnce: 20 })
        letIn += seen.n
        for (const [why, count] of Object.entries(seen.failures)) failures[why] = (failures[why] ?? 0) + count
      }
    }
    expect(await stage.delivers(0, 0)).toBe(true)       // what chat needs of the two who are here is in memory from now on
    const took = await stage.play(form, {
      async overload() {
        stage.toDatabase.delayMs = 250
        const until = performance.now() + form.seconds * 1000
        await Promise.all([
          stage.crowd.flood({ from, to: absent, perSecond: 200, seconds: form.seconds, bytes: 500 }),
          stage.birds.flood({ from: ['canary0@localhost/r'], to: ['listener0@localhost/r'], perSecond: 50, seconds: form.seconds, bytes: 100 }),
          visit(until)
        ])
      },
      heal() {
        stage.toDatabase.delayMs = 0
        return Promise.resolve()
      },
      recovered: async () => {
        const { n } = await stage.crowd.login({ port: stage.node(0).ports.c2s, logins: [{ user: 'guest0', resource: 'back' }] })
        return n === 1 && await stage.crowd.barrier([chatter, listening], 2000) === 2
      }
    })
    stage.watch.note(`logins: ${letIn} let in, refused ${JSON.stringify(failures)}`)
    const chat = await stage.birds.tally()
    stage.watch.note(`meanwhile between two who are here: ${chat.sent} sent, ${chat.arrived} arrived, p99 ${chat.latency.p99.toFixed(0)} ms`)
    await stage.seat(0, absent.map((jid) => ({ user: jid.split('@')[0] ?? '', resource: 'r' })))
    const tally = await stage.settled(180_000)       // what the senders had still to say is stored first
    stage.tell(tally)
    expect(tally).toMatchObject({ open: 0, doubled: 0, disordered: 0 })
    expect(chat).toMatchObject({ arrived: chat.sent, refused: 0 })
    expect(chat.latency.p99).toBeLessThan(form.pingMs)
    for (const why of Object.keys(failures)) expect(why).toContain('temporary-auth-failure')
    stage.judge(form, 150, took)
  })
}

/** The log goes into a pipe that is read at 1 kB/s, and strangers make it say 200 kB/s. */
export async function slowDiskForLogs(form: Form): Promise<void> {
  const log = new SlowLog()
  const more = { stdout: log.writeEnd }
  await onStage({ title: 'slow log: 1 kB/s, 600 lines a second written', nodes: 1, users: [], lines: ['--debug=stream'], more }, async (stage) => {
    const port = stage.node(0).ports.c2s
    const dropped = async (): Promise<number> =>
      Number(/^starling_log_lines_dropped_total (\d+)/m.exec(String(await stage.node(0).admin('/metrics')))?.[1])
    const took = await stage.play(form, {
      async overload() {
        log.read(KIB)
        const knocks = await stage.crowd.knock({ port, perSecond: 300, seconds: form.seconds })
        const refused = String(await stage.node(0).admin('/metrics')).match(/^starling_connections_refused_total.* [1-9]\d*$/gm) ?? []
        stage.watch.note(`strangers: ${JSON.stringify(knocks)} ${refused.join(' ')}; lines dropped: ${await dropped()}`)
        expect(knocks.answered).toBeGreaterThan(knocks.knocked * 0.8)     // as many as the machine's queue of connections takes
        if (form.seconds > 10) expect(await dropped()).toBeGreaterThan(0)
      },
      heal() {
        log.read(Number.POSITIVE_INFINITY)
        return Promise.resolve()
      },
      recovered: () => stage.delivers(0, 0)
    })
    const lines = await dropped()
    const told = [...log.text.matchAll(/"lines":(\d+),"event":"log.dropped"/g)].reduce((sum, [, count]) => sum + Number(count), 0)
    expect(told).toBe(lines)
    for (const line of log.text.trimEnd().split('\n')) expect(() => JSON.parse(line) as unknown).not.toThrow()
    stage.judge(form, 150, took)
    log.read(0)
    await stage.crowd.knock({ port, perSecond: 300, seconds: 2 })
    expect(await stage.node(0).stop()).toBe(0)       // nobody reads, and it ends all the same
  }).finally(() => { log.close() })
}

export interface Idle {
  readonly sessions: number
  readonly back: number
  /** Of any ping of the others. */
  readonly pingMaxMs: number
}

const PER_ACCOUNT = 10
const BACK_WITHIN_MS = 2000

/** Very many who say nothing, and a part of them loses the network and comes back at once. */
export async function manyComeBack(form: Form, { sessions, back, pingMaxMs }: Idle): Promise<void> {
  const users = names('idle', sessions / PER_ACCOUNT)
  const title = `${sessions} idle sessions, ${back} of them come back within 2 s`
  await onStage({ title, nodes: 1, users }, async (stage) => {
    const port = stage.node(0).ports.c2s
    const all = Array.from({ length: PER_ACCOUNT }, (_, i) => users.map((user) => ({ user, resource: `r${i}` }))).flat()
    const empty = rssMb(stage.node(0))
    const begun = performance.now()
    const first = await stage.crowd.login({ port, logins: all, atOnce: 100 })
    const seconds = (performance.now() - begun) / 1000
    expect(first.failures).toEqual({})
    stage.watch.note(`${sessions} logins in ${seconds.toFixed(1)} s, ${(sessions / seconds).toFixed(0)} a second, p99 ${first.p99.toFixed(0)} ms`)
    const jids = all.map(jidOf)
    await stage.crowd.barrier(jids.slice(-back), 10_000)
    stage.watch.note(`${((rssMb(stage.node(0)) - empty) * KIB / sessions).toFixed(1)} KiB a session`)
    const returning = all.filter((_, i) => i % (sessions / back) === 0)
    const took = await stage.play(form, {
      async overload() {
        await stage.crowd.cut(returning.map(jidOf))
        const again = await stage.crowd.login({ port, logins: returning, atOnce: back, overMs: BACK_WITHIN_MS })
        stage.watch.note(`${again.n} came back: p50 ${again.p50.toFixed(0)} ms, p99 ${again.p99.toFixed(0)} ms, refused ${JSON.stringify(again.failures)}`)
        expect(again).toMatchObject({ n: back, failures: {} })
      },
      heal: () => Promise.resolve(),
      recovered: async () => await stage.delivers(0, 0) && await stage.crowd.alive(jids) === sessions
    })
    stage.judge({ ...form, pingMs: pingMaxMs }, 300, took)
    expect(stage.watch.of(stage.node(0), 'during').canary.max).toBeLessThan(pingMaxMs)
  })
}
