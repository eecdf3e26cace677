/** What every bad input must leave behind: nothing. A sample of the corpus, repeated a little; the long tier repeats all of it. */
import { afterAll, beforeAll, expect } from '@jest/globals'
import { STANZA_FORMS, type Form } from './corpus/row.js'
import { ALL_ROWS } from './corpus/rows.js'
import { until } from '../support/until.js'
import { Levers, type Held } from './levers.js'
import { counted, eventLoopP99, givenBack, repeat } from './repeats.js'
import { Stage } from './stage.js'
import { Tally } from './tally.js'

const TIMES = 12
/** Of all rows, each so many-th, on one of its forms. */
const SAMPLE = 9
/** Warm code and pools grow once; this is for all of the sample together. */
const RSS_BYTES = 24 << 20

const sampled = ALL_ROWS.flatMap((row) => row.cases.map((one) =>
  ({ row, one }))).filter((_, n) => n % SAMPLE === 0)

const levers = new Levers()
const tally = new Tally('repeats')
let stage: Stage
let before: Held
let countedBefore = ''
beforeAll(async () => {
  stage = await Stage.set({ env: levers.env })
  countedBefore = await counted(stage)
  const warm = sampled.find(({ row }) => row.state === 'ON' && row.forms.length >= STANZA_FORMS.length)
  for (const form of STANZA_FORMS) if (warm !== undefined) await repeat({ stage, ...warm, form, times: TIMES })
  before = await levers.held(stage.node)
  await eventLoopP99(stage)
}, 60_000)
afterAll(async () => {
  await stage.clear()
  levers.clear()
})

for (const [n, { row, one }] of sampled.entries()) {
  const form = row.forms[n % row.forms.length] as Form
  const what = one.what === undefined ? '' : ` [${one.what}]`
  tally.test(`${row.id}${what} ${TIMES} times: as many replies, and everybody else is served`, form, async () => {
    await repeat({ stage, row, one, form, times: TIMES })
    await stage.others()
  }, 30_000)
}

tally.test('after all of it the node holds no descriptor, timer or session more, and little memory', 'tcp', async () => {
  const held = await givenBack({ stage, levers, before, bounds: { rss: RSS_BYTES, eventLoopSeconds: 0.5 } })
  process.stdout.write(`repeats: ${sampled.length} cases, ${TIMES} times each; MiB before and after ${mib(before.rss)} ${mib(held.rss)}, `
    + `heap ${mib(before.heapUsed)} ${mib(held.heapUsed)}, descriptors ${before.descriptors} ${held.descriptors}\n`)
  await until('sessions are as before', async () => await counted(stage) === countedBefore)
  expect(countedBefore).not.toBe('')
}, 60_000)

const mib = (bytes: number): string => (bytes / (1 << 20)).toFixed(1)
