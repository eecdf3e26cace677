/**
 * The parser under random mutations, at length. `XML_FUZZ_CASES` is how many (a million), `XML_FUZZ_SEED` where to begin;
 * a failure names the seed of its case, which alone repeats it: `XML_FUZZ_SEED=… XML_FUZZ_CASES=1`.
 */
import { expect, test } from '@jest/globals'
import { bytesOf, checkInside, treesOf } from '../../src/xml/inside.js'
import { CLOSE, CORPUS, OPEN, compare, mutate } from './second-opinion.js'
import { LIMITS, bytes, eventsOf } from './stage.js'

const CASES = Number(process.env['XML_FUZZ_CASES'] ?? 1_000_000)
const SEED = Number(process.env['XML_FUZZ_SEED'] ?? 1)
const CHANGES_MAX = 4

/** Numbers below 2^31 that follow from a seed (a mixing of Weyl's sequence). */
function numbers(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 1
  }
}

function mutant(next: () => number): Buffer {
  let document = bytes(OPEN + (CORPUS[next() % CORPUS.length] ?? '') + (CORPUS[next() % CORPUS.length] ?? '') + CLOSE)
  const changes = 1 + next() % CHANGES_MAX
  for (let k = 0; k < changes; k++) {
    // Mostly behind the header, which is long and has been seen.
    const where = next() % 8 === 0 ? next() : OPEN.length + next() % (document.length - OPEN.length + 1)
    document = mutate(document, next(), where, next())
  }
  return document
}

/** Agrees with the second parser, yields the same in any pieces, and what it yields can be read and written again. */
function check(document: Buffer, size: number): boolean {
  const taken = compare(document)
  const whole = eventsOf(document)
  expect(eventsOf(document, size).events).toEqual(whole.events)
  for (const element of whole.elements) {
    if (element.ns !== 'jabber:client') continue
    expect(checkInside(element.inside, LIMITS)).toEqual(element.children)
    const once = bytesOf(treesOf(element.inside, 'jabber:client'))
    expect(bytesOf(treesOf(once, 'jabber:client'))).toEqual(once)
  }
  return taken
}

test(`${CASES} mutations of the corpus`, () => {
  let taken = 0
  for (let seed = SEED; seed < SEED + CASES; seed++) {
    const next = numbers(seed)
    const document = mutant(next)
    try {
      if (check(document, 1 + next() % 60)) taken++
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error })
    }
  }
  expect(taken).toBeGreaterThan(CASES / 100 - 1)
})
