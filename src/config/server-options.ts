/**
 * Options that belong to no single room: domains, admins, plugins, logging, files. The composition root hands them out.
 */
import { availableParallelism } from 'node:os'
import { choice, flag, list, options, type Option } from './option.js'
import { preparedDomain, virtualHosts } from './virtual-hosts.js'

/** One word of `--sm-plugins`. */
export interface PluginChoice {
  readonly id: string
  readonly on: boolean
}

function pluginChoices(name: string, why: string): Option<readonly PluginChoice[]> {
  const threads = /^([^=]*)=\d+$/
  return {
    name, kind: 'list of +id, -id', initial: [], why,
    parse: (t) => t.split(',').map((word) => word.trim()).filter((word) => word !== '').map((word) => {
      const id = word.replace(/^[+-]/, '').replace(threads, '$1')
      if (/^[^\s=]+$/.test(id)) return { id, on: !word.startsWith('-') }
      throw new Error('plugin ids with + or - before them, separated by commas')
    }),
    print: (v) => v.map(({ id, on }) => `${on ? '+' : '-'}${id}`).join(',')
  }
}

/** Text only: the domain part is prepared; the root makes addresses of them. */
function bareJids(name: string, why: string): Option<readonly string[]> {
  const plain = list(name, [], why, 'list of bare addresses')
  return {
    ...plain,
    parse: (t) => plain.parse(t).map((jid) => {
      const [, local, domain] = /^([^@/\s"&'<>:]{1,1023})@([^@/\s]+)$/.exec(jid) ?? []
      const prepared = domain === undefined ? undefined : preparedDomain(domain)
      if (prepared !== undefined) return `${local ?? ''}@${prepared}`
      throw new Error(`bare addresses such as admin@example.com; '${jid}' is none`)
    })
  }
}

/** Rooms of `src/`, whose log level `--debug` raises. */
export const ROOMS = [
  'xml', 'config', 'telemetry', 'rules', 'xmpp', 'storage', 'transport', 'stream', 'session', 'pipeline', 'router',
  'cluster', 'federation', 'plugins', 'admin', 'server'
] as const

/** Tigase's packages (`--debug=server,xmpp.impl`) and the rooms that do their work here. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  server: ['server', 'session', 'pipeline', 'router'],
  xmpp: ['stream', 'session', 'plugins'],
  net: ['transport'], io: ['transport'], conf: ['config'], db: ['storage'], auth: ['stream'], vhosts: ['config'],
  stats: ['telemetry'], monitor: ['telemetry'], disco: ['plugins'], cert: ['transport'], sys: ['server'],
  all: ROOMS
}

const roomsOfWord = (word: string): readonly string[] => {
  const first = word.toLowerCase().replace(/^tigase\./, '').split('.')[0] ?? ''
  return PACKAGES[first] ?? ROOMS.filter((room) => room === first)
}

/** Rooms to log at level debug, for words of `--debug`. */
export const debugRooms = (words: readonly string[]): ReadonlySet<string> => new Set(words.flatMap(roomsOfWord))

function debugWords(name: string, why: string): Option<readonly string[]> {
  return {
    ...list(name, [], why, 'list of rooms'),
    remarks: (words) => words.filter((word) => roomsOfWord(word).length === 0)
      .map((word) => `there is no room ${word}; there are ${ROOMS.join(', ')}`)
  }
}

const CONFIG_TYPES = ['def', 'all', 'sm', 'cs', 'comp'].map((t) => `--gen-config-${t}`)

function configType(): Option<string> {
  return {
    name: 'config-type', kind: CONFIG_TYPES.join(' | '), initial: '--gen-config-def',
    why: 'Tigase\'s set of components; here every node runs them all.',
    parse(t) {
      if (CONFIG_TYPES.includes(t)) return t
      throw new Error(`one of ${CONFIG_TYPES.join(', ')}`)
    },
    print: String,
    remarks: (t) => (/-(def|all)$/.test(t) ? [] : ['sets of components are not chosen here: every node runs all of them'])
  }
}

const WORKERS_MAX = 256

function workerCount(name: string, why: string): Option<number> {
  return {
    name, kind: 'number, or auto', initial: 1, why, print: String,
    parse(t) {
      if (t.toLowerCase() === 'auto') return Math.min(availableParallelism(), WORKERS_MAX)
      const count = /^\d{1,3}$/.test(t) ? Number(t) : NaN
      if (count >= 1 && count <= WORKERS_MAX) return count
      throw new Error(`a whole number from 1 to ${WORKERS_MAX}, or auto`)
    }
  }
}

export const serverOptions = options({
  configType: configType(),
  virtualHosts: virtualHosts('--virt-hosts', 'Served domains, each with the flags :tls-required, :register, :anon and their opposites '
    + ':-tls-required, :-register, :-anon, and :max-users=N, at which registration ends; when not given, the name of the node.'),
  workers: workerCount('--workers', 'Processes that share the client ports of this machine, each a member of the cluster; '
    + 'auto means one for each core.'),
  admins: bareJids('--admins', 'Accounts with administrator\'s rights.'),
  plugins: pluginChoices('--sm-plugins', 'Plugins to switch on (+id) or off (-id) besides those that are on by themselves.'),
  register: flag('--vhost-register-enabled', false,
    'People may make their own accounts before login (XEP-0077); a virtual host may say otherwise. Spammers look for such servers.'),
  anonymous: flag('--vhost-anonymous-enabled', false,
    'People may log in without an account (SASL ANONYMOUS); a virtual host may say otherwise. Nothing is kept for such guests.'),
  debug: debugWords('--debug', 'Rooms that log at level debug.'),
  logLevel: choice('--log-level', 'info', ['trace', 'debug', 'info', 'warn', 'error'], 'Least level that is logged.'),
  logFormat: choice('--log-format', 'auto', ['auto', 'json', 'text'], 'JSON lines, or text for people; auto means text on a terminal.')
})
