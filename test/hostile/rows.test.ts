/** The rows that are bytes and an outcome, over every transport where they make sense, against two real nodes. */
import { afterAll, beforeAll, describe } from '@jest/globals'
import { ROWS } from './corpus/rows.js'
import { play } from './runner.js'
import { Stage } from './stage.js'
import { Tally } from './tally.js'

let stage: Stage
const tally = new Tally('bytes and outcomes')

beforeAll(async () => { stage = await Stage.set({}) }, 60_000)
afterAll(() => stage.clear())

describe.each(ROWS)('%s', (_title, rows) => {
  for (const row of rows) {
    for (const form of row.forms) {
      for (const one of row.cases) {
        const what = one.what === undefined ? '' : ` [${one.what}]`
        tally.test(`${row.id} ${row.says} (${row.spec})${what} over ${form}`, form, () => play(stage, row, one, form))
      }
    }
  }
})
