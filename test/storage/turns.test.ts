/** How much work waits for the database (limits, E.3): in order, bounded in number and time. */
import { describe, expect, test } from '@jest/globals'
import { Turns } from '../../src/storage/turns.js'
import { HandClock } from '../telemetry/hand-clock.js'

function turns(runningMax: number, waitingMax: number) {
  const clock = new HandClock()
  const made = new Turns({ runningMax, waitingMax, waitMs: 5000, clock, refused: (why) => new Error(why) })
  const ends: (() => void)[] = []
  const begun: number[] = []
  const run = (n: number): Promise<number> => made.run(async () => {
    begun.push(n)
    await new Promise<void>((end) => { ends.push(end) })
    return n
  })
  return { clock, turns: made, run, begun, end: () => ends.shift()?.() }
}
const settled = (): Promise<void> => new Promise((done) => { setImmediate(done) })

describe('E.3 work for the database', () => {
  test('runs as many at a time as there are connections, the others in their order', async () => {
    const { turns: queue, run, begun, end } = turns(2, 10)
    const all = [run(1), run(2), run(3), run(4)]
    await settled()
    expect([begun, queue.waiting]).toEqual([[1, 2], 2])
    end()
    await settled()
    expect(begun).toEqual([1, 2, 3])
    for (let i = 0; i < 3; i++) { end(); await settled() }
    expect(await Promise.all(all)).toEqual([1, 2, 3, 4])
  })

  test('beyond the bound is refused at once, and what has waited too long when its time is over', async () => {
    const { clock, run, begun, end } = turns(1, 2)
    const first = run(1)
    const second = run(2)
    clock.move(1000)
    const third = run(3)
    await expect(run(4)).rejects.toThrow('2 tasks wait for the database')
    clock.move(4000)
    await expect(second).rejects.toThrow('no connection to the database was free in 5000 ms')
    end()
    expect(await first).toBe(1)
    await settled()
    expect(begun).toEqual([1, 3])
    end()
    expect(await third).toBe(3)
  })

  test('that waits is refused when the database goes away; a place is not lost by an error', async () => {
    const { turns: queue, run, end } = turns(1, 5)
    const first = run(1)
    const second = run(2)
    queue.refuseAll('the database is away')
    await expect(second).rejects.toThrow('the database is away')
    end()
    await first
    await expect(queue.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
    const third = run(3)
    await settled()
    end()
    expect(await third).toBe(3)
    await queue.idle()
  })
})
