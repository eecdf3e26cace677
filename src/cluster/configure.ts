/** From options to the settings of one node: names resolved, secrets read, what cannot work refused with exit code 78. */
import { readFileSync } from 'node:fs'
import { hostname, type NetworkInterfaceInfo } from 'node:os'
import { basename } from 'node:path'
import { addressText, hostOf, isLoopback, parseAddress, type Interfaces } from '../config/address.js'
import type { Log } from '../telemetry/log.js'
import { StartRefused } from './claim.js'
import type { Endpoint } from './listeners.js'
import type { ClusterOptionValues } from './options.js'
import type { ClusterSettings } from './settings.js'

export interface NodeFacts {
  readonly version: string
  /** `sqlite` lives on one machine: nodes on others could not see it. */
  readonly database: 'sqlite' | 'postgresql' | 'mysql'
  /** Of this machine, the same for all its nodes. */
  readonly hostId: string
  /** An earlier life of this name whose process is known to be gone. */
  readonly dead?: number | undefined
  readonly interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>
}

const SECRETS_MAX = 2
/** A column of `cluster_nodes`, and a field of HELLO, in bytes; names beyond ASCII are rare. */
const STRATEGY_CHARS_MAX = 64

/** `--tigase-primary-address`, else the machine's name. */
export function nodeName(values: Pick<ClusterOptionValues, 'primaryAddress'>): string {
  return (values.primaryAddress === '' ? hostname() : values.primaryAddress).toLowerCase()
}

/** Of the machine: workers of one machine are called `machine/1`, `machine/2` … */
export const machineName = (node: string): string => node.replace(/\/\d+$/, '')

/** @throws StartRefused (78) with what to change */
export function clusterSettings(values: ClusterOptionValues, facts: NodeFacts): ClusterSettings {
  const name = nodeName(values)
  const advertise = advertised(values, facts.interfaces, machineName(name))
  const host = parseAddress(advertise).host
  if (!values.allowLoopback) refuseLoopback(machineName(name), host)
  if (facts.database === 'sqlite' && !isLoopback(host)) {
    throw new StartRefused(78, `SQLite is a file of one machine, but other nodes are to reach this one at ${advertise}: `
      + 'use PostgreSQL or MariaDB (--user-db, --user-db-uri), or a loopback address with --cluster-allow-loopback=true')
  }
  const listen = endpoints(values, facts.interfaces)
  if (!values.tls && !(isLoopback(host) && listen.every((endpoint) => isLoopback(endpoint.host)))) {
    throw new StartRefused(78, '--cluster-tls=false is for links inside one machine: set --cluster-advertise and '
      + '--cluster-listen to loopback addresses, or leave TLS on')
  }
  return {
    name, advertise, listen,
    secondary: values.secondaryAddress === '' ? undefined : values.secondaryAddress,
    clusterName: values.clusterName, contacts: values.nodes, discovery: values.discovery, secrets: secretsOf(values),
    tls: values.tls, strategy: strategyLabel(values.strategy), hostId: facts.hostId, version: facts.version,
    dead: facts.dead
  }
}

/** What nodes compare: one of our names, or the file name of the operator's module, wherever it lies on this machine. */
function strategyLabel(strategy: string): string {
  return basename(strategy).replace(/\.[cm]?js$/, '').slice(0, STRATEGY_CHARS_MAX)
}

/** One line at start for what is accepted and does nothing yet. */
export function sayDurability(values: Pick<ClusterOptionValues, 'durability'>, log: Log): void {
  log.info({ asked: values.durability, inForce: 'off' }, 'cluster.durability')
}

function advertised(values: ClusterOptionValues, interfaces: Interfaces, name: string): string {
  const given = values.advertise
  const port = given?.port ?? values.ports[0] ?? 0
  const host = given === undefined ? name : resolved(() => hostOf(given, interfaces), '--cluster-advertise')
  return addressText({ host, device: '', port })
}

/** As Tigase: a name that means "this machine" on every machine cannot tell nodes apart. */
function refuseLoopback(name: string, host: string): void {
  const which = [name, host].find(isLoopback)
  if (which === undefined) return
  throw new StartRefused(78, `"${which}" means this machine on every machine, so the other nodes cannot reach this one by it: give `
    + 'the node a name in --tigase-primary-address (or an address in --cluster-advertise) that they can resolve; for several '
    + 'nodes on one machine set --cluster-allow-loopback=true')
}

function endpoints(values: ClusterOptionValues, interfaces: Interfaces): readonly Endpoint[] {
  const hosts = values.listen.map((word) => resolved(() => hostOf(parseAddress(word), interfaces), '--cluster-listen'))
  if (values.ports.length === 0) throw new StartRefused(78, '--cl-comp-ports: cluster mode needs a port for links')
  return hosts.flatMap((host) => values.ports.map((port) => ({ host, port })))
}

function resolved(read: () => string, option: string): string {
  try {
    return read()
  } catch (error) {
    throw new StartRefused(78, `${option}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

export function secretsOf(values: ClusterOptionValues): readonly string[] {
  const texts = values.secretFile === '' ? values.secret.split(',') : readSecrets(values.secretFile)
  const given = texts.map((line) => line.trim()).filter((line) => line !== '')
  if (given.length > SECRETS_MAX) throw new StartRefused(78, '--cluster-secret: one secret, or two during a change')
  return given
}

function readSecrets(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch (error) {
    throw new StartRefused(78, `--cluster-secret-file: cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
