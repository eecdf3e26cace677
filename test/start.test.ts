/** `bin/starling`: what starts the program. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'

const PROGRAM = resolve(import.meta.dirname, '..', 'bin', 'starling')
const folder = mkdtempSync(join(tmpdir(), 'starling-start-'))
afterAll(() => { rmSync(folder, { recursive: true }) })

const start = (env: NodeJS.ProcessEnv, program = PROGRAM): { readonly status: number | null, readonly out: string } => {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '', ...env } })
  return { status, out: stdout.trim() }
}

test('starts from anywhere, also by a link, as npm installs it', () => {
  const link = join(folder, 'starling')
  symlinkSync(PROGRAM, link)
  expect(start({}, link)).toEqual({ status: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+$/) })
})

test('what NODE_OPTIONS says comes last, and STARLING_NODE is the Node that is taken', () => {
  const env = { NODE_OPTIONS: '--max-semi-space-size=4', STARLING_NODE: `${process.execPath} -p process.env.NODE_OPTIONS` }
  expect(start(env).out).toBe('--max-semi-space-size=32 --max-semi-space-size=4')
})
