/**
 * Reads the whole configuration: all groups of options that the rooms declare, the files, the command line, the
 * environment. Returns typed values, or throws one `ConfigError` with everything that is wrong.
 */
import { databaseOptions, databaseSettings, type DatabaseSettings } from './database.js'
import { ConfigError, DEFAULT, ENVIRONMENT, masked, place, type Complaint, type Origin } from './fault.js'
import { didYouMean } from './nearest.js'
import type { Option, OptionGroup, Values } from './option.js'
import { serverOptions, type PluginChoice } from './server-options.js'
import { readReason, readSources, type SourcesInput } from './sources.js'
import { BUILT_IN_PLUGINS, OTHER_PLUGINS } from './tigase.js'
import { Translation, type Assignment } from './translate.js'

export type Groups = Readonly<Record<string, OptionGroup>>
export type GroupValues<G> = { readonly [K in keyof G]: Values<G[K]> }

const OWN_GROUPS = { server: serverOptions, database: databaseOptions }
export type AllGroups<G> = G & typeof OWN_GROUPS

/** The rooms' groups and those of this room, in the order of the manual. */
export const allGroups = <G extends Groups>(groups: G): AllGroups<G> => ({ ...OWN_GROUPS, ...groups })

/** What a plugin says of itself, as far as the configuration asks. Option names are plain keys: `store-limit`. */
export interface PluginOptions {
  readonly id: string
  readonly aliases?: readonly string[]
  readonly config?: OptionGroup
}

/** Says what is wrong with values that do not fit together; `option` is the one to name. */
export type Check<G> = (values: GroupValues<AllGroups<G>>, complain: (option: string, problem: string) => void) => void

export interface SettingsInput<G> extends SourcesInput {
  readonly groups: G
  /** When not given, plugins and their lines are not judged: for commands that only want the database. */
  readonly plugins?: readonly PluginOptions[]
  readonly checks?: readonly Check<G>[]
}

export interface Settings<G> {
  readonly values: GroupValues<AllGroups<G>>
  readonly database: DatabaseSettings
  /** By plugin id, then by field of its `config`. */
  readonly pluginSettings: ReadonlyMap<string, Readonly<Record<string, unknown>>>
  readonly warnings: readonly Complaint[]
  readonly files: readonly string[]
  /** Where an option got its value. */
  originOf(option: string): Origin
}

class Reading {
  readonly faults: Complaint[] = []
  readonly warnings: Complaint[] = []

  /** The option's value, or its initial one after a complaint. */
  value<T>(option: Option<T>, given: Assignment | undefined): T {
    if (given === undefined) return option.initial
    const complaint = { origin: given.origin, key: given.written }
    try {
      const value = option.parse(given.value)
      for (const problem of option.remarks?.(value) ?? []) this.warnings.push({ ...complaint, problem })
      return value
    } catch (error) {
      const shown = masked(given.written, given.value, option.secret)
      this.faults.push({ ...complaint, given: shown, problem: `allowed: ${error instanceof Error ? error.message : String(error)}` })
      return option.initial
    }
  }

  group<G extends OptionGroup>(group: G, given: (option: Option<unknown>) => Assignment | undefined): Values<G> {
    return Object.fromEntries(Object.entries(group).map(([field, option]) => [field, this.value(option, given(option))])) as Values<G>
  }
}

/** The environment is stronger than files and weaker than the command line. */
function fromEnvironment(option: Option<unknown>, given: Assignment | undefined, env: SourcesInput['env']): Assignment | undefined {
  const text = option.environment === undefined ? undefined : env[option.environment]
  if (option.environment === undefined || text === undefined || given?.origin.file === 'command line') return given
  return { origin: ENVIRONMENT, key: option.name, value: text, written: option.environment }
}

/** Of the port lists, the one that opens nothing: it names ports of others. */
const OPENS_NOTHING = '--proxy-protocol'

function portsIn(option: Option<unknown>, value: unknown): readonly number[] {
  // Other addresses say where somebody else connects to, perhaps past a balancer.
  const listens = option.kind === 'address' && option.name.endsWith('-listen')
  const one = listens && typeof value === 'object' && value !== null && 'port' in value ? [value.port] : []
  const many = option.kind === 'port list' && option.name !== OPENS_NOTHING && Array.isArray(value) ? value as unknown[] : []
  return [...one, ...many].filter((port) => typeof port === 'number' && port > 0) as number[]
}

function samePorts(values: ReadonlyMap<Option<unknown>, unknown>, where: (name: string) => Origin): readonly Complaint[] {
  const seen = new Map<number, string>()
  const faults: Complaint[] = []
  for (const [option, value] of values) {
    const mine = `${option.name} (${place(where(option.name))})`
    for (const port of portsIn(option, value)) {
      const other = seen.get(port)
      const problem = `port ${port} is named twice: by ${other ?? ''} and by ${mine}`
      if (other !== undefined) faults.push({ origin: where(option.name), key: option.name, problem })
      seen.set(port, mine)
    }
  }
  return faults
}

type KnownPlugins = ReadonlyMap<string, PluginOptions>

const knownPlugins = (plugins: readonly PluginOptions[]): KnownPlugins =>
  new Map(plugins.flatMap((one) => [one.id, ...one.aliases ?? []].map((id) => [id, one] as const)))

/** `--sm-plugins`: ids of nobody are faults, Tigase's that are not offered are warnings when asked for. */
function judgePlugins(chosen: readonly PluginChoice[], known: KnownPlugins, at: Origin, reading: Reading): void {
  for (const { id, on } of chosen) {
    if (known.has(id) || BUILT_IN_PLUGINS.has(id)) continue
    const instead = Object.hasOwn(OTHER_PLUGINS, id) ? OTHER_PLUGINS[id] : undefined
    const complaint = { origin: at, key: '--sm-plugins' }
    if (instead === undefined) {
      const names = [...known.keys(), ...BUILT_IN_PLUGINS, ...Object.keys(OTHER_PLUGINS)]
      reading.faults.push({ ...complaint, given: masked('', id), problem: `unknown plugin${didYouMean(id, names)}` })
    } else if (on) reading.warnings.push({ ...complaint, problem: `plugin ${id} is not offered: ${instead}` })
  }
}

type PluginSettings = Settings<Groups>['pluginSettings']

function pluginValues(plugins: readonly PluginOptions[], given: ReadonlyMap<string, Assignment>, reading: Reading): PluginSettings {
  return new Map(plugins.map(({ id, aliases, config }) => [id, reading.group(config ?? {}, (option) =>
    [id, ...aliases ?? [], ''].map((name) => given.get(`${name}/${option.name}`)).find((line) => line !== undefined))]))
}

/** Throws `ConfigError` with all complaints at once. */
export function readSettings<G extends Groups>(input: SettingsInput<G>): Settings<G> {
  const { plugins = [], checks = [], env, readFile } = input
  const groups = allGroups(input.groups)
  const options = Object.values<OptionGroup>(groups).flatMap((group) => Object.values(group))
  const byId = knownPlugins(plugins)
  const isPluginKey = (id: string, key: string): boolean => input.plugins === undefined ||
    (id === '' ? plugins : [byId.get(id)]).some((one) => Object.values(one?.config ?? {}).some((option) => option.name === key))
  const sources = readSources(input)
  const translated = new Translation(new Set(options.map((option) => option.name)), isPluginKey).run(sources.entries)
  const reading = new Reading()
  reading.faults.push(...sources.faults, ...translated.faults)
  reading.warnings.push(...translated.warnings)
  const given = (option: Option<unknown>): Assignment | undefined => fromEnvironment(option, translated.options.get(option.name), env)
  const whereOf = new Map(options.map((option) => [option.name, given(option)?.origin ?? DEFAULT]))
  const originOf = (name: string): Origin => whereOf.get(name) ?? DEFAULT
  const read = Object.entries<OptionGroup>(groups).map(([name, group]) => [name, reading.group(group, given)] as const)
  const values = Object.fromEntries(read) as GroupValues<AllGroups<G>>
  const own = values as GroupValues<typeof OWN_GROUPS>
  const flat = new Map(Object.entries<OptionGroup>(groups).flatMap(([name, group]) =>
    Object.entries(group).map(([field, option]) => [option, (values as Record<string, Record<string, unknown>>)[name]?.[field]] as const)))
  const byName = new Map([...flat].map(([option, value]) => [option.name, value]))
  if (byName.size < options.length) throw new Error('an option is declared twice')
  const pluginSettings = pluginValues(plugins, translated.plugins, reading)
  if (input.plugins !== undefined) judgePlugins(own.server.plugins, byId, originOf('--sm-plugins'), reading)
  reading.faults.push(...samePorts(flat, originOf))
  const complain = (key: string, problem: string): void => void reading.faults.push({ origin: originOf(key), key, problem })
  for (const check of checks) check(values, complain)
  const database = readDatabase(own.database, readFile, complain)
  if (reading.faults.length > 0 || database === undefined) throw new ConfigError(reading.faults)
  const { files } = sources
  return { values, database, pluginSettings, warnings: reading.warnings, files, originOf }
}

type Complain = (option: string, problem: string) => void

type DatabaseValues = Values<typeof databaseOptions>

function readDatabase(values: DatabaseValues, readFile: SourcesInput['readFile'], complain: Complain): DatabaseSettings | undefined {
  try {
    return databaseSettings(values, (path) => {
      try {
        return new TextDecoder().decode(readFile(path))
      } catch (error) {
        throw new Error(`${path}: ${readReason(error)}`, { cause: error })
      }
    })
  } catch (error) {
    complain('--user-db-uri', error instanceof Error ? error.message : String(error))
    return undefined
  }
}
