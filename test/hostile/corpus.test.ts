/** The corpus is whole: every row either runs or says why not, and says so in the output. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { IDS } from './corpus/ids.js'
import { NOT_YET } from './corpus/not-yet.js'
import { ALL_ROWS } from './corpus/rows.js'
import { tellNotYet } from './tally.js'

const DATA = ALL_ROWS.map(({ id }) => id)

/** Ids at the start of test names: plays, the cluster port, starts. */
const played = (): readonly string[] => readdirSync(import.meta.dirname).filter((name) => name.endsWith('.test.ts')).flatMap((name) =>
  [...readFileSync(join(import.meta.dirname, name), 'utf8').matchAll(/['"`[]([XSMLTJQHWKUCD]\d\d)\b/g)].map(([, id]) => id ?? ''))

test('there are 401 rows, each once', () => {
  expect(new Set(IDS).size).toBe(401)
  expect(IDS).toHaveLength(401)
})

test('every row runs or is not yet, with a reason', () => {
  const run = new Set([...DATA, ...played()])
  expect(IDS.filter((id) => !run.has(id) && !NOT_YET.has(id))).toEqual([])
  expect([...NOT_YET.keys()].filter((id) => !IDS.includes(id) || run.has(id))).toEqual([])
  tellNotYet()
})

test('every row of the data says a sentence, a section and a case', () => {
  expect(DATA).toHaveLength(new Set(DATA).size)
  for (const row of ALL_ROWS) {
    expect([row.says.length > 10, row.spec.length > 3, row.cases.length > 0, row.forms.length > 0]).toEqual([true, true, true, true])
  }
})
