/** When a node takes no new connections: probes read by a hand-moved clock, and the system's own. */
import { describe, expect, test } from '@jest/globals'
import { Strain, systemProbes, type StrainSettings } from '../../src/telemetry/strain.js'
import { strainOptions } from '../../src/transport/options.js'
import { HandClock } from './hand-clock.js'

const SETTINGS = Object.fromEntries(Object.entries(strainOptions).map(([key, { initial }]) => [key, initial])) as unknown as StrainSettings

function scene() {
  const clock = new HandClock()
  const now = { delay: 0, heap: 10, descriptors: 10 as number | undefined, stopped: false }
  const strain = new Strain(SETTINGS, clock, {
    delayMs: () => now.delay, heapPercent: () => now.heap, descriptorsPercent: () => now.descriptors, stop: () => { now.stopped = true }
  })
  strain.start()
  const after = (ms: number): boolean => {
    clock.move(ms)
    return strain.strained
  }
  return { clock, now, strain, after }
}

describe('the event loop', () => {
  test('late by 500 ms for five seconds: strained; for less: not', () => {
    const { now, after, strain } = scene()
    now.delay = 700
    expect(after(5_000)).toBe(false)
    now.delay = 20
    expect(after(1_000)).toBe(false)
    now.delay = 500
    expect(after(5_500)).toBe(false)
    expect(after(1_000)).toBe(true)
    expect(strain.problems()).toEqual(['no new connections: the event loop is 500 ms late'])
    expect([...strain.readings()]).toEqual([['event-loop', 1], ['heap', 0], ['descriptors', 0]])
  })

  test('is over when it has been clearly better for five seconds, so that it does not flap', () => {
    const { now, after, strain } = scene()
    now.delay = 700
    expect(after(7_000)).toBe(true)
    now.delay = 460
    expect(after(60_000)).toBe(true)
    now.delay = 100
    expect(after(4_000)).toBe(true)
    now.delay = 600
    expect(after(1_000)).toBe(true)
    now.delay = 100
    expect(after(5_000)).toBe(true)
    expect(after(1_500)).toBe(false)
    expect(strain.problems()).toEqual([])
  })
})

describe.each([['heap', 'max-old-space-size'], ['descriptors', 'ulimit -n']] as const)('the %s', (what, todo) => {
  test('at 90 %: strained at once, with the word where to look; over below 81 % for five seconds', () => {
    const { now, after, strain } = scene()
    now[what] = 89.9
    expect(after(60_000)).toBe(false)
    now[what] = 90
    expect(after(1_000)).toBe(true)
    expect(strain.problems()[0]).toContain(todo)
    now[what] = 82
    expect(after(60_000)).toBe(true)
    now[what] = 80
    expect(after(4_000)).toBe(true)
    expect(after(2_000)).toBe(false)
  })
})

test('two at once: over when both are', () => {
  const { now, after, strain } = scene()
  now.heap = 95
  now.descriptors = 99
  expect(after(1_000)).toBe(true)
  expect(strain.problems()).toHaveLength(2)
  now.heap = 20
  expect(after(10_000)).toBe(true)
  now.descriptors = 20
  expect(after(10_000)).toBe(false)
})

test('where the system does not tell descriptors they do not count', () => {
  const { now, after } = scene()
  now.descriptors = undefined
  expect(after(10_000)).toBe(false)
})

describe('who waits', () => {
  test('waits for relief, or as long as was said; not at all without strain; nobody is left at the end', async () => {
    const { clock, now, strain, after } = scene()
    await strain.relief(5_000)
    now.heap = 95
    after(1_000)
    const done: string[] = []
    void strain.relief(5_000).then(() => done.push('first'))
    clock.move(4_000)
    await Promise.resolve()
    expect(done).toEqual([])
    clock.move(1_000)
    await new Promise((resolve) => { setImmediate(resolve) })
    expect(done).toEqual(['first'])
    void strain.relief(60_000).then(() => done.push('second'))
    now.heap = 10
    clock.move(7_000)
    await new Promise((resolve) => { setImmediate(resolve) })
    expect([done, strain.strained]).toEqual([['first', 'second'], false])
    now.heap = 95
    after(1_000)
    const last = strain.relief(60_000)
    strain.stop()
    await last
    expect(now.stopped).toBe(true)
  })
})

test('the system answers all three', async () => {
  const probes = systemProbes()
  try {
    await new Promise((resolve) => { setTimeout(resolve, 60) })
    const until = performance.now() + 150
    while (performance.now() < until) { /* the loop is held up */ }
    await new Promise((resolve) => { setTimeout(resolve, 30) })
    expect(probes.delayMs()).toBeGreaterThan(80)
    expect(probes.heapPercent()).toBeGreaterThan(0)
    expect(probes.heapPercent()).toBeLessThan(100)
    expect(probes.descriptorsPercent()).toBeGreaterThan(0)
  } finally {
    probes.stop()
  }
})
