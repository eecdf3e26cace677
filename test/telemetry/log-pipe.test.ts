/** A log whose destination is slow or full (bad input, D17): lines are dropped and counted, nothing waits for it. */
import { describe, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LogPipe } from '../../src/telemetry/log-pipe.js'
import { until } from '../support/until.js'

const LINE = `${'x'.repeat(999)}\n`

function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'starling-pipe-'))
  return run(folder).finally(() => { rmSync(folder, { recursive: true, force: true }) })
}

describe('D17 a log that cannot be written', () => {
  test('a pipe that nobody reads: what is beyond the bound is dropped; when it is read again, the rest comes and the count is told once', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'pipe')
      execFileSync('mkfifo', [path])
      const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
      const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
      const told: number[] = []
      const pipe = new LogPipe({ fd, pendingMax: 200_000, dropped: (lines) => { told.push(lines) } })
      for (let i = 0; i < 1000; i++) pipe.write(LINE)
      expect(pipe.dropped).toBe(800)
      const buffer = Buffer.alloc(65_536)
      let bytes = 0
      await until('all that was kept came', () => {
        try {
          bytes += readSync(reader, buffer, 0, buffer.length, null)
        } catch {
          // nothing there yet
        }
        return bytes === 200_000
      })
      expect(told).toEqual([800])
      closeSync(fd)
      closeSync(reader)
    }))

  test('a disk that is full: lines are counted as dropped and the next ones are tried', () => {
    const fd = openSync('/dev/full', constants.O_WRONLY)
    const told: number[] = []
    const pipe = new LogPipe({ fd, dropped: (lines) => { told.push(lines) } })
    for (let i = 0; i < 10; i++) pipe.write(LINE)
    return until('all are counted', () => pipe.dropped === 10).then(() => {
      pipe.write(LINE)
      return until('the next one too', () => pipe.dropped === 11)
    }).then(() => {
      expect(told).toEqual([])
      closeSync(fd)
    })
  })

  test('at the end what waits is written', () => withFolder((folder) => {
    const path = join(folder, 'file')
    const fd = openSync(path, 'a')
    const pipe = new LogPipe({ fd, dropped: () => {} })
    for (let i = 0; i < 100; i++) pipe.write(`${i}\n`)
    pipe.flush()
    return until('the one that was under way too', () => readFileSync(path, 'utf8').length === 290).then(() => { closeSync(fd) })
  }))
})
