/**
 * One table of the whole corpus at the end of a run: rows that were right in every case, by section and form, from what the
 * files of this folder have told (`tally.ts`). A form that was not run is blank.
 */
const { existsSync, readdirSync, readFileSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')

const SECTIONS = {
  X: 'XML', S: 'streams', M: 'stream management', L: 'SASL, SASL2, FAST', T: 'stanzas', J: 'addresses', Q: 'IQs', H: 'BOSH',
  W: 'WebSocket', K: 'cluster port', U: 'HTTP upload', C: 'configuration', D: 'database to clock', more: 'besides'
}
const GROUNDS = ['tcp', 'starttls', 'tls', 'websocket', 'bosh', 'link', 'start', 'machine']
const WIDTH = 12

function told(directory) {
  if (!existsSync(directory)) return []
  const names = readdirSync(directory).filter((name) => name.endsWith('.tally'))
  return names.map((name) => JSON.parse(readFileSync(join(directory, name), 'utf8')))
}

/** Cases of one row on one ground may stand in several files. */
function rowsOf(files) {
  const rows = new Map()
  for (const [key, { right, all }] of files.flatMap(({ ran = [] }) => ran)) {
    const known = rows.get(key) ?? { right: 0, all: 0 }
    rows.set(key, { right: known.right + right, all: known.all + all })
  }
  return rows
}

const sectionOf = (id) => (id === 'more' ? id : id[0])
const cell = (text) => text.padStart(WIDTH)

function line(title, rows, { parts, notYet }) {
  const cells = GROUNDS.map((ground) => {
    const here = rows.filter(([key]) => key.endsWith(` ${ground}`))
    return here.length === 0 ? '' : `${here.filter(([, { right, all }]) => right === all).length} of ${here.length}`
  })
  const ids = new Map()
  for (const [key, { right, all }] of rows) {
    const [id] = key.split(' ')
    ids.set(id, (ids.get(id) ?? true) && right === all)
  }
  const good = [...ids.values()].filter(Boolean).length
  const sum = ids.size === 0 ? '' : `${good} of ${ids.size}`
  return `${title.padEnd(20)}${[...cells, sum, parts || '', notYet || ''].map(String).map(cell).join('')}`
}

function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

const pingsText = (where, values) => (values.length === 0 ? ''
  : `pings of a canary ${where}: ${values.length}, p50 ${percentile(values, 0.5)} ms, p99 ${percentile(values, 0.99)} ms, `
    + `longest ${percentile(values, 1)} ms\n`)

/** The table as text; empty when nothing of the corpus was run. */
function table(run) {
  const files = told(join(tmpdir(), `starling-test-${run}`))
  const rows = [...rowsOf(files)]
  if (rows.length === 0) return ''
  const [notYet, parts] = ['notYet', 'elsewhere'].map((list) => files.flatMap((file) => file[list] ?? []))
  const lines = Object.entries(SECTIONS).map(([letter, title]) => {
    const here = rows.filter(([key]) => sectionOf(key.split(' ')[0]) === letter)
    const others = { parts: parts.filter((id) => id[0] === letter).length, notYet: notYet.filter((id) => id[0] === letter).length }
    return here.length + others.parts + others.notYet === 0 ? undefined : line(title, here, others)
  })
  const corpus = rows.filter(([key]) => !key.startsWith('more '))
  const cases = rows.reduce((sum, [, { all }]) => sum + all, 0)
  const right = rows.reduce((sum, [, count]) => sum + count.right, 0)
  return [`\nbad input, rows by section and form (a row is right when all its cases are; ${right} of ${cases} cases)`,
    ' '.repeat(20) + [...GROUNDS, 'rows', 'of parts', 'not yet'].map(cell).join(''), ...lines.filter((text) => text !== undefined),
    line('the corpus', corpus, { parts: parts.length, notYet: notYet.length }), ...files.flatMap(({ text = [] }) => text), ''].join('\n')
    + pingsText('on the node attacked', files.flatMap(({ pings }) => pings?.here ?? []))
    + pingsText('on another node', files.flatMap(({ pings }) => pings?.elsewhere ?? []))
}

module.exports = { table }
