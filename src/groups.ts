/**
 * All options of all rooms, gathered: the configuration, the manual and the example file know them from here.
 */
import { readFileSync } from 'node:fs'
import { clusterOptions } from './cluster/options.js'
import type { Section } from './config/generate.js'
import { allGroups, readSettings, type Check, type PluginOptions, type Settings } from './config/settings.js'
import { sessionOptions } from './session/options.js'
import { streamOptions } from './stream/options.js'
import { addressLimitOptions, doorOptions, httpLimitOptions, strainOptions, streamLimitOptions, tlsOptions } from './transport/options.js'

/** In the order of the manual. */
export const GROUPS = {
  cluster: clusterOptions,
  doors: doorOptions,
  tls: tlsOptions,
  stream: streamOptions,
  session: sessionOptions,
  streamLimits: streamLimitOptions,
  addressLimits: addressLimitOptions,
  strain: strainOptions,
  httpLimits: httpLimitOptions
}

const TITLES: Readonly<Record<keyof ReturnType<typeof allGroups<typeof GROUPS>>, string>> = {
  server: 'Domains, plugins, logging',
  database: 'Database',
  cluster: 'Cluster',
  doors: 'Ports, addresses, proxies',
  tls: 'Certificates',
  stream: 'Streams and login',
  session: 'Sessions',
  streamLimits: 'Limits of one connection',
  addressLimits: 'Limits of all connections',
  strain: 'Overload',
  httpLimits: 'HTTP, WebSocket and BOSH'
}

/** For the manual and the example file. */
export const sections = (): readonly Section[] =>
  Object.entries(allGroups(GROUPS)).map(([name, group]) => ({ title: TITLES[name as keyof typeof TITLES], group }))

export type ServerSettings = Settings<typeof GROUPS>

type Checks = readonly Check<typeof GROUPS>[]

/** Throws `ConfigError`. Without `plugins` their lines are not judged. */
export function settingsOf(argv: readonly string[], plugins?: readonly PluginOptions[], checks: Checks = []): ServerSettings {
  const input = { groups: GROUPS, checks, argv, env: process.env, readFile: (path: string) => readFileSync(path) }
  return readSettings(plugins === undefined ? input : { ...input, plugins })
}
