/**
 * How cost grows: one thing is made more, step by step, and what a unit of work costs is measured at each step. A curve whose cost of
 * a unit rises says so. `npm run bench -- --curves`, or `--curve NAME,...`
 */
import { hold, load, quiet, ticks } from './measure.mjs'
import { chat } from './scenarios.mjs'
import { starling } from './servers.mjs'

const RUN = { duration: 3, warmup: 1 }
/** More than this, from the cheapest step before, is called growth; less is what two runs of the same differ by. */
const NOISE = 1.3

/** CPU-µs a unit, the lower of two runs: what else the machine does only adds to it. */
async function cost(server, args, reach) {
  const lines = [await load(server, args, { ...RUN, reach }), await load(server, args, { ...RUN, reach })]
  return Math.min(...lines.map((line) => line.server_cpu_us_per_unit))
}

/** CPU-µs for each of so many logins and logouts, with all that they leave to be done; the accounts are known by then. */
async function comeAndGo(server, count) {
  const costs = []
  for (let run = 0; run < 3; run++) {
    await quiet(server.pids)
    const before = ticks(server.pids)
    await load(server, ['--scenario', 'login', '--n', count, '--roster', 1])
    await quiet(server.pids)
    costs.push((ticks(server.pids) - before) * 10_000 / count)
  }
  return Math.min(...costs.slice(1))
}

async function during(options, use) {
  const server = await starling(options)
  try {
    return await use(server)
  } finally {
    await server.stop()
  }
}

/** Each step has a server of its own. `at` answers the figures of the step. */
const eachAlone = (steps, options, at) => async (say) => {
  const rows = []
  for (const step of steps) {
    const figures = await during(options(step), (server) => at(server, step))
    rows.push([step, ...figures])
    say(`${step}: ${figures.map((figure) => figure?.toFixed(2)).join(', ')}`)
  }
  return rows
}

/** One server; sessions are added and stay. */
async function sessions(say) {
  const rows = []
  await during({ accounts: 19_000 }, async (server) => {
    const ends = []
    try {
      let held = 100
      for (const total of [100, 1000, 5000, 19_000]) {
        if (total > held) ends.push(await hold(server, held, total - held))
        held = total
        rows.push([total, await cost(server, chat(50, 8))])
        say(`${total}: ${rows.at(-1)[1].toFixed(2)}`)
      }
    } finally {
      await Promise.all(ends.map((end) => end()))
    }
  })
  return rows
}

async function bothStrategies(say) {
  const rows = []
  for (let count = 1; count <= 5; count++) {
    const figures = []
    for (const strategy of ['broadcast', 'online-users-caching']) {
      if (count === 1 && figures.length > 0) figures.push(figures[0])       // nobody else to ask or to tell
      else figures.push(await during({ nodes: count, strategy }, (server) => cost(server, chat(100, 8), count > 1 ? 'all' : undefined)))
    }
    rows.push([count, ...figures])
    say(`${count}: ${figures.map((figure) => figure.toFixed(2)).join(', ')}`)
  }
  return rows
}

const column = (index) => (row) => row[index]
const product = ([units, each]) => units * each
const eachKb = ([bytes, message]) => message / bytes * 1000
/** Of few contacts it may be less than a tick for each login, which is as far as this can tell. */
const eachContact = ([contacts, , login], [[, , none]]) => (contacts > 0 && login > none ? (login - none) / contacts : undefined)

/**
 * `lines`: what the columns after the first are; `more`: columns of the table that are reckoned from a row (and all rows);
 * `flat`: costs of a unit of work, which may not rise from step to step.
 */
export const CURVES = {
  sessions: {
    title: 'A message, with more and more sessions held', x: 'sessions held', y: 'CPU-µs a message', lines: ['a message'], flat: { 'a message': column(1) },
    note: '50 pairs talk, 8 messages in flight each; the other sessions are there and say nothing.', run: sessions
  },
  roster: {
    title: 'A message, a login and logout, with larger rosters', x: 'contacts', y: 'CPU-µs', lines: ['a message', 'a login with roster and presence, and logout'],
    log: true, flat: { 'a message': column(1), 'a login and logout, each contact': eachContact },
    note: '100 accounts have so many contacts, all of them away, who have them too. Each logs in, asks for its roster, says that it is there, and leaves; then 50 pairs talk, 8 messages in flight.',
    more: { 'a login and logout, each contact': eachContact },
    run: eachAlone([0, 10, 100, 1000], (roster) => ({ roster }), async (server) => {
      const login = await comeAndGo(server, 100)
      return [await cost(server, chat(50, 8)), login]
    })
  },
  devices: {
    title: 'A delivery, with more devices of the receiver', x: 'devices', y: 'CPU-µs a delivery', lines: ['a delivery'], flat: { 'a delivery': column(1) },
    note: 'One sender, 64 messages in flight, to the bare address; every device gets each.',
    more: { 'a message': product },
    run: eachAlone([1, 2, 5, 10], () => ({}), async (server, devices) => [
      await cost(server, ['--scenario', 'devices', '--n', 1 + devices, '--window', 64])
    ])
  },
  body: {
    title: 'A message, with longer bodies', x: 'bytes of the body', y: 'CPU-µs a message', lines: ['a message'], log: true, flat: { 'each kB': eachKb },
    note: '20 pairs, 4 messages in flight each.',
    more: { 'each kB': eachKb },
    run: eachAlone([100, 1000, 10_000, 100_000], () => ({}), async (server, bytes) => [
      await cost(server, [...chat(20, 4), '--body', bytes])
    ])
  },
  nodes: {
    title: 'A message, with more nodes', x: 'nodes', y: 'CPU-µs a message, all nodes together', lines: ['broadcast', 'online-users-caching'],
    even: true, flat: { 'online-users-caching, from two nodes on': ([count, , message]) => (count > 1 ? message : undefined) },
    note: '100 pairs, 8 in flight, spread over all nodes; from two nodes on, each receiver is on the node after its sender\'s.', run: bothStrategies
  },
  presence: {
    title: 'Presence, with more contacts that see it', x: 'contacts', y: 'CPU-µs a delivery', lines: ['a delivery'], flat: { 'a delivery': column(1) },
    note: 'One account changes its status, the next time when all contacts have it: each delivery is a write of its own.',
    more: { 'a change of status': product },
    run: eachAlone([10, 100, 1000], () => ({ accounts: 1001 }), async (server, contacts) => [
      await cost(server, ['--scenario', 'presence', '--n', contacts + 1, '--window', 1])
    ])
  }
}

/** The units of work whose cost at the last step is more than noise above the cheapest step before it. */
export function grown({ flat }, rows) {
  return Object.entries(flat).flatMap(([name, cost]) => {
    const costs = rows.map((row) => cost(row, rows)).filter((value) => value !== undefined)
    const times = costs.at(-1) / Math.min(...costs.slice(0, -1))
    return times > NOISE ? [`${name}: ${times.toFixed(2)} times`] : []
  })
}
