/**
 * `starling check`: everything that can be known before a start, or while a node runs, one line each with what to do. It
 * writes nothing, and opens ports only to see that they can be opened.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { addressText, hostOf, parseAddress, type Interfaces } from '../config/address.js'
import type { DatabaseSettings } from '../config/database.js'
import { nodeName } from '../cluster/configure.js'
import type { ClusterOptionValues } from '../cluster/options.js'
import type { Log } from '../telemetry/log.js'
import type { Place } from '../transport/listen-error.js'
import { ADMIN_PORT } from '../transport/doors.js'
import type { DoorSettings, TlsSettings } from '../transport/options.js'
import { checkCertificates } from './check-certificates.js'
import { checkDatabase } from './check-database.js'
import { checkDns, type Lookup } from './check-dns.js'
import { checkNodes, liveNodes, type LiveNode } from './check-nodes.js'
import { checkPorts } from './check-ports.js'
import { checkSecrets } from './check-secrets.js'
import { findings, findingText, type Finding } from './finding.js'
import { nodePage } from './node-page.js'

export interface CheckSettings {
  readonly database: DatabaseSettings
  readonly files: readonly string[]
  readonly domains: readonly string[]
  readonly tls: TlsSettings
  readonly doors: DoorSettings
  readonly cluster: ClusterOptionValues
  /** Sentences of the configuration's warnings. */
  readonly warnings: readonly string[]
}

export interface CheckPorts {
  readonly print: (line: string) => void
  readonly lookup: Lookup
  readonly interfaces: Interfaces
  readonly log: Log
}

/** True when nothing fails. */
export async function checkAll(settings: CheckSettings, { print, lookup, interfaces, log }: CheckPorts): Promise<boolean> {
  let good = true
  const say = (found: readonly Finding[]): void => {
    for (const one of found) {
      good &&= one.verdict !== 'fail'
      print(findingText(one))
    }
  }
  const { domains, tls, doors, cluster } = settings
  say(configuration(settings))
  say(checkSecrets(settings.files, cluster.secretFile === '' ? [] : [cluster.secretFile]))
  say(await checkCertificates(tls, domains, Date.now()))
  const { open, findings: found } = await checkDatabase(settings.database, log)
  say(found)
  const { clusterName } = cluster
  const nodes = open === undefined || !cluster.mode ? [] : await liveNodes({ tables: open.cluster, clusterName, pause })
  await open?.close()
  say(await ownPorts(settings, nodes, interfaces))
  say(await checkDns(domains, [...doors.c2sPorts, ...doors.c2sTlsPorts], lookup))
  if (cluster.mode) say(checkNodes(nodes))
  return good
}

function configuration({ files, warnings }: CheckSettings): readonly Finding[] {
  const { ok, warn } = findings('config')
  return [ok(files.length === 0 ? 'no file, only the command line and defaults' : files.join(', ')), ...warnings.map(warn)]
}

type Found = Promise<readonly Finding[]>

async function ownPorts({ doors, cluster }: CheckSettings, nodes: readonly LiveNode[], interfaces: Interfaces): Found {
  const { adminListen } = doors
  const name = nodeName(cluster)
  const admin = adminListen === undefined ? undefined : { ...adminListen, port: adminListen.port ?? ADMIN_PORT }
  const page = nodes.find((node) => node.name === name)?.page
    ?? (admin === undefined ? undefined : await nodePage(addressText(admin), name))
  const linkHosts = cluster.mode ? cluster.listen.map((word) => hostOf(parseAddress(word), interfaces)) : []
  const all = [
    ...clientPlaces(doors),
    ...admin === undefined ? [] : places([admin.host], [admin.port], '--admin-listen'),
    ...places(linkHosts, cluster.ports, '--cl-comp-ports')
  ]
  return checkPorts(all.filter(({ port }) => port !== 0), page, [...cluster.ports, admin?.port ?? 0])
}

const places = (hosts: readonly string[], ports: readonly number[], option: string): readonly Place[] =>
  hosts.flatMap((host) => ports.map((port) => ({ host, port, option })))

function clientPlaces(doors: DoorSettings): readonly Place[] {
  const { listen } = doors
  const lists = [
    ['--c2s-ports', doors.c2sPorts], ['--c2s-tls-ports', doors.c2sTlsPorts], ['--http-ports', doors.httpPorts],
    ['--bosh-ports', doors.boshPorts], ['--https-ports', doors.httpsPorts], ['--ws2s-ports', doors.ws2sPorts],
    ['--ws2s-tls-ports', doors.ws2sTlsPorts]
  ] as const
  return lists.flatMap(([option, ports]) => places(listen, ports, option))
}
