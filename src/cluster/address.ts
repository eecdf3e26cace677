/** Addresses and names of nodes: `host:port`, interface names (`@eth0`), and which names mean this machine. */
import { hostname, networkInterfaces } from 'node:os'

export interface Address {
  readonly host: string
  readonly port: number
}

const PORT_MAX = 65_535

/**
 * `host`, `host:port`, `[v6]`, `[v6]:port`, `@eth0`, `[@eth0:1]:port`.
 * @throws Error that says what is allowed
 */
export function parseAddress(text: string, defaultPort: number): Address {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text)
  const bare = match ?? (/^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(text) ? ['', text] : undefined) // an IPv6 address alone
  const host = bare?.[1] ?? bare?.[2]
  const port = match?.[3] === undefined ? defaultPort : Number(match[3])
  if (host === undefined || port > PORT_MAX) throw new Error(`"${text}" is not host, host:port, [IPv6]:port or @interface`)
  return { host: host.startsWith('@') ? interfaceAddress(host.slice(1)) : host, port }
}

export function printAddress(address: Address): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/** The first address of an interface, IPv4 before IPv6; `eth0:1` is its second one. */
function interfaceAddress(spec: string): string {
  const [, name = spec, index = '0'] = /^(.+?)(?::(\d+))?$/.exec(spec) ?? []
  const all = networkInterfaces()[name]
  const found = all && [...all].sort((a, b) => a.family.localeCompare(b.family))[Number(index)]
  if (found === undefined) throw new Error(`this machine has no address @${spec}`)
  return found.address
}

/** Names and addresses that reach only their own machine. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  return name === 'localhost' || name.startsWith('localhost.') || name.endsWith('.localhost') || name === '::1' ||
    name === '0:0:0:0:0:0:0:1' || /^127(\.\d{1,3}){3}$/.test(name) || /^::ffff:127\./.test(name)
}

/** The name of this machine as others know it, as far as it knows itself. */
export function machineName(): string {
  return hostname().toLowerCase()
}
