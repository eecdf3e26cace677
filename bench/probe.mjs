/** One figure of one scenario against a server that runs: what the words of `scenarios.mjs` mean. */
import { load } from './measure.mjs'

const LOGINS = ['--scenario', 'login', '--n', 2000, '--presence', 0]

/** @returns the figure, and the generator's line that it is from */
export async function probe(server, scenario, { duration, warmup }) {
  const { load: args, reach, figure, logins, bystander } = scenario
  const timing = { duration, warmup, reach }
  if (bystander !== undefined) return beside(server, scenario, timing)
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
