/** The house keeps its shape: floors, the plugins' one door, one library one room, sizes and budgets. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { budgetComplaints, fileComplaints, importComplaints, orphans, totals, type Sources } from './house/inspect.js'
import { BUDGETS } from './house/plan.js'

const root = join(import.meta.dirname, '..')

const read = (): Map<string, string> => {
  const files = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
  const paths = files.filter((f) => f.isFile()).map((f) => join(f.parentPath, f.name))
  return new Map(paths.map((path) => [relative(join(root, 'src'), path), readFileSync(path, 'utf8')]))
}

const sources = read()
const broken = (path: string, text: string): Sources => new Map([...sources, [path, text]])

describe('the house', () => {
  test('imports go down, never up or sideways, and plugins have one door', () => {
    expect(importComplaints(sources)).toEqual([])
  })

  test('files have good names, say what they are and stay small', () => {
    expect(fileComplaints(sources)).toEqual([])
  })

  test('no file is an orphan', () => {
    expect(orphans(sources)).toEqual([])
  })

  test('the budgets hold', () => {
    const { rooms, engine, core, pluginMedian } = totals(sources)
    const lines = [...rooms].sort(([a], [b]) => a.localeCompare(b)).map(([room, n]) => `${room === '' ? 'top' : room} ${n}`)
    process.stdout.write(`lines: ${lines.join(', ')}; engine ${engine} of ${BUDGETS.engine}, core ${core} of ${BUDGETS.core}, `
      + `median plugin ${pluginMedian}\n`)
    expect(budgetComplaints(sources)).toEqual([])
  })

  test('every migration names the room that owns its tables', () => {
    for (const name of readdirSync(join(root, 'migrations'))) {
      expect(readFileSync(join(root, 'migrations', name), 'utf8').split('\n')[0]).toMatch(/\b(storage|cluster)\b/)
    }
  })
})

describe('the inspection sees what is broken on purpose', () => {
  const header = '/** x */\n'
  test.each([
    ['an import upwards', 'xmpp/bad.ts', "import { a } from '../router/router.js'\n", /floor 1/],
    ['an import sideways', 'storage/bad.ts', "import { a } from '../transport/tcp.js'\n", /floor 2/],
    ['a plugin past its door', 'plugins/bad.ts', "import { a } from '../session/sessions.js'\n", /may import only/],
    ['a stream that knows a socket', 'stream/bad.ts', "import { a } from '../transport/tcp.js'\n", /may import only/],
    ['a value where only types may come', 'pipeline/bad.ts', "import { open } from '../storage/open.js'\n", /only types/],
    ['a library in the wrong room', 'router/bad.ts', "import knex from 'knex'\n", /only storage/],
    ['a library without a room', 'router/bad.ts', "import x from 'leftpad'\n", /no room/],
    ['an import without its ending', 'xml/bad.ts', "import { a } from './raw'\n", /without \.js/],
    ['a dynamic import upwards', 'xmpp/bad.ts', "await import('../server.js')\n", /floor 1/]
  ])('%s', (_what, path, text, complaint) => {
    expect(importComplaints(broken(path, header + text)).join('\n')).toMatch(complaint)
  })

  test.each([
    ['a camel-case name', 'xml/badName.ts', header, /kebab-case/],
    ['a helper', 'xml/string-helper.ts', header, /say what it is/],
    ['no first line', 'xml/bad.ts', 'export {}\n', /does not open/],
    ['a long file', 'xml/bad.ts', header + '\n'.repeat(400), /the limit is 400/],
    ['a mark in place of work', 'xml/bad.ts', `${header}// ${'TO'}${'DO'}: later\n`, /a mark/],
    ['a silenced checker', 'xml/bad.ts', `${header}// @ts-${'ignore'}\n`, /silences/],
    ['a default export', 'xml/bad.ts', `${header}export default 1\n`, /default exports/],
    ['mutable state of a module', 'xml/bad.ts', `${header}let n = 0\n`, /mutable state/],
    ['a deep room', 'xml/deep/bad.ts', header, /one level deep/]
  ])('%s', (_what, path, text, complaint) => {
    expect(fileComplaints(broken(path, text)).join('\n')).toMatch(complaint)
  })

  test('an orphan', () => {
    expect(orphans(broken('xml/lonely.ts', header))).toContain('xml/lonely.ts')
  })

  test('an engine over its budget', () => {
    expect(budgetComplaints(broken('router/big.ts', header + '\n'.repeat(BUDGETS.engine))).join()).toMatch(/the engine/)
  })
})
