/** Runs the load generator against one server and reads what it says. */
import { execFile, execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { FOLDER } from './servers.mjs'

const SOURCE = join(import.meta.dirname, 'load', 'xload.c')
const XLOAD = join(FOLDER, 'xload')
const QUIET_TICKS = 3
const QUIET_TRIES = 240
const RUN_MS = 300_000

/** Compiles the load generator when it is older than its source. */
export function buildLoad() {
  if (existsSync(XLOAD) && statSync(XLOAD).mtimeMs > statSync(SOURCE).mtimeMs) return
  execFileSync('gcc', ['-O2', '-g', '-Wall', '-Wno-deprecated-declarations', '-Wno-format-truncation', '-o', XLOAD, SOURCE, '-lssl', '-lcrypto'],
    { stdio: 'inherit' })
}

/** CPU of processes and of all their children, in ticks of 10 ms. A child may end meanwhile. */
export function ticks(pids) {
  return pids.reduce((sum, pid) => sum + ticksOf(pid), 0)
}

function ticksOf(pid) {
  let text
  let children
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    children = readdirSync(`/proc/${pid}/task`).map((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8'))
  } catch {
    return 0
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12]) + ticks(children.join(' ').split(' ').filter((word) => word !== ''))
}

/** The work of the run before is done: collection, hibernation, presence of those who left. */
export async function quiet(pids) {
  for (let i = 0; i < QUIET_TRIES; i++) {
    const before = ticks(pids)
    await pause(500)
    if (ticks(pids) - before <= QUIET_TICKS) return
  }
}

/** One run. Resolves to the generator's line; rejects when a message was lost, doubled, reordered or changed. */
export async function load(server, args, { duration = 5, warmup = 1.5, reach } = {}) {
  await quiet(server.pids)
  return run(wordsFor(server, args, { duration, warmup, reach }))
}

function wordsFor(server, args, { duration, warmup, reach }) {
  const tls = args.includes('direct')
  const ports = server.ports.map((port) => (tls ? port.tls : port.plain))
  const words = [
    ...args, '--duration', duration, '--warmup', warmup, '--timeout', 240, '--pid', server.pids.join(','), '--port', ports[0],
    ...(reach === 'second' ? ['--port2', ports[1]] : reach === 'all' ? ['--ports', ports.join(',')] : []),
    ...(server.raw === undefined ? [] : ['--raw', server.raw]),
    ...(args.includes('--mech') ? [] : ['--mech', 'SCRAM-SHA-1']),
    '--keys', join(FOLDER, `${server.name}.keys`)
  ]
  return words.map(String)
}

function run(words) {
  return new Promise((resolve, reject) => {
    execFile(XLOAD, words, { timeout: RUN_MS, maxBuffer: 1 << 20 }, (error, stdout, stderr) => {
      const line = stdout.trim().split('\n').pop() ?? ''
      const said = line.startsWith('{') ? JSON.parse(line) : undefined
      if (said?.ok === true) resolve(said)
      else reject(new Error(`the load generator refused the run: ${said?.error ?? (stderr.trim() || String(error))}`))
    })
  })
}

/** Keeps sessions of u`first` and on open, doing nothing. Resolves to how to end them. */
export async function hold(server, first, count) {
  const args = ['--scenario', 'idle', '--first', first, '--n', count, '--settle', 3600]
  const child = spawn(XLOAD, [...wordsFor(server, args, { duration: 1, warmup: 1 }), '--timeout', '7200'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const over = new Promise((resolve) => { child.once('exit', resolve) })
  const held = new Promise((resolve) => {
    child.stderr.on('data', (bytes) => {
      said += bytes
      if (said.includes('held')) resolve(true)
    })
  })
  if (await Promise.race([held, over]) !== true) throw new Error(`${count} sessions could not be held: ${said}`)
  return () => {
    child.kill()
    return over
  }
}

export const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
