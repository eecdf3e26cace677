/** The figures as Markdown: a table of scenarios beside the peers, and one of the gates. */
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { EXEMPTIONS } from './servers.mjs'

const number = (value) => (value >= 1000 ? Math.round(value).toLocaleString('en') : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2))

function cell(peer) {
  return peer === undefined ? '– | –' : `${number(peer.median)} (${number(peer.spread[0])}–${number(peer.spread[1])}) | ${peer.ratio.toFixed(2)}`
}

export function markdown(rows, gates, versions) {
  const peers = Object.keys(versions).filter((who) => who !== 'starling')
  const head = ['scenario', 'unit', 'Starling', ...peers.flatMap((who) => [who, 'ratio'])]
  const lines = [
    `# Figures of ${new Date().toISOString().slice(0, 10)}`, '',
    `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores, ${kernel()}, Node ${process.version}. ` +
      Object.entries(versions).map(([who, version]) => `${who} ${version}`).join(', ') + '. Medians of ' +
      `${Math.max(...rows.map(({ runs }) => runs))} runs, least and most in brackets; ratio = ours / theirs.`, '',
    'Not as an operator starts it:', ...EXEMPTIONS.map((line) => `* ${line}`), '',
    `| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`,
    ...rows.map(({ scenario, unit, ours, spread, peers: others }) =>
      `| ${scenario} | ${unit} | ${number(ours)} (${number(spread[0])}–${number(spread[1])}) |${peers.map((who) => ` ${cell(others[who])} |`).join('')}`)
  ]
  if (gates.length > 0) {
    lines.push('', '| gate | must | aim | measured | |', '|---|---|---|---|---|',
      ...gates.map(({ what, must, aim, got, verdict }) => `| ${what} | ${must} | ${aim} | ${got.toFixed(2)} | ${verdict} |`))
  }
  return `${lines.join('\n')}\n`
}

function kernel() {
  return readFileSync('/proc/version', 'utf8').split(' ').slice(0, 3).join(' ')
}
