/**
 * `--workers`: the parent of the worker processes. Owns them and, through Node's `cluster`, the client ports, whose
 * connections it hands out in turn; nothing else runs here that could hold them up. Starts again what dies.
 */
import cluster, { type Worker } from 'node:cluster'
import { EXIT } from './admin/exit-codes.js'
import type { Log } from './telemetry/log.js'
import { WORKER_DEAD, WORKER_NUMBER, type Began } from './worker.js'

/** Before the first restart; doubled with each death in a row. */
const RESTART_MS = 100
/** Longest pause between restarts; after a refusal it is always this. */
const RESTART_MAX_MS = 30_000
/** A worker that lived so long has not died in a row. */
const STEADY_MS = 60_000
/** A node drains within 120 s; what is left then is ended. */
const DRAIN_MAX_MS = 125_000
/** It cannot start as it is configured, or its name is taken, or the database is away: said by the worker itself. */
const REFUSED: readonly number[] = [EXIT.config, EXIT.temporary]

interface Slot {
  readonly number: number
  worker: Worker | undefined
  startedAt: number
  /** Incarnation of the process that runs; `undefined` until it has one. */
  life: number | undefined
  /** It has been a member once. */
  lived: boolean
  deaths: number
  again: NodeJS.Timeout | undefined
}

export class Workers {
  readonly #slots: readonly Slot[]
  readonly #log: Log
  #ending = false
  #code = 0
  #done: (code: number) => void = () => undefined

  constructor(count: number, log: Log) {
    this.#log = log
    this.#slots = Array.from({ length: count }, (_, i) => ({
      number: i + 1, worker: undefined, startedAt: 0, life: undefined, lived: false, deaths: 0, again: undefined
    }))
  }

  /** Resolves with the exit code when no worker is left. */
  run(): Promise<number> {
    cluster.schedulingPolicy = cluster.SCHED_RR
    cluster.setupPrimary({ silent: false })
    process.on('SIGHUP', () => { for (const { worker } of this.#slots) worker?.process.kill('SIGHUP') })
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => { this.#signal() })
    return new Promise((resolve) => {
      this.#done = resolve
      for (const slot of this.#slots) this.#start(slot, undefined)
    })
  }

  #start(slot: Slot, dead: number | undefined): void {
    const worker = cluster.fork({ [WORKER_NUMBER]: slot.number, ...dead !== undefined && { [WORKER_DEAD]: dead } })
    slot.worker = worker
    slot.startedAt = performance.now()
    slot.life = undefined
    worker.on('message', ({ began }: Partial<Began>) => {
      if (began === undefined) return
      slot.life = began
      slot.lived = true
    })
    worker.on('error', (error) => { this.#log.warn({ worker: slot.number, error: error.message }, 'worker.unreachable') })
    worker.process.once('exit', (code, signal) => { this.#ended(slot, { code, signal, dead: slot.life ?? dead }) })
    this.#log.info({ worker: slot.number, pid: worker.process.pid, dead }, 'worker.started')
  }

  #ended(slot: Slot, { code, signal, dead }: { code: number | null, signal: string | null, dead: number | undefined }): void {
    slot.worker = undefined
    const left = this.#slots.some(({ worker }) => worker !== undefined)
    const how = { worker: slot.number, how: signal ?? `exit code ${code ?? 0}` }
    const refused = code !== null && REFUSED.includes(code)
    if (this.#ending && code === EXIT.ok) this.#log.info(how, 'worker.ended')
    else if (this.#ending) this.#endedBadly(how)
    else if (refused && (!slot.lived || !left)) {
      this.#log.error({ ...how, todo: 'the worker has said why; mend it and start again' }, 'worker.refused')
      this.#end(code)
    } else {
      if (performance.now() - slot.startedAt > STEADY_MS) slot.deaths = 0
      const restartMs = refused ? RESTART_MAX_MS : Math.min(RESTART_MS * 2 ** slot.deaths++, RESTART_MAX_MS)
      this.#log.error({ ...how, restartMs }, 'worker.died')
      slot.again = setTimeout(() => { this.#start(slot, dead) }, restartMs)
    }
    if (this.#ending && !left) this.#done(this.#code)
  }

  /** Its row may not say `left`: that is no clean end of the machine. */
  #endedBadly(how: { readonly worker: number, readonly how: string }): void {
    this.#log.error(how, 'worker.ended-badly')
    if (this.#code === EXIT.ok) this.#code = EXIT.failed
  }

  /** The second one ends everything at once. */
  #signal(): void {
    if (!this.#ending) { this.#end(EXIT.ok); return }
    this.#code = EXIT.failed
    this.#kill()
  }

  /** A worker whose channel closes drains; signals may have reached it by themselves, and nothing is counted twice. */
  #end(code: number): void {
    this.#ending = true
    this.#code = code
    for (const { worker, again } of this.#slots) {
      clearTimeout(again)
      if (worker?.isConnected() === true) worker.process.disconnect()
    }
    setTimeout(() => { this.#kill() }, DRAIN_MAX_MS).unref()
    if (this.#slots.every(({ worker }) => worker === undefined)) this.#done(code)
  }

  #kill(): void {
    for (const { worker } of this.#slots) worker?.process.kill('SIGKILL')
  }
}
