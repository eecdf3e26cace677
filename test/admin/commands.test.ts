/** `starling` as a process: accounts in a real database, exit codes, what stands on which output. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'

const dir = mkdtempSync(join(tmpdir(), 'starling-commands-'))
afterAll(() => rmSync(dir, { recursive: true }))
const file = join(dir, 'init.properties')
writeFileSync(file, `--user-db=sqlite\n--user-db-uri=jdbc:sqlite:${join(dir, 'sub', 's.db')}\n--virt-hosts=example.org\n`)

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

const starling = (words: readonly string[], input = '', env: Readonly<Record<string,
  string>> = { STARLING_PROPERTY_FILE: file }): Promise<Ended> =>
  new Promise((resolve) => {
    const main = join(import.meta.dirname, '..', '..', 'dist', 'main.js')
    const child = execFile(process.execPath, [main, ...words], { cwd: dir, env: { ...process.env, ...env } }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err })
    })
    child.stdin?.end(input)
  })

describe('starling user', () => {
  test('works on an empty database: add, add again, passwd from the standard input, list, delete', async () => {
    expect(await starling(['user', 'add', 'romeo@example.org', 'secret'])).toEqual({ code: 0, out: 'added romeo@example.org\n', err: '' })
    expect(await starling(['user', 'add', 'romeo@example.org', 'secret']))
      .toEqual({ code: 1, out: '', err: 'starling: the account romeo@example.org exists already\n' })
    expect(await starling(['user', 'passwd', 'romeo@example.org'], 'new secret\n')).toMatchObject({ code: 0 })
    expect(await starling(['user', 'list'])).toMatchObject({ code: 0, out: 'romeo@example.org\n' })
    expect(await starling(['user', 'delete', 'romeo@example.org'])).toMatchObject({ code: 0 })
    expect(await starling(['user', 'delete', 'romeo@example.org'])).toMatchObject({ code: 1 })
  }, 60_000)

  test('a configuration that is wrong: exit code 78 and one line for each fault', async () => {
    const { code, err } = await starling(['user', 'list', '--virt-hsots=x', '--db-wait=x'])
    expect(code).toBe(78)
    expect(err.trim().split('\n')).toHaveLength(2)
  })

  test('a database that is away: exit code 75; a file that is none: 78', async () => {
    expect(await starling(['user', 'list', '--user-db=pgsql',
      '--user-db-uri=jdbc:postgresql://127.0.0.1:1/x?user=u'])).toMatchObject({ code: 75 })
    expect(await starling(['user', 'list', `--user-db-uri=jdbc:sqlite:${file}`])).toMatchObject({ code: 78 })
  })
})

describe('starling cluster', () => {
  test('nodes of a database that no node has used; fence of nobody', async () => {
    expect(await starling(['cluster', 'nodes', '--json'])).toEqual({ code: 0, out: '[]\n', err: '' })
    expect(await starling(['cluster', 'fence', 'node1', '1'])).toMatchObject({ code: 1 })
  })
})

describe('starling', () => {
  test('without a command: usage, exit code 64', async () => {
    expect(await starling([])).toMatchObject({ code: 64, out: '' })
  })
})
