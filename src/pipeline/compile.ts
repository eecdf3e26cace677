/**
 * Declarations to frozen tables, once at boot: a two-level map for the IQs of each door, one short array for each kind
 * and half in the order of the phases, `null` where nobody cares. Owns the order of plugins and all complaints about them.
 */
import type { Device } from '../session/device.js'
import type { Element } from '../xml/element.js'
import type {
  Copy, Delivering, DiscoFacts, Guard, Half, Identity, IqAction, Keep, Life, LifeHandler, PluginDeclaration, ServerFacts, Shape, Stranded
} from './api.js'

export const PHASES = ['guard', 'shape', 'keep', 'copy'] as const
export type Phase = (typeof PHASES)[number]
export const DOORS = ['self', 'account', 'host', 'nobody'] as const
export type Door = (typeof DOORS)[number]

export interface Step {
  readonly plugin: string
  readonly phase: Phase
  readonly run: Guard | Shape | Keep | Copy
}
/** What one plugin put into a table. */
export interface Owned<T> {
  readonly plugin: string
  readonly run: T
}
export type Table<T> = readonly Owned<T>[] | null

export interface KindTables {
  readonly leaving: readonly Step[] | null
  readonly arriving: readonly Step[] | null
  readonly delivering: Table<Delivering>
  readonly stranded: Table<Stranded>
}
interface IqEntry {
  get?: Owned<IqAction>
  set?: Owned<IqAction>
}
export type IqTable = ReadonlyMap<string, ReadonlyMap<string, Readonly<IqEntry>>>
export type Audience = (device: Device) => boolean

export interface Pipeline {
  readonly plugins: readonly PluginDeclaration[]
  readonly message: KindTables
  readonly presence: KindTables
  readonly iq: { readonly leaving: readonly Step[] | null; readonly arriving: readonly Step[] | null }
  readonly doors: Readonly<Record<Door, IqTable>>
  readonly audiences: ReadonlyMap<string, Audience>
  readonly disco: Readonly<Record<'host' | 'account', DiscoFacts>>
  readonly life: Readonly<Record<Exclude<keyof Life, 'accountRemoved'>, Table<LifeHandler>>>
  readonly accountRemoved: Table<NonNullable<Life['accountRemoved']>>
  readonly streamFeatures: Table<(facts: ServerFacts) => readonly Element[]>
}

/** All complaints at once, one a line. */
export class PipelineError extends Error {
  constructor(readonly complaints: readonly string[]) {
    super(complaints.join('\n'))
    this.name = 'PipelineError'
  }
}

/** @throws PipelineError when plugins are missing, named twice, in a circle, or claim the same thing */
export function compile(declared: readonly PluginDeclaration[]): Pipeline {
  const complaints = [...missing(declared)]
  const plugins = ordered(declared, complaints)
  const pipeline: Pipeline = {
    plugins,
    message: kindTables(plugins, 'message'),
    presence: kindTables(plugins, 'presence'),
    iq: {
      leaving: orNull(owned(plugins, (p) => p.iqPassing?.leaving).map((o) => ({ ...o, phase: 'guard' }))),
      arriving: orNull(owned(plugins, (p) => p.iqPassing?.arriving).map((o) => ({ ...o, phase: 'guard' })))
    },
    doors: {
      self: iqTable(plugins, 'self', complaints),
      account: iqTable(plugins, 'account', complaints),
      host: iqTable(plugins, 'host', complaints),
      nobody: iqTable(plugins, 'nobody', complaints)
    },
    audiences: audiencesOf(plugins, complaints),
    disco: { host: discoOf(plugins, 'host'), account: discoOf(plugins, 'account') },
    life: {
      bound: orNull(owned(plugins, (p) => p.life?.bound)),
      available: orNull(owned(plugins, (p) => p.life?.available)),
      unavailable: orNull(owned(plugins, (p) => p.life?.unavailable)),
      ended: orNull(owned(plugins, (p) => p.life?.ended))
    },
    accountRemoved: orNull(owned(plugins, (p) => p.life?.accountRemoved)),
    streamFeatures: orNull(owned(plugins, (p) => p.streamFeatures))
  }
  if (complaints.length > 0) throw new PipelineError(complaints)
  return Object.freeze(pipeline)
}

function missing(plugins: readonly PluginDeclaration[]): readonly string[] {
  const names = new Set(plugins.flatMap((p) => [p.id, ...p.aliases ?? []]))
  const twice = plugins.filter((p, i) => plugins.findIndex((other) => other.id === p.id) < i)
  return [
    ...twice.map((p) => `plugin ${p.id} is there twice`),
    ...plugins.flatMap((p) => (p.needs ?? []).filter((id) => !names.has(id)).map((id) => `plugin ${p.id} needs ${id}, which is not there`))
  ]
}

/** By id, except that a plugin stands behind those it names in `after`. */
function ordered(declared: readonly PluginDeclaration[], complaints: string[]): readonly PluginDeclaration[] {
  const byId = [...declared].sort((a, b) => (a.id < b.id ? -1 : 1))
  const done: PluginDeclaration[] = []
  const visiting: PluginDeclaration[] = []
  const visit = (p: PluginDeclaration): void => {
    if (done.includes(p)) return
    if (visiting.includes(p)) {
      complaints.push(`plugins stand after each other in a circle: ${[...visiting, p].map((v) => v.id).join(' after ')}`)
      return
    }
    visiting.push(p)
    for (const id of p.after ?? []) byId.filter((other) => other.id === id || other.aliases?.includes(id)).forEach(visit)
    visiting.pop()
    done.push(p)
  }
  byId.forEach(visit)
  return done
}

function kindTables(plugins: readonly PluginDeclaration[], kind: 'message' | 'presence'): KindTables {
  return {
    leaving: half(plugins, (p) => p[kind]?.leaving),
    arriving: half(plugins, (p) => p[kind]?.arriving),
    delivering: orNull(owned(plugins, (p) => p[kind]?.delivering)),
    stranded: orNull(owned(plugins, (p) => p[kind]?.stranded))
  }
}

function half(plugins: readonly PluginDeclaration[], of: (p: PluginDeclaration) => Half | undefined): readonly Step[] | null {
  return orNull(PHASES.flatMap((phase) => owned(plugins, (p) => of(p)?.[phase]).map((o) => ({ ...o, phase }))))
}

function owned<T>(plugins: readonly PluginDeclaration[], of: (p: PluginDeclaration) => T | undefined): readonly Owned<T>[] {
  return plugins.flatMap((p) => {
    const run = of(p)
    return run === undefined ? [] : [{ plugin: p.id, run }]
  })
}

function orNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : Object.freeze([...list])
}

function iqTable(plugins: readonly PluginDeclaration[], door: Door, complaints: string[]): IqTable {
  const table = new Map<string, Map<string, IqEntry>>()
  for (const p of plugins) {
    for (const { ns, name, type, action } of p.iq?.[door] ?? []) {
      const names = table.get(ns) ?? new Map<string, IqEntry>()
      const entry = names.get(name) ?? {}
      const other = entry[type]
      if (other !== undefined) complaints.push(`${other.plugin} and ${p.id} both answer ${type} ${name} ${ns} at the door ${door}`)
      table.set(ns, names.set(name, { ...entry, [type]: { plugin: p.id, run: action } }))
    }
  }
  return table
}

function audiencesOf(plugins: readonly PluginDeclaration[], complaints: string[]): ReadonlyMap<string, Audience> {
  const audiences = new Map<string, Audience>()
  for (const p of plugins) {
    for (const [name, holds] of Object.entries(p.audiences ?? {})) {
      if (name === '' || audiences.has(name)) complaints.push(`plugin ${p.id} declares the audience "${name}", which has a meaning already`)
      audiences.set(name, holds)
    }
  }
  for (const p of plugins) {
    const unknown = (p.pushesTo ?? []).filter((name) => !audiences.has(name))
    complaints.push(...unknown.map((name) => `plugin ${p.id} pushes to the audience ${name}, which nobody declares`))
  }
  return audiences
}

function discoOf(plugins: readonly PluginDeclaration[], of: 'host' | 'account'): DiscoFacts {
  const features = plugins.flatMap((p) => (isList(p.disco) ? p.disco : p.disco?.[of] ?? []))
  const identities: Identity[] = plugins.flatMap((p) => p.identities?.[of] ?? [])
  return Object.freeze({ identities, features: [...new Set(features)].sort() })
}

function isList(disco: PluginDeclaration['disco']): disco is readonly string[] {
  return Array.isArray(disco)
}
