/** The queue of what is not acknowledged, by itself (XEP-0198 §4; I4). */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { AckRequests } from '../../src/session/ack-requests.js'
import { Entry, Unacked } from '../../src/session/unacked.js'
import { Wheel } from '../../src/transport/wheel.js'
import { Stanza } from '../../src/xmpp/stanza.js'
import { HandClock } from '../stream/hand-clock.js'

const entry = (id: number, fork?: { done: boolean }): Entry =>
  new Entry(Stanza.of({ kind: 'message', id: String(id) }), undefined, undefined, fork)
const idsOf = (entries: readonly Entry[]): readonly number[] => entries.map(({ stanza }) => Number(stanza.id))

function filled(count: number, start = 0): Unacked {
  const queue = new Unacked(start)
  for (let i = 1; i <= count; i++) queue.push(entry(i))
  return queue
}

function written(queue: Unacked, count: number): readonly number[] {
  return idsOf(Array.from({ length: count }, () => queue.next()).filter((one) => one !== undefined))
}

describe('the queue', () => {
  test('takes no acknowledgement of what was not written', () => {
    const queue = filled(3)
    written(queue, 2)
    expect(queue.acknowledge(3)).toBe('too-high')
    expect([queue.acknowledge(2), queue.size, queue.written, queue.accepted]).toEqual(['trimmed', 1, 2, 3])
    expect([queue.acknowledge(1), queue.size]).toEqual(['old', 1])
  })

  test('writes again what is not acknowledged; what was written once may be acknowledged before it is written again', () => {
    const queue = filled(4)
    written(queue, 3)
    queue.acknowledge(1)
    queue.rewind()
    expect(queue.sent).toBe(3)
    expect(queue.acknowledge(2)).toBe('trimmed')
    expect(written(queue, 4)).toEqual([3, 4])
  })

  test('trap 19: goes over 2^32 in one acknowledgement or in many', () => {
    const queue = filled(10, 4_294_967_293)
    written(queue, 10)
    expect([queue.sent, queue.acknowledge(4_294_967_295), queue.size]).toEqual([7, 'trimmed', 8])
    expect([queue.acknowledge(0), queue.acknowledge(4_294_967_295), queue.size]).toEqual(['trimmed', 'old', 7])
    expect([queue.acknowledge(8), queue.acknowledge(7), queue.size]).toEqual(['too-high', 'trimmed', 0])
  })

  test('who acknowledges a stanza has it for all devices that took it', () => {
    const fork = { done: false }
    const queue = new Unacked()
    queue.push(entry(1, fork))
    queue.next()
    queue.acknowledge(1)
    expect(fork.done).toBe(true)
  })

  test('counts its bytes and gives everything away at the end', () => {
    const queue = filled(3)
    const { bytes } = queue
    written(queue, 3)
    queue.acknowledge(1)
    expect(queue.bytes * 3).toBe(bytes * 2)
    expect([idsOf(queue.drain()), queue.size, queue.bytes]).toEqual([[2, 3], 0, 0])
  })

  test('is a list with three marks in it, whatever is done in whatever order', () => {
    const step = fc.oneof(
      fc.record({ act: fc.constant('push' as const), n: fc.nat(80) }), fc.record({ act: fc.constant('write' as const), n: fc.nat(80) }),
      fc.record({ act: fc.constant('ack' as const), n: fc.nat(80) }), fc.record({ act: fc.constant('rewind' as const), n: fc.nat(0) })
    )
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new Unacked()
      let [accepted, acked, out, high] = [0, 0, 0, 0]
      for (const { act, n } of steps) {
        if (act === 'push') for (let i = 0; i < n; i++) queue.push(entry(++accepted))
        else if (act === 'write') {
          const last = Math.min(out + n, accepted)
          expect(written(queue, n)).toEqual(Array.from({ length: last - out }, (_, i) => out + i + 1))
          out = last
          high = Math.max(high, out)
        } else if (act === 'ack') {
          const fits = acked + n <= high
          expect(queue.acknowledge(acked + n)).toBe(fits ? 'trimmed' : 'too-high')
          if (fits) acked += n
          out = Math.max(out, acked)
        } else {
          queue.rewind()
          out = acked
        }
        expect([queue.size, queue.accepted, queue.written, queue.sent]).toEqual([accepted - acked, accepted, out, high])
      }
      expect(idsOf(queue.drain())).toEqual(Array.from({ length: accepted - acked }, (_, i) => acked + i + 1))
    }), { numRuns: 100 })
  })
})

interface Scene {
  readonly clock: HandClock
  readonly wheel: Wheel
  readonly requests: AckRequests
  readonly said: string[]
}

describe('questions', () => {
  const scene = (heardAt = (): number => -Infinity): Scene => {
    const clock = new HandClock()
    const wheel = new Wheel(clock)
    wheel.start()
    const said: string[] = []
    const client = { ask: (idle: boolean) => void said.push(idle ? 'idle' : 'ask'), lost: () => void said.push('lost'), heardAt }
    const requests = new AckRequests(client, { every: 5, idleMs: 1_000, answerMs: 60_000 }, { clock, deadlines: wheel })
    return { clock, wheel, requests, said }
  }
  const wrote = (requests: AckRequests, count: number): void => {
    for (let i = 0; i < count; i++) requests.wrote()
  }

  test('one at a time; what was written meanwhile is asked about when the answer is in', () => {
    const { requests, said } = scene()
    wrote(requests, 12)
    expect(said).toEqual(['ask'])
    requests.answered(7)
    expect(said).toEqual(['ask', 'ask'])
    requests.answered(0)
    wrote(requests, 4)
    expect(said).toEqual(['ask', 'ask'])
  })

  test('fewer to a client that tells unasked, until it does not any more or comes back on another connection', () => {
    const { requests, said } = scene()
    wrote(requests, 3)
    requests.answered(0)
    wrote(requests, 19)
    expect(said).toEqual([])
    wrote(requests, 1)
    expect(said).toEqual(['ask'])
    requests.stop()
    wrote(requests, 5)
    expect(said).toEqual(['ask', 'ask'])
  })

  test('a sign of life is asked for once, and the answer is none that comes unasked', () => {
    const { requests, said, clock } = scene()
    requests.probe()
    requests.probe()
    clock.advance(61_000)
    expect(said).toEqual(['ask'])
    requests.answered(0)
    wrote(requests, 5)
    expect(said).toEqual(['ask', 'ask'])
    requests.answered(0)
    requests.probe()
    wrote(requests, 1)
    clock.advance(61_000)
    expect(said).toEqual(['ask', 'ask', 'ask', 'lost'])
  })

  test('an answer that leaves something open is followed by a question after a while', () => {
    const { requests, said, clock } = scene()
    wrote(requests, 5)
    requests.answered(2)
    clock.advance(1_250)
    expect(said).toEqual(['ask', 'idle'])
    clock.advance(60_000)
    expect(said).toEqual(['ask', 'idle', 'lost'])
  })

  test('a client from which something comes may take its time with the answer', () => {
    let heardAt = 0
    const { requests, said, clock } = scene(() => heardAt)
    wrote(requests, 5)
    clock.advance(59_000)
    heardAt = clock.now()
    clock.advance(59_000)
    expect(said).toEqual(['ask'])
    clock.advance(1_500)
    expect(said).toEqual(['ask', 'lost'])
  })

  test('none when nothing is open, or the connection is over; then no deadline either', () => {
    const { requests, said, clock, wheel } = scene()
    wrote(requests, 5)
    requests.answered(0)
    clock.advance(120_000)
    wrote(requests, 4)
    requests.stop()
    clock.advance(120_000)
    expect([said, wheel.size]).toEqual([['ask'], 0])
  })
})
