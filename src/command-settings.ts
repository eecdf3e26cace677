/** What the commands of `admin/` look at, out of the whole configuration. */
import type { CheckSettings } from './admin/check.js'
import type { CommandSettings } from './admin/store-commands.js'
import { knownPlugins, optionsOf, pipelineOf } from './chosen-plugins.js'
import { machineName, nodeName } from './cluster/configure.js'
import { addressText } from './config/address.js'
import { complaintText } from './config/fault.js'
import { settingsOf, type ServerSettings } from './groups.js'
import { ADMIN_PORT } from './transport/doors.js'
import { workerSettings } from './worker.js'

/** @throws ConfigError */
export function commandSettings(argv: readonly string[]): CommandSettings {
  const { database, values } = workerSettings(settingsOf(argv), 1)
  const { adminListen } = values.doors
  const admin = adminListen === undefined ? undefined : addressText({ ...adminListen, port: adminListen.port ?? ADMIN_PORT })
  return {
    database, node: { name: nodeName(values.cluster), admin }, domains: values.server.virtualHosts.map((host) => host.domain),
    clusterName: values.cluster.clusterName, scramIterations: values.session.scramIterations
  }
}

/** Judges plugins and their lines too. @throws ConfigError, PipelineError */
export async function checkSettings(argv: readonly string[]): Promise<CheckSettings> {
  const found = await knownPlugins()
  const settings = workerSettings(settingsOf(argv, optionsOf(found)), 1)
  pipelineOf(found, settings)
  const { database, files, values: { tls, doors, cluster } } = settings
  return { database, files, tls, doors, cluster, domains: domainsOf(settings), warnings: settings.warnings.map(complaintText) }
}

/** Without `--virt-hosts` a node serves its own name. */
function domainsOf({ values }: ServerSettings): readonly string[] {
  const named = values.server.virtualHosts.map(({ domain }) => domain)
  return named.length > 0 ? named : [machineName(nodeName(values.cluster))]
}
