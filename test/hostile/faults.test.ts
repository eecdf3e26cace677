/** D: the database, the clock and the machine fail under two nodes. Who is online goes on; nobody is fenced. */
import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import type { Element } from 'ltx'
import { openDatabase, type Database } from '../../src/storage/database.js'
import { freshDatabase } from '../databases.js'
import { TestClient } from '../support/client.js'
import { clusterPage, mesh, say } from '../support/fault-cast.js'
import { Forwarder } from '../support/forwarder.js'
import { SqlDoor } from '../support/rows.js'
import { silentLog } from '../support/silent-log.js'
import { until } from '../support/until.js'
import { descriptorsOf, Levers } from './levers.js'
import { noFaultOfOurs } from './runner.js'
import { DOMAIN, Stage } from './stage.js'
import { Tally } from './tally.js'
import { connected } from './wire-tcp.js'

/** Longer than the fence: whoever would be fenced has been by then. */
const OUTAGE_MS = 8_000
/** What every failing answer has: 5 s, and a busy machine. */
const ANSWER_MS = 8_000

const tally = new Tally('faults of machines')
const play = (name: string, run: () => Promise<void>): void => tally.test(name, 'machine', run, 90_000)
const sleep = (ms: number): Promise<void> => new Promise((done) => { setTimeout(done, ms) })

const states = async ({ cluster, canaries }: Stage): Promise<readonly string[]> =>
  Promise.all(canaries.map(async (_, n) => (await clusterPage(cluster.node(n))).health.state))
const health = (stage: Stage, wanted: string): Promise<unknown> =>
  until(`health is ${wanted}`, async () => (await states(stage)).every((state) => state === wanted))

/** Names and lives of the nodes that are up. */
async function lives(stage: Stage): Promise<readonly unknown[]> {
  const { members } = await clusterPage(stage.node)
  return members.map(({ name, incarnation, state }) => [name, incarnation, state])
}

async function within<T>(what: Promise<T>, ms = ANSWER_MS): Promise<T> {
  const begun = performance.now()
  const result = await what
  expect(performance.now() - begun).toBeLessThan(ms)
  return result
}

async function chat(stage: Stage, text: string): Promise<void> {
  const [here] = stage.canaries
  here?.write(`<message to='${stage.bob.jid}' type='chat'><body>${text}</body></message>`)
  await stage.bob.message(text)
  stage.bob.write(`<message to='${here?.jid}' type='chat'><body>${text}</body></message>`)
  await here?.message(text)
}

const ROSTER = 'jabber:iq:roster'
const rosterSet = (jid: string): string => `<query xmlns='${ROSTER}'><item jid='${jid}'/></query>`
const conditionsOf = (answer: Element): readonly unknown[] => {
  const error = answer.getChild('error')
  return [error?.attrs['type'], error?.getChildElements()[0]?.name]
}

async function loginFails(stage: Stage, user = 'alice'): Promise<void> {
  const guest = await TestClient.open(stage.node.ports.c2s)
  await guest.openStream(DOMAIN)
  await expect(guest.authenticate({ port: 0, user })).rejects.toThrow('temporary-auth-failure')
  guest.socket.destroy()
}

describe('the database', () => {
  let stage: Stage
  let way: Forwarder
  let sql: SqlDoor
  let holder: Database
  let name = ''

  beforeAll(async () => {
    const fresh = await freshDatabase('postgresql')
    name = /\/([^/?]+)\?/.exec(fresh.jdbc)?.[1] ?? ''
    way = await Forwarder.open(Number(/:(\d+)\//.exec(fresh.jdbc)?.[1]))
    stage = await Stage.set({ database: { ...fresh, jdbc: fresh.jdbc.replace(/:\d+\//, `:${way.port}/`) }, accounts: ['alice', 'away'] })
    await mesh(stage.cluster.nodes)
    sql = new SqlDoor(fresh)
    holder = openDatabase(fresh.settings, silentLog)
  }, 90_000)
  afterAll(async () => {
    await sql.close()
    await holder.close()
    await stage.clear()
    await way.close()
  })

  /** While `fault` lasts people who are online talk; then all is as before. */
  play('L36 a login while the database is down: temporary-auth-failure, and no account is told from none (RFC 6120 §6.5.11)', async () => {
    way.cut()
    try {
      await within(loginFails(stage))
      await within(loginFails(stage, 'nobody'))
    } finally {
      way.heal()
    }
    await health(stage, 'ok')
  })

  async function outage({ begin, end, during = () => Promise.resolve() }:
  { begin: () => Promise<void> | void, end: () => Promise<void> | void, during?: () => Promise<void> }): Promise<void> {
    await chat(stage, 'before')
    const before = await lives(stage)
    await begin()
    const begun = performance.now()
    try {
      await health(stage, 'degraded')
      await chat(stage, 'still here')
      await during()
      await sleep(Math.max(0, begun + OUTAGE_MS - performance.now()))
      await chat(stage, 'and here')
      await stage.others()
    } finally {
      await end()
    }
    await health(stage, 'ok')
    expect(await lives(stage)).toEqual(before)
    const alice = await stage.cluster.login(0, 'alice', { domain: DOMAIN })
    await alice.close()
    expect(stage.cluster.nodes.flatMap((node) => node.events('process.unhandled-rejection'))).toEqual([])
  }

  play('D02 the database is down: chat goes on, nobody is fenced, and all is well after (cluster §2)', () => outage({
    begin: () => { way.cut() }, end: () => { way.heal() }, during: async () => {
      const [canary] = stage.canaries
      if (canary === undefined) throw new Error('no canary')
      say(canary, `away@${DOMAIN}`, 'kept?')
      const bounced = await within(canary.next((e) => e.is('message') && e.attrs['type'] === 'error'))
      expect(conditionsOf(bounced)).toEqual(['wait', 'resource-constraint'])
      const set = await within(canary.iq('set', '', rosterSet('new@im.test')))
      expect(conditionsOf(set)).toEqual(['wait', 'resource-constraint'])
    }
  }))

  play('D04 after it: whoever could not log in can (cluster §2)', async () => {
    const alice = await stage.cluster.login(1, 'alice', { domain: DOMAIN })
    await alice.close()
  })

  play('D03 what was bounced while the database was down is not stored too (architecture §7)', async () => {
    const away = await stage.cluster.login(1, 'away', { domain: DOMAIN })
    await away.ping()
    expect(away.takeBodies()).toEqual([])
    await away.close()
  })

  play('D05 a roster that could not be written is as it was (architecture §7)', async () => {
    const roster = await stage.canaries[0]?.iq('get', '', `<query xmlns='${ROSTER}'/>`)
    expect(roster?.toString()).not.toContain('new@im.test')
  })

  play('D29 it is away for a moment and comes back whole: nobody notices who does not ask it (cluster §2)', async () => {
    await chat(stage, 'before')
    const before = await lives(stage)
    way.cut()
    await chat(stage, 'in between')
    way.heal()
    await chat(stage, 'after')
    await until('logins pass', () => stage.cluster.login(0, 'alice', { domain: DOMAIN }).then((client) => client.close().then(() => true), () =>
      false))
    await health(stage, 'ok')
    expect(await lives(stage)).toEqual(before)
  })

  play('D06 the database hangs: logins fail in time, connections do not grow, nobody is fenced (cluster §2)', async () => {
    const taken = way.taken
    await outage({ begin: () => { way.stall() }, end: () => { way.heal() }, during: async () => {
      await Promise.all(Array.from({ length: 20 }, () => within(loginFails(stage))))
    } })
    // Each node has ten at most, and makes those anew that it gave up.
    expect(way.taken - taken).toBeLessThan(60)
  })

  play('D07 each statement takes half a second: slower, and nobody is fenced (cluster §2)', async () => {
    const before = await lives(stage)
    way.delayMs = 250
    const logins = await Promise.all(Array.from({ length: 5 }, () => stage.cluster.login(0, 'alice', { domain: DOMAIN })))
    await chat(stage, 'slowly')
    await sleep(OUTAGE_MS / 2)
    await stage.others()
    way.delayMs = 0
    expect(await lives(stage)).toEqual(before)
    await Promise.all(logins.map((client) => client.close()))
  })

  play('D08 the table of nodes is locked for longer than the fence: nobody is fenced, no membership changes (cluster §2)', async () => {
    const before = await lives(stage)
    const changes = (): number => stage.cluster.nodes.flatMap((node) => [...node.events('cluster.joined'), ...node.events('cluster.left')]).length
    const counted = changes()
    await holder.transaction(async (held) => {
      await held.raw('lock table cluster_nodes in access exclusive mode')
      for (let n = 0; n < OUTAGE_MS / 500; n++) {
        await chat(stage, `locked ${n}`)
        await sleep(500)
        await held.raw('select 1')
      }
    })
    await health(stage, 'ok')
    expect(await lives(stage)).toEqual(before)
    expect(changes()).toBe(counted)
  })

  play('D12 the database reads only: writes are refused in time, and work when it is well (ours)', async () => {
    await chat(stage, 'before')
    const before = await lives(stage)
    const [canary] = stage.canaries
    const set = async (jid: string): Promise<readonly unknown[]> => {
      const answer = await within(canary?.iq('set', '', rosterSet(jid)) ?? Promise.reject(new Error('no canary')))
      return answer.attrs['type'] === 'result' ? ['result'] : conditionsOf(answer)
    }
    await sql.run(`alter database "${name}" set default_transaction_read_only = on`)
    way.cut()
    way.heal()
    await until('a write is refused', async () => (await set('readonly@im.test'))[1] === 'resource-constraint')
    await chat(stage, 'read only')
    await sql.run(`set default_transaction_read_only = off; alter database "${name}" reset default_transaction_read_only`)
    way.cut()
    way.heal()
    await until('a write passes', async () => (await set('written@im.test'))[0] === 'result')
    await health(stage, 'ok')
    expect(await lives(stage)).toEqual(before)
  })

  play('D01 it is down at the start: not ready, no port for clients, waited for; then ready (cluster §2)', async () => {
    way.cut()
    const late = await stage.cluster.plan('late')
    late.spawn()
    await until('it waits', () => late.events('database.waiting').length > 1)
    await expect(connected(late.ports.c2s)).rejects.toThrow('ECONNREFUSED')
    way.heal()
    await late.ready()
    ;(await connected(late.ports.c2s)).destroy()
    expect(await late.stop()).toBe(0)
    await health(stage, 'ok')
  })

  play('D28 the row of a live node is deleted: it ends its life at once, comes back with a new one, the other serves on (cluster §5)', async () => {
    const node = stage.cluster.node(0)
    const before = (await sql.node('node1'))['incarnation']
    await sql.run("delete from cluster_nodes where hostname = 'node1'")
    await until('node1 has a new life', async () => {
      const row = (await sql.nodes()).find((each) => each['hostname'] === 'node1')
      return row !== undefined && row['state'] === 'up' && row['incarnation'] !== before
    })
    await until('it serves', async () => (await clusterPage(node)).serving)
    expect(stage.bob.closed).toBe(false)
    await stage.bob.ping()
  })
})

describe('the clock and the machine', () => {
  const levers = new Levers()
  let stage: Stage
  let alice: TestClient
  const HOUR_MS = 3_600_000

  beforeAll(async () => {
    stage = await Stage.set({ env: { ...levers.env, TZ: 'Pacific/Kiritimati' }, accounts: ['alice', 'away'] })
    await mesh(stage.cluster.nodes)
    alice = await stage.cluster.login(0, 'alice', { domain: DOMAIN })
  }, 60_000)
  afterAll(async () => {
    await stage.clear()
    levers.clear()
  })

  for (const [how, ms] of [['an hour ahead', HOUR_MS], ['an hour back', -HOUR_MS], ['ten minutes apart', 600_000]] as const) {
    const id = how.startsWith('ten') ? 'D19' : 'D18'
    play(`${id} the clock goes ${how}: no session ends, nobody is fenced, time-outs do not come early (cluster §2)`, async () => {
      const before = await lives(stage)
      await levers.moveClock(ms, id === 'D19' ? [stage.node] : stage.cluster.nodes)
      await sleep(OUTAGE_MS / 4)
      await chat(stage, how)
      await stage.others()
      await alice.ping()
      say(alice, `away@${DOMAIN}`, how)
      await stage.cluster.accounts.stored('away', DOMAIN, 1)
      const away = await stage.cluster.login(1, 'away', { domain: DOMAIN })
      expect((await away.message(how)).getChild('delay', 'urn:xmpp:delay')?.attrs['stamp']).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
      await away.close()
      expect(await lives(stage)).toEqual(before)
      await levers.moveClock(0, stage.cluster.nodes)
      noFaultOfOurs(stage.cluster.nodes.flatMap((node) => node.lines))
    })
  }

  play('D20 the zone of the machine changes no time that is told (XEP-0082 §3.2)', async () => {
    const answer = await alice.iq('get', 'im.test', "<time xmlns='urn:xmpp:time'/>")
    const utc = answer.getChild('time')?.getChildText('utc') ?? ''
    expect(Math.abs(Date.parse(utc) - Date.now())).toBeLessThan(60_000)
    expect(utc).toMatch(/Z$/)
  })

  play('D23 no descriptor is left: those who are connected are served, others wait or are refused, and it gets well (ours)', async () => {
    const limit = (number: number): void => {
      execFileSync('prlimit', ['--pid', String(stage.node.pid), `--nofile=${number}:`])
    }
    const lines = stage.mark()
    limit(descriptorsOf(stage.node) + 4)
    const sockets = await Promise.all(Array.from({ length: 30 }, () => connected(stage.node.ports.c2s).catch(() => undefined)))
    await sleep(500)
    await stage.others()
    await alice.ping()
    for (const socket of sockets) socket?.destroy()
    limit(1_024)
    const again = await until('logins pass', () => stage.cluster.login(0, 'alice', { domain: DOMAIN }).catch(() => undefined))
    await again.close()
    expect(lines().filter((line) => line['level'] === 'error').length).toBeLessThanOrEqual(1)
  })
})

describe('the end', () => {
  play('D25 SIGTERM while everybody talks: everybody is told, exit 0 (cluster §6)', async () => {
    const stage = await Stage.set({ accounts: ['alice'] })
    try {
      const alice = await stage.cluster.login(0, 'alice', { domain: DOMAIN })
      const talk = setInterval(() => { if (!alice.closed) say(alice, stage.bob.jid, 'more') }, 1)
      const code = await stage.node.stop().finally(() => { clearInterval(talk) })
      expect(code).toBe(0)
      await alice.gone()
      expect(alice.streamError).toBe('system-shutdown')
      await stage.bob.ping()
    } finally {
      await stage.clear()
    }
  })

  play('D26 a second SIGTERM: at once, exit 1 (ours)', async () => {
    const stage = await Stage.set({ accounts: ['alice'] })
    try {
      await stage.cluster.login(0, 'alice', { domain: DOMAIN })
      // It cannot end well: the link's other side stands still.
      stage.cluster.node(1).signal('SIGSTOP')
      stage.node.signal('SIGTERM')
      await sleep(300)
      stage.node.signal('SIGTERM')
      expect(await stage.node.exited()).toBe(1)
    } finally {
      stage.cluster.node(1).signal('SIGCONT')
      await stage.clear()
    }
  })
})
