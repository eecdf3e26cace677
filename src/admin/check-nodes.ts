/** `starling check`: the nodes that the member table calls alive, seen by their beats, and what each says of itself. */
import type { NodeRow } from '../storage/cluster-tables.js'
import { nodeFacts, type NodeFacts, type Watching } from './cluster-nodes.js'
import { findings, type Finding } from './finding.js'
import { adminAddress, nodePage, type NodePage } from './node-page.js'

const { ok, warn, fail, skip } = findings('cluster')

export const isLive = ({ state }: Pick<NodeRow, 'state'>): boolean => state !== 'left' && state !== 'fenced'

export interface LiveNode extends NodeFacts {
  readonly page: NodePage | undefined
}

/** Live by their rows, whatever their beats say; waits two seconds to see those. */
export async function liveNodes(watching: Watching): Promise<readonly LiveNode[]> {
  const facts = (await nodeFacts(watching)).filter(isLive)
  return Promise.all(facts.map(async (node) => {
    const address = adminAddress({ services: node.services, advertise: node.address })
    return { ...node, page: address === undefined ? undefined : await nodePage(address, node.name) }
  }))
}

export function checkNodes(nodes: readonly LiveNode[]): readonly Finding[] {
  if (nodes.length === 0) return [skip('no node is running on this database')]
  const versions = new Set(nodes.map(({ version }) => version))
  const mixed = versions.size > 1 ? [warn(`nodes of several versions run: ${[...versions].join(', ')}; finish the upgrade`)] : []
  return [...nodes.map(finding), ...mixed]
}

function finding({ name, incarnation, state, beats, page }: LiveNode): Finding {
  if (beats === 0) {
    return fail(`${name} is ${state} by its row, but its beat stands still: is its process frozen or gone? The others fence it; when `
      + `none is there and it is surely gone: starling cluster fence ${name} ${incarnation}`)
  }
  if (state !== 'up') return warn(`${name} is ${state}`)
  if (page?.health === undefined) return ok(`${name} is up; its admin listener cannot be asked from here`)
  const { state: health, parts } = page.health
  const why = Object.entries(parts).filter(([, part]) => part.state !== 'ok').map(([part, one]) => `${part}: ${one.why}`).join('; ')
  return health === 'ok' ? ok(`${name} is up and well`) : warn(`${name} is up, ${health}: ${why}`)
}
