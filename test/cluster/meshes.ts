/** Real meshes in one process, on loopback, over tables in memory. */
import { createMesh, type NodeMesh } from '../../src/cluster/mesh.js'
import type { ClusterMetrics, ClusterSettings } from '../../src/cluster/settings.js'
import type { Envelope, MeshHandlers, Verdict } from '../../src/router/envelope.js'
import type { NodeRef } from '../../src/router/strategy.js'
import type { ClusterTables } from '../../src/storage/cluster-tables.js'
import { systemClock, type Clock } from '../../src/telemetry/clock.js'
import type { Log } from '../../src/telemetry/log.js'
import { HybridClock, type Hlc } from '../../src/xmpp/hlc.js'
import { Jid } from '../../src/xmpp/jid.js'
import { Stanza } from '../../src/xmpp/stanza.js'

export interface Line {
  readonly level: string
  readonly event: string
  readonly fields: Record<string, unknown>
}

/** Keeps what is logged. */
export function keptLog(lines: Line[]): Log {
  const keep = (level: string) => (fields: object, event: string) => void lines.push({ level, event, fields: { ...fields } })
  return {
    error: keep('error'), warn: keep('warn'), info: keep('info'), debug: keep('debug'), trace() {},
    child: () => keptLog(lines), isLevelEnabled: () => true
  }
}

const quiet = { add() {}, get: () => 0 }
export const noMetrics: ClusterMetrics = {
  nodeChanges: quiet, linksRefused: quiet, framesIn: quiet, framesOut: quiet, linkBytesIn: quiet, linkBytesOut: quiet,
  contents: { copied: 0, rewritten: 0, tree: 0 }, linksReady: { from() {} }, nodes: { from() {} }
}

export interface Arrived {
  readonly envelopes: { from: NodeRef; envelope: Envelope }[]
  readonly answers: { from: NodeRef; ask: number; verdict: Verdict }[]
  readonly bound: { from: NodeRef; jid: Jid; hlc: Hlc }[]
  readonly invalidated: string[]
  readonly nodes: { change: string; node: NodeRef }[]
  readonly gates: boolean[]
  fenced: number
}

export interface TestNode {
  readonly mesh: NodeMesh
  readonly arrived: Arrived
  readonly lines: Line[]
  readonly port: () => number
}

export interface NodeSpec {
  readonly name: string
  readonly tables: ClusterTables
  readonly settings?: Partial<ClusterSettings>
  readonly clock?: Clock
  /** What the node does with an envelope; by default it accepts everything. */
  readonly onEnvelope?: (node: TestNode, from: NodeRef, envelope: Envelope) => void
}

export function node(spec: NodeSpec): TestNode {
  const lines: Line[] = []
  const clock = spec.clock ?? systemClock()
  const settings: ClusterSettings = {
    name: spec.name, secondary: undefined, clusterName: 'test', advertise: '127.0.0.1:0', listen: [{ host: '127.0.0.1', port: 0 }],
    contacts: [], discovery: ['table'], secrets: [], tls: true, strategy: 'broadcast', hostId: 'host',
    version: '1', ...spec.settings
  }
  const hlc = new HybridClock(() => clock.wall())
  const mesh = createMesh({ settings, tables: spec.tables, clock, log: keptLog(lines), hlc, metrics: noMetrics })
  const arrived: Arrived = { envelopes: [], answers: [], bound: [], invalidated: [], nodes: [], gates: [], fenced: 0 }
  const port = (): number => Number(/:(\d+)$/.exec(mesh.members().find((member) => member.self)?.address ?? '')?.[1])
  const self: TestNode = { mesh, arrived, lines, port }
  mesh.listen(handlersOf(self, spec))
  return self
}

function handlersOf(self: TestNode, spec: NodeSpec): MeshHandlers {
  const { arrived, mesh } = self
  const accept = (_node: TestNode, from: NodeRef, envelope: Envelope): void =>
    envelope.addressees.forEach(({ ask }) => { mesh.answer(from, ask, { kind: 'accept' }) })
  return {
    envelope(from, envelope) {
      arrived.envelopes.push({ from, envelope })
      const react = spec.onEnvelope ?? accept
      react(self, from, envelope)
    },
    answers(from, first, count, verdict) {
      for (let ask = first; ask < first + count; ask++) arrived.answers.push({ from, ask, verdict })
    },
    bound: (from, jid, hlc) => void arrived.bound.push({ from, jid, hlc }),
    invalidate: (cache, key) => void arrived.invalidated.push(`${cache} ${key}`),
    node: (change, other) => void arrived.nodes.push({ change, node: other }),
    gate: (open) => void arrived.gates.push(open),
    fenced: () => void arrived.fenced++
  }
}

export const SESSION = 'ab'.repeat(16)

export function envelope(index: number, to: string, more: Partial<Envelope> = {}): Envelope {
  const [local = '', domain = ''] = to.split('@')
  const address = new Jid(local, domain, '')
  const from = new Jid('romeo', 'im.test', 'orchard')
  const head = { kind: 'message', to: address, from, id: `m${index}`, type: 'chat', lang: 'en' } as const
  const inside = Buffer.from(`<body>${index}</body>`)
  return {
    key: { osid: SESSION, index, k: 0 }, view: 3, state: false, readdress: false, again: false,
    addressees: [{ ask: index, address, audience: '', except: undefined, prev: index - 1, row: 0 }],
    stanza: Stanza.ofBytes(head, [{ name: 'body', ns: 'jabber:client' }], inside),
    ...more
  }
}

/** Waits for something that events bring; fails with what was seen instead. */
export async function until(holds: () => boolean, what = 'it'): Promise<void> {
  const giveUp = performance.now() + 12_000
  while (!holds()) {
    if (performance.now() > giveUp) throw new Error(`${what} did not happen`)
    await new Promise<void>((resolve) => setTimeout(resolve, 5))
  }
}

export async function started(...nodes: readonly TestNode[]): Promise<void> {
  await Promise.all(nodes.map((each) => each.mesh.start()))
  await Promise.all(nodes.map((each) => each.mesh.ready()))
  await Promise.all(nodes.map((each) => each.mesh.up({ c2s: '127.0.0.1:1' })))
}

export const linked = (from: TestNode, name: string): boolean =>
  from.mesh.members().some((member) => member.name === name && member.linked)
