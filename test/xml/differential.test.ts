/** Two parsers, one opinion; and the same opinion however the bytes are cut. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { CLOSE, CORPUS, OPEN, compare, mutate } from './second-opinion.js'
import { bytes, eventsOf } from './stage.js'

const SEED = 20_240_229
const documents = CORPUS.map((stanzas) => bytes(OPEN + stanzas + CLOSE))

describe('our parser and saxes', () => {
  test.each(CORPUS.slice(0, -1))('both take %s', (stanzas) => {
    expect(compare(bytes(OPEN + stanzas + CLOSE))).toBe(true)
  })

  test('agree on mutations of the corpus: same elements, or both refuse', () => {
    let taken = 0
    const change = fc.tuple(fc.nat(), fc.nat(), fc.nat())
    fc.assert(fc.property(fc.constantFrom(...documents), fc.array(change, { minLength: 1, maxLength: 3 }), (document, changes) => {
      const mutant = changes.reduce((d, [kind, where, what]) => mutate(d, kind, where, what), document)
      if (compare(mutant)) taken++
    }), { seed: SEED, numRuns: 4_000 })
    expect(taken).toBeGreaterThan(100)
  })

  test('agree on text and values of all characters', () => {
    const anything = fc.string({ unit: 'binary', maxLength: 12 })
    fc.assert(fc.property(anything, anything, (text, value) => {
      compare(bytes(`${OPEN}<message a='${value}'>${text}</message>${CLOSE}`))
    }), { seed: SEED, numRuns: 1_000 })
  })

  test('agree on names of all characters', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }), (name) => {
      compare(bytes(`${OPEN}<${name}/><a b${name}=''/>${CLOSE}`))
    }), { seed: SEED, numRuns: 1_000 })
  })
})

describe('chunks', () => {
  test.each(CORPUS)('cut anywhere, %s yields the same', (stanzas) => {
    const document = bytes(OPEN + stanzas + CLOSE)
    const { events } = eventsOf(document)
    expect(eventsOf(document, 1).events).toEqual(events)
    for (let cut = 1; cut < document.length; cut++) {
      const pieces = eventsOf(document, cut)
      expect(pieces.events).toEqual(events)
    }
  })

  test('mutations byte by byte yield the same as in one piece', () => {
    const change = fc.tuple(fc.nat(), fc.nat(), fc.nat())
    fc.assert(fc.property(fc.constantFrom(...documents), change, (document, [kind, where, what]) => {
      const mutant = mutate(document, kind, where, what)
      expect(eventsOf(mutant, 1).events).toEqual(eventsOf(mutant).events)
    }), { seed: SEED, numRuns: 500 })
  })
})
