/** A named pipe for a node's standard output, read as slowly as the test says. */
import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const LOOK_MS = 20

export class SlowLog {
  readonly #dir = mkdtempSync(join(tmpdir(), 'starling-log-'))
  readonly #readEnd: number
  readonly writeEnd: number
  readonly #timer: NodeJS.Timeout
  #perSecond = Number.POSITIVE_INFINITY
  #due = 0
  text = ''

  constructor() {
    const path = join(this.#dir, 'log')
    execFileSync('mkfifo', [path])
    this.#readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    this.writeEnd = openSync(path, constants.O_WRONLY)
    this.#timer = setInterval(() => { this.#look() }, LOOK_MS)
  }

  /** So many bytes a second from now on. */
  read(perSecond: number): void {
    this.#perSecond = perSecond
    this.#due = 0
  }

  close(): void {
    clearInterval(this.#timer)
    closeSync(this.#readEnd)
    closeSync(this.writeEnd)
    rmSync(this.#dir, { recursive: true, force: true })
  }

  #look(): void {
    this.#due += this.#perSecond * LOOK_MS / 1000
    const buffer = Buffer.alloc(65_536)
    while (this.#due >= 1) {
      const bytes = this.#read(buffer, Math.min(buffer.length, Math.floor(this.#due)))
      if (bytes === 0) return
      this.text += buffer.toString('latin1', 0, bytes)
      this.#due -= bytes
    }
  }

  #read(buffer: Buffer, length: number): number {
    try {
      return readSync(this.#readEnd, buffer, 0, length, null)
    } catch {
      return 0                 // nothing there
    }
  }
}
