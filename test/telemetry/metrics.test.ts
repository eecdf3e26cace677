/** Metrics of one server, and its health. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { Health } from '../../src/telemetry/health.js'
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.js'
import { STREAM_CLOSED } from '../../src/telemetry/reasons.js'
import { HandClock } from './hand-clock.js'

const made: Metrics[] = []
const metrics = (): Metrics => {
  const one = createMetrics()
  made.push(one)
  return one
}
afterEach(() => {
  for (const one of made.splice(0)) one.stop()
})

describe('metrics', () => {
  test('counters keep counting over readings; each reason has its line from the start', async () => {
    const m = metrics()
    m.stanzasIn.add('message', 3)
    m.stanzasOut.add('message')
    m.streamsClosed.add('timeout')
    await m.text()
    m.stanzasIn.add('message')
    const text = await m.text()
    expect(text).toContain('starling_stanzas_total{direction="in",kind="message"} 4\n')
    expect(text).toContain('starling_stanzas_total{direction="out",kind="message"} 1\n')
    for (const reason of STREAM_CLOSED) {
      expect(text).toContain(`starling_streams_closed_total{reason="${reason}"} ${reason === 'timeout' ? 1 : 0}`)
    }
    expect(m.stanzasIn.get('message')).toBe(4)
  })

  test('two servers in one process do not share a number', async () => {
    const [a, b] = [metrics(), metrics()]
    a.nodeChanges.add('joined')
    expect(await b.text()).toContain('starling_cluster_node_changes_total{reason="joined"} 0')
  })

  test('readings ask their source when they are read', async () => {
    const m = metrics()
    let sessions = 1
    m.sessions.from(() => sessions)
    sessions = 5
    m.answerSeconds.observe(0.002)
    const text = await m.text()
    expect(text).toContain('starling_sessions 5\n')
    expect(text).toContain('starling_cluster_answer_seconds_bucket{le="0.0025"} 1')
    expect(text).toMatch(/process_cpu_seconds_total \d/)
    expect(text).toMatch(/starling_event_loop_delay_p99_seconds \d/)
  })

  test('every metric has its words', async () => {
    const text = await metrics().text()
    for (const line of text.split('\n').filter((one) => one.startsWith('# HELP'))) expect(line).toMatch(/^# HELP \w+ [A-Z]/)
  })
})

describe('health', () => {
  test('is the worst of its parts, and remembers since when', () => {
    const clock = new HandClock()
    const changes: string[] = []
    const health = new Health(clock, (part, { state }) => changes.push(`${part} ${state}`))
    health.set('database', 'ok')
    clock.move(1000)
    health.set('database', 'degraded', 'away')
    clock.move(1000)
    health.set('database', 'degraded', 'still away')
    expect(health.report()).toMatchObject({ state: 'degraded', parts: { database: { state: 'degraded', why: 'still away',
      since: 1_700_000_001_000 } } })
    expect(health.alive).toBe(true)
    health.set('loop', 'down')
    expect(health.alive).toBe(false)
    health.set('database', 'ok')
    expect(changes).toEqual(['database degraded', 'loop down', 'database ok'])
  })

  test('a watched part is asked every second and for each report', () => {
    const clock = new HandClock()
    const changes: string[] = []
    const health = new Health(clock, (part, { state, why }) => changes.push(`${part} ${state} ${why}`))
    let problems: readonly string[] = []
    health.watch('cluster', () => problems)
    problems = ['no link to b', 'no link to c']
    clock.move(999)
    expect(changes).toEqual([])
    clock.move(1)
    expect(changes).toEqual(['cluster degraded no link to b; no link to c'])
    problems = []
    expect(health.report()).toMatchObject({ state: 'ok', parts: { cluster: { state: 'ok', why: '' } } })
    health.stop('stopping')
    expect(health.ready).toBe(false)
    problems = ['nobody asks any more']
    clock.move(5000)
    expect(changes).toHaveLength(2)
  })

  test('a node is ready when it says so, and not while it waits', () => {
    const health = new Health(new HandClock())
    expect(health.report()).toMatchObject({ ready: false, waitingFor: 'starting' })
    health.setReady()
    expect(health.ready).toBe(true)
    health.setWaiting('draining')
    expect(health.report()).toMatchObject({ ready: false, waitingFor: 'draining' })
  })
})
