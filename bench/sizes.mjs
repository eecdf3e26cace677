/**
 * Nanoseconds and heap that docs/sizing.md counts with: entries of the directory of `online-users-caching`, what a node keeps of
 * accounts and contacts. No server, no sockets.
 * `npm run build && node --expose-gc --max-old-space-size=8192 bench/sizes.mjs [entries of the directory]`
 */
import { decodeMessage, encodeMessage } from '../dist/cluster/strategies/registry-codec.js'
import { Registry } from '../dist/cluster/strategies/registry.js'
import { ByteWriter } from '../dist/cluster/bytes.js'
import { AccountCaches } from '../dist/pipeline/account-caches.js'
import { Shown } from '../dist/router/shown.js'
import { SqlRosters } from '../dist/storage/rosters.js'
import { Stanza } from '../dist/xmpp/stanza.js'
import { NODE, OTHERS, jidOf, record, sessionOf } from './frames.mjs'

const ENTRIES = Number(process.argv[2] ?? 1_000_000)
const BATCH = 1_000
const CONTACTS = 50

function say(what, figure) {
  console.log(`${what}: ${figure}`)
}

function timed(units, run) {
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) * 1000 / units
}

function heap() {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

/** Heap bytes an item of what `make` returns, which has so many. */
async function heapOf(items, make) {
  if (globalThis.gc === undefined) return 'run with --expose-gc'
  const before = heap()
  const kept = await make()
  const bytes = Math.round((heap() - before) / items)
  return kept === undefined ? 0 : `${bytes} bytes`
}

// ---- what a node keeps of accounts and contacts

const rows = (i) => Array.from({ length: CONTACTS }, (_, k) => ({
  roster_version: 3, contact: `user${String(i * CONTACTS + k).padStart(8, '0')}@example.com`, version: 1, name: `Friend ${i * CONTACTS + k}`,
  group_names: '[]', subscription: 'both', ask: 0, approved: 0, pending_in: null, listed: 1
}))
const refs = Array.from({ length: 20_000 }, (_, i) => jidOf(i, ''))
const cachesWith = () => new AccountCaches({
  store: { accounts: { find: async (jid) => ({ id: 1, jid, keys: [], disabled: false, createdAt: 0 }) } },
  invalidate: async () => undefined
})

say('an account that is known', await heapOf(refs.length, async () => {
  const caches = cachesWith()
  for (let i = 0; i < refs.length; i++) await caches.findAccount(jidOf(i, ''))
  return caches
}))
say('an empty block list', await heapOf(refs.length, async () => {
  const caches = cachesWith()
  const cache = { name: 'blocks', load: async () => new Set() }
  for (const jid of refs) await caches.read(cache, { id: 1, jid })
  return caches
}))
say('a contact in a roster that is kept', await heapOf(1_000 * CONTACTS, async () => {
  const kept = []
  for (let i = 0; i < 1_000; i++) kept.push(await new SqlRosters({ rows: async () => rows(i) }).load({ id: i }))
  return kept
}))
say('a contact on another node that a device sees online', await heapOf(1_000 * CONTACTS, async () => {
  const shown = new Shown()
  for (let i = 0; i < 1_000; i++) {
    const device = { jid: jidOf(i) }
    for (let k = 0; k < CONTACTS; k++) {
      shown.passes(device, Stanza.of({ kind: 'presence', from: jidOf(i * CONTACTS + k) }), NODE)
    }
  }
  return shown
}))

// ---- the directory

const writer = new ByteWriter()
const batchOf = (changes) => Buffer.from(encodeMessage(writer, { kind: 'batch', ...OTHERS, changes }))
const some = (from, make) => Array.from({ length: BATCH }, (_, k) => make(from + k))
const batches = (make) => Array.from({ length: ENTRIES / BATCH }, (_, b) => batchOf(some(b * BATCH, make)))
const put = (shown) => (i) => ({ kind: 'put', record: record(i, shown) })

for (const shown of [true, false]) {
  const registry = new Registry()
  registry.add(NODE)
  registry.apply(NODE, [], { begin: true, end: true })
  const hear = (bytes) => registry.apply(NODE, decodeMessage(bytes, NODE).changes, OTHERS)
  const came = batches(put(shown))
  const title = `directory, ${shown ? 'with' : 'without'} presence`
  if (shown) {
    const changes = Array.from({ length: BATCH }, (_, i) => put(true)(i))
    say(`${title}: CPU to say a change to one node`, `${Math.round(timed(200 * BATCH, () => { for (let n = 0; n < 200; n++) batchOf(changes) }))} ns`)
  }
  let ns = 0
  say(`${title}: heap of an entry`, await heapOf(ENTRIES, async () => {
    ns = timed(ENTRIES, () => came.forEach(hear))
    return registry
  }))
  say(`${title}: CPU to hear that one came`, `${Math.round(ns)} ns`)
  const began = performance.now()
  globalThis.gc?.()
  say(`${title}: one full collection of ${ENTRIES} entries`, `${Math.round(performance.now() - began)} ms`)
  const all = Array.from({ length: 200_000 }, (_, i) => jidOf(i % ENTRIES, ''))
  say(`${title}: CPU to find one`, `${Math.round(timed(all.length, () => all.forEach((jid) => registry.locate(jid))))} ns`)
  const gone = batches((i) => ({ kind: 'delete', session: sessionOf(i) }))
  say(`${title}: CPU to hear that one has gone`, `${Math.round(timed(ENTRIES, () => gone.forEach(hear)))} ns`)
  registry.clear()
}
