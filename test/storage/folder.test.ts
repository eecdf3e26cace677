/** The folder of an embedded database is made, or refused at once. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { DatabaseRefused } from '../../src/storage/database.js'
import { openStore } from '../../src/storage/open.js'
import { silentLog } from '../support/silent-log.js'

test('missing folders are made', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'starling-folder-'))
  const open = await openStore({ kind: 'sqlite', file: join(dir, 'a', 'b', 'starling.db') }, silentLog)
  expect(open.facts).toBeDefined()
  await open.close()
  rmSync(dir, { recursive: true })
})

test('a folder that cannot be made is refused, also where the system says so late', async () => {
  await expect(openStore({ kind: 'sqlite', file: '/proc/nope/starling.db' }, silentLog)).rejects.toThrow(DatabaseRefused)
})
