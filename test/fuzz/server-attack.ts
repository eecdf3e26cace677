/**
 * Thousands of hostile connections against two real nodes, in batches: afterwards everybody else is served by both nodes,
 * nothing of the program has failed, bob was sent only what a strict parser takes, and memory and descriptors are back.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { StringDecoder } from 'node:string_decoder'
import { SaxesParser } from 'saxes'
import { openStore } from '../../src/storage/open.js'
import { DOMAIN, Stage } from '../hostile/stage.js'
import { Stranger } from '../hostile/stranger.js'
import { silentLog } from '../support/silent-log.js'
import { Random } from './random.js'
import { ACCOUNTS, oneCase, type Field } from './server-cases.js'

const BATCH = 40
const AT_ONCE = 8
/** Descriptors that a database, a log or another node's link may have opened meanwhile. */
const DESCRIPTORS_MORE = 24
const MIB = 1_048_576
/** A heap that has been full once is not given back at once. */
const MEMORY_MORE = 256 * MIB
const BACK_MS = 90_000
/** Batches before memory is taken for what the server needs: code is compiled and caches are filled by then. */
const WARM_BATCHES = 5
/** What a peer of the cluster may make a node say. */
const OF_PEERS = ['cluster.route.unreadable']

export interface Use {
  readonly memory: number
  readonly descriptors: number
}

export interface Attacked {
  readonly cases: number
  readonly before: readonly Use[]
  readonly after: readonly Use[]
}

const useOf = (pid: number): Use => ({
  memory: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024,
  descriptors: readdirSync(`/proc/${pid}/fd`).length
})

/** @throws Error that names the seeds of the batch */
export async function attack(firstSeed: number, cases: number): Promise<Attacked> {
  const stage = await Stage.set({ lines: ['--bosh-inactivity=5'], accounts: ACCOUNTS })
  const store = await openStore(stage.cluster.database.settings, silentLog)
  const stranger = await Stranger.in(store.cluster, { name: 'stranger', address: '127.0.0.9', port: stage.node.ports.cluster })
  try {
    return await fought({ stage, stranger, pinged: inTurn(() => stage.canaries[0]?.ping()) }, firstSeed, cases)
  } finally {
    await stranger.leave()
    await store.close()
    await stage.clear()
  }
}

/** A test client waits for one thing at a time. */
function inTurn(act: () => Promise<void> | undefined): () => Promise<void> {
  let last = Promise.resolve()
  return () => (last = last.then(act))
}

async function fought(field: Field, firstSeed: number, cases: number): Promise<Attacked> {
  const { stage } = field
  const pids = stage.cluster.nodes.map(({ pid }) => pid)
  const listening = strictlyRead(stage)
  let before = pids.map(useOf)
  for (let seed = firstSeed, batch = 0; seed < firstSeed + cases; seed += BATCH, batch++) {
    const count = Math.min(BATCH, firstSeed + cases - seed)
    const lines = stage.mark()
    try {
      await fight(field, seed, count)
      await served(stage)
      judge(stage, pids, lines().filter(({ level, event }) => level === 'error' || String(event).startsWith('process.')))
      listening()
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new Error(`server: seeds ${seed} to ${seed + count - 1} (FUZZ_SEED=${seed} SERVER_FUZZ_CASES=${count}): ${why}`,
        { cause: error })
    }
    if (batch === WARM_BATCHES) before = pids.map(useOf)
  }
  return { cases, before, after: await back(pids, before) }
}

/** Some at a time, each from its own seed. */
async function fight(field: Field, first: number, count: number): Promise<void> {
  let next = first
  const worker = async (): Promise<void> => {
    while (next < first + count) {
      const seed = next++
      const heard = await oneCase(field, new Random(seed)).catch((error: unknown) => {
        throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
      })
      if (/internal-server-error|HTTP\/1\.1 500/.test(heard)) throw new Error(`seed ${seed}: an error of ours: ${heard.slice(-1_000)}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

/** Honest people on both nodes are answered, and a new one can log in. */
async function served(stage: Stage): Promise<void> {
  await Promise.all([...stage.canaries, stage.bob].map((client) => client.ping()))
  stage.bob.inbox.splice(0)
  for (const canary of stage.canaries) canary.inbox.splice(0)
  const fresh = await stage.cluster.login(1, 'canary', { domain: DOMAIN, resource: 'fresh' })
  await fresh.close()
}

function judge(stage: Stage, pids: readonly number[], errors: readonly Readonly<Record<string, unknown>>[]): void {
  const alive = stage.cluster.nodes.map(({ pid }) => pid)
  if (alive.join() !== pids.join()) throw new Error('a node has ended')
  const ours = errors.filter(({ event }) => !OF_PEERS.includes(String(event)))
  if (ours.length > 0) throw new Error(`the log says ${JSON.stringify(ours.slice(0, 3))}`)
  if (stage.trapped > 0) throw new Error('a node has connected where it was told to by bad input')
}

/** Bob's stream must be taken by a strict parser that is not ours. Throws when it was not. */
function strictlyRead({ bob }: Stage): () => void {
  const parser = new SaxesParser({ xmlns: true })
  const decoder = new StringDecoder('utf8')
  let fault = ''
  parser.on('error', (error) => { fault ||= error.message })
  parser.write("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
  bob.socket.on('data', (chunk: Buffer) => {
    const text = decoder.write(chunk)
    parser.write(text)
    if (fault !== '' && !fault.includes('\nin ')) fault += `\nin ${text.slice(0, 2_000)}`
  })
  return () => { if (fault !== '') throw new Error(`bob was sent what his parser refuses: ${fault}`) }
}

async function back(pids: readonly number[], before: readonly Use[]): Promise<readonly Use[]> {
  const until = performance.now() + BACK_MS
  for (;;) {
    const after = pids.map(useOf)
    const good = after.every(({ memory, descriptors }, i) =>
      memory <= (before[i]?.memory ?? 0) + MEMORY_MORE && descriptors <= (before[i]?.descriptors ?? 0) + DESCRIPTORS_MORE)
    if (good) return after
    if (performance.now() > until) throw new Error(`not all came back: ${useText(before)} before, ${useText(after)} after`)
    await sleep(500)
  }
}

/** For one line of output. */
export const useText = (use: readonly Use[]): string =>
  use.map(({ memory, descriptors }) => `${Math.round(memory / MIB)} MiB and ${descriptors} descriptors`).join(', ')
