/**
 * A14 by the clock: a proof that is wrong in its first byte and one that is right but for its last byte take the same time.
 * What is compared differs by nanoseconds; the bound is wide, for it is there to notice another way of comparing.
 */
import { expect, test } from '@jest/globals'
import type { TokenShown } from '../../src/stream/authenticator.js'
import { hashedToken } from '../support/sasl2.js'
import { Rig } from '../stream/rig.js'

const ROUNDS = 300
const BATCH = 10
const MECHANISM = 'HT-SHA-256-NONE'

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0

test('A14: how much of a token\'s proof is right does not show in the time of its refusal', async () => {
  const rig = new Rig()
  await rig.user('alice@im.test')
  const alice = await rig.credentials.find('alice', 'im.test')
  if (alice === undefined) throw new Error('nobody is there')
  const issued = await rig.tokens.issue(alice, 'agent', MECHANISM)
  const right = Buffer.from(hashedToken('alice', issued?.token ?? '').first, 'base64').subarray('alice\0'.length)
  const shown = (proof: Buffer): TokenShown => ({ username: 'alice', domain: 'im.test', agent: 'agent', mechanism: MECHANISM,
    binding: Buffer.alloc(0), proof, count: undefined, invalidate: false })
  const wrongAt = (at: number): TokenShown => shown(Buffer.from(right.map((byte, i) => (i === at ? byte ^ 1 : byte))))
  await expect(rig.tokens.login(shown(right))).resolves.toBeDefined()

  const kinds = [wrongAt(0), wrongAt(right.length - 1)]
  const times: [number[], number[]] = [[], []]
  for (let round = 0; round < ROUNDS; round++) {
    // Turn about, so that what else the machine does falls on both.
    for (const n of round % 2 === 0 ? [0, 1] as const : [1, 0] as const) {
      const begun = performance.now()
      for (let i = 0; i < BATCH; i++) await expect(rig.tokens.login(kinds[n] ?? shown(right))).rejects.toThrow()
      times[n].push(performance.now() - begun)
    }
  }
  const [first, last] = times.map(median) as [number, number]
  process.stdout.write(`refusals of ${BATCH} tokens, median: wrong at once ${first.toFixed(3)} ms, right but for a byte ${last.toFixed(3)} ms\n`)
  expect(Math.abs(first / last - 1)).toBeLessThan(0.25)
})
