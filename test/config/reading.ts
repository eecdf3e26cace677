/** Reads settings from texts, with all groups of the rooms. */
import { readSettings, type PluginOptions } from '../../src/config/settings.js'
import { ConfigError } from '../../src/config/fault.js'
import { GROUPS } from '../../src/groups.js'

const coded = (code: string): Error => Object.assign(new Error(code), { code })

export interface Given {
  readonly files?: Readonly<Record<string, string | Error>>
  readonly argv?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly plugins?: readonly PluginOptions[]
}

export function read({ files = {}, argv, env = {}, plugins }: Given) {
  const named = Object.keys(files).length > 0 ? [`--property-file=${Object.keys(files).join(',')}`] : []
  const input = {
    groups: GROUPS, argv: argv ?? named, env,
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
