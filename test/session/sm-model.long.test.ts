/** A hundred thousand random steps by seeds: what diverges names its seed and step. */
import { expect, test } from '@jest/globals'
import { SmPlay } from './sm-play.js'

const SEED = Number(process.env['SM_SEED'] ?? 1_000)
const STEPS = 10_000

test.each(Array.from({ length: 10 }, (_, i) => SEED + i))('10,000 steps, seed %i', async (seed) => {
  const play = new SmPlay(seed)
  await play.run(STEPS)
  process.stdout.write(`seed ${seed}: ${JSON.stringify(play.seen)}\n`)
  for (const event of ['overflow detached', 'overflow over', 'resumed', 'resumed in place', 'too-high', 'expire']) {
    expect([event, play.seen[event]]).not.toContain(undefined)
  }
}, 600_000)
