/**
 * Overload at length: each arrow of the way is the bottleneck for a minute (limits, E.3); 10,000 idle sessions. The
 * figures of `docs/backpressure.md` come from here. Wants a quiet machine.
 */
import { describe, test } from '@jest/globals'
import { frozenNode, manyComeBack, slowDatabase, slowDiskForLogs, slowLink, slowReaders } from './plays.js'
import { LONG } from './stage.js'

describe('E.3 each arrow in turn is the bottleneck at ten times its load for a minute', () => {
  test('slow readers', () => slowReaders(LONG))
  test('a slow link', () => slowLink(LONG))
  test('a node that stands still', () => frozenNode(LONG))
  test('a slow database', () => slowDatabase(LONG))
  test('a slow disk for logs', () => slowDiskForLogs(LONG))
  test('10,000 idle sessions, 2,000 come back at once', () => manyComeBack(LONG, { sessions: 10_000, back: 2000, pingMaxMs: 250 }))
})
