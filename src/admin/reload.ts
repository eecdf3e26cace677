/**
 * `starling reload`: every node reads its certificates again. Told by a notice in the database, as of accounts; what came
 * of it is asked at the nodes' admin listeners.
 */
import { RELOAD_NOTICE, type ClusterTables } from '../storage/cluster-tables.js'
import { CommandError } from './exit-codes.js'
import type { NodePage } from './node-page.js'

/** A node to be told, and how to ask it. */
export interface Told {
  readonly name: string
  readonly ask: () => Promise<NodePage | undefined>
}

export interface ReloadPorts {
  readonly nodes: readonly Told[]
  readonly tables: Pick<ClusterTables, 'notify'>
  readonly print: (text: string) => void
  readonly pause: (ms: number) => Promise<void>
}

/** Notices are read with the beat, each second; then files are read and checked. */
const PATIENCE_MS = 10_000
const ASK_MS = 250

/** True when every node that could be asked has taken up what it read. */
export async function reloadCertificates({ nodes, tables, print, pause }: ReloadPorts): Promise<boolean> {
  if (nodes.length === 0) throw new CommandError('no node runs on this database; a node reads its certificates when it starts')
  const before = await Promise.all(nodes.map(async ({ ask }) => (await ask())?.certificates?.reloads))
  await tables.notify(RELOAD_NOTICE, '')
  const outcomes = await Promise.all(nodes.map((node, i) => outcome(node, before[i], pause)))
  for (const [i, { name }] of nodes.entries()) print(`${name}: ${outcomes[i]?.text ?? ''}`)
  return outcomes.every(({ good }) => good)
}

interface Outcome {
  readonly good: boolean
  readonly text: string
}

async function outcome({ ask }: Told, before: number | undefined, pause: ReloadPorts['pause']): Promise<Outcome> {
  if (before === undefined) return { good: true, text: 'told; its admin listener cannot be asked from here, see tls.reloaded in its log' }
  for (let waited = 0; waited < PATIENCE_MS; waited += ASK_MS) {
    const page = await ask()
    if (page?.certificates !== undefined && page.certificates.reloads > before) return outcomeOf(page)
    await pause(ASK_MS)
  }
  return { good: false, text: 'told, but it has not read them within 10 s; see its log' }
}

function outcomeOf({ health, certificates }: NodePage): Outcome {
  const part = health?.parts['certificates']
  if (part !== undefined && part.state !== 'ok') return { good: false, text: part.why }
  const shown = (certificates?.domains ?? []).map(({ domain, serial, daysLeft }) => `${domain} ${serial} (${daysLeft} days)`)
  return { good: true, text: `reloaded: ${shown.join(', ')}` }
}
