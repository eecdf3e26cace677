/** The whole corpus of bytes, each case 1,000 times on one of its forms: memory, descriptors, timers and sessions are as before. */
import { afterAll, beforeAll, describe } from '@jest/globals'
import { ROWS } from './corpus/rows.js'
import { FORMS } from './corpus/row.js'
import { until } from '../support/until.js'
import { Levers, type Held } from './levers.js'
import { counted, eventLoopP99, givenBack, repeat } from './repeats.js'
import { Stage } from './stage.js'
import { Tally } from './tally.js'

const TIMES = 1_000
/** Code gets warm and pools find their size in these; a leak goes on after them. */
const WARM = 100
const RSS_BYTES = 8 << 20

const levers = new Levers()
const tally = new Tally('a thousand times')
let stage: Stage

beforeAll(async () => {
  stage = await Stage.set({ env: levers.env, lines: ['--log-level=warn', '--idle-seconds=86400'] })        // its own clients say nothing for long
}, 60_000)
afterAll(async () => {
  await stage.clear()
  levers.clear()
})

describe.each(ROWS)('%s', (_title, rows) => {
  for (const [n, { row, one }] of rows.flatMap((row) => row.cases.map((one) => ({ row, one }))).entries()) {
    const form = row.forms[n % row.forms.length] ?? FORMS[0]
    const what = one.what === undefined ? '' : ` [${one.what}]`
    tally.test(`${row.id}${what} ${TIMES} times leaves nothing behind`, form ?? 'tcp', async () => {
      const sessions = await counted(stage)
      await repeat({ stage, row, one, form: form ?? 'tcp', times: WARM })
      let before = await levers.held(stage.node)
      await eventLoopP99(stage)
      // Twice, if once looks like growth: what is kept for good is kept again.
      for (const last of [false, true]) {
        await repeat({ stage, row, one, form: form ?? 'tcp', times: TIMES })
        const held = await settled(before, last ? RSS_BYTES : Infinity)
        if (held.rss - before.rss < RSS_BYTES) break
        before = held
      }
      await until('sessions are as before', async () => await counted(stage) === sessions)
      await stage.others()
    }, 300_000)
  }
})

const settled = (before: Held, rss: number): Promise<Held> => givenBack({ stage, levers, before, bounds: { rss, eventLoopSeconds: 0.1 } })
