/**
 * The catalog of plugins: finds declarations by reading a folder (nothing lists them), checks that each is one, and
 * applies `--sm-plugins`. Compiling them is `compile.ts`.
 */
import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { PluginDeclaration } from './api.js'

export interface Found {
  readonly declaration: PluginDeclaration
  /** The file it came from, for complaints. */
  readonly file: string
}

export interface Choice {
  readonly plugins: readonly PluginDeclaration[]
  /** Boot is refused when there is one. */
  readonly complaints: readonly string[]
  readonly warnings: readonly string[]
}

/** All plugins of a folder: `*.js` at the top and `<name>/index.js`, sorted by file name. */
export async function findPlugins(folder: string): Promise<readonly Found[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const files: string[] = []
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.isFile() && entry.name.endsWith('.js')) files.push(join(folder, entry.name))
    else if (entry.isDirectory() && await isFile(join(folder, entry.name, 'index.js'))) files.push(join(folder, entry.name, 'index.js'))
  }
  return Promise.all(files.map(loadPlugin))
}

/** One plugin by path, for those of the operator. Throws an `Error` that names the file. */
export async function loadPlugin(file: string): Promise<Found> {
  const module = await import(pathToFileURL(resolve(file)).href) as { readonly default?: unknown }
  const declaration = module.default
  if (typeof declaration !== 'object' || declaration === null || !('id' in declaration) || typeof declaration.id !== 'string') {
    throw new Error(`${file} is no plugin: its default export must be plugin({ id: ..., ... })`)
  }
  return { declaration: declaration as PluginDeclaration, file }
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then((s) => s.isFile(), () => false)
}

/**
 * Which of the found plugins run.
 * @param wishes `--sm-plugins`: `+id` or `id` adds, `-id` removes; Tigase's `=threads` behind an id is accepted and ignored
 */
export function choosePlugins(found: readonly Found[], wishes: readonly string[]): Choice {
  const complaints = [...duplicates(found)]
  const byName = namesOf(found)
  const on = new Set(found.filter((f) => f.declaration.initially !== 'off'))
  const warnings: string[] = []
  for (const wish of wishes) {
    const name = wish.replace(/^[+-]/, '').replace(/=\d+$/, '')
    const plugin = byName.get(name)
    if (plugin === undefined) warnings.push(`--sm-plugins: there is no plugin ${name}; known: ${[...byName.keys()].join(', ')}`)
    else if (wish.startsWith('-')) on.delete(plugin)
    else on.add(plugin)
  }
  return { plugins: found.filter((f) => on.has(f)).map((f) => f.declaration), complaints, warnings }
}

function namesOf(found: readonly Found[]): Map<string, Found> {
  return new Map(found.flatMap((f) => [f.declaration.id, ...f.declaration.aliases ?? []].map((name) => [name, f] as const)))
}

function duplicates(found: readonly Found[]): readonly string[] {
  const owner = new Map<string, string>()
  const complaints: string[] = []
  for (const { declaration, file } of found) {
    for (const name of new Set([declaration.id, ...declaration.aliases ?? []])) {
      const other = owner.get(name)
      if (other !== undefined) complaints.push(`two plugins are called ${name}: ${other} and ${file}`)
      owner.set(name, file)
    }
  }
  return complaints
}
