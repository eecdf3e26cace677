/**
 * Tigase 7.1's global options that are not declared here under the same name: another name of one of ours, or ignored
 * with one warning that says what to use instead. An option that a room declares is never looked up here.
 */
export interface Rule {
  /** Our option. */
  readonly to?: string
  /** Value for our option; `undefined` sets nothing. */
  readonly value?: (given: string) => string | undefined
  /** Ignored; what to use instead. */
  readonly instead?: string
  /** Values that ask for what happens anyway: no warning. */
  readonly fine?: RegExp
}

const OFF = /^(false|no|off|0)$/i
const ON = /^(true|yes|on|1)$/i
/** The line is another name of this option. */
export const to = (option: string): Rule => ({ to: option })
/** @param instead what to use in its place; @param fine values that need no warning */
export const ignored = (instead: string, fine?: RegExp): Rule => (fine === undefined ? { instead } : { instead, fine })

const ONE_DATABASE = 'accounts and data of all domains are in the one database of --user-db-uri'
const ONE_POOL = 'there is one pool: --data-repo-pool-size'
export const NO_S2S = 'this version does not speak to other servers'
export const NO_COMPONENTS = 'this version takes no external components'
export const NO_REDIRECT = 'clients are not redirected: any node serves any client; put a balancer in front'
const JAVA = 'Java classes cannot be loaded'
const QUEUES = 'there are no inner queues to size: a full step stops the one before it down to the client\'s socket'
const UNUSED = 'there is nothing like it here; remove the line'
const SHARED_TABLE = 'nodes meet in the table cluster_nodes of --user-db-uri; --cluster-discovery and --cluster-nodes add contacts'
export const METRICS = 'read /metrics on the admin listener (--admin-listen)'

export const GLOBALS: Readonly<Record<string, Rule>> = {
  '--property-file': ignored('name files on the command line or by the variable STARLING_PROPERTY_FILE'),
  '--trusted': ignored('give rights with --admins'),
  '--debug-packages': {
    to: '--debug', value: (t) => (/^\s*tigase\./.test(t) ? t : undefined), instead: 'there are no Java packages; use --debug'
  },
  '--test': ignored('there is no test mode; starling demo runs nodes to try things on', OFF),
  '--auth-db': ignored(ONE_DATABASE, /^(tigase-auth|tigase-custom|mysql|pgsql|derby|sqlite)$/i),
  '--auth-db-uri': ignored(ONE_DATABASE),
  '--user-repo-pool-size': ignored(ONE_POOL),
  '--auth-repo-pool-size': ignored(ONE_POOL),
  '--user-repo-pool': ignored(JAVA), '--auth-repo-pool': ignored(JAVA),
  '--user-domain-repo-pool': ignored(ONE_DATABASE), '--auth-domain-repo-pool': ignored(ONE_DATABASE),
  '--roster-implementation': ignored(JAVA, /RosterFlat$/),
  '--amp-repo-class': ignored('offline messages are in the one database'),
  '--amp-repo-uri': ignored('offline messages are in the one database of --user-db-uri'),
  '--amp-security-level': ignored('advanced message processing (XEP-0079) is not offered'),
  '--vhost-repo-class': ignored('domains are named in --virt-hosts'),
  '--sm-threads-pool': ignored('plugins need no threads', /^default$/i),
  '--skip-privacy': ignored('privacy lists (XEP-0016) are not offered; clients block with urn:xmpp:blocking', ON),
  '--cluster-connect-all': ignored('every pair of nodes is linked by exactly one link'),
  '--cluster-connections-per-node': ignored('every pair of nodes is linked by exactly one link with four lanes', /^1$/),
  '--cl-conn-repo-class': ignored(SHARED_TABLE, /ClConSQLRepository$/),
  '--cm-see-other-host': ignored(NO_REDIRECT, /^none$/i),
  '--client-port-delay-listening': ignored('client ports always wait until the node is linked to every other', ON),
  '--tigase-resolver-class': ignored(JAVA), '--resolver-class': ignored(JAVA),
  '--s2s-ports': ignored(NO_S2S),
  '--external': ignored(NO_COMPONENTS), '--bind-ext-hostnames': ignored(NO_COMPONENTS),
  '--extcomp-repo-class': ignored(NO_COMPONENTS), '--ext-comp': ignored(NO_COMPONENTS),
  '--cm-traffic-throttling': ignored('what one client may send is limited by pausing it; see docs/options.md'),
  '--cm-ht-traffic-throttling': ignored(NO_S2S),
  '--new-connections-throttling': ignored('new connections are limited per address: --new-connections-per-second'),
  '--net-buff-standard': ignored('socket buffers size themselves'),
  '--net-buff-high-throughput': ignored('socket buffers size themselves'),
  '--max-queue-size': ignored(QUEUES), '--nonpriority-queue': ignored(QUEUES), '--queue-implementation': ignored(QUEUES),
  '--elements-number-limit': to('--c2s-stanza-elements-max'),
  '--watchdog_delay': ignored('idle connections are checked by themselves; see docs/options.md'),
  '--watchdog_timeout': ignored('idle connections are checked by themselves; see docs/options.md'),
  '--watchdog_ping_type': ignored('idle connections are checked by themselves; see docs/options.md'),
  '--stanza-ack': ignored('acknowledgements are those of stream management (XEP-0198)', /^none$/i),
  '--stringprep-processor': ignored('addresses follow RFC 7622; there is nothing to choose', /^(simple|libidn)$/i),
  '--ssl-container-class': ignored(JAVA, /SSLContextContainer$/),
  '--ssl-def-cert-domain': ignored('name the file of the certificate that is used by default default.pem', /^default$/i),
  '--tls-enabled-protocols': ignored('TLS 1.2 and 1.3 are spoken', /^(TLSv1\.[23],?)+$/),
  '--tls-enabled-ciphers': ignored('the cipher suites are those of RFC 9325'),
  '--tls-jdk-nss-bug-workaround-active': ignored('there is no Java here', OFF),
  '--hardened-mode': { to: '--vhost-tls-required', value: (t) => (OFF.test(t) || t === 'relaxed' ? undefined : 'true') },
  '--s2s-secret': ignored(NO_S2S), '--s2s-skip-tls-hostnames': ignored(NO_S2S),
  '--s2s-ejabberd-bug-workaround-active': ignored(NO_S2S),
  '--sasl-strict': ignored('SASL is always strict', ON),
  '--sasl-external-disabled': ignored('SASL EXTERNAL is offered where --tls-client-ca is given', ON),
  '--vhost-max-users': ignored('say :max-users=N for each domain in --virt-hosts', /^0$/),
  '--vhost-message-forward-jid': ignored('messages are not forwarded', /^null$/),
  '--vhost-presence-forward-jid': ignored('presence is not forwarded', /^null$/),
  '--vhost-disable-dns-check': ignored('DNS records of served domains are not checked', ON),
  '--domain-filter-policy': ignored('clients block with urn:xmpp:blocking', /^(ALL|LOCAL)$/i),
  '--bosh-close-connection': ignored('HTTP connections are kept alive', OFF),
  '--bosh-extra-headers-file': ignored('cross-origin requests are answered; name the origins with --http-origins'),
  '--client-access-policy-file': ignored('browsers no longer ask for it; name the origins with --http-origins'),
  '--cross-domain-policy-file': ignored('browsers no longer ask for it; name the origins with --http-origins'),
  '--ws-allow-unmasked-frames': ignored('frames of clients are masked (RFC 6455, section 5.1)', OFF),
  '--monitoring': ignored(METRICS),
  '--stats-history': ignored(METRICS), '--stats-archiv': ignored(METRICS),
  '--script-dir': ignored('there are no scripts; use starling user and starling cluster'),
  '--tigase-config-repo-class': ignored('the configuration is in files'),
  '--tigase-config-repo-uri': ignored('the configuration is in files'),
  '--tracer-jids': ignored('use --debug'), '--tracer-ips': ignored('use --debug'), '--tracer-cids': ignored('use --debug'),
  '--monitor-tasks': ignored(METRICS),
  '--reload-delay': ignored(UNUSED), '--resource-uri': ignored(UNUSED), '--experimental': ignored(UNUSED), '--gen-srec': ignored(UNUSED),
  '--shutdown-thread-dump': ignored('there are no threads to dump', OFF),
  '--installation-id': ignored('no licence is needed'),
  '--api-keys': ignored('there is no REST interface; use starling user and the admin listener')
}

/** Families: names that end in a number or a word. */
const FAMILIES: readonly (readonly [RegExp, string])[] = [
  [/^--ext-comp[_-]\w+$/, '--ext-comp'],
  [/^--gen-srec-\w[\w-]*$/, '--gen-srec'],
  [/^--(user|auth)-db(-uri)?$/, '--auth-db-uri']
]

/** Rule of a global option; `perDomain` for Tigase's `--user-db[a.org]`. */
export function globalRule(name: string, perDomain: boolean): { readonly rule: Rule; readonly known: string } | undefined {
  const family = FAMILIES.find(([form]) => form.test(name))?.[1]
  const known = family !== undefined && (perDomain || !Object.hasOwn(GLOBALS, name)) ? family : name
  const rule = Object.hasOwn(GLOBALS, known) ? GLOBALS[known] : undefined
  return rule === undefined ? undefined : { rule, known }
}

/** Plugin ids of Tigase 7.1 whose work is done without a plugin. */
export const BUILT_IN_PLUGINS: ReadonlySet<string> = new Set([
  'session-close', 'session-open', 'default-handler', 'urn:ietf:params:xml:ns:xmpp-sasl', 'urn:ietf:params:xml:ns:xmpp-bind',
  'urn:ietf:params:xml:ns:xmpp-session', 'jabber:iq:roster', 'starttls', 'presence', 'presence-state', 'presence-subscription',
  'disco', 'caps', 'msgoffline', 'message', 'message-all', 'domain-filter', 'roster-presence', 'presence-offline', 'error-counter'
])

/** Plugin ids of Tigase 7.1 that are not offered, with what there is instead. */
export const OTHER_PLUGINS: Readonly<Record<string, string>> = {
  'jabber:iq:auth': 'old clients too log in by SASL',
  'jabber:iq:privacy': 'clients block with urn:xmpp:blocking',
  'http://jabber.org/protocol/stats': METRICS,
  'http://jabber.org/protocol/commands': 'use starling user and starling cluster',
  zlib: 'compression is refused for safety (CRIME)',
  amp: 'offline messages are kept by the server itself',
  'message-carbons': UNUSED, 'vcard-xep-0292': 'use vcard-temp',
  'urn:xmpp:csi:0': 'client state indication is always there; see --csi-held', pep: UNUSED, 'pep-simple': UNUSED,
  'jabber:iq:oob': UNUSED, jingle: 'clients talk Jingle to each other', 'http://jabber.org/protocol/offline': UNUSED,
  'invisible-command': UNUSED, 'remote-roster-management': UNUSED, 'message-vhost-forward': 'messages are not forwarded',
  mobile_v1: UNUSED, mobile_v2: UNUSED, mobile_v3: UNUSED, 'message-archive-xep-0136': 'there is no archive in this version'
}
