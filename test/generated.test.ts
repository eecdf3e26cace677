/** What is made from declarations is fresh, and what the server can say is explained to operators. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { EXIT } from '../src/admin/exit-codes.js'
import { sections } from '../src/groups.js'
import { createMetrics } from '../src/telemetry/metrics.js'
import { CONNECTION_REFUSED, LINK_REFUSED, NODE_CHANGE, STREAM_CLOSED } from '../src/telemetry/reasons.js'
import { STANZA_CONDITIONS, STREAM_CONDITIONS } from '../src/xmpp/errors.js'
import { loadPlugin } from '../src/pipeline/catalog.js'
import type { PluginDeclaration } from '../src/pipeline/api.js'

const root = join(import.meta.dirname, '..')
const read = (...path: readonly string[]): string => readFileSync(join(root, ...path), 'utf8')
const manual = read('docs', 'manual.md')

/** One after the other: the test runner's loader does not like it otherwise. */
async function plugins(): Promise<readonly PluginDeclaration[]> {
  const declarations: PluginDeclaration[] = []
  for (const file of readdirSync(join(root, 'dist', 'plugins')).filter((name) => name.endsWith('.js'))) {
    declarations.push((await loadPlugin(join(root, 'dist', 'plugins', file))).declaration)
  }
  return declarations
}

/** Cells of the table rows below a heading. */
function rows(heading: string, column = 0): readonly string[] {
  const [, section = ''] = manual.split(`\n## ${heading}\n`)
  const [own = ''] = section.split('\n## ')
  return own.split('\n').filter((line) => line.startsWith('| ')).map((line) => line.split(' | ')[column]?.replace(/^\| /, '') ?? '')
    .flatMap((cell) => /^`([^`]+)`$/.exec(cell)?.[1] ?? [])
}

const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
  .filter((file) => file.isFile()).map((file) => readFileSync(join(file.parentPath, file.name), 'utf8'))
const found = (pattern: RegExp): readonly string[] =>
  [...new Set(sources.flatMap((text) => [...text.matchAll(pattern)].map(([, name = '']) => name)))]

/** An event is the last argument of a call of a log; others of its family may be chosen before the call. */
const EVENT = /'([a-z]{2,}(?:\.[a-z-]+)+)'\)/g
const FILE = /\.(js|json|db|log|pem|crt|key|properties|example)$/
const families = new Set(found(EVENT).filter((name) => !FILE.test(name)).map((name) => name.split('.')[0]))
const named = found(/'([a-z]{2,}(?:\.[a-z-]+)+)'/g).filter((name) => !FILE.test(name) && families.has(name.split('.')[0]))
const events = [...named, ...NODE_CHANGE.map((reason) => `cluster.${reason}`)]

describe('generated files', () => {
  test('are what the declarations say: npm run generate', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/generate.js', '--check'], { cwd: root, encoding: 'utf8' })
    expect(`${stdout}${stderr}`).toBe('')
    expect(status).toBe(0)
  })

  test('name every option, those of plugins too', async () => {
    const own = sections().flatMap(({ group }) => Object.values(group).map((option) => option.name))
    const ofPlugins = (await plugins()).flatMap(({ id, config }) =>
      Object.values(config ?? {}).map((option) => `sess-man/plugins-conf/${id}/${option.name}`))
    const text = read('docs', 'options.md')
    expect([...own, ...ofPlugins].filter((name) => !text.includes(`| \`${name}\` |`))).toEqual([])
    const example = read('init.properties.example')
    expect([...own, ...ofPlugins.map((name) => name.replaceAll(':', '\\:'))].filter((name) => !example.includes(`\n#${name}=`))).toEqual([])
  })

  test('every plugin of a XEP has the XEP\'s title', async () => {
    expect((await plugins()).filter(({ xep }) => xep !== undefined && xep.title === undefined).map(({ id }) => id)).toEqual([])
  })
})

describe('the manual explains', () => {
  test.each<[string, string, readonly string[]]>([
    ['every reason of a stream\'s end', 'Why a stream ended', STREAM_CLOSED],
    ['every refusal of a connection', 'Why a connection was refused', CONNECTION_REFUSED],
    ['every change of nodes', 'What happens to nodes', NODE_CHANGE],
    ['every refusal of a link', 'Why a link was refused', LINK_REFUSED],
    ['every stanza error', 'Stanza errors', STANZA_CONDITIONS],
    ['every stream error', 'Stream errors', STREAM_CONDITIONS],
    ['every log event', 'Log events', events]
  ])('%s, and nothing that is not there', (_what, heading, names) => {
    expect([...rows(heading)].sort()).toEqual([...names].sort())
  })

  test('every exit code', () => {
    expect(rows('Exit codes', 1)).toEqual(Object.keys(EXIT))
    for (const [name, code] of Object.entries(EXIT)) expect(manual).toContain(`\n| ${code} | \`${name}\` |`)
  })

  test('every HTTP path', () => {
    const paths = found(/(?:\bpath: |_PATH = )'(\/[^']+)'/g)
    expect(paths).toHaveLength(9)
    expect([...rows('HTTP paths')].sort()).toEqual([...paths].sort())
  })

  test('every metric', async () => {
    const metrics = createMetrics()
    const names = [...(await metrics.text()).matchAll(/^# HELP (\S+)/gm)].map(([, name = '']) => name)
    metrics.stop()
    expect([...rows('Metrics')].sort()).toEqual(names.sort())
  })
})
