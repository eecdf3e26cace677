/** `docs/sizing.md` counts with the frames as they are, and its tables are those that `bench/sizing.mjs` computes. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'

const root = join(import.meta.dirname, '..')

test('the tables are fresh: npm run build && node bench/sizing.mjs --write', () => {
  const page = readFileSync(join(root, 'docs', 'sizing.md'), 'utf8')
  const lines = execFileSync(process.execPath, [join(root, 'bench', 'sizing.mjs')], { encoding: 'utf8' }).trim().split('\n')
  expect(lines.length).toBeGreaterThan(20)
  for (const line of lines) expect(page).toContain(line)
})
