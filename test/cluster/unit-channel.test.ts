/** Channels: cluster.md §4, zero-loss D.4. Two ends in one process, the wire between them cut wherever chance says. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { FrameFault } from '../../src/cluster/bytes.js'
import { Channel, CREDIT_BYTES, QUEUE_MAX_BYTES, type Line } from '../../src/cluster/channel.js'
import { FRAME, FrameWriter, parseFrame, type Lane } from '../../src/cluster/frames.js'
import { HybridClock } from '../../src/xmpp/hlc.js'

const frames = new FrameWriter(new HybridClock(() => 5))
const LANES: readonly Lane[] = [1, 2, 3, 4]
const message = (lane: Lane, text: string): Buffer => {
  frames.begin(FRAME.ROUTE, lane).text16(text)
  return frames.finish()
}
const big = (lane: Lane, bytes: number): Buffer => {
  frames.begin(FRAME.ROUTE, lane).raw(Buffer.alloc(bytes))
  return frames.finish()
}

/** One end: what it got, by lane, and what is on its way to the other. */
class End {
  readonly got: Record<Lane, string[]> = { 1: [], 2: [], 3: [], 4: [] }
  readonly channel: Channel<string>
  wire: Buffer[] = []
  line: Line | undefined

  constructor() {
    this.channel = new Channel((frame) => void this.got[frame.lane as Lane].push(frame.body.toString('utf8', 2)), () => 0)
  }

  plug(): Line {
    const wire: Buffer[] = []
    this.wire = wire
    this.line = { write: (frame) => void wire.push(Buffer.from(frame)) } // as sent: later writes change nothing
    return this.line
  }

  unplug(): void {
    if (this.line !== undefined) this.channel.detach(this.line)
    this.wire = []
  }
}

class Pair {
  readonly ends = [new End(), new End()] as const

  connect(): void {
    const [a, b] = this.ends
    const [ofA, ofB] = [a.channel.positions(), b.channel.positions()]
    a.channel.attach(a.plug(), ofB)
    b.channel.attach(b.plug(), ofA)
  }

  cut(): void {
    for (const end of this.ends) end.unplug()
  }

  /** At most `count` frames from one end arrive at the other, with what is due then. */
  carry(from: 0 | 1, count: number): void {
    const [here, there] = [this.ends[from], this.ends[from === 0 ? 1 : 0]]
    for (const frame of here.wire.splice(0, count)) there.channel.receive(parseFrame(frame))
    if (here.line === undefined) return
    for (const ack of there.channel.dueAcks()) here.channel.acked(ack)
    for (const credit of there.channel.dueCredit()) here.channel.credit(credit)
  }

  settle(): void {
    for (let round = 0; round < 50; round++) {
      this.carry(0, 1000)
      this.carry(1, 1000)
    }
  }

}

describe('a channel', () => {
  test('§4 after any cuts and reconnects each lane has everything once, in order', () => {
    const step = fc.oneof(
      fc.record({ what: fc.constant('send' as const), from: fc.constantFrom(0 as const, 1 as const), lane: fc.constantFrom(...LANES) }),
      fc.record({
        what: fc.constant('carry' as const), from: fc.constantFrom(0 as const, 1 as const), count: fc.integer({ min: 1, max: 5 })
      }),
      fc.constant({ what: 'cut' as const }),
      fc.constant({ what: 'connect' as const })
    )
    fc.assert(fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const pair = new Pair()
      const sent: Record<string, string[]> = {}
      let number = 0
      for (const move of steps) {
        switch (move.what) {
          case 'send': {
            const text = `${++number}`
            pair.ends[move.from].channel.send(move.lane, message(move.lane, text))
            ;(sent[`${move.from}${move.lane}`] ??= []).push(text)
            break
          }
          case 'carry': pair.carry(move.from, move.count); break
          case 'cut': pair.cut(); break
          case 'connect': pair.connect(); break
          default: move satisfies never
        }
      }
      pair.connect()
      pair.settle()
      for (const lane of LANES) {
        expect(pair.ends[1].got[lane]).toEqual(sent[`0${lane}`] ?? [])
        expect(pair.ends[0].got[lane]).toEqual(sent[`1${lane}`] ?? [])
      }
      expect(pair.ends.every((end) => end.channel.idle)).toBe(true)
    }), { numRuns: 300 })
  })

  test('K14 a repeated frame is dropped and acknowledged again', () => {
    const pair = new Pair()
    pair.connect()
    const [a, b] = pair.ends
    a.channel.send(1, message(1, 'x'))
    const frame = parseFrame(Buffer.from(a.wire[0] ?? []))
    b.channel.receive(frame)
    expect(b.channel.dueAcks()).toEqual([{ lane: 1, seq: 1, again: false }])
    b.channel.receive(frame)
    expect(b.got[1]).toEqual(['x'])
    expect(b.channel.dueAcks()).toEqual([{ lane: 1, seq: 1, again: false }])
    expect(b.channel.dueAcks()).toEqual([])
  })

  test('K14 behind a gap nothing is dispatched; what is missing is asked for once and sent again', () => {
    const pair = new Pair()
    pair.connect()
    const [a, b] = pair.ends
    for (const text of ['one', 'two', 'three']) a.channel.send(1, message(1, text))
    a.wire.shift() // lost on the way
    for (const frame of a.wire.splice(0)) b.channel.receive(parseFrame(frame))
    expect(b.got[1]).toEqual([])
    const acks = b.channel.dueAcks()
    expect(acks).toEqual([{ lane: 1, seq: 0, again: true }])
    expect(b.channel.dueAcks()).toEqual([])
    for (const ack of acks) a.channel.acked(ack)
    for (const frame of a.wire.splice(0)) b.channel.receive(parseFrame(frame))
    expect(b.got[1]).toEqual(['one', 'two', 'three'])
  })

  test('§4 an acknowledgement of what was never sent is a fault', () => {
    const pair = new Pair()
    pair.connect()
    expect(() => pair.ends[0].channel.acked({ lane: 1, seq: 1, again: false })).toThrow(FrameFault)
  })

  test.each([1, 4] as const)('K15 lane %i stops at 8 MiB that were not granted, and goes on when they are', (lane) => {
    const pair = new Pair()
    pair.connect()
    const [a, b] = pair.ends
    const frame = (): Buffer => big(lane, 1024 * 1024 - 64)
    for (let n = 0; n < 12; n++) a.channel.send(lane, frame())
    expect(a.wire.reduce((sum, sent) => sum + sent.length, 0)).toBeLessThanOrEqual(CREDIT_BYTES)
    expect(a.wire).toHaveLength(8)
    for (const sent of a.wire.splice(0)) b.channel.receive(parseFrame(sent))
    for (const credit of b.channel.dueCredit()) a.channel.credit(credit)
    expect(a.wire).toHaveLength(4)
  })

  test.each([2, 3] as const)('§4 lane %i is never held back by credit', (lane) => {
    const pair = new Pair()
    pair.connect()
    for (let n = 0; n < 12; n++) pair.ends[0].channel.send(lane, big(lane, 1024 * 1024 - 64))
    expect(pair.ends[0].wire).toHaveLength(12)
  })

  test('§4 on a cut link it waits, bounded, then refuses', () => {
    const pair = new Pair()
    const [a] = pair.ends
    let taken = 0
    while (a.channel.send(1, big(1, 100_000), 'tag')) taken++
    expect(taken).toBe(Math.floor(QUEUE_MAX_BYTES / big(1, 100_000).length))
    expect(a.channel.waitingBytes(1)).toBeLessThanOrEqual(QUEUE_MAX_BYTES)
  })

  test('§4 what was never sent can be given up, what was sent cannot', () => {
    const pair = new Pair()
    pair.connect()
    const [a] = pair.ends
    a.channel.send(1, message(1, 'sent'), 'sent')
    pair.cut()
    a.channel.send(1, message(1, 'waits'), 'waits')
    expect(a.channel.expire(1, 1)).toEqual(['waits'])
    pair.connect()
    pair.settle()
    expect(pair.ends[1].got[1]).toEqual(['sent'])
  })

  test('§4 who waits for an acknowledgement hears of it once, also over a reconnect', () => {
    const pair = new Pair()
    const [a] = pair.ends
    let heard = 0
    a.channel.send(3, message(3, 'x'), undefined, () => void heard++)
    pair.connect()
    pair.cut()
    expect(heard).toBe(0)
    pair.connect()
    pair.settle()
    pair.connect()
    expect(heard).toBe(1)
  })

  test('§4 a newer connection takes over; the older one may go after it', () => {
    const pair = new Pair()
    pair.connect()
    const [a] = pair.ends
    const older = a.line
    pair.connect()
    if (older !== undefined) a.channel.detach(older)
    expect(a.channel.attached).toBe(true)
  })
})
