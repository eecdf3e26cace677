/** What one turn makes for one node: docs/link-protocol.md §5, cluster.md §4. */
import { describe, expect, test } from '@jest/globals'
import { Channel, CREDIT_BYTES, QUEUE_MAX_BYTES } from '../../src/cluster/channel.js'
import { RouteReader } from '../../src/cluster/envelope-codec.js'
import { FRAME, FrameWriter, LANE, parseFrame, type RawFrame } from '../../src/cluster/frames.js'
import { Turn } from '../../src/cluster/turn.js'
import type { Verdict } from '../../src/router/envelope.js'
import { HybridClock } from '../../src/xmpp/hlc.js'
import { Stanza } from '../../src/xmpp/stanza.js'
import { decodeAnswers, decodeRoutes } from './codecs.js'
import { envelope } from './meshes.js'

const juliet = 'juliet@im.test'
const ACCEPT: Verdict = { kind: 'accept' }
const nowhere = { received: [0, 0, 0, 0], granted: { route: CREDIT_BYTES, repl: CREDIT_BYTES } }

class Stage {
  readonly written: RawFrame[] = []
  readonly refused: [ask: number, verdict: Verdict][] = []
  now = 0
  readonly channel = new Channel<readonly number[]>(() => {}, () => this.now)
  readonly turn = new Turn({
    frames: new FrameWriter(new HybridClock(() => 5)), channel: this.channel,
    refused: (ask, verdict) => void this.refused.push([ask, verdict]), answersLost() {}
  })

  attach(): this {
    this.channel.attach({ write: (frame) => void this.written.push(parseFrame(Buffer.from(frame))) }, nowhere)
    return this
  }

  /** Stanzas of all frames, read by one that has all of them. */
  read(reader = new RouteReader()): readonly number[] {
    const found = this.written.flatMap(({ body }) => decodeRoutes(body, reader))
    return found.map((one) => ('stanza' in one ? one.key.index : -1))
  }
}

describe('a turn', () => {
  test('§5 all its envelopes leave as one ROUTE, all its answers as one ANSWER', () => {
    const { turn, written } = new Stage().attach()
    for (const index of [1, 2, 3]) turn.route(envelope(index, juliet))
    for (const ask of [7, 8, 9]) turn.answer(ask, ACCEPT)
    expect(written).toEqual([])
    turn.flush()
    expect(written.map(({ type }) => type)).toEqual([FRAME.ROUTE, FRAME.ANSWER])
    expect(written.slice(1).flatMap(({ body }) => decodeAnswers(body))).toEqual([7, 8, 9].map((ask) => ({ ask, verdict: ACCEPT })))
    expect(turn.empty).toBe(true)
  })

  test('§5 without a connection each frame stands alone: those before it may be given up, and its words are in it', async () => {
    const stage = new Stage()
    stage.turn.route(envelope(1, juliet))
    stage.now = 20_000
    stage.turn.route(envelope(2, juliet))
    stage.turn.expire(40_000)
    await Promise.resolve()
    expect(stage.refused).toEqual([[1, expect.objectContaining({ condition: 'remote-server-timeout' })]])
    stage.attach()
    stage.turn.route(envelope(3, juliet))
    stage.turn.flush()
    expect(stage.read()).toEqual([2, 3])
  })

  test('§4 without credit, what waits and is given up takes no words with it', async () => {
    const stage = new Stage().attach()
    const big = Stanza.ofBytes(envelope(1, juliet).stanza, [], Buffer.alloc(1_000_000, 0x61))
    for (let index = 1; index <= 9; index++) stage.turn.route({ ...envelope(index, `u${index}@im.test`), stanza: big })
    stage.turn.flush()
    expect(stage.channel.waitingBytes(LANE.route)).toBeGreaterThan(0)
    stage.now = 31_000
    stage.turn.expire(stage.now)
    await Promise.resolve()
    stage.channel.credit({ lane: LANE.route, bytes: 2 * CREDIT_BYTES })
    stage.turn.route(envelope(10, 'u9@im.test'))
    stage.turn.flush()
    expect([...stage.read(), ...stage.refused.map(([ask]) => ask)].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  test('§4 what no queue has room for is refused, and never before the router has asked', async () => {
    const stage = new Stage()
    const big = Stanza.ofBytes(envelope(1, juliet).stanza, [], Buffer.alloc(1_000_000, 0x61))
    let moves = true
    for (let index = 1; index * 1_000_000 <= QUEUE_MAX_BYTES + 2_000_000; index++) {
      moves = stage.turn.route({ ...envelope(index, juliet), stanza: big })
    }
    expect(moves).toBe(false)
    expect(stage.refused).toEqual([])
    await Promise.resolve()
    expect(stage.refused.map(([, verdict]) => verdict)).toContainEqual(expect.objectContaining({ condition: 'resource-constraint' }))
  })

  test('§4 answers wait for company, but not a refusal, and not many', () => {
    const { turn } = new Stage().attach()
    expect(turn.answer(1, ACCEPT)).toBe(false)
    expect(turn.answer(2, { kind: 'none' })).toBe(false)
    expect(turn.answer(3, { kind: 'reject', why: 'gap' })).toBe(true)
    turn.flush()
    const due = Array.from({ length: 64 }, (_, ask) => turn.answer(ask + 4, ACCEPT))
    expect(due.indexOf(true)).toBe(63)
  })
})
