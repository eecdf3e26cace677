/** How busy this process is, for its row: measured, in percent. */
import { cpus } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import type { Clock } from '../telemetry/clock.js'

export class LoadMeter {
  #cpu = process.cpuUsage()
  #at: number

  constructor(private readonly clock: Clock) {
    this.#at = clock.now()
  }

  /** Of all cores since the last call, and of the heap's limit. */
  read(): { readonly cpuUsage: number; readonly memUsage: number } {
    const spent = process.cpuUsage(this.#cpu)
    const now = this.clock.now()
    const elapsedMs = Math.max(1, now - this.#at)
    this.#cpu = process.cpuUsage()
    this.#at = now
    const heap = getHeapStatistics()
    return {
      cpuUsage: percent((spent.user + spent.system) / 1000 / elapsedMs / cpus().length),
      memUsage: percent(heap.used_heap_size / heap.heap_size_limit)
    }
  }
}

const percent = (share: number): number => Math.round(Math.min(1, share) * 10_000) / 100
