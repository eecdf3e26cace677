/**
 * Client addresses: one spelling for each, the key under which they are counted, and lists of networks.
 */
import { BlockList, isIP } from 'node:net'

const MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i

/** Without zone, and an IPv4 address that came through an IPv6 socket in its IPv4 form. */
export function plainAddress(address: string): string {
  const zoneless = address.replace(/%.*$/, '')
  return MAPPED.exec(zoneless)?.[1] ?? zoneless
}

/** What counts as one client: an IPv4 address, or the /64 of an IPv6 address. */
export function countedAs(address: string): string {
  if (isIP(address) !== 6) return address
  const [left = '', right] = address.toLowerCase().split('::')
  const head = left === '' ? [] : left.split(':')
  const tail = right === undefined || right === '' ? [] : right.split(':')
  const missing = right === undefined ? 0 : Math.max(0, 8 - head.length - tail.length)
  const groups = [...head, ...Array.from({ length: missing }, () => '0'), ...tail]
  return groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, '')).join(':')
}

/** Answers that are kept: asking Node's list is as dear as a stanza, and each connection asks twice. */
const KNOWN_MAX = 1_000

/** A list of addresses and networks such as `10.0.0.0/8`, `::1`. */
export class Networks {
  readonly #list = new BlockList()
  readonly #known = new Map<string, boolean>()
  #count = 0

  /** Throws `Error` that names the entry which is neither an address nor a network. */
  static of(entries: readonly string[]): Networks {
    const networks = new Networks()
    for (const entry of entries) networks.#add(entry)
    return networks
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** `address` in its plain form. */
  has(address: string): boolean {
    const known = this.#known.get(address)
    if (known !== undefined) return known
    const family = isIP(address)
    const has = family !== 0 && this.#list.check(address, family === 6 ? 'ipv6' : 'ipv4')
    if (this.#known.size >= KNOWN_MAX) this.#known.clear()
    this.#known.set(address, has)
    return has
  }

  #add(entry: string): void {
    const [, address = '', digits] = /^([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(entry) ?? []
    const family = isIP(address)
    const bits = family === 6 ? 128 : 32
    const prefix = digits === undefined ? bits : Number(digits)
    if (family === 0 || prefix > bits) {
      throw new Error(`addresses and networks such as 10.0.0.0/8 or ::1, separated by commas; '${entry}' is none`)
    }
    this.#count++
    this.#known.clear()
    this.#list.addSubnet(address, prefix, family === 6 ? 'ipv6' : 'ipv4')
  }
}
