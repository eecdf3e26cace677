#!/usr/bin/env node
/**
 * The figures as Markdown: scenarios beside the peers, the workers' calculation, the gates, the curves. As a command it puts those
 * of a results file between the marks of a page: `node bench/report.mjs bench/results/DATE.json docs/performance.md`
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { judge, workers } from './gates.mjs'
import { EXEMPTIONS, PEER_SETTINGS } from './servers.mjs'

const BEGIN = '<!-- figures: written by bench/report.mjs -->'
const END = '<!-- end of the figures -->'

export const number = (value) => (
  Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2))

const row = (cells) => `| ${cells.join(' | ')} |`
const table = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)]
const median = (value, [least, most]) => `${number(value)} (${number(least)}–${number(most)})`

/** Which machine and which programs: of the run, not of who reads it. */
export const machine = () => ({
  date: new Date().toISOString().slice(0, 10), cpu: cpus()[0]?.model ?? 'unknown processor', cores: availableParallelism(),
  kernel: readFileSync('/proc/version', 'utf8').split(' ').slice(0, 3).join(' '), node: process.version
})

/** @param results machine (see above), versions (by name), rows and failed (of `run.mjs`) */
export function markdown({ machine: { date, cpu, cores, kernel, node }, versions, rows, failed }) {
  const peers = Object.keys(versions).filter((who) => who !== 'starling')
  const beside = ({ peers: others }) => peers.flatMap((who) => (
    others[who] === undefined ? ['–', '–'] : [median(others[who].median, others[who].spread), others[who].ratio.toFixed(2)]))
  const runs = rows.map((one) => one.runs)
  const programs = Object.entries(versions).map(([who, version]) => `${who} ${version}`).join(', ')
  return [
    `Of ${date}: ${cpu}, ${cores} cores, ${kernel}, Node ${node}; ${programs}.`,
    `Medians of ${[...new Set([Math.min(...runs), Math.max(...runs)])].join(' to ')} runs, least and most in brackets; ratio = ours / theirs.`, '',
    ...table(['scenario', 'unit', 'Starling', ...peers.flatMap((who) => [who, 'ratio'])],
      rows.map((one) => [one.scenario, one.unit, median(one.ours, one.spread), ...beside(one)])), '',
    ...failed.map(({ scenario, who, why }) => `**Failed**: ${scenario}, ${who}: ${why}\n`),
    'Not as an operator starts it, on either side:', '', ...EXEMPTIONS.map((line) => `* ${line}`), ...peers.map((who) => `* ${PEER_SETTINGS[who]}`),
    ...workersPart(rows), ...gatesPart(rows), ''
  ].join('\n')
}

function workersPart(rows) {
  const sum = workers(new Map(rows.map((one) => [one.scenario, one])))
  if (sum === undefined) return []
  const { one, two, ratio, shared } = sum
  const line = (name, { ours, perSecond, cores, generatorCores, p50, p99 }, capacity) => [
    name, number(ours), number(perSecond), cores.toFixed(2), generatorCores.toFixed(2), number(capacity), number(p50), number(p99)]
  return ['',
    'Two workers. Servers and load generator share the cores here, so what was delivered in a second says little; what a message takes of the',
    'servers does not depend on who else runs. One worker has a core for itself at most, two have two: the messages that fit into them are',
    `1,000,000 / ${number(one.ours)} = ${number(1e6 / one.ours)} and 2 x 1,000,000 / ${number(two.ours)} = ${number(2e6 / two.ours)} a second, ${ratio.toFixed(2)} times as many.`,
    `As measured, generator and all on the same cores: ${shared.toFixed(2)} times as many.`, '',
    ...table(['chat-100x8', 'CPU-µs a message', 'messages a second', 'cores of the servers', 'of the generator', 'would fit a second', 'p50 µs', 'p99 µs'], [
      line('1 worker', one, 1e6 / one.ours), line('2 workers', two, 2e6 / two.ours)])]
}

function gatesPart(rows) {
  const gates = judge(rows)
  if (gates.length === 0) return []
  return ['', ...table(['gate', 'must', 'aim', 'measured', ''],
    gates.map(({ what, must, aim, got, verdict }) => [what, must, aim, got.toFixed(2), verdict === 'missed' ? '**missed**' : verdict]))]
}

/** A curve with its table. */
export function curvePage(name, { title, x, y, lines, note, flat, more = {} }, { rows, growth, machine: { date, cpu, cores, node } }) {
  const cell = (value) => (value === undefined ? '–' : number(value))
  const verdict = growth.length > 0 ? `**Grows faster than its work: ${growth.join('; ')}.**` : `Does not grow faster than its work: ${Object.keys(flat).join('; ')}.`
  const head = [x, ...lines.map((line) => (lines.length > 1 ? line : y)), ...Object.keys(more)]
  const cells = rows.map((one) => [one[0].toLocaleString('en'), ...one.slice(1).map(cell), ...Object.values(more).map((reckon) => cell(reckon(one, rows)))])
  const of = `CPU-µs of all of Starling's processes. ${date}, ${cpu}, ${cores} cores, Node ${node}; each figure is the lower of two runs of three seconds.`
  return `# ${title}\n\n![${title}](${name}.svg)\n\n${note}\n${verdict}\n\n${table(head, cells).join('\n')}\n\n${of}\n\`npm run bench -- --curve ${name}\`\n`
}

/** The page with new figures between its marks. */
export function filled(page, figures) {
  const from = page.indexOf(BEGIN)
  const to = page.indexOf(END)
  if (from < 0 || to < from) throw new Error(`the page has no place for figures: ${BEGIN} … ${END}`)
  return `${page.slice(0, from + BEGIN.length)}\n${figures}\n${page.slice(to)}`
}

if (process.argv[1] === import.meta.filename) {
  const [results, page] = process.argv.slice(2)
  if (page === undefined) throw new Error('node bench/report.mjs RESULTS.json PAGE.md')
  writeFileSync(page, filled(readFileSync(page, 'utf8'), markdown(JSON.parse(readFileSync(results, 'utf8')))))
}
