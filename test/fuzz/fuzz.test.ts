/** Every reader of bytes from outside, under random mutations: a short run from one seed. */
import { expect, test } from '@jest/globals'
import { runCases } from './run.js'
import { TARGETS } from './targets.js'

const SEED = 20_240_229

test.each(TARGETS)('$name: $short cases', (target) => {
  const { taken } = runCases(target, SEED, target.short)
  expect(taken).toBeGreaterThan(target.short / 100)
})
