/**
 * The servers that are measured: Starling as its users start it, and Debian's ejabberd and Prosody on loopback. Each `start`
 * resolves to the processes, the ports by node, and how to end them; nothing that it did not start is touched.
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { makeAccounts } from './accounts.mjs'

const HERE = import.meta.dirname
const PROGRAM = join(HERE, '..', 'bin', 'starling')
const START_MS = 30_000
/** Ten ports a node from here on; further workers of one machine take those after its own. */
const BASE_PORT = Number(process.env.BENCH_PORT ?? 18_400)

/** Everything that the bench writes. */
export const FOLDER = process.env.BENCH_FOLDER ?? '/tmp/starling-bench'

/** What differs from what an operator gets without settings; it stands beside every table. */
export const EXEMPTIONS = [
  'no limits by address on loopback (the default of `--limits-exempt`; the peers have none)',
  'no rates of a stream there either (the same option; the peers run without shapers)',
  '`--overload-descriptors-percent=100`: 19,000 sessions use most of 20,000 descriptors',
  '`--vhost-tls-required=false` for the runs without TLS (the same at the peers)',
  '4,096 iterations in stored SCRAM keys, as ejabberd has them (`--scram-iterations` is 10,000 unless set): clients derive keys, no server does'
]

/** What differs from Debian's packages at the peers. */
export const PEER_SETTINGS = {
  ejabberd: 'ejabberd: two schedulers, SCRAM keys in Mnesia, roster, ping, disco, rooms, registration, stream management; no shapers, no archive, no carbons',
  prosody: 'Prosody: epoll, hashed passwords, roster, ping, disco, rooms, registration, stream management; the collector as packaged',
  'prosody-gen': 'prosody-gen: the same with `gc = { mode = "generational" }`',
  relay: 'relay: no server, a process of Node that hands on lines of the same length without looking at them; what the machine takes by itself'
}

/** A message of the scenario as its receiver gets it. */
const RELAYED_BYTES = 217

/** How to end what runs, in case that the bench is ended itself. */
const running = new Set()
process.on('exit', () => { for (const end of running) end() })

const listens = (port) => new Promise((resolve) => {
  const socket = connect({ port, host: '127.0.0.1' }, () => { socket.destroy(); resolve(true) })
  socket.on('error', () => resolve(false))
})

async function waitFor(child, ports) {
  const until = Date.now() + START_MS
  for (const port of ports) {
    while (!await listens(port)) {
      if (child.exitCode !== null || Date.now() > until) throw new Error(`nothing listens on ${port}; see ${FOLDER}`)
      await pause(50)
    }
  }
}

function properties(folder, index, { nodes, extra, strategy, workers }) {
  const port = BASE_PORT + 10 * index
  const lines = [
    '--virt-hosts=localhost', '--vhost-tls-required=false', '--user-db=sqlite',
    `--user-db-uri=jdbc:sqlite:${join(folder, 'starling.db')}`, '--listen=127.0.0.1',
    `--c2s-ports=${port}`, `--c2s-tls-ports=${port + 1}`, `--http-ports=${port + 2}`, '--https-ports=', '--ws2s-ports=', '--ws2s-tls-ports=',
    `--admin-listen=127.0.0.1:${port + 3}`, `--ssl-certs-location=${join(folder, 'certs')}`, '--log-level=info', '--overload-descriptors-percent=100',
    `--cl-comp-ports=${port + 6}`, `--workers=${workers}`, `--sm-cluster-strategy-class=${strategy}`, ...extra
  ]
  if (nodes > 1) {
    lines.push('--cluster-mode=true', '--cluster-allow-loopback=true', `--tigase-primary-address=node${index + 1}.localhost`,
      '--cluster-listen=127.0.0.1', `--cluster-advertise=127.0.0.1:${port + 6}`)
  }
  const file = join(folder, `node${index + 1}.properties`)
  writeFileSync(file, `${lines.join('\n')}\n`)
  return { file, plain: port, tls: port + 1, admin: port + 3 }
}

/** Every member says that it is linked to all the others. */
async function linked(admins, members) {
  const until = Date.now() + START_MS
  for (const port of admins) {
    for (;;) {
      const page = await globalThis.fetch(`http://127.0.0.1:${port}/cluster`).then((answer) => answer.json()).catch(() => ({ members: [] }))
      if (page.members.length === members && page.members.every((member) => member.linked && member.state === 'up')) break
      if (Date.now() > until) throw new Error(`the member at ${port} is not linked to all of ${members}; see ${FOLDER}`)
      await pause(100)
    }
  }
}

/**
 * @param options nodes, workers (of each node), strategy, accounts (u0 to uN-1, password `pw`), roster (contacts of each of the first 100),
 *   extra (lines of init.properties), node (arguments of Node)
 */
export async function starling({
  nodes = 1, workers = 1, strategy = 'broadcast', accounts = 200, extra = [], node = [], roster = 0
} = {}) {
  const folder = join(FOLDER, 'starling')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  await makeAccounts(join(folder, 'starling.db'), accounts, roster)
  const children = []
  const ports = []
  const admins = []
  const begin = async (index) => {
    const { file, plain, tls, admin } = properties(folder, index, { nodes, extra, strategy, workers })
    const taken = await Promise.all([plain, tls, admin].map(listens))
    if (taken.includes(true)) throw new Error(`another program listens on a port from ${plain} on; BENCH_PORT moves ours`)
    const out = join(folder, `node${index + 1}.log`)
    const child = spawn('/bin/sh', ['-c', `exec "$0" "$@" > ${out} 2>&1`, PROGRAM, 'run', '--property-file', file],
      { stdio: 'ignore', cwd: folder, env: { ...process.env, STARLING_NODE: [process.execPath, ...node].join(' ') } })
    const kill = () => child.kill()
    running.add(kill)
    child.once('exit', () => running.delete(kill))
    children[index] = child
    ports[index] = { plain, tls }
    for (let worker = 0; worker < workers; worker++) admins.push(admin + worker)
    await waitFor(child, [plain, tls])
  }
  try {
    await begin(0)                                        // it makes the certificates that all of them use
    await Promise.all(Array.from({ length: nodes - 1 }, (_, further) => begin(further + 1)))
    if (admins.length > 1) await linked(admins, admins.length)
  } catch (error) {
    for (const child of children) child?.kill()
    throw error
  }
  return { name: 'starling', pids: children.map(({ pid }) => pid), ports, folder, stop: () => Promise.all(children.map(end)) }
}

function end(child) {
  if (child.exitCode !== null) return undefined
  return new Promise((resolve) => {
    const hard = setTimeout(() => child.kill('SIGKILL'), 20_000)
    child.once('exit', () => { clearTimeout(hard); resolve(undefined) })
    child.kill()
  })
}

function script(name, args, env = {}) {
  const options = { encoding: 'utf8', env: { ...process.env, BENCH_TMP: FOLDER, ...env }, stdio: ['ignore', 'pipe', 'inherit'] }
  return execFileSync(join(HERE, 'peers', name), args, options).trim()
}

/** ejabberd as packaged: accounts with SCRAM keys, two schedulers. */
export async function ejabberd({ nodes = 1 } = {}) {
  const pids = [Number(script('ejabberd.sh', ['start', '1', 'scram']))]
  const stop = () => {
    running.delete(stop)
    for (let n = pids.length; n > 0; n--) script('ejabberd.sh', ['stop', String(n)])
    script('ejabberd.sh', ['stop', 'epmd'])
  }
  running.add(stop)
  try {
    if (nodes > 1) {
      pids.push(Number(script('ejabberd.sh', ['start', '2', 'scram'])))
      await pause(2000)
      script('ejabberd.sh', ['join'])
      await pause(3000)
    }
  } catch (error) {
    stop()
    throw error
  }
  await pause(2000)
  return { name: 'ejabberd', pids, ports: [{ plain: 16222, tls: 16223 }, { plain: 17222, tls: 17223 }].slice(0, nodes), stop: async () => stop() }
}

const prosodyWith = (name, extra) => async () => {
  const pid = Number(script('prosody.sh', ['start', 'epoll', 'hashed'], { PROSODY_EXTRA: extra }))
  const stop = () => {
    running.delete(stop)
    script('prosody.sh', ['stop'])
  }
  running.add(stop)
  await pause(500)
  return { name, pids: [pid], ports: [{ plain: 15222, tls: 15223 }], stop: async () => stop() }
}

async function relay() {
  const port = BASE_PORT + 9
  const child = spawn(process.execPath, [join(HERE, 'peers', 'relay.mjs'), String(port)], { stdio: 'ignore' })
  const kill = () => child.kill()
  running.add(kill)
  child.once('exit', () => running.delete(kill))
  await waitFor(child, [port])
  return { name: 'relay', raw: RELAYED_BYTES, pids: [child.pid], ports: [{ plain: port }], stop: () => end(child) }
}

/** By the name that `--with` takes. */
export const PEERS = {
  ejabberd, relay,
  prosody: prosodyWith('prosody', ''),
  'prosody-gen': prosodyWith('prosody-gen', 'gc = { mode = "generational" }')
}

/** Packages of Debian that the load generator is built with, and those that the peers need. */
export const PACKAGES = { load: ['gcc', 'libc6-dev', 'libssl-dev'], peers: ['openssl', 'iproute2', 'ejabberd', 'erlang-base', 'prosody', 'lua-event'] }
