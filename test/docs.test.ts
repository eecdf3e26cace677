/**
 * The documents' commands run. Every line that begins with `$ ` in a ```console block of the README and of `docs/` is
 * executed, in order, beside a demo started the README's way; what is printed under it must be what comes out, but for
 * numbers and widths.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { until } from './support/until.js'

const root = join(import.meta.dirname, '..')
const program = join(root, 'dist', 'main.js')
const DEMO = 'npm ci && npm run demo'

interface Step {
  readonly file: string
  readonly command: string
  readonly output: readonly string[]
}

const stepsOf = (file: string): Step[] => {
  const blocks = [...readFileSync(join(root, file), 'utf8').matchAll(/^```console\n(.*?)^```$/gms)].map((block) => block[1] ?? '')
  return blocks.flatMap((block) => block.split(/^\$ /m).slice(1).map((part) => {
    const [command = '', ...output] = part.trimEnd().split('\n')
    return { file, command, output: output.filter((line) => line !== '') }
  }))
}

const documents = ['README.md', ...readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]
const steps = documents.flatMap(stepsOf)
const others = steps.filter(({ command }) => command !== DEMO)

/** The shape of a line: numbers may differ, and with them the widths of columns. */
const shape = (line: string): string => line.replace(/\d+(\.\d+)*/g, '0').replace(/\s+/g, ' ').replace(/\/\S*\/data\/demo/, 'data/demo').trim()

describe('the documents', () => {
  let dir: string
  let demo: ChildProcess
  let printed = ''

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'starling-docs-'))
    demo = spawn(process.execPath, [program, 'demo'], { cwd: dir, stdio: ['ignore', 'pipe', 'inherit'] })
    demo.stdout?.on('data', (chunk: Buffer) => { printed += chunk.toString('utf8') })
    await until('both nodes are linked', () => /node1\s+\d+\s+up\s+\d+\s+1 .*\nnode2\s+\d+\s+up\s+\d+\s+1 /.test(printed), 45_000)
  }, 60_000)

  afterAll(async () => {
    const ended = new Promise((done) => demo.once('exit', done))
    demo.kill('SIGINT')
    await ended
    rmSync(dir, { recursive: true, force: true })
  }, 30_000)

  test('the README starts with the demo and shows what it prints', () => {
    const [first] = steps
    expect(first?.command).toBe(DEMO)
    const lines = printed.split('\n').map(shape)
    for (const line of first?.output ?? []) expect(lines).toContain(shape(line))
  })

  test('there are commands to run', () => {
    expect(others.length).toBeGreaterThan(2)
  })

  test.each(others.map((step) => [step.file, step.command, step] as const))('%s: %s', async (_file, command, step) => {
    expect(command).toMatch(/^npx starling /)
    const words = command.replace('npx starling ', '').split(' ')
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...words], { cwd: dir })
    const lines = stdout.split('\n').map(shape)
    for (const line of step.output) expect(lines).toContain(shape(line))
  }, 30_000)
})
