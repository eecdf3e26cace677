/** Bytes that wait for all clients together (limits, E.3): whoever has taken nothing for longest goes first. */
import { describe, expect, test } from '@jest/globals'
import { PendingTotal, type PendingQueue } from '../../src/transport/pending.js'

const MAX = 1_000_000

class Queue implements PendingQueue {
  pendingBytes = 0
  condemned = false

  constructor(private readonly total: PendingTotal, public progressAt: number) {}

  change(bytes: number): void {
    this.pendingBytes += bytes
    this.total.add(this, bytes)
  }

  condemn(): void {
    this.condemned = true
    this.change(-this.pendingBytes)
  }
}

function queues(now: number, ...progress: number[]): { total: PendingTotal, all: Queue[] } {
  const total = new PendingTotal(MAX, () => now)
  return { total, all: progress.map((at) => new Queue(total, at)) }
}

describe('E.3 the bound of what waits for all clients', () => {
  test('is not met by what each may have: the one that has been still for longest is cut off', () => {
    const { total, all: [a, b, c] } = queues(10_000, 5000, 2000, 9500)
    a?.change(400_000)
    b?.change(400_000)
    c?.change(300_000)
    expect([a?.condemned, b?.condemned, c?.condemned]).toEqual([false, true, false])
    expect(total.bytes).toBe(700_000)
  })

  test('spares those with little, and those who have just taken something', () => {
    const { all } = queues(10_000, ...Array.from({ length: 20 }, () => 0), 9500)
    for (const queue of all.slice(0, 20)) queue.change(60_000)
    all[20]?.change(500_000)
    expect(all.filter(({ condemned }) => condemned)).toEqual([])
  })
})
