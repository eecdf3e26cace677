/** Which strategy runs: one of ours by name, or the operator's own module by path or package name. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Strategy } from '../../router/strategy.js'
import type { Clock } from '../../telemetry/clock.js'
import type { Log } from '../../telemetry/log.js'
import { StartRefused } from '../claim.js'
import { broadcast } from './broadcast.js'
import { onlineUsersCaching } from './online-users-caching.js'

/** What a factory `(settings) => Strategy` gets. */
export interface StrategySettings {
  /** Name of this node. */
  readonly node: string
  readonly clusterName: string
  readonly clock: Clock
  readonly log: Log
}

const METHODS = ['start', 'stop', 'announce', 'withdraw', 'locate'] as const

/** @param name value of `--sm-cluster-strategy-class`. @throws StartRefused (78) */
export async function loadStrategy(name: string, settings: StrategySettings): Promise<Strategy> {
  switch (name) {
    case 'broadcast': return broadcast()
    case 'online-users-caching': return onlineUsersCaching(settings)
    default: return own(name, settings)
  }
}

async function own(name: string, settings: StrategySettings): Promise<Strategy> {
  const refused = (why: string): StartRefused => new StartRefused(78, `--sm-cluster-strategy-class=${name}: ${why}`)
  let made: unknown
  try {
    // paths and packages count from where the server was started
    const file = createRequire(join(process.cwd(), 'package.json')).resolve(name)
    const module: unknown = await import(pathToFileURL(file).href)
    const factory: unknown = (module as { readonly default?: unknown }).default
    if (typeof factory !== 'function') throw new Error('its default export is not a function (settings) => Strategy')
    made = await (factory as (settings: StrategySettings) => unknown)(settings)
  } catch (error) {
    throw refused(error instanceof Error ? error.message : String(error))
  }
  const missing = METHODS.find((method) => typeof (made as Record<string, unknown> | undefined)?.[method] !== 'function')
  if (missing !== undefined) throw refused(`the strategy it makes has no method ${missing}`)
  if (typeof (made as { name?: unknown }).name !== 'string') throw refused('the strategy it makes has no name')
  return made as Strategy
}
