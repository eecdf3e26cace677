/**
 * `--virt-hosts`: served domains, each with Tigase's flags behind colons: `a.org:-register:max-users=100,b.org`.
 */
import { domainToASCII, domainToUnicode } from 'node:url'
import type { Option } from './option.js'

/** A flag that is `undefined` was not given: the server-wide option decides. */
export interface VirtualHost {
  /** Lower case, Unicode form. */
  readonly domain: string
  readonly tlsRequired: boolean | undefined
  readonly register: boolean | undefined
  readonly anonymous: boolean | undefined
  /** Accounts at which registration ends; 0 for no limit. */
  readonly maxUsers: number | undefined
  /** Tigase's other flags, as written. */
  readonly others: readonly string[]
}

const FLAGS: Readonly<Record<string, 'tlsRequired' | 'register' | 'anonymous'>> =
  { 'tls-required': 'tlsRequired', register: 'register', anon: 'anonymous' }

/** Flags that take a value and mean nothing here, with what to use instead. */
const OTHERS: Readonly<Record<string, string>> = {
  's2s-secret': 'this version does not speak to other servers',
  'domain-filter': 'use the clients\' block lists (urn:xmpp:blocking)',
  'c2s-ports-allowed': 'every port serves every domain; open only the ports you need',
  'pres-forw': 'presence is not forwarded',
  'mess-forw': 'messages are not forwarded',
  comps: 'every domain has all components',
  'sasl-mechanisms': 'mechanisms are the same for all domains',
  'trusted-jids': 'use --admins'
}

const ALL_FLAGS = [...Object.keys(FLAGS), 'max-users=N', ...Object.keys(OTHERS)]

/** RFC 1123 §2.1. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** The domain in one form for comparing, or `undefined` when IDNA refuses it. */
export function preparedDomain(text: string): string | undefined {
  if (!/^[\p{L}\p{N}\p{M}.-]{1,1023}$/u.test(text)) return undefined
  const ascii = domainToASCII(text.replace(/\.$/, ''))
  const labels = ascii.split('.')
  return ascii.length <= 253 && labels.every((label) => LABEL.test(label)) ? domainToUnicode(ascii) : undefined
}

function host(text: string): VirtualHost {
  const [name = '', ...flags] = text.split(':').map((part) => part.trim())
  const domain = preparedDomain(name)
  if (domain === undefined) throw new Error(`domains such as example.com:-register, separated by commas; '${name}' is none`)
  const values: Partial<Record<'tlsRequired' | 'register' | 'anonymous' | 'maxUsers', boolean | number>> = {}
  const others: string[] = []
  for (const flag of flags) {
    const [, minus, word = ''] = /^(-?)(.*)$/.exec(flag) ?? []
    const field = FLAGS[word]
    const [, digits] = /^max-users=(\d{1,10})$/.exec(flag) ?? []
    const [key = ''] = flag.split('=')
    if (field !== undefined) values[field] = minus === ''
    else if (digits !== undefined) values.maxUsers = Number(digits)
    else if (flag.includes('=') && Object.hasOwn(OTHERS, key)) others.push(flag)
    else throw new Error(`flags ${ALL_FLAGS.join(', ')}; not '${flag}' of ${name}`)
  }
  const unsaid = { tlsRequired: undefined, register: undefined, anonymous: undefined, maxUsers: undefined }
  return { domain, ...unsaid, ...values, others } as VirtualHost
}

function parse(text: string): readonly VirtualHost[] {
  const hosts = text.split(',').map((part) => part.trim()).filter((part) => part !== '').map(host)
  if (hosts.length === 0) throw new Error('at least one domain')
  const twice = hosts.find((one, i) => hosts.findIndex((other) => other.domain === one.domain) < i)
  if (twice !== undefined) throw new Error(`each domain once; ${twice.domain} is named twice`)
  return hosts
}

function print(hosts: readonly VirtualHost[]): string {
  const sign = (value: boolean | undefined, word: string): string => (value === undefined ? '' : `:${value ? '' : '-'}${word}`)
  const users = (max: number | undefined): string => (max === undefined ? '' : `:max-users=${max}`)
  return hosts.map((h) => [
    h.domain, sign(h.tlsRequired, 'tls-required'), sign(h.register, 'register'), sign(h.anonymous, 'anon'), users(h.maxUsers)
  ].join('')).join(',')
}

function remarks(hosts: readonly VirtualHost[]): readonly string[] {
  return hosts.flatMap((h) => [
    ...h.others.map((flag) => `${h.domain}: ${flag.split('=')[0] ?? ''} is ignored: ${OTHERS[flag.split('=')[0] ?? ''] ?? ''}`)
  ])
}

export function virtualHosts(name: string, why: string): Option<readonly VirtualHost[]> {
  return { name, kind: 'domains with flags', initial: [], example: 'example.com', why, parse, print, remarks }
}
