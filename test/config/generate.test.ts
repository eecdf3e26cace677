/** The example file and the manual are made from the declarations. */
import { describe, expect, test } from '@jest/globals'
import { exampleText, manualText } from '../../src/config/generate.js'
import { debugRooms } from '../../src/config/server-options.js'
import { nearest } from '../../src/config/nearest.js'
import { sections } from '../../src/groups.js'
import { read } from './reading.js'

const everything = sections().flatMap(({ group }) => Object.values(group))

describe('the example file', () => {
  const text = exampleText(sections())

  test('names every option', () => {
    for (const option of everything) expect(text).toContain(`\n#${option.name}=`)
  })

  test('is read without a complaint as it is, and with every line uncommented', () => {
    expect(read({ files: { f: text } }).warnings).toEqual([])
    const all = text.replace(/^#(?=(?:--[\w-]+|config-type)=)/gm, '').replace(/^--cluster-mode=.*\n/m, '')
      .replace(/^--user-db=pgsql\n--user-db-uri=jdbc:postgresql.*\n/m, '')
    const { values } = read({ files: { f: all } })
    expect({ ...values, server: { ...values.server, virtualHosts: [] }, database: 0 })
      .toEqual({ ...read({ argv: ['--db-wait=60'] }).values, database: 0 })
  })

  test('shows no secret and keeps lines short', () => {
    expect(text).toMatch(/^#--user-db-password=$/m)
    for (const line of text.split('\n').filter((one) => one.startsWith('# '))) expect(line.length).toBeLessThanOrEqual(110)
  })
})

describe('the manual', () => {
  const text = manualText(sections())

  test('has a row for every option and for what Tigase has and we do not', () => {
    for (const option of everything) expect(text).toContain(`| \`${option.name}\` |`)
    expect(text).toMatch(/`--cross-domain-policy-file` \| ignored: browsers no longer ask/)
    expect(text).toMatch(/`--elements-number-limit` \| the same as `--c2s-stanza-elements-max`/)
  })

  test('every option says what it is for in one sentence and its default is allowed', () => {
    for (const option of everything) {
      expect(option.why).toMatch(/^[A-Z].{10,}[^.]\.$/)
      const shown = option.print(option.initial)
      if (shown !== '') expect([option.name, option.parse(shown)]).toEqual([option.name, option.initial])
    }
  })
})

describe('small parts', () => {
  test('--debug takes rooms and packages of Tigase', () => {
    expect([...debugRooms(['cluster', 'server', 'tigase.xmpp.impl', 'nobody'])].sort())
      .toEqual(['cluster', 'pipeline', 'plugins', 'router', 'server', 'session', 'stream'])
  })

  test('the nearest name: few changes only, swaps count one', () => {
    expect(nearest('--amdins', ['--admins', '--debug'])).toBe('--admins')
    expect(nearest('--zzzzzz', ['--admins', '--debug'])).toBeUndefined()
  })
})
