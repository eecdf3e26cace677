/** Reads settings from texts: all groups of the rooms, and stand-ins for options of rooms that are not built yet. */
import { allGroups, readSettings, type PluginOptions } from '../../src/config/settings.js'
import { ConfigError } from '../../src/config/fault.js'
import { flag, list, options, ports, text } from '../../src/config/option.js'
import { GROUPS } from '../../src/groups.js'

const CLUSTER = options({
  mode: flag('--cluster-mode', false, 'x'),
  nodes: list('--cluster-nodes', [], 'x'),
  strategy: text('--sm-cluster-strategy-class', 'broadcast', 'x'),
  port: ports('--cl-comp-ports', [5777], 'x'),
  name: text('--tigase-primary-address', '', 'x'),
  secondName: text('--tigase-secondary-address', '', 'x'),
  certificates: text('--ssl-certs-location', 'certs/', 'x'),
  tlsRequired: flag('--vhost-tls-required', true, 'x')
})
const declared = new Set(Object.values(allGroups(GROUPS)).flatMap((group) => Object.values(group).map((option) => option.name)))
const missing = Object.fromEntries(Object.entries(CLUSTER).filter(([, option]) => !declared.has(option.name)))
export const TEST_GROUPS = { ...GROUPS, standIns: missing }

const coded = (code: string): Error => Object.assign(new Error(code), { code })

export interface Given {
  readonly files?: Readonly<Record<string, string | Error>>
  readonly argv?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly plugins?: readonly PluginOptions[]
}

export function read({ files = {}, argv = Object.keys(files).length > 0 ? [`--property-file=${Object.keys(files).join(',')}`] : [], env = {}, plugins }: Given) {
  const input = {
    groups: TEST_GROUPS, argv, env,
    readFile(path: string) {
      const found = files[path] ?? coded('ENOENT')
      if (found instanceof Error) throw found
      return Buffer.from(found)
    }
  }
  return readSettings(plugins === undefined ? input : { ...input, plugins })
}

/** The complaints of a reading that must fail. */
export function complaints(given: Given): readonly string[] {
  try {
    read(given)
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n')
    throw error
  }
  throw new Error('this configuration was read without a complaint')
}

/** Complaints about the text of one file named `f`. */
export const faultsOf = (content: string): readonly string[] => complaints({ files: { f: content } })

export const warningsOf = (settings: ReturnType<typeof read>): readonly string[] =>
  settings.warnings.map(({ origin, key, problem }) => `${origin.line} ${key}: ${problem}`)

export { coded }
