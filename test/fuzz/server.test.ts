/** A whole cluster of two nodes under hostile connections at every port: a short run from one seed. */
import { test } from '@jest/globals'
import { attack } from './server-attack.js'

const SEED = 20_240_229
const CASES = 80

test(`${CASES} cases leave everybody served`, async () => {
  await attack(SEED, CASES)
}, 120_000)
