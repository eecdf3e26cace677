/**
 * Every reader of bytes from outside, under random mutations, at length. Each target has a variable that says how many
 * cases (0: none); `FUZZ_SEED` is where to begin. A failure names the seed that alone repeats its case.
 */
import { expect, test } from '@jest/globals'
import { runCases } from './run.js'
import { TARGETS } from './targets.js'

const SEED = Number(process.env['FUZZ_SEED'] ?? 1)
const casesOf = ({ variable, long }: (typeof TARGETS)[number]): number => Number(process.env[variable] ?? process.env['FUZZ_CASES'] ?? long)
const HOURS_MS = 12 * 3_600_000

for (const target of TARGETS) {
  const cases = casesOf(target)
  if (cases === 0) continue
  test(`${target.name}: ${cases} cases from seed ${SEED}`, () => {
    const began = performance.now()
    const { taken } = runCases(target, SEED, cases)
    const seconds = (performance.now() - began) / 1000
    process.stdout.write(`fuzz: ${target.name}: ${cases} cases from seed ${SEED}, ${taken} taken, ${seconds.toFixed(0)} s\n`)
    if (cases > 1_000) expect(taken).toBeGreaterThan(cases / 100)
  }, HOURS_MS)
}
