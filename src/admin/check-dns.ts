/**
 * `starling check`: whether clients find the served domains in the DNS (RFC 6120 §3.2, XEP-0368). Where no resolver answers
 * it says so and leaves it.
 */
import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { codeOf } from '../transport/failure.js'
import { tlsName } from '../transport/certificate.js'
import { findings, type Finding } from './finding.js'

const { ok, warn, skip } = findings('dns')

export interface Srv {
  readonly name: string
  readonly port: number
}

export interface Lookup {
  resolveSrv(name: string): Promise<readonly Srv[]>
  resolve4(name: string): Promise<readonly string[]>
  resolve6(name: string): Promise<readonly string[]>
}

const ANSWER_MS = 2_000
/** The DNS has answered that there is nothing. */
const NOTHING = new Set(['ENOTFOUND', 'ENODATA'])
/** RFC 6761, RFC 6762: names that the public DNS never has. */
const LOCAL = /^[^.]+$|\.(?:localhost|local|test|invalid|example|internal)$/

export const systemLookup = (): Lookup => new Resolver({ timeout: ANSWER_MS, tries: 1 })

export async function checkDns(domains: readonly string[], ports: readonly number[], lookup: Lookup): Promise<readonly Finding[]> {
  const found: Finding[] = []
  for (const domain of domains) {
    const name = tlsName(domain)
    if (isIP(name) !== 0 || LOCAL.test(name)) { found.push(skip(`${domain} is a name that is not in the DNS`)); continue }
    try {
      found.push(await forDomain(name, ports, lookup))
    } catch (error) {
      return [...found, skip(`no resolver answers here (${codeOf(error)}), so the records of no domain were looked at`)]
    }
  }
  return found
}

async function forDomain(name: string, ports: readonly number[], lookup: Lookup): Promise<Finding> {
  const records = (await Promise.all(['_xmpp-client._tcp', '_xmpps-client._tcp']
    .map((service) => orNothing(lookup.resolveSrv(`${service}.${name}`))))).flat()
  if (records.length === 0) {
    const where = `with SRV records at _xmpp-client._tcp.${name} clients find any host and port`
    return await hasAddress(name, lookup)
      ? ok(`${name}: an address and no SRV records, so clients come to ${name}:5222`)
      : warn(`${name}: neither SRV records nor an address, so clients do not find it; ${where}`)
  }
  const shown = records.map((record) => `${record.name}:${record.port}`).join(' ')
  const lost: string[] = []
  for (const { name: target } of records) if (!await hasAddress(target, lookup)) lost.push(target)
  if (lost.length > 0) return warn(`${name}: its SRV records name ${lost.join(', ')}, which has no address: mend the zone`)
  return records.some(({ port }) => ports.includes(port))
    ? ok(`${name}: ${shown}`)
    : warn(`${name}: ${shown}, and none is a port of this node; right behind a balancer, else mend the zone`)
}

const hasAddress = async (name: string, lookup: Lookup): Promise<boolean> =>
  isIP(name) !== 0 || (await Promise.all([orNothing(lookup.resolve4(name)), orNothing(lookup.resolve6(name))])).flat().length > 0

async function orNothing<T>(answer: Promise<readonly T[]>): Promise<readonly T[]> {
  return answer.catch((error: unknown) => {
    if (NOTHING.has(codeOf(error))) return []
    throw error
  })
}
