#!/usr/bin/env node
/** `npm run bench`: scenarios against Starling and a peer beside it, in turn, as medians and ratios. See README.md. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { judge } from './gates.mjs'
import { flameGraph } from './flame.mjs'
import { buildLoad, load, median } from './measure.mjs'
import { probe } from './probe.mjs'
import { markdown } from './report.mjs'
import { SCENARIOS, SHORT, USUAL } from './scenarios.mjs'
import { FOLDER, PACKAGES, PEERS, starling } from './servers.mjs'

const HELP = `npm run bench -- [--scenario NAME,...] [--with ejabberd|prosody|prosody-gen|none,...] [--repeat N] [--duration S]
               [--json] [--write] [--profile] [--short] [--option LINE]...
Scenarios: ${Object.keys(SCENARIOS).join(' ')}`

const { values: given } = parseArgs({
  options: {
    scenario: { type: 'string' }, with: { type: 'string', default: 'ejabberd' }, repeat: { type: 'string', default: '3' },
    duration: { type: 'string', default: '5' }, json: { type: 'boolean' }, write: { type: 'boolean' }, profile: { type: 'boolean' },
    short: { type: 'boolean' }, option: { type: 'string', multiple: true, default: [] }, help: { type: 'boolean' }
  }
})

const say = (text) => { if (!given.json) console.error(`${new Date().toISOString().slice(11, 19)} ${text}`) }

function missingPackages(peers) {
  const needed = peers.length > 0 ? PACKAGES : PACKAGES.slice(0, 5)
  return needed.filter((name) => {
    try {
      return !execFileSync('dpkg-query', ['-W', '-f', '${Status}', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).includes('ok installed')
    } catch {
      return true
    }
  })
}

function versionOf(name) {
  if (name === 'starling') return JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')).version
  return execFileSync('dpkg-query', ['-W', '-f', '${Version}', name.replace('-gen', '')], { encoding: 'utf8' }).trim()
}

/** Scenarios that may share one process. */
function groupsOf(names) {
  const groups = new Map()
  for (const name of names) {
    const key = JSON.stringify(SCENARIOS[name].start)
    groups.set(key, [...(groups.get(key) ?? []), name])
  }
  return [...groups.values()]
}

/** A peer keeps its accounts from run to run; they are made over the wire the first time. */
async function ensureAccounts(server, count) {
  const file = join(FOLDER, `${server.name.replace('-gen', '')}.accounts`)
  let made = 0
  try {
    made = Number(readFileSync(file, 'utf8'))
  } catch { /* none yet */ }
  if (made >= count) return
  say(`${server.name}: making ${count - made} accounts`)
  await load(server, ['--scenario', 'register', '--first', made, '--n', count - made])
  writeFileSync(file, String(count))
}

async function measureGroup(who, names, results) {
  const { start } = SCENARIOS[names[0]]
  const node = given.profile ? ['--cpu-prof', `--cpu-prof-dir=${join(FOLDER, 'profile')}`] : []
  const server = await (who === 'starling' ? starling({ ...start, node, extra: given.option }) : PEERS[who](start))
  try {
    if (who !== 'starling') await ensureAccounts(server, start.accounts)
    for (const name of names) {
      const { value, line } = await probe(server, SCENARIOS[name], Number(given.duration))
      results.push({ name, who, value, line })
      say(`${name} ${who}: ${value.toFixed(2)} ${SCENARIOS[name].unit} (p50 ${line.p50_us} µs, p99 ${line.p99_us} µs, ${line.server_cores} cores)`)
    }
  } finally {
    await server.stop()
  }
}

/** Prosody has no cluster; some scenarios are of Starling's own parts. */
const can = (who, { ours, start }) => who === 'starling' || (ours !== true && !(who.startsWith('prosody') && start.nodes > 1))

const spreadOf = (values) => [Math.min(...values), Math.max(...values)]

function summary(results, names, peers) {
  return names.map((name) => {
    const runs = (who) => results.filter((result) => result.name === name && result.who === who)
    const values = (who) => runs(who).map(({ value }) => value)
    const ours = median(values('starling'))
    const besides = peers.filter((who) => values(who).length > 0).map((who) => {
      const theirs = median(values(who))
      return [who, { median: theirs, ratio: ours / theirs, spread: spreadOf(values(who)) }]
    })
    return {
      scenario: name, unit: SCENARIOS[name].unit, more: SCENARIOS[name].more === true, ours, spread: spreadOf(values('starling')),
      tail: median(runs('starling').map(({ line }) => line.p99_us / Math.max(1, line.p50_us))),
      peers: Object.fromEntries(besides), runs: values('starling').length
    }
  })
}

async function main() {
  if (given.help) return console.log(HELP)
  const names = given.short ? SHORT : given.scenario?.split(',') ?? USUAL
  const unknown = names.filter((name) => SCENARIOS[name] === undefined)
  const peers = given.with === 'none' || given.short ? [] : given.with.split(',')
  if (unknown.length > 0 || peers.some((who) => PEERS[who] === undefined)) throw new Error(`unknown: ${unknown.join(' ')}\n${HELP}`)
  const missing = missingPackages(peers)
  if (missing.length > 0) throw new Error(`first: apt-get install -y --no-install-recommends ${missing.join(' ')}`)
  mkdirSync(FOLDER, { recursive: true })
  buildLoad()
  const results = []
  const repeat = given.short || given.profile ? 1 : Number(given.repeat)
  for (let run = 0; run < repeat; run++) {
    for (const group of groupsOf(names)) {
      const todo = group.filter((name) => run === 0 || SCENARIOS[name].once !== true)
      const order = run % 2 === 0 ? ['starling', ...peers] : [...peers, 'starling']
      for (const who of order) {
        const able = todo.filter((name) => can(who, SCENARIOS[name]))
        if (able.length > 0) await measureGroup(who, able, results)
      }
    }
  }
  const rows = summary(results, names, peers)
  const versions = Object.fromEntries(['starling', ...peers].map((who) => [who, versionOf(who)]))
  if (given.profile) say(`flame graph: ${flameGraph(join(FOLDER, 'profile'))}`)
  if (given.json) for (const row of rows) console.log(JSON.stringify({ ...row, versions }))
  else console.log(markdown(rows, judge(rows), versions))
  if (given.write) {
    const file = join(import.meta.dirname, 'results', `${new Date().toISOString().slice(0, 10)}.md`)
    mkdirSync(join(file, '..'), { recursive: true })
    writeFileSync(file, markdown(rows, judge(rows), versions))
    say(`written: ${file}`)
  }
}

await main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
