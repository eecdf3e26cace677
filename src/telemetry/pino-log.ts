/**
 * Logs on pino: JSON lines, or text for people on a terminal. One `Log` for each room, levels by `--log-level` and
 * `--debug`, secrets struck out, lines of one kind capped. Owns the pino instance and the cap.
 */
import { pino, type Logger } from 'pino'
import { systemClock, type Clock } from './clock.js'
import { LineCap } from './line-cap.js'
import type { Log } from './log.js'
import { LogPipe, standardOutput } from './log-pipe.js'
import { withoutSecrets } from './secrets.js'
import { textLine } from './text-line.js'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error'

/** Anything that takes lines, for example `process.stdout`. */
export interface LineSink {
  write(line: string): unknown
}

export interface LogOptions {
  readonly level: LogLevel
  /** Rooms that log at level debug whatever `level` says. */
  readonly debugRooms?: ReadonlySet<string>
  /** Standard output when not given. */
  readonly destination?: LineSink
  /** `auto`: text when the standard output is a terminal. */
  readonly format?: 'auto' | 'json' | 'text'
  /** Addresses whose lines are not capped (`--limits-exempt`). */
  readonly exempt?: (ip: string) => boolean
  readonly clock?: Clock
  /** Fields of every line, for example the node's name. */
  readonly base?: object
}

export interface Logs {
  room(name: string): Log
  /** Lines that the standard output did not take in time. */
  readonly dropped: number
  /** Writes what is capped and stops the timer. */
  stop(): void
}

function sinkOf(raw: LineSink, { destination, format = 'auto' }: LogOptions): LineSink {
  const text = format === 'text' || (format === 'auto' && destination === undefined && process.stdout.isTTY)
  return text ? { write: (line) => raw.write(textLine(line)) } : raw
}

function standardPipe(dropped: (lines: number) => void): LogPipe {
  const pipe = new LogPipe({ fd: standardOutput(), dropped })
  process.once('exit', () => pipe.flush())       // also after a crash: the line before it is the one that matters
  return pipe
}

export function createLogs(options: LogOptions): Logs {
  const clock = options.clock ?? systemClock()
  const pipe = options.destination === undefined ? standardPipe((lines) => root.warn({ lines }, 'log.dropped')) : undefined
  const root: Logger = pino({
    level: options.level,
    base: options.base ?? {},
    messageKey: 'event',
    timestamp: () => `,"time":"${new Date(clock.wall()).toISOString()}"`,
    formatters: { level: (label) => ({ level: label }), log: (fields) => withoutSecrets(fields) }
  }, sinkOf(pipe ?? options.destination ?? process.stdout, options))
  const cap = new LineCap(clock, options.exempt ?? (() => false), (capped) => root.warn(capped, 'log.capped'))
  return {
    room(name) {
      const lower = options.debugRooms?.has(name) === true && options.level !== 'trace'
      return new PinoLog(root.child({ room: name }, { level: lower ? 'debug' : options.level }), cap)
    },
    get dropped() {
      return pipe?.dropped ?? 0
    },
    stop: () => cap.stop()
  }
}

class PinoLog implements Log {
  readonly #logger: Logger
  readonly #cap: LineCap
  /** Of `child`: put into each line, for most children never write one. */
  readonly #fields: object | undefined

  constructor(logger: Logger, cap: LineCap, fields?: object) {
    this.#logger = logger
    this.#cap = cap
    this.#fields = fields
  }

  error(fields: object, event: string): void {
    this.#capped('error', fields, event)
  }

  warn(fields: object, event: string): void {
    this.#capped('warn', fields, event)
  }

  info(fields: object, event: string): void {
    this.#capped('info', fields, event)
  }

  /** Asked for on purpose, so never capped. */
  debug(fields: object, event: string): void {
    this.#asked('debug', fields, event)
  }

  trace(fields: object, event: string): void {
    this.#asked('trace', fields, event)
  }

  child(fields: object): Log {
    return new PinoLog(this.#logger, this.#cap, this.#with(fields))
  }

  isLevelEnabled(level: 'debug' | 'trace'): boolean {
    return this.#logger.isLevelEnabled(level)
  }

  #asked(level: 'debug' | 'trace', fields: object, event: string): void {
    if (this.#logger.isLevelEnabled(level)) this.#logger[level](this.#with(fields), event)
  }

  #capped(level: 'error' | 'warn' | 'info', fields: object, event: string): void {
    if (!this.#logger.isLevelEnabled(level)) return
    const all = this.#with(fields)
    const ip = ipOf(all)
    // Our own faults are never left out, unless a peer can bring them about.
    if ((level === 'error' && ip === undefined) || this.#cap.passes(event, ip)) this.#logger[level](all, event)
  }

  #with(fields: object): object {
    return this.#fields === undefined ? fields : Object.assign({}, this.#fields, fields)     // two spreads cost twenty times as much
  }
}

const ipOf = (fields: object): string | undefined => ('ip' in fields && typeof fields.ip === 'string' ? fields.ip : undefined)
