/** What an overloaded node costs and how its other clients fare, in three times: before, during, after; printed as a table. */
import { readdirSync, readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import type { NodeProcess } from '../support/node-process.js'
import type { Crowd, Percentiles } from './crowd.js'

export type Time = 'before' | 'during' | 'after'

export interface Figures {
  readonly node: string
  readonly time: Time
  /** Mean and most of all looks. */
  readonly rssMb: number
  readonly rssMaxMb: number
  readonly descriptors: number
  /** Share of the time that it computed, and that it waited for a core. */
  readonly busy: number
  readonly starved: number
  readonly canary: Percentiles & { readonly unanswered: number }
}

export interface Canary {
  readonly node: NodeProcess
  readonly crowd: Crowd
  readonly jid: string
}

const LOOK_MS = 250

export function rssMb(node: NodeProcess): number {
  const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${node.pid}/status`, 'utf8'))?.[1]
  return Number(rss) / 1024
}

interface Cpu {
  readonly at: number
  readonly busyMs: number
  readonly starvedMs: number
}

/** Of its main thread: nanoseconds that it ran, and that it could have run. */
function cpuOf(node: NodeProcess): Cpu {
  const [ran = 0, waited = 0] = readFileSync(`/proc/${node.pid}/task/${node.pid}/schedstat`, 'utf8').split(' ').map(Number)
  return { at: performance.now(), busyMs: ran / 1e6, starvedMs: waited / 1e6 }
}

export class Watch {
  readonly figures: Figures[] = []
  readonly notes: string[] = []
  readonly #looks = new Map<string, number[]>()
  #printed = false
  readonly #cpu = new Map<string, Cpu>()
  readonly #timer: NodeJS.Timeout

  constructor(private readonly title: string, private readonly canaries: readonly Canary[]) {
    this.#timer = setInterval(() => { this.#look() }, LOOK_MS)
  }

  async begin(): Promise<void> {
    for (const { node, crowd, jid } of this.canaries) {
      this.#cpu.set(node.name, cpuOf(node))
      await crowd.canary(jid)
    }
  }

  /** Closes one time. */
  async close(time: Time): Promise<void> {
    this.#look()
    for (const { node, crowd, jid } of this.canaries) {
      const canary = await crowd.sung(jid, time !== 'after')
      const looks = this.#looks.get(node.name) ?? [0]
      this.#looks.set(node.name, [])
      const [cpu, was] = [cpuOf(node), this.#cpu.get(node.name) ?? cpuOf(node)]
      this.#cpu.set(node.name, cpu)
      this.figures.push({
        busy: (cpu.busyMs - was.busyMs) / (cpu.at - was.at), starved: (cpu.starvedMs - was.starvedMs) / (cpu.at - was.at),
        node: node.name, time, canary, rssMaxMb: Math.max(...looks), rssMb: looks.reduce((sum, mb) => sum + mb, 0) / looks.length,
        descriptors: readdirSync(`/proc/${node.pid}/fd`).length
      })
    }
    if (time === 'after') clearInterval(this.#timer)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  of(node: NodeProcess, time: Time): Figures {
    const found = this.figures.find((row) => row.node === node.name && row.time === time)
    if (found === undefined) throw new Error(`nothing was seen of ${node.name} ${time}`)
    return found
  }

  note(text: string): void {
    this.notes.push(text)
  }

  /** Once. */
  print(): void {
    if (this.#printed) return
    this.#printed = true
    const ms = (value: number): string => value.toFixed(1).padStart(8)
    const percent = (share: number): string => `${(share * 100).toFixed(0).padStart(3)} %`
    const rows = this.figures.map(({ node, time, rssMb, rssMaxMb, descriptors, busy, starved, canary }) =>
      `| ${node} | ${time.padEnd(6)} | ${rssMb.toFixed(0).padStart(6)} | ${rssMaxMb.toFixed(0).padStart(6)} | ${String(descriptors).padStart(6)} | ${percent(busy)} | ${percent(starved)} `
      + `| ${ms(canary.p50)} | ${ms(canary.p99)} | ${ms(canary.max)} |`)
    process.stdout.write([
      `\n${this.title} (load average ${loadavg().map((load) => load.toFixed(1)).join(' ')})`,
      '| node | time | RSS MB | max MB | fds | busy | starved | ping p50 ms | p99 | max |', '|---|---|---|---|---|---|---|---|---|---|', ...rows, ...this.notes.map((note) => `- ${note}`), ''
    ].join('\n'))
  }

  #look(): void {
    for (const { node } of this.canaries) {
      if (node.pid === 0) continue
      const looks = this.#looks.get(node.name) ?? []
      looks.push(rssMb(node))
      this.#looks.set(node.name, looks)
    }
  }
}
