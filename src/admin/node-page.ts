/** What a node's admin listener says of it, asked by commands. An address of another machine's loopback is noticed. */
import type { NodeRow } from '../storage/cluster-tables.js'
import type { HealthReport } from '../telemetry/health.js'
import type { CertificateFacts } from '../transport/certificates.js'

/** Of `/cluster`; a node of another version may lack parts. */
export interface NodePage {
  readonly self: { readonly name: string, readonly incarnation: number }
  readonly health?: HealthReport
  readonly doors?: Readonly<Record<string, readonly number[]>>
  readonly certificates?: { readonly reloads: number, readonly domains: readonly CertificateFacts[] }
}

/** A node that is well answers at once. */
const ANSWER_MS = 2_000

/** `undefined` when nobody answers there, or another node than `name`. */
export async function nodePage(address: string, name: string): Promise<NodePage | undefined> {
  try {
    const answer = await fetch(`http://${address}/cluster`, { signal: AbortSignal.timeout(ANSWER_MS) })
    const page = await answer.json() as NodePage
    return page.self.name === name ? page : undefined
  } catch {
    return undefined
  }
}

/** Where a node's admin listener is, seen from here. */
export function adminAddress({ services, advertise }: Pick<NodeRow, 'services' | 'advertise'>): string | undefined {
  const [, host, port] = /^(.*):(\d+)$/.exec(services.admin ?? '') ?? []
  if (host === undefined || port === undefined) return undefined
  if (['::', '[::]', '0.0.0.0'].includes(host)) return `${advertise.replace(/:\d+$/, '')}:${port}`
  return host.includes(':') && !host.startsWith('[') ? `[${host}]:${port}` : `${host}:${port}`
}
