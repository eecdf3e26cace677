/** `docs/limits.md` never rots: every option in it is there with that default, and every limit of the program is in it. */
import { expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { addressLimitOptions, httpLimitOptions, strainOptions, streamLimitOptions } from '../../src/transport/options.js'

const root = join(import.meta.dirname, '..', '..')
const rows = readFileSync(join(root, 'docs', 'limits.md'), 'utf8').split('\n').filter((line) => line.startsWith('| '))
  .map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim().replace(/^`(.*)`$/, '$1')))
  .filter(([, option = '']) => option.startsWith('--') && !/^-+$/.test(option) || option.startsWith('sess-man/'))

/** Name and default of each option, by the page that is generated from the program. */
const known = new Map([...readFileSync(join(root, 'docs', 'options.md'), 'utf8').matchAll(/^\| `([^`]+)` \| [^|]* \| `?([^`|]*)`? \|/gm)]
  .map(([, name = '', initial = '']) => [name, initial] as const))


test('every option in the page exists and has that default', () => {
  expect(rows.length).toBeGreaterThan(50)
  for (const [, option = '', initial] of rows) expect([option, known.get(option)]).toEqual([option, initial])
})

test('every limit of connections, streams, HTTP and overload is in the page', () => {
  const inPage = new Set(rows.map(([, option]) => option))
  const groups = [streamLimitOptions, addressLimitOptions, httpLimitOptions, strainOptions]
  expect(groups.flatMap((group) => Object.values(group)).map(({ name }) => name).filter((name) => !inPage.has(name))).toEqual([])
})
