/** A whole cluster of two nodes under hostile connections at every port. `SERVER_FUZZ_CASES` is how many, `FUZZ_SEED` where to begin. */
import { test } from '@jest/globals'
import { attack, useText } from './server-attack.js'

const SEED = Number(process.env['FUZZ_SEED'] ?? 1)
const CASES = Number(process.env['SERVER_FUZZ_CASES'] ?? 10_000)

test(`server: ${CASES} cases from seed ${SEED}`, async () => {
  const began = performance.now()
  const { before, after } = await attack(SEED, CASES)
  process.stdout.write(`fuzz: server: ${CASES} cases from seed ${SEED}, ${((performance.now() - began) / 1000).toFixed(0)} s; `
    + `nodes used ${useText(before)} before, ${useText(after)} after\n`)
}, 4 * 3_600_000)
