/** Random interleavings of everything that may happen to a session, against the pure model; the long tier does more. */
import { expect, test } from '@jest/globals'
import { SmPlay } from './sm-play.js'

const STEPS = 4_000

test.each([1, 2])('stream management does what its model says, seed %i (zero-loss design D.6, I1-I6)', async (seed) => {
  const play = new SmPlay(seed)
  await play.run(STEPS)
  const { seen } = play
  for (const event of ['resumed', 'resumed in place', 'too-high', 'expire', 'close']) expect([event, seen[event]]).not.toContain(undefined)
}, 60_000)
