/** Files in the manner of Tigase 7.1 start unchanged: the program itself judges them good, with warnings and no refusal. */
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'
import { PROGRAM } from '../support/node-process.js'

const folder = join(import.meta.dirname, 'tigase')
const files = readdirSync(folder).filter((name) => name.endsWith('.properties'))

test('there are three of them', () => {
  expect(files).toHaveLength(3)
})

test.each(files)('%s', async (file) => {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, 'run', '--check', `--property-file=${join(folder, file)}`])
  expect(stdout.trimEnd().split('\n').at(-1)).toBe('the configuration is good')
})
