/**
 * Lines on their way to the standard output, which may be a slow disk or a pipe that nobody reads: written beside the
 * event loop, and dropped beyond a bound. A log that stands still holds up no client. Owns the lines that wait.
 */
import { constants, fstatSync, openSync, write, writeSync } from 'node:fs'
import { types } from 'node:util'

/** Characters that may wait for the disk: about twenty thousand lines. */
export const LOG_PENDING_MAX = 4 * 1024 * 1024
/** One write: what a pipe takes at once. */
const WRITE_CHARS = 65_536
/** How soon a pipe that was full is tried again. */
const AGAIN_MS = 20
/** What waits when the process ends is given so long: the end must not wait for a disk. */
const END_MS = 1000
const EMPTY = Buffer.alloc(0)

export interface LogPipeOptions {
  readonly fd: number
  /** Lines were dropped, and the first one after them was written. */
  readonly dropped: (lines: number) => void
  readonly pendingMax?: number
}

export class LogPipe {
  readonly #options: LogPipeOptions
  #lines: string[] = []
  #pending = 0
  #dropped = 0
  #told = 0
  #busy = false
  /** What a full pipe did not take. */
  #left: Buffer = EMPTY

  constructor(options: LogPipeOptions) {
    this.#options = options
  }

  /** Lines that were not written, ever. */
  get dropped(): number {
    return this.#dropped
  }

  write(line: string): void {
    if (this.#pending + line.length > (this.#options.pendingMax ?? LOG_PENDING_MAX)) {
      this.#dropped++
      return
    }
    this.#lines.push(line)
    this.#pending += line.length
    if (!this.#busy) this.#next()
  }

  /** At the end of the process: what waits, unless nobody takes it. */
  flush(): void {
    const until = performance.now() + END_MS
    let rest = Buffer.concat([this.#left, Buffer.from(this.#lines.join(''))])
    this.#lines = []
    while (rest.length > 0 && performance.now() < until) {
      try {
        rest = rest.subarray(writeSync(this.#options.fd, rest))
      } catch (error) {
        if (!isAgain(error)) return
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, AGAIN_MS)
      }
    }
  }

  #next(): void {
    let chars = 0
    let count = 0
    for (; chars < WRITE_CHARS && count < this.#lines.length; count++) chars += this.#lines[count]?.length ?? 0
    this.#busy = count > 0
    if (this.#busy) this.#put(Buffer.from(this.#lines.splice(0, count).join('')), { chars, count })
  }

  #put(bytes: Buffer, size: { readonly chars: number; readonly count: number }): void {
    this.#left = EMPTY
    write(this.#options.fd, bytes, 0, bytes.length, null, (error, written) => {
      if (isAgain(error) || (error === null && written < bytes.length)) {
        this.#left = bytes.subarray(error === null ? written : 0)
        setTimeout(() => this.#put(this.#left, size), AGAIN_MS).unref()
        return
      }
      this.#pending -= size.chars
      if (error === null) this.#tell()
      else this.#dropped += size.count         // a full disk, a reader that has gone
      this.#next()
    })
  }

  #tell(): void {
    const lines = this.#dropped - this.#told
    this.#told = this.#dropped
    if (lines > 0) this.#options.dropped(lines)
  }
}

/** A pipe gets a description of its own that never blocks: one that stands still would hold a thread, and the end of the process. */
export function standardOutput(): number {
  try {
    if (fstatSync(1).isFIFO()) return openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK)
  } catch {
    // not on this system, or its reader has gone
  }
  return 1
}

function isAgain(error: unknown): boolean {
  return types.isNativeError(error) && 'code' in error && error.code === 'EAGAIN'
}
