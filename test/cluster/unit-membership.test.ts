/** Who lives and who may serve: cluster.md §2, zero-loss D.5. Time is moved by hand. */
import { describe, expect, test } from '@jest/globals'
import { Gate } from '../../src/cluster/gate.js'
import { Membership } from '../../src/cluster/membership.js'
import type { NodeRow } from '../../src/storage/cluster-tables.js'

const row = (hostname: string, beat: number, more: Partial<NodeRow> = {}): NodeRow => ({
  hostname, beat, secondary: undefined, password: 'p', port: 5777, cpuUsage: 0, memUsage: 0, clusterName: 'test', incarnation: 1,
  bootNonce: 'n', state: 'up', viewNo: 1, advertise: `${hostname}:5777`, hostId: 'h', backup: undefined, backupIncarnation: undefined,
  strategy: 'broadcast', links: 0, certSha256: undefined, protocolMin: 1, protocolMax: 1, version: '1', services: {}, ...more
})

/** Renews and reads once a second from `from` to `to`, each answered after `latencyMs`. */
function beats(watch: Membership, from: number, to: number, rows: (at: number) => readonly NodeRow[], latencyMs = 1): number {
  for (let at = from; at <= to; at += 1000) {
    watch.renewed(at, at + latencyMs)
    watch.read(rows(at), at + latencyMs, at + 2 * latencyMs)
    const suspects = watch.suspects(at + 2 * latencyMs)
    if (suspects.length > 0) return at
  }
  return -1
}

describe('suspicion', () => {
  test('§2 a node whose beat moves is never suspected', () => {
    const watch = new Membership('self')
    expect(beats(watch, 0, 60_000, (at) => [row('b', at / 1000)])).toBe(-1)
  })

  test('D.5 a beat that stood still for 5 s on our clock is suspected, not earlier', () => {
    const watch = new Membership('self')
    const at = beats(watch, 0, 60_000, (time) => [row('b', Math.min(time / 1000, 3))])
    expect(at).toBeGreaterThanOrEqual(3000 + 5000)
    expect(at).toBeLessThanOrEqual(3000 + 7000)
  })

  test('D.5 T is longer when the database is slow for us: 3 x latency + 2 s', () => {
    const watch = new Membership('self')
    const at = beats(watch, 0, 60_000, () => [row('b', 3)], 2000)
    expect(at).toBeGreaterThanOrEqual(8000)
    expect(watch.deadMs).toBe(8000)
  })

  test('D.5 the watch begins anew after our own renewals failed: nobody is fenced for an outage', () => {
    const watch = new Membership('self')
    beats(watch, 0, 3000, () => [row('b', 3)])
    for (let at = 4000; at < 30_000; at += 1000) watch.renewalFailed(at)
    expect(beats(watch, 30_000, 34_000, () => [row('b', 3)])).toBe(-1)
    expect(beats(watch, 35_000, 60_000, () => [row('b', 3)])).toBeGreaterThan(0)
  })

  test('D.8 trap 9: a node that was away itself fences nobody at once', () => {
    const watch = new Membership('self')
    beats(watch, 0, 2000, () => [row('b', 3)])
    watch.renewed(30_000, 30_001) // stopped for 28 s
    watch.read([row('b', 3)], 30_001, 30_002)
    expect(watch.suspects(30_002)).toEqual([])
  })

  test('D.8 trap 9: a node whose own renewal is late fences nobody', () => {
    const watch = new Membership('self')
    beats(watch, 0, 5000, () => [row('b', 3)])
    expect(watch.suspects(9000)).toEqual([])
  })

  test('D.5 a database that went back in time is answered by fencing again, not by believing it', () => {
    const watch = new Membership('self')
    beats(watch, 0, 2000, (at) => [row('b', at / 1000)])
    watch.lost('b', 1)
    watch.renewed(3000, 3001)
    watch.read([row('b', 2, { state: 'fenced' })], 3001, 3002)
    expect(watch.suspects(3002)).toEqual([])
    watch.renewed(4000, 4001)
    expect(watch.read([row('b', 1)], 4001, 4002)).toEqual([])
    expect(watch.suspects(4002)).toMatchObject([{ hostname: 'b', beat: 1 }])
    watch.renewed(5000, 5001)
    watch.read([], 5001, 5002)
    expect(watch.suspects(5002)).toEqual([]) // no row, nothing to fence
  })

  test('§2 nobody is suspected for standing still while it is over already', () => {
    const watch = new Membership('self')
    expect(beats(watch, 0, 30_000, () => [row('b', 3, { state: 'left' }), row('c', 3, { state: 'fenced' })])).toBe(-1)
  })

  test('§2 a row that an operator deleted: its node is lost as late as any', () => {
    const watch = new Membership('self')
    beats(watch, 0, 3000, (at) => [row('b', at / 1000)])
    for (let at = 4000; at < 8000; at += 1000) {
      watch.renewed(at, at + 1)
      expect(watch.read([], at + 1, at + 2)).toEqual([])
    }
    watch.renewed(8100, 8101)
    expect(watch.read([], 8101, 8102)).toMatchObject([{ kind: 'lost', row: { hostname: 'b' } }])
  })
})

describe('what the rows say', () => {
  const kinds = (watch: Membership, rows: readonly NodeRow[]): readonly string[] =>
    watch.read(rows, 0, 0).map(({ kind, row: { hostname, incarnation } }) => `${kind} ${hostname} ${incarnation}`)

  test('§1 joining, changing and leaving are told once', () => {
    const watch = new Membership('self')
    expect(kinds(watch, [row('b', 1, { state: 'joining' }), row('self', 1)])).toEqual(['seen b 1'])
    expect(kinds(watch, [row('b', 2)])).toEqual(['changed b 1'])
    expect(kinds(watch, [row('b', 3)])).toEqual([])
    expect(kinds(watch, [row('b', 3, { state: 'draining' })])).toEqual(['changed b 1'])
    expect(kinds(watch, [row('b', 3, { state: 'left' })])).toEqual(['left b 1'])
    expect(kinds(watch, [row('b', 3, { state: 'left' })])).toEqual([])
    expect(watch.live()).toEqual([])
  })

  test('§9 a grown incarnation means that the earlier life is over', () => {
    const watch = new Membership('self')
    kinds(watch, [row('b', 1)])
    expect(kinds(watch, [row('b', 0, { incarnation: 4, state: 'joining' })])).toEqual(['lost b 1', 'seen b 4'])
  })

  test('§2 a fence by another node is told once, and not undone by an older row', () => {
    const watch = new Membership('self')
    kinds(watch, [row('b', 1)])
    expect(watch.lost('b', 1)).toMatchObject({ kind: 'lost' })
    expect(watch.lost('b', 1)).toBeUndefined()
    expect(kinds(watch, [row('b', 2)])).toEqual([])
    expect(kinds(watch, [row('b', 2, { state: 'fenced' })])).toEqual([])
    expect(watch.seen('b')).toEqual({ incarnation: 1, over: true })
  })

  test('§2 an incarnation that goes back is not believed', () => {
    const watch = new Membership('self')
    kinds(watch, [row('b', 1, { incarnation: 5 })])
    expect(kinds(watch, [row('b', 9, { incarnation: 3 })])).toEqual([])
    expect(watch.row('b')?.incarnation).toBe(5)
  })

  test('D.7b the view number grows with each claim, change of state and fence, the same from the same rows', () => {
    const numbers = [
      [row('b', 1, { state: 'joining', viewNo: 0 })], [row('b', 1)], [row('b', 1, { state: 'fenced', viewNo: 2 })],
      [row('b', 0, { incarnation: 2, viewNo: 0 })]
    ].map((rows) => {
      const watch = new Membership('self')
      watch.read(rows, 0, 0)
      return watch.viewNo
    })
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
    expect(new Set(numbers).size).toBe(4)
  })
})

describe('the gate', () => {
  const NEVER = Number.NEGATIVE_INFINITY
  /** @param linkedAt when a link was last known to work */
  const gate = (others: boolean, linkedAt: number): Gate => {
    const made = new Gate(0)
    made.linked(linkedAt, others)
    return made
  }
  /** Looks four times a second, as the node does. */
  const look = (made: Gate, from: number, to: number): boolean => {
    let open = made.serving(from)
    for (let at = from; at <= to; at += 250) open = made.serving(at)
    return open
  }

  test('§2 without a renewal for 4 s and without a link it shuts', () => {
    const made = gate(true, NEVER)
    expect(look(made, 0, 4000)).toBe(true)
    expect(look(made, 4250, 4250)).toBe(false)
  })

  test('§2 the age counts from when the renewal was sent', () => {
    const made = gate(true, NEVER)
    look(made, 0, 3000)
    made.renewed(1000)
    expect(look(made, 3250, 5000)).toBe(true)
    expect(made.serving(5001)).toBe(false)
  })

  test('§2 with no others in its view it stays open when the database is away', () => {
    expect(look(gate(false, NEVER), 0, 60_000)).toBe(true)
  })

  test('§2 with a link that answers it stays open when the database is away; one that stands and is silent does not count', () => {
    const made = gate(true, 0)
    for (let at = 0; at <= 60_000; at += 250) {
      made.linked(at - 250, true)
      expect(made.serving(at)).toBe(true)
    }
    expect(look(made, 60_000, 63_750)).toBe(true)
    expect(made.serving(64_000)).toBe(false)
  })

  test('§2 it opens again when a link or a renewal is back', () => {
    const made = gate(true, NEVER)
    expect(look(made, 0, 5000)).toBe(false)
    made.linked(5200, true)
    expect(look(made, 5250, 5250)).toBe(true)
    made.linked(NEVER, true)
    expect(look(made, 5500, 5500)).toBe(false)
    made.renewed(5400)
    expect(look(made, 5750, 5750)).toBe(true)
  })

  test('§2 waking up: a gap of more than 2 s shuts it until a renewal sent after it is confirmed', () => {
    const made = gate(true, 0)
    look(made, 0, 1000)
    expect(made.serving(3001)).toBe(false)
    made.renewed(900) // asked before the pause, answered after it
    expect(made.serving(3002)).toBe(false)
    made.renewed(3002)
    expect(made.serving(3003)).toBe(true)
  })

  test('§2 waking up with the database away: a PING sent after waking must be answered', () => {
    const made = gate(true, 0)
    look(made, 0, 1000)
    made.serving(5000)
    made.ponged(5001) // the database may still answer
    expect(made.serving(5002)).toBe(false)
    made.renewalFailed(5000)
    made.ponged(900)
    expect(made.serving(5003)).toBe(false)
    made.linked(5001, true)
    made.ponged(5001)
    expect(made.serving(5004)).toBe(true)
  })

  test('§2 waking up also holds for a node alone: its row may be gone', () => {
    const made = gate(false, NEVER)
    expect(made.serving(10_000)).toBe(false)
  })
})
