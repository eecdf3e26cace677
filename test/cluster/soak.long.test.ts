/**
 * Many clients on two nodes for minutes: logins, logouts, presence and numbered messages between the nodes. On an unbroken
 * cluster nothing is lost or doubled, every pair keeps its order, and memory is flat.
 * STARLING_SOAK_MINUTES (10), STARLING_SOAK_CLIENTS (500), STARLING_SOAK_STRATEGY (broadcast).
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { freshDatabase } from '../databases.js'
import { Cluster, type StrategyName } from '../support/cluster.js'
import type { NodeProcess } from '../support/node-process.js'
import { SoakPair, type Tally } from '../support/soak-pair.js'
import { until } from '../support/until.js'

const MINUTES = Number(process.env['STARLING_SOAK_MINUTES'] ?? 10)
const CLIENTS = Number(process.env['STARLING_SOAK_CLIENTS'] ?? 500)
const STRATEGY = (process.env['STARLING_SOAK_STRATEGY'] ?? 'broadcast') as StrategyName
/** Messages a second of the whole, so that two cores also carry the clients and the database. */
const RATE = Number(process.env['STARLING_SOAK_RATE'] ?? 250)
/** Of all pairs, one in so many changes its people's devices at each step of churn. */
const CHURN_STEP_MS = 200
/** Growth that is not a leak: a heap's sawtooth between two looks. */
const FLAT_FACTOR = 1.25
const FLAT_MB = 40

interface Load {
  readonly cpuSeconds: number
  readonly rssMb: number
}

function loadOf(node: NodeProcess): Load {
  const stat = readFileSync(`/proc/${node.pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${node.pid}/status`, 'utf8'))?.[1]
  // Fields 14 and 15, in hundredths of a second on every Linux.
  return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100, rssMb: Number(rss) / 1024 }
}

/** The least of some looks: after collections, not before them. */
async function settledMb(node: NodeProcess): Promise<number> {
  const looks: number[] = []
  for (let i = 0; i < 10; i++) {
    looks.push(loadOf(node).rssMb)
    await sleep(500)
  }
  return Math.min(...looks)
}

describe(`${CLIENTS} clients on two nodes with ${STRATEGY} for ${MINUTES} minutes`, () => {
  let cluster: Cluster
  const pairs: SoakPair[] = []
  const tally: Tally = { sent: 0, latenciesMs: [], faults: [] }

  beforeAll(async () => {
    const names = Array.from({ length: CLIENTS }, (_, i) => `user${i}`)
    cluster = await Cluster.of({ nodes: 2, database: await freshDatabase('postgresql'), strategy: STRATEGY, accounts: names })
    for (let i = 0; i + 1 < CLIENTS; i += 2) pairs.push(new SoakPair(cluster, [`user${i}`, `user${i + 1}`], tally))
    for (let i = 0; i < pairs.length; i += 10) await Promise.all(pairs.slice(i, i + 10).map((pair) => pair.start()))
  }, 300_000)
  afterAll(() => cluster.end())

  test('nothing is lost, nothing doubled, memory is flat', async () => {
    const end = performance.now() + MINUTES * 60_000
    const warm = performance.now() + Math.min(120_000, MINUTES * 20_000)
    let warmMb: Promise<number[]> | undefined
    const from = { sent: tally.sent, loads: cluster.nodes.map(loadOf) }
    let churned = 0
    const churn = (async () => {
      for (let i = 0; performance.now() < end; i = (i + 7) % pairs.length) {
        await pairs[i]?.churn(churned++)
        await sleep(CHURN_STEP_MS)
      }
    })()
    for (let tick = 0, turn = 0; performance.now() < end; tick++) {
      for (let n = 0; n < RATE / 40; n++) pairs[turn++ % pairs.length]?.talk()
      if (warmMb === undefined && performance.now() > warm) warmMb = Promise.all(cluster.nodes.map(settledMb))
      await sleep(50)
    }
    await churn
    await until('the last message is there', () => pairs.every((pair) => pair.quiet))
    const loads = cluster.nodes.map(loadOf)
    const endMb = await Promise.all(cluster.nodes.map(settledMb))
    const startMb = await warmMb ?? []
    const messages = tally.sent - from.sent
    const sorted = [...tally.latenciesMs].sort((a, b) => a - b)
    const at = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(2)
    process.stdout.write(`soak: ${messages} messages, ${churned} pairs churned, delivery p50 ${at(0.5)} ms, p99 ${at(0.99)} ms\n`)
    cluster.nodes.forEach((node, n) => {
      const micros = (((loads[n]?.cpuSeconds ?? 0) - (from.loads[n]?.cpuSeconds ?? 0)) / messages * 1e6).toFixed(0)
      const memory = `${startMb[n]?.toFixed(0)} MB warm, ${endMb[n]?.toFixed(0)} MB at the end`
      process.stdout.write(`soak: ${node.name}: ${micros} µs of CPU a message, ${memory}\n`)
    })
    expect(tally.faults).toEqual([])
    for (const pair of pairs) expect(pair.missing()).toEqual([])
    for (const node of cluster.nodes) expect(node.events('process.unhandled-rejection')).toEqual([])
    endMb.forEach((mb, n) => { expect(mb).toBeLessThan((startMb[n] ?? 0) * FLAT_FACTOR + FLAT_MB) })
  }, (MINUTES + 5) * 60_000)
})
