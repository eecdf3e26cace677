/** The corpus is whole: every row either runs or says why not, and says so in the output. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { IDS } from './corpus/ids.js'
import { DEVIATIONS } from './corpus/deviations.js'
import { ELSEWHERE } from './corpus/elsewhere.js'
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
  const run = new Set([...DATA, ...played(), ...ELSEWHERE.map(({ id }) => id)])
  expect(IDS.filter((id) => !run.has(id) && !NOT_YET.has(id))).toEqual([])
  expect([...NOT_YET.keys()].filter((id) => !IDS.includes(id) || run.has(id))).toEqual([])
  tellNotYet()
})

test('every row that is proved elsewhere has its test there, and none here', () => {
  const here = new Set([...DATA, ...played()])
  expect(ELSEWHERE.filter(({ id }) => here.has(id))).toEqual([])
  for (const { id, file, name } of ELSEWHERE) {
    const text = readFileSync(join(import.meta.dirname, '..', file), 'utf8')
    expect([id, name.length > 10 && text.includes(name)]).toEqual([id, true])
  }
})

test('every row that is played otherwise than the corpus of the reference says why, and runs', () => {
  const run = new Set([...DATA, ...played()])
  expect(new Set(DEVIATIONS.map(({ id }) => id)).size).toBe(DEVIATIONS.length)
  for (const { id, was, is, why } of DEVIATIONS) {
    expect([id, run.has(id), was === is, why.length > 10]).toEqual([id, true, false, true])
  }
})

test('every row of the data says a sentence, a section and a case', () => {
  expect(new Set(ALL_ROWS.map(({ id, says }) => `${id} ${says}`)).size).toBe(ALL_ROWS.length)
  for (const row of ALL_ROWS) {
    expect([row.says.length > 10, row.spec.length > 3, row.cases.length > 0, row.forms.length > 0]).toEqual([true, true, true, true])
  }
})
