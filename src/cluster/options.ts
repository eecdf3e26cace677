/** What operators may set about the cluster, under Tigase's names where it has one. */
import { address, parseAddress } from '../config/address.js'
import { choice, flag, list, options, ports, text, type Option, type Values } from '../config/option.js'

/** Class names of Tigase and short names, to the short name that all nodes compare. */
const STRATEGIES: Readonly<Record<string, string>> = {
  broadcast: 'broadcast',
  'tigase.cluster.strategy.DefaultClusteringStrategy': 'broadcast',
  'tigase.cluster.strategy.SMNonCachingAllNodes': 'broadcast',
  'online-users-caching': 'online-users-caching',
  'tigase.cluster.strategy.OnlineUsersCachingStrategy': 'online-users-caching',
  'tigase.server.cluster.strategy.OnlineUsersCachingStrategy': 'online-users-caching'
}

function strategyClass(name: string, why: string): Option<string> {
  return {
    name, kind: 'broadcast | online-users-caching | path or package', initial: 'broadcast', why,
    parse(t) {
      const known = STRATEGIES[t.trim()]
      if (known !== undefined) return known
      if (/^tigase\./.test(t)) throw new Error(`one of ${Object.keys(STRATEGIES).join(', ')}, or the path or package of a module`)
      if (/^[^\s]+$/.test(t)) return t
      throw new Error('broadcast, online-users-caching, or the path or package of a module')
    },
    print: (v) => v
  }
}

/** Tigase's `host[:password[:port]]`, and `host:port` as people write it. Passwords are not used. */
function contacts(name: string, why: string): Option<readonly string[]> {
  const plain = list(name, [], why, 'list of host[:password[:port]]')
  return {
    ...plain,
    parse: (t) => plain.parse(t).map((word) => {
      const [, host, , port] = /^(\[[^\]]+\]|[^:]+)(:[^:]*[^:\d][^:]*|:(?=:))?(?::(\d{1,5}))?$/.exec(word)
        ?? /^(\[[^\]]+\]|[^:]+)(:[^:]+)(?::(\d{1,5}))$/.exec(word) ?? []
      if (host === undefined) throw new Error('host, host:port or host:password:port each, separated by commas')
      const contact = port === undefined ? host : `${host}:${port}`
      parseAddress(contact)
      return contact
    })
  }
}

function words<const C extends readonly string[]>(
  name: string, initial: readonly C[number][], choices: C, why: string
): Option<readonly C[number][]> {
  const one = choice(name, initial[0] ?? choices[0] ?? '', choices, why)
  return {
    name, kind: `list of ${choices.join(', ')}`, initial, why, print: (v) => v.join(','),
    parse: (t) => t.split(',').map((word) => one.parse(word.trim()))
  }
}

const CLUSTER_NAME = /^[\p{L}\p{N}._-]{1,64}$/u

function clusterName(name: string, why: string): Option<string> {
  return {
    ...text(name, 'starling', why),
    parse(t) {
      if (CLUSTER_NAME.test(t)) return t
      throw new Error('1 to 64 letters, digits, dots, dashes or underscores')
    }
  }
}

export const clusterOptions = options({
  mode: flag('--cluster-mode', false, 'This node works with others on the same database.'),
  clusterName: clusterName('--cluster-name', 'Keeps clusters apart that share one database; the same on all nodes of one.'),
  primaryAddress: text('--tigase-primary-address', '',
    'Name of this node, unique in the database; when not given, the name of the machine.'),
  secondaryAddress: text('--tigase-secondary-address', '', 'Public name of this node, used when clients are sent to it.'),
  advertise: address('--cluster-advertise', '',
    'Where the other nodes reach this one; when not given, its name and the first cluster port.'),
  listen: list('--cluster-listen', ['::'], 'Addresses or interfaces of this machine on which links are taken; :: means every address.'),
  ports: ports('--cl-comp-ports', [5777], 'Ports on which links are taken.'),
  nodes: contacts('--cluster-nodes', 'First contacts, besides those in the table; the rest is learnt. A password in it is not used.'),
  discovery: words('--cluster-discovery', ['table', 'static'], ['table', 'static'] as const,
    'Where addresses come from: table, static, or both. With static alone none is taken from the table, which still says who lives.'),
  secret: { ...text('--cluster-secret', '', 'Secret that links are proved with, instead of random ones in the table; two, separated '
    + 'by a comma, during a change.', true), environment: 'STARLING_CLUSTER_SECRET' },
  secretFile: text('--cluster-secret-file', '', 'File with the secret, one a line, two during a change.'),
  tls: flag('--cluster-tls', true, 'Encrypt links; false only between addresses of one machine.'),
  allowLoopback: flag('--cluster-allow-loopback', false, 'Allow loopback names and addresses, for several nodes on one machine.'),
  strategy: strategyClass('--sm-cluster-strategy-class', 'How nodes find each other\'s users; the same on all nodes.'),
  durability: choice('--durability', 'auto', ['auto', 'buddy', 'both', 'sql', 'off'] as const,
    'Where messages in flight are kept safe; in this version all values mean off.'),
  notifyAdmins: flag('--cluster-notify-admins', false, 'Tell the accounts of --admins in a message when a node comes or goes.')
})

export type ClusterOptionValues = Values<typeof clusterOptions>
