/** The bench measures what it says, refuses what is wrong, and judges right. Nothing here asserts a speed. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { isFree } from '../../src/admin/free-ports.js'
import { freePorts } from '../support/ports.js'
import { Relay, type Fault } from './relay.js'

const BENCH = join(import.meta.dirname, '..', '..', 'bench')
const PORTS_OF_ONE_SERVER = 10

interface Running { readonly ports: readonly { readonly plain: number, readonly tls: number }[], stop: () => Promise<unknown> }
interface Row { readonly scenario: string, readonly [field: string]: unknown }
interface Gate { readonly what: string, readonly verdict: string, readonly got: number }

/** The bench is plain JavaScript; what is used of it here is this. */
interface Measure {
  buildLoad: () => void
  load: (server: unknown, args: readonly unknown[], timing: object) => Promise<Record<string, number>>
}
interface Servers { starling: (options: object) => Promise<Running> }
interface Gates { judge: (rows: readonly object[]) => readonly Gate[] }
interface Report { markdown: (results: object) => string, filled: (page: string, figures: string) => string }
interface Curves {
  CURVES: Record<string, object>
  grown: (curve: object | undefined, rows: readonly (readonly number[])[]) => readonly string[]
}
interface Flame { flameGraph: (folder: string) => string }

const part = async <T>(name: string): Promise<T> => await import(join(BENCH, `${name}.mjs`)) as T

let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'starling-bench-'))
  process.env['BENCH_FOLDER'] = folder
  process.env['BENCH_PORT'] = String(await room())
  const { buildLoad } = await part<Measure>('measure')
  buildLoad()
}, 60_000)

afterAll(() => { rmSync(folder, { recursive: true, force: true }) })

/** So many free ports side by side. */
async function room(): Promise<number> {
  for (;;) {
    const [first = 0] = await freePorts(1)
    const ports = Array.from({ length: PORTS_OF_ONE_SERVER }, (_, i) => first + i)
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return first
  }
}

const row = (scenario: string, ours: number, peer?: number): object => ({
  scenario, unit: 'CPU-µs', more: false, ours, spread: [ours, ours], runs: 3, perSecond: 1000, cores: 1, generatorCores: 0.5, p50: 100, p99: 200, tail: 2,
  peers: peer === undefined ? {} : { ejabberd: { median: peer, ratio: ours / peer, spread: [peer, peer] } }
})
const MACHINE = { date: '2026-01-02', cpu: 'a processor', cores: 2, kernel: 'Linux', node: 'v20' }

/** The command; the test runner's environment is not inherited by itself. */
const bench = (...args: readonly string[]): Promise<{ stdout: string }> =>
  promisify(execFile)(process.execPath, [join(BENCH, 'run.mjs'), ...args], { env: process.env })

describe('a run', () => {
  test('in the short form loses, doubles, reorders and changes nothing, and says one JSON line for each scenario', async () => {
    const { stdout } = await bench('--short', '--json')
    const rows = stdout.trim().split('\n').map((line) => JSON.parse(line) as Row)
    expect(rows.map(({ scenario }) => scenario)).toEqual(['chat-100x8', 'presence-100', 'ping-100x8'])
    for (const one of rows) {
      expect(one).toEqual(expect.objectContaining({
        unit: 'CPU-µs', ours: expect.any(Number), spread: [expect.any(Number), expect.any(Number)], runs: 1, peers: {}, p50: expect.any(Number),
        p99: expect.any(Number), perSecond: expect.any(Number), cores: expect.any(Number), versions: { starling: expect.any(String) }
      }))
    }
  }, 120_000)

  test('beside a relay has it where bytes that are handed on say something, and nowhere else', async () => {
    const { stdout } = await bench('--scenario', 'chat-1,ping-100x8', '--with', 'relay', '--repeat', '1', '--duration', '1', '--json')
    const [pair, ping] = stdout.trim().split('\n').map((line) => JSON.parse(line) as Row)
    expect(pair).toMatchObject({ scenario: 'chat-1', peer: 'relay', theirs: expect.any(Number), versions: { relay: process.version } })
    expect(ping).toMatchObject({ scenario: 'ping-100x8', peers: {} })
  }, 60_000)

  test('of a scenario that nobody knows ends with its name', async () => {
    await expect(bench('--scenario', 'chat-9')).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('unknown: chat-9') })
  })

  describe('whose server', () => {
    let server: Running

    beforeAll(async () => {
      const { starling } = await part<Servers>('servers')
      server = await starling({ accounts: 60 })
    }, 30_000)
    afterAll(async () => { await server.stop() }, 30_000)

    // What a run that failed left on its way is stored: the next one has accounts of its own.
    let first = 0

    const through = async (fault: Fault): Promise<Record<string, number>> => {
      const { load } = await part<Measure>('measure')
      const relay = await Relay.start(server.ports[0]?.plain ?? 0, fault)
      try {
        const args = ['--scenario', 'chat', '--pairs', 5, '--window', 4, '--first', first]
        first += 10
        return await load({ pids: [], ports: [{ plain: relay.port }] }, args, { duration: 1, warmup: 0.2 })
      } finally {
        relay.stop()
      }
    }

    test('delivers each message once, in order and unchanged, passes', async () => {
      const { received, sent } = await through('nothing')
      expect(received).toBeGreaterThan(25)
      expect(received).toBe(sent)
    }, 30_000)

    test.each<[Fault, RegExp]>([
      ['lost', /lost, duplicated or out of order/], ['doubled', /lost, duplicated or out of order/],
      ['reordered', /lost, duplicated or out of order/], ['changed', /body changed/], ['misdirected', /of another pair|before any was sent|delivered here|lost, duplicated/]
    ])('has once a message %s, fails', async (fault, why) => {
      await expect(through(fault)).rejects.toThrow(why)
    }, 30_000)
  })
})

describe('the gates', () => {
  test('are met up to the number that must be, reach their aim up to that, and are missed beyond', async () => {
    const { judge } = await part<Gates>('gates')
    const verdicts = (ours: number): readonly string[] => judge([row('chat-100x1', ours, 100)]).map(({ verdict }) => verdict)
    expect([25, 26, 30, 31].map(verdicts)).toEqual([['aim'], ['met'], ['met'], ['missed']])
  })

  test('that want more are met from the number on', async () => {
    const { judge } = await part<Gates>('gates')
    const verdicts = (ours: number): readonly string[] => judge([row('login-bind', ours, 100)]).map(({ verdict }) => verdict)
    expect([219, 220, 350].map(verdicts)).toEqual([['missed'], ['met'], ['aim']])
  })

  test('take the hop from what the same nodes take without it, and two workers from what fits into two cores', async () => {
    const { judge } = await part<Gates>('gates')
    const judged = judge([row('same-100x8', 6), row('cluster-100x8', 9), row('workers-1', 6), row('workers-2', 7)])
    const got = (what: string): number | undefined => judged.find((gate) => gate.what.startsWith(what))?.got
    expect(got('hop to the other node')).toBe(3)
    expect(got('two workers: messages')).toBeCloseTo(12 / 7)
  })

  test('that nothing was measured for are not spoken of', async () => {
    const { judge } = await part<Gates>('gates')
    expect(judge([])).toEqual([])
  })
})

describe('the report', () => {
  test('stands between the marks of a page, again and again', async () => {
    const { filled } = await part<Report>('report')
    const page = '# P\n\n<!-- figures: written by bench/report.mjs -->\n<!-- end of the figures -->\n\nafter\n'
    const once = filled(page, 'figures')
    expect(once).toMatch(/^# P\n.*\nfigures\n.*\n\nafter\n$/s)
    expect(filled(once, 'figures')).toBe(once)
    expect(() => filled('# P', 'figures')).toThrow('no place for figures')
  })

  test('has each side, the ratio, what differs from an operator\'s server, and each gate with its verdict', async () => {
    const { markdown } = await part<Report>('report')
    const rows = [row('chat-100x8', 5, 50), row('workers-1', 6), row('workers-2', 7)]
    const failed = [{ scenario: 'chat-1', who: 'ejabberd', why: 'message lost' }]
    const text = markdown({ machine: MACHINE, versions: { starling: '1', ejabberd: '2' }, rows, failed })
    expect(text).toContain('| chat-100x8 | CPU-µs | 5.00 (5.00–5.00) | 50.0 (50.0–50.0) | 0.10 |')
    expect(text).toContain('**Failed**: chat-1, ejabberd: message lost')
    expect(text).toContain('* `--overload-descriptors-percent=100`')
    expect(text).toContain('* ejabberd: two schedulers')
    expect(text).toContain('1.71 times as many')
    expect(text).toMatch(/\| chat-100x8: CPU a message, of ejabberd's \| 0.22 \| 0.15 \| 0.10 \| aim \|/)
  })

  test('says of a curve that it grows faster than its work, and of none that differs by noise', async () => {
    const { CURVES, grown } = await part<Curves>('curves')
    expect(grown(CURVES['presence'], [[10, 4], [100, 3], [1000, 3.6]])).toEqual([])
    expect(grown(CURVES['presence'], [[10, 4], [100, 3], [1000, 6]])).toEqual(['a delivery: 2.00 times'])
    expect(grown(CURVES['body'], [[100, 6], [1000, 10], [10_000, 200]])).toEqual(['each kB: 2.00 times'])
  })
})

test('a profile becomes a picture of what ran, with the time of each function', async () => {
  const { flameGraph } = await part<Flame>('flame')
  const profiles = join(folder, 'profiles')
  mkdirSync(profiles)
  const call = (functionName: string): object => ({ functionName, url: 'file:///a/b/c.js', lineNumber: 1 })
  const nodes = [
    { id: 1, callFrame: call('(root)'), children: [2, 4] }, { id: 2, callFrame: call('outer'), children: [3] },
    { id: 3, callFrame: call('in<ner>') }, { id: 4, callFrame: call('(idle)') }
  ]
  writeFileSync(join(profiles, 'one.cpuprofile'), JSON.stringify({ nodes, samples: [2, 3, 4], timeDeltas: [1000, 2000, 50_000] }))
  const svg = readFileSync(flameGraph(profiles), 'utf8')
  expect(svg).toContain('<title>outer b/c.js:2: 3.0 ms</title>')
  expect(svg).toContain('<title>in&#60;ner&#62; b/c.js:2: 2.0 ms</title>')
  expect(svg).not.toContain('idle')
})
