/** Which plugins run: found in their folder, chosen by the settings, compiled. */
import { fileURLToPath } from 'node:url'
import type { PluginOptions } from './config/settings.js'
import type { ServerSettings } from './groups.js'
import { choosePlugins, findPlugins, type Found } from './pipeline/catalog.js'
import { compile, PipelineError, type Pipeline } from './pipeline/compile.js'

export const knownPlugins = (): Promise<readonly Found[]> => findPlugins(fileURLToPath(new URL('./plugins', import.meta.url)))

/** What the configuration must know of them to judge their lines. */
export const optionsOf = (found: readonly Found[]): readonly PluginOptions[] => found.map(({ declaration: { id, aliases, config } }) =>
  ({ id, ...aliases !== undefined && { aliases }, ...config !== undefined && { config: config as never } }))

/** @throws PipelineError */
export function pipelineOf(found: readonly Found[], settings: ServerSettings): Pipeline {
  const wishes = settings.values.server.plugins.map(({ id, on }) => `${on ? '+' : '-'}${id}`)
  const { plugins, complaints } = choosePlugins(found, wishes)
  if (complaints.length > 0) throw new PipelineError(complaints)
  return compile(plugins)
}
