/** What a node under test holds, from within (`preload.cjs`) and from without (/proc). */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NodeProcess } from '../support/node-process.js'
import { eventually } from './runner.js'

export interface Held {
  readonly rss: number
  readonly heapUsed: number
  readonly timers: number
  readonly descriptors: number
}

export class Levers {
  readonly #dir = mkdtempSync(join(tmpdir(), 'starling-levers-'))
  #asked = new Map<number, number>()

  get env(): NodeJS.ProcessEnv {
    return { NODE_OPTIONS: `--require ${join(import.meta.dirname, 'preload.cjs')}`, LEVERS: join(this.#dir, 'held') }
  }

  /** After a collection of garbage. */
  async held(node: NodeProcess): Promise<Held> {
    const asked = (this.#asked.get(node.pid) ?? 0) + 1
    this.#asked.set(node.pid, asked)
    node.signal('SIGUSR2')
    let told: (Omit<Held, 'descriptors'> & { told: number }) | undefined
    await eventually(() => (told = this.#read(node.pid))?.told === asked, () => `${node.name} tells nothing`)
    if (told === undefined) throw new Error('nothing told')
    return { rss: told.rss, heapUsed: told.heapUsed, timers: told.timers, descriptors: descriptorsOf(node) }
  }

  /** The wall clock of every node under these levers goes so far ahead, or behind. */
  async moveClock(ms: number, nodes: readonly NodeProcess[]): Promise<void> {
    writeFileSync(join(this.#dir, 'held.clock'), String(ms))
    for (const node of nodes) await this.held(node)
  }

  clear(): void {
    rmSync(this.#dir, { recursive: true, force: true })
  }

  #read(pid: number): (Omit<Held, 'descriptors'> & { told: number }) | undefined {
    try {
      return JSON.parse(readFileSync(join(this.#dir, `held.${pid}`), 'utf8')) as Omit<Held, 'descriptors'> & { told: number }
    } catch {
      return undefined
    }
  }
}

export const descriptorsOf = ({ pid }: NodeProcess): number => readdirSync(`/proc/${pid}/fd`).length
