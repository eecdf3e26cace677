/** The rows that are bytes and an outcome, over every transport where they make sense, against two real nodes. */
import { afterAll, beforeAll, describe } from '@jest/globals'
import { IQ_ROWS } from './corpus/iq.js'
import { JID_ROWS } from './corpus/jid.js'
import { SASL_ROWS } from './corpus/sasl.js'
import { STANZA_ROWS } from './corpus/stanza.js'
import { STREAM_ROWS } from './corpus/stream.js'
import { XML_ROWS } from './corpus/xml.js'
import { play } from './runner.js'
import { Stage } from './stage.js'
import { Tally } from './tally.js'

let stage: Stage
const tally = new Tally('bytes and outcomes')

beforeAll(async () => { stage = await Stage.set({}) }, 60_000)
afterAll(() => stage.clear())

describe.each([['XML', XML_ROWS], ['streams', STREAM_ROWS], ['stanzas', STANZA_ROWS], ['addresses', JID_ROWS], ['logins',
  SASL_ROWS], ['IQs', IQ_ROWS]])('%s', (_title, rows) => {
  for (const row of rows) {
    for (const form of row.forms) {
      for (const one of row.cases) {
        const what = one.what === undefined ? '' : ` [${one.what}]`
        tally.test(`${row.id} ${row.says} (${row.spec})${what} over ${form}`, form, () => play(stage, row, one, form))
      }
    }
  }
})
