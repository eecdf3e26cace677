/**
 * Addresses in the configuration: `host:port`, `tcp://host:port`, `[::1]:5222`, and the name of a network interface where
 * a host may stand: `@eth0`, `[@eth0:1]:5777`, `[@Local Area Connection]:8123`. The machine's interfaces are passed in.
 */
import { isIP } from 'node:net'
import type { NetworkInterfaceInfo } from 'node:os'
import type { Option } from './option.js'

/** As `os.networkInterfaces()` gives them. */
export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

export interface Address {
  /** Name or IP address; empty when an interface is named. */
  readonly host: string
  /** Name of a network interface; empty when a host is named. */
  readonly device: string
  /** `undefined` when none was given. */
  readonly port: number | undefined
}

const ALLOWED = 'host, host:port, [IPv6]:port, @interface, [@interface name]:port, each with tcp:// if you like'
const HOST_NAME = /^(?=.{1,253}$)[\p{L}\p{N}_](?:[\p{L}\p{N}_.-]*[\p{L}\p{N}])?\.?$/u

/** `tcp://`, then a name in brackets, or one without colons, or an IPv6 address; then a port. */
const FORM = /^(?:tcp:\/\/)?(?:\[([^[\]]+)\]|([^[\]:/]*|[0-9a-fA-F.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*))(?::(\d{1,5}))?$/

/** Throws `Error` with what is allowed. */
export function parseAddress(text: string): Address {
  const [, bracketed, plain, digits] = FORM.exec(text.trim()) ?? []
  const name = bracketed ?? plain ?? ''
  const port = digits === undefined ? undefined : Number(digits)
  if (name === '' || (port ?? 0) > 65535) throw new Error(ALLOWED)
  if (name.startsWith('@')) {
    if (name.length === 1) throw new Error(ALLOWED)
    return { host: '', device: name.slice(1), port }
  }
  if (isIP(name) === 0 && (bracketed !== undefined || !HOST_NAME.test(name))) throw new Error(ALLOWED)
  return { host: name, device: '', port }
}

/** The form that `parseAddress` reads back. */
export function addressText({ host, device, port }: Address): string {
  const name = device === '' ? host : `@${device}`
  const shown = /[:\s]/.test(name) ? `[${name}]` : name
  return port === undefined ? shown : `${shown}:${port}`
}

const zoneless = (ip: string): string => ip.replace(/%.*$/, '')

/** IP addresses of an interface, IPv4 first; throws `Error` that names the interfaces there are. */
export function addressesOf(device: string, interfaces: Interfaces): readonly string[] {
  const found = interfaces[device]
  if (found === undefined || found.length === 0) {
    throw new Error(`no interface ${device} on this machine; there are ${Object.keys(interfaces).sort().join(', ')}`)
  }
  return found.toSorted((a, b) => a.family.localeCompare(b.family)).map((entry) => entry.address)
}

/** A host to listen on or to advertise: the first address of the interface, or the host itself. Throws like `addressesOf`. */
export const hostOf = (address: Address, interfaces: Interfaces): string =>
  address.device === '' ? address.host : addressesOf(address.device, interfaces)[0] ?? ''

export const isLoopback = (host: string): boolean =>
  /^(localhost\.?|127(\.\d+){3}|::1|::ffff:127(\.\d+){3}|.*\.localhost)$/i.test(zoneless(host))

/** An option whose value is an address; an empty one stands for "not given". */
export function address(name: string, initial: string, why: string): Option<Address | undefined> {
  const parse = (t: string): Address | undefined => (t.trim() === '' ? undefined : parseAddress(t))
  return { name, kind: 'address', initial: parse(initial), why, parse, print: (v) => (v === undefined ? '' : addressText(v)) }
}
