/** One figure of one scenario against a server that runs: what the words of `scenarios.mjs` mean. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { hold, load } from './measure.mjs'

const LOGINS = ['--scenario', 'login', '--n', 2000, '--presence', 0]

/** @returns the figure, and the generator's line that it is from */
export async function probe(server, scenario, { duration, warmup }) {
  const { load: args, reach, figure, logins, bystander, held, before = 0 } = scenario
  const timing = { duration, warmup, reach }
  if (bystander !== undefined) return beside(server, scenario, timing)
  if (held !== undefined) return pauses(server, scenario, timing)
  for (let run = 0; run < before; run++) await load(server, args, timing)
  const line = await load(server, args, timing)
  return logins === undefined ? { value: line[figure], line } : older(server, scenario, { timing, fresh: line[figure] })
}

/** The same load before and after many logins: how much dearer it has become. */
async function older(server, { load: args, figure, logins }, { timing, fresh }) {
  for (let done = 0; done < logins; done += 2000) await load(server, LOGINS)
  const line = await load(server, args, timing)
  return { value: line[figure] / fresh, line }
}

/** What a node takes that has no part in the load, less what it takes when nobody says anything. */
async function beside(server, { load: args, bystander }, timing) {
  const line = await load(server, args, timing)
  // Afterwards: nodes that have just come are busy with themselves.
  const idle = await load(server, ['--scenario', 'idle', '--n', 200, '--settle', 2 * timing.duration], { reach: timing.reach })
  const others = ({ root_cores: cores }) => cores.slice(2).reduce((sum, share) => sum + share, 0) / (cores.length - 2)
  const more = others(line) - others(idle)
  const value = bystander === 'cost' ? more * 1e6 / line.per_s : more * 100
  return { value, line: { ...line, idle_share: others(idle), loaded_share: others(line) } }
}

/** Long enough for some collections of everything. */
const COLLECTOR_TIMES = 6
/** What `--trace-gc` says of each collection: its kind, then milliseconds in which nothing else ran. */
const COLLECTION = /ms: (Scavenge|Mark-Compact)[^\n]*? MB, ([\d.]+) \/ /g

/** The longest pause of the collector while sessions are held that say nothing, and others chat. */
async function pauses(server, { load: args, held }, timing) {
  const end = await hold(server, 200, held)
  try {
    await load(server, args, timing)
    const log = join(server.folder, 'node1.log')
    const { size } = statSync(log)
    const line = await load(server, args, { ...timing, duration: COLLECTOR_TIMES * timing.duration })
    const all = [...readFileSync(log).subarray(size).toString('utf8').matchAll(COLLECTION)].map(([, kind, ms]) => ({ kind, ms: Number(ms) }))
    const longest = (kind) => Math.max(0, ...all.filter((one) => one.kind === kind).map(({ ms }) => ms))
    const [young, whole] = [longest('Scavenge'), longest('Mark-Compact')]
    return { value: Math.max(young, whole), line: { ...line, young_ms: young, whole_ms: whole, collections: all.length } }
  } finally {
    await end()
  }
}
