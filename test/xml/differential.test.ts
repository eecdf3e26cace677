/** Two parsers, one opinion; and the same opinion however the bytes are cut. Mutations of all kinds: `test/fuzz`. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Random } from '../fuzz/random.js'
import { validBody } from '../fuzz/valid-xml.js'
import { bothWays, checkDocument } from '../fuzz/xml-target.js'
import { CLOSE, CORPUS, OPEN } from './second-opinion.js'
import { bytes, eventsOf } from './stage.js'

const SEED = 20_240_229
const compare = (document: Buffer): boolean => checkDocument(document, new Random(SEED))

describe('our parser and saxes', () => {
  test.each(CORPUS.slice(0, -1))('both take %s', (stanzas) => {
    expect(compare(bytes(OPEN + stanzas + CLOSE))).toBe(true)
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

describe('copying and rewriting', () => {
  test('are one to a receiver: it reads the same in the bytes of both', () => {
    const random = new Random(SEED)
    let copied = 0
    for (let k = 0; k < 1_000; k++) copied += bothWays(bytes(OPEN + validBody(random) + CLOSE))
    expect(copied).toBeGreaterThan(200)
  })
})

describe('chunks', () => {
  test.each(CORPUS)('cut anywhere, %s yields the same', (stanzas) => {
    const document = bytes(OPEN + stanzas + CLOSE)
    const { events } = eventsOf(document)
    for (let size = 1; size < document.length; size++) expect(eventsOf(document, size).events).toEqual(events)
  })
})
