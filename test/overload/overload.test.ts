/** Overload, the short form: each arrow of the way is the bottleneck for seconds (limits, E.3). At length: the long tier. */
import { describe, test } from '@jest/globals'
import { frozenNode, manyComeBack, slowDatabase, slowDiskForLogs, slowLink, slowReaders } from './plays.js'
import { SHORT } from './stage.js'

describe('E.3 each arrow in turn is the bottleneck at ten times its load: memory is bounded, others go on, it recovers', () => {
  test('slow readers', () => slowReaders(SHORT), 90_000)
  test('a slow link', () => slowLink(SHORT), 90_000)
  test('a node that stands still', () => frozenNode(SHORT), 90_000)
  test('a slow database', () => slowDatabase(SHORT), 90_000)
  test('a slow disk for logs', () => slowDiskForLogs(SHORT), 90_000)
  test('500 idle sessions, 100 come back at once', () => manyComeBack(SHORT, { sessions: 500, back: 100, pingMaxMs: 2000 }), 90_000)
})
