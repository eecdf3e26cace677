#!/usr/bin/env node
/** `npm run bench`: scenarios against Starling and a peer beside it, in turn, as medians and ratios. See README.md. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CURVES, grown } from './curves.mjs'
import { flameGraph } from './flame.mjs'
import { buildLoad, load, median } from './measure.mjs'
import { probe } from './probe.mjs'
import { picture } from './picture.mjs'
import { curvePage, machine, markdown } from './report.mjs'
import { SCENARIOS, SHORT, USUAL } from './scenarios.mjs'
import { FOLDER, PACKAGES, PEERS, starling } from './servers.mjs'

const HELP = `npm run bench -- [--scenario NAME,...] [--with ejabberd|prosody|prosody-gen|relay|none,...] [--repeat N] [--duration S]
               [--json] [--write] [--profile] [--short] [--option LINE]...
       npm run bench -- --curves | --curve NAME,... [--pages FOLDER] [--json]
Scenarios: ${Object.keys(SCENARIOS).join(' ')}
Curves: ${Object.keys(CURVES).join(' ')}`

const { values: given } = parseArgs({
  options: {
    scenario: { type: 'string' }, with: { type: 'string', default: 'ejabberd' }, repeat: { type: 'string', default: '3' },
    duration: { type: 'string', default: '5' }, json: { type: 'boolean' }, write: { type: 'boolean' }, profile: { type: 'boolean' },
    short: { type: 'boolean' }, curves: { type: 'boolean' }, curve: { type: 'string' }, pages: { type: 'string' }, option: { type: 'string', multiple: true, default: [] }, help: { type: 'boolean' }
  }
})

/** Long enough to see that it works. */
const QUICK = { duration: 1, warmup: 0.3 }
const PROFILE = join(FOLDER, 'profile')

const say = (text) => { console.error(`${new Date().toISOString().slice(11, 19)} ${text}`) }

function missingPackages(peers) {
  const needed = [...PACKAGES.load, ...(peers.some((who) => who !== 'relay') ? PACKAGES.peers : [])]
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
  if (name === 'relay') return process.version
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
  const node = given.profile ? ['--cpu-prof', `--cpu-prof-dir=${PROFILE}`] : start.node
  const server = await (who === 'starling' ? starling({ ...start, node, extra: given.option }) : PEERS[who](start))
  try {
    if (who !== 'starling' && who !== 'relay') await ensureAccounts(server, start.accounts)
    for (const name of names) {
      const timing = given.short ? QUICK : { duration: Number(given.duration) }
      const measured = await probe(server, SCENARIOS[name], timing).catch((error) => ({ error }))
      const { value, line, error } = measured
      results.push({ name, who, ...measured })
      if (error !== undefined) say(`${name} ${who} FAILED: ${error.message}`)
      else say(`${name} ${who}: ${value.toFixed(2)} ${SCENARIOS[name].unit} (p50 ${line.p50_us} µs, p99 ${line.p99_us} µs, ${line.server_cores} cores)`)
    }
  } finally {
    await server.stop()
  }
}

/** Prosody has no cluster, the relay knows a pair and no protocol; some scenarios are of Starling's own parts. */
const can = (who, name) => {
  const { ours, start } = SCENARIOS[name]
  if (who === 'relay') return name === 'chat-1'
  return who === 'starling' || (ours !== true && !(who.startsWith('prosody') && start.nodes > 1))
}

const spreadOf = (values) => [Math.min(...values), Math.max(...values)]

/** Medians of both sides. `peer`, `theirs`, `ratio`: of the first peer; `peers` has all. */
function summary(results, names, peers) {
  const good = results.filter(({ error }) => error === undefined)
  return names.filter((name) => good.some((result) => result.name === name && result.who === 'starling')).map((name) => {
    const runs = (who) => good.filter((result) => result.name === name && result.who === who)
    const values = (who) => runs(who).map(({ value }) => value)
    const middle = (of) => median(runs('starling').map(({ line }) => of(line)))
    const ours = median(values('starling'))
    const besides = peers.filter((who) => values(who).length > 0).map((who) => {
      const theirs = median(values(who))
      return [who, { median: theirs, ratio: ours / theirs, spread: spreadOf(values(who)) }]
    })
    const [[peer, first] = []] = besides
    return {
      scenario: name, unit: SCENARIOS[name].unit, more: SCENARIOS[name].more === true, ours, spread: spreadOf(values('starling')),
      ...(first === undefined ? {} : { peer, theirs: first.median, ratio: first.ratio }), peers: Object.fromEntries(besides),
      runs: values('starling').length, perSecond: middle(({ per_s }) => per_s), cores: middle(({ server_cores }) => server_cores),
      generatorCores: middle((line) => line.loadgen_cpu_s / line.wall_s), p50: middle(({ p50_us }) => p50_us),
      p99: middle(({ p99_us }) => p99_us),
      tail: middle((line) => line.p99_us / Math.max(1, line.p50_us))
    }
  })
}

/** Every scenario, so many times, on all sides in turn; who is first changes. */
async function measureAll(names, peers) {
  const results = []
  const repeat = given.short || given.profile ? 1 : Number(given.repeat)
  for (let run = 0; run < repeat; run++) {
    for (const group of groupsOf(names)) {
      const todo = group.filter((name) => run === 0 || SCENARIOS[name].once !== true)
      const order = run % 2 === 0 ? ['starling', ...peers] : [...peers, 'starling']
      for (const who of order) {
        const able = todo.filter((name) => can(who, name))
        if (able.length > 0) await measureGroup(who, able, results)
      }
    }
  }
  const versions = Object.fromEntries(['starling', ...peers].map((who) => [who, versionOf(who)]))
  const failed = results.filter(({ error }) => error !== undefined)
    .map(({ name, who, error }) => ({ scenario: name, who, why: error.message }))
  return { machine: machine(), versions, rows: summary(results, names, peers), failed }
}

/** What was measured before on the same day stays, but for scenarios that were measured again: a long run may be cut into slices. */
function joined(file, { rows, versions, failed, ...rest }) {
  const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { rows: [], versions: {}, failed: [] }
  const again = new Set([...rows, ...failed].map(({ scenario }) => scenario))
  const old = (list) => list.filter(({ scenario }) => !again.has(scenario))
  const order = Object.keys(SCENARIOS)
  return {
    ...rest, versions: { ...before.versions, ...versions }, failed: [...old(before.failed), ...failed],
    rows: [...old(before.rows), ...rows].sort((a, b) => order.indexOf(a.scenario) - order.indexOf(b.scenario))
  }
}

/** DATE.md to read, DATE.json for `report.mjs`. */
function write(measured) {
  const folder = join(import.meta.dirname, 'results')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, measured.machine.date)
  const results = joined(`${file}.json`, measured)
  writeFileSync(`${file}.json`, `${JSON.stringify(results, null, 1)}\n`)
  writeFileSync(`${file}.md`, `# Figures of ${results.machine.date}\n\n${markdown(results)}`)
  say(`written: ${file}.md, ${file}.json`)
}

/** Measures curves and puts their tables and pictures where the documents have them. */
async function drawCurves(names) {
  const folder = given.pages ?? join(import.meta.dirname, '..', 'docs', 'performance')
  mkdirSync(folder, { recursive: true })
  for (const name of names) {
    const curve = CURVES[name]
    say(`${name}: ${curve.title}`)
    const rows = await curve.run(say)
    const growth = grown(curve, rows)
    if (growth.length > 0) say(`${name} GROWS: ${growth.join(', ')}`)
    writeFileSync(join(folder, `${name}.svg`), picture(curve, rows))
    writeFileSync(join(folder, `${name}.md`), curvePage(name, curve, { rows, growth, machine: machine() }))
    if (given.json) console.log(JSON.stringify({ curve: name, rows, growth }))
  }
}

async function main() {
  if (given.help) return console.log(HELP)
  const names = given.short ? SHORT : given.scenario?.split(',') ?? USUAL
  const curves = given.curves ? Object.keys(CURVES) : given.curve?.split(',') ?? []
  const peers = given.with === 'none' || given.short || curves.length > 0 ? [] : given.with.split(',')
  const unknown = [...names.filter((name) => SCENARIOS[name] === undefined), ...curves.filter((name) => CURVES[name] === undefined),
    ...peers.filter((who) => PEERS[who] === undefined)]
  if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(' ')}\n${HELP}`)
  const missing = missingPackages(peers)
  if (missing.length > 0) throw new Error(`first: apt-get install -y --no-install-recommends ${missing.join(' ')}`)
  mkdirSync(FOLDER, { recursive: true })
  rmSync(PROFILE, { recursive: true, force: true })
  buildLoad()
  if (curves.length > 0) return drawCurves(curves)
  const results = await measureAll(names, peers)
  if (given.profile) say(`flame graph: ${flameGraph(PROFILE)}`)
  if (given.json) for (const row of results.rows) console.log(JSON.stringify({ ...row, versions: results.versions }))
  else console.log(markdown(results))
  if (given.write) write(results)
  for (const { scenario, who, why } of results.failed) console.error(`${scenario} ${who} failed: ${why}`)
  if (results.failed.length > 0) process.exitCode = 1
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

await main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
