/** How what waits for one socket becomes one write. */
import { describe, expect, test } from '@jest/globals'
import { join } from '../../src/transport/write-queue.js'

const sizeOf = (pieces: readonly (string | Buffer)[]): number => pieces.reduce((sum, piece) => sum + Buffer.byteLength(piece), 0)

describe('pieces as one buffer', () => {
  test.each([
    ['text alone', ['<a>', '<b/>']],
    ['text around bytes', ['<message>', Buffer.from('<body>é</body>'), '</message>']],
    ['stanza after stanza', ['<a to=\'ä\'>', Buffer.from('1'), '</a>', '<b to=\'日本\'>', Buffer.from('2'), '</b>', '<c/>']],
    ['bytes alone', [Buffer.from('1'), Buffer.from('2')]],
    ['nothing', []]
  ])('%s', (_what, pieces) => {
    const whole = Buffer.concat(pieces.map((piece) => Buffer.from(piece)))
    expect(join(pieces, sizeOf(pieces))).toEqual(whole)
  })

  test('a character that is cut in two shows nothing of what lay in memory', () => {
    const pieces = ['<a>\ud83d', '\ude00</a>']
    expect(join(pieces, sizeOf(pieces)).toString()).toBe('<a>😀</a>')
  })
})
