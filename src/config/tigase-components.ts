/**
 * Tigase 7.1's component lines (`component/path/key[T]=value`) and components loaded by `--comp-class-N`: other names of
 * our options, or ignored with one warning for each component or key.
 */
import { ignored, METRICS, NO_COMPONENTS, NO_REDIRECT, NO_S2S, to, type Rule } from './tigase.js'

const IDLE = 'idle connections are checked by themselves; see docs/options.md'
const LISTEN = 'ports listen on all interfaces or where the listen options say; see docs/options.md'
const BOSH = 'BOSH asks for what XEP-0124 recommends; see docs/options.md'
const ROSTER = 'rosters have fixed rules and limits; see docs/options.md'
const OFFLINE = 'offline messages are kept by the server itself; see docs/options.md'
const LOGGING = 'logs go to the standard output as JSON lines; use --log-level, --log-format and --debug'
const TABLE = 'nodes meet in the table cluster_nodes of --user-db-uri and renew their rows every second'

/** What stands in for components that are not here; all lines of one are ignored with one warning. */
export const ABSENT: Readonly<Record<string, string>> = {
  s2s: NO_S2S, ext: NO_COMPONENTS, 'ext-comp': NO_COMPONENTS,
  muc: 'group chat is not part of this version', pubsub: 'publish-subscribe is not part of this version',
  'message-archive': 'the message archive is not part of this version',
  'unified-archive': 'the message archive is not part of this version',
  http: 'there is no REST interface; use starling user and the admin listener',
  rest: 'there is no REST interface; use starling user',
  proxy: 'the SOCKS5 proxy is not part of this version', socks5: 'the SOCKS5 proxy is not part of this version',
  stun: 'run a STUN and TURN server beside', upload: 'file upload is not part of this version',
  monitor: METRICS, stats: METRICS, amp: OFFLINE, eventbus: 'there is no event bus', 'vhost-man': 'domains are named in --virt-hosts',
  srecv: 'remove it', ssend: 'remove it', push: 'push is not part of this version'
}

const MANAGER: readonly (readonly [string, Rule])[] = [
  ['connections/ports', {}], ['connections/*/socket', {}],
  ['connections/*/type', ignored('client ports only accept', /^accept$/i)],
  ['connections/*/ifc', ignored(LISTEN, /^\*$/)],
  ['connections/*/remote-host', ignored('client ports only accept')],
  ['connections/*/force-redirect-to', ignored(NO_REDIRECT)], ['force-redirect-to', ignored(NO_REDIRECT)],
  ['connections/tls/required', to('--vhost-tls-required')],
  ['max-inactivity-time', ignored(IDLE)],
  ['watchdog_delay', ignored(IDLE)], ['watchdog_timeout', ignored(IDLE)], ['watchdog_ping_type', ignored(IDLE)],
  ['processors/urn:xmpp:sm:3/max-resumption-timeout', to('--sm-resume-seconds')],
  ['processors/urn:xmpp:sm:3/ack-request-count', to('--sm-request-every')],
  ['processors/urn:xmpp:sm:3/**', ignored('a client that names no time gets --sm-resume-seconds; see docs/options.md')],
  ['processors/**', ignored('what streams can do is not switched off by lines')],
  ['packet-delivery-retry-count', ignored('a stanza that a socket does not take goes the way of offline messages')],
  ['cm-see-other-host/**', ignored(NO_REDIRECT)],
  ['clientCertCA', to('--tls-client-ca')],
  ['clientCertRequired', ignored('a client without a certificate logs in with a password', /^false$/i)],
  ['port-delay-listening', ignored('client ports always wait until the node is linked to every other', /^true$/i)]
]

const boshOnly = ['max-wait', 'min-polling', 'max-inactivity', 'concurrent-requests', 'hold-requests', 'max-pause', 'max-batch-size',
  'bosh-session-close-delay', 'send-node-hostname']

const of = (component: string, lines: readonly (readonly [string, Rule])[]): readonly (readonly [string, Rule])[] =>
  lines.map(([path, rule]) => [`${component}/${path}`, rule])

/** `*` stands for one step, `**` for the rest. The ports and sockets of client managers are planned in `tigase-ports.ts`. */
const LINES: readonly (readonly [string, Rule])[] = [
  ...of('c2s', MANAGER), ...of('bosh', MANAGER), ...of('ws2s', MANAGER),
  ...of('bosh', boshOnly.map((key) => [key, ignored(BOSH)])),
  ...of('sess-man', [
    ['plugins-conf/amp/**', ignored(OFFLINE)], ['plugins-conf/msgoffline/**', ignored(OFFLINE)],
    ['plugins-conf/jabber:iq:roster/**', ignored(ROSTER)], ['plugins-conf/presence/**', ignored(ROSTER)],
    ['plugins-conf/presence-subscription/**', ignored(ROSTER)], ['plugins-conf/presence-state/**', ignored(ROSTER)],
    ['plugins-conf/urn:xmpp:csi:0/**', ignored('client state indication is always there; see --csi-held')],
    ['plugins-conf/jabber:iq:register/registrations-per-second', ignored('see --registrations-per-address and --registrations-per-day')],
    ['plugins-conf/message-archive-xep-0136/**', ignored('the message archive is not part of this version')],
    ['plugins-conf/skip-offline', ignored('offline contacts are never disturbed')],
    ['plugins-conf/probe-full-jid', ignored('probes follow RFC 6121')],
    ['plugins-conf/delay-stamp', ignored('stored messages are always stamped')],
    ['plugins-conf/silently-ignore-message', ignored('delivery follows RFC 6121, section 8')],
    ['plugins-conf/presence-probe-full-jid', ignored('probes follow RFC 6121')],
    ['sm-threads-factor', ignored('plugins need no threads')]
  ]),
  ...of('basic-conf', [
    ['logging/**', ignored(LOGGING)], ['auth-repo-params/**', ignored('accounts are in the one database of --user-db-uri')],
    ['virtual-hosts-cert-*', ignored('put the certificate into the folder of --ssl-certs-location as <domain>.pem')]
  ]),
  ...of('message-router', [['components/msg-receivers/*', ignored('components are not switched off by lines')]]),
  ...of('cl-comp', [
    ['repo-uri', ignored(TABLE)], ['repo-autoreload-interval', ignored(TABLE)], ['repo-auto-remove-obsolete-items', ignored(TABLE)],
    ['repository-class', ignored(TABLE)], ['connect-all', ignored('every pair of nodes is linked')],
    ['compress-stream', ignored('links are not compressed', /^false$/i)],
    ['cluster-connections-per-node', ignored('every pair of nodes is linked by exactly one link')],
    ['cluster-sys-connections-per-node', ignored('every pair of nodes is linked by exactly one link')],
    ['connection-selector', ignored('every pair of nodes is linked by exactly one link')],
    ['eventbus-repository-notifications', ignored('there is no event bus', /^false$/i)],
    ['non-cluster-traffic-allowed', ignored('links carry the cluster\'s frames only')],
    ['max-inactivity-time', ignored('links are measured by pings')], ['elements-number-limit', ignored('frames are limited to 1 MiB')],
    ['connections/ports', to('--cl-comp-ports')],
    ['connections/**', ignored('use --cl-comp-ports, --cluster-listen and --cluster-advertise')]
  ]),
  ['*/incoming-filters', ignored(METRICS)], ['*/outgoing-filters', ignored(METRICS)],
  ['*/command/**', ignored('there are no ad-hoc commands; rights are --admins')]
]

const stepFits = (form: string, step: string): boolean => {
  const star = form.indexOf('*')
  return star < 0 ? form === step : step.startsWith(form.slice(0, star)) && step.length > star
}

function fits(form: string, steps: readonly string[]): boolean {
  const parts = form.split('/')
  const open = parts.at(-1) === '**'
  const fixed = open ? parts.slice(0, -1) : parts
  return (open ? steps.length > fixed.length : steps.length === fixed.length) && fixed.every((part, i) => stepFits(part, steps[i] ?? ''))
}

export interface ComponentRule {
  readonly rule: Rule
  /** The pattern or component: lines of one pattern make one warning. */
  readonly known: string
}

/** Rule of a component line; `undefined` when nobody knows it. */
export function componentRule(component: string, path: readonly string[]): ComponentRule | undefined {
  const steps = [component, ...path]
  const found = LINES.find(([form]) => fits(form, steps))
  if (found !== undefined) return { known: found[0].startsWith('*') ? steps.join('/') : found[0], rule: found[1] }
  const instead = Object.hasOwn(ABSENT, component) ? ABSENT[component] : undefined
  return instead === undefined ? undefined : { known: `${component}/`, rule: { instead } }
}

/** Names to suggest for a misspelt line of `component`, or for a misspelt component. */
export const componentNames = (component: string): readonly string[] => {
  const own = LINES.map(([form]) => form).filter((form) => form.startsWith(`${component}/`))
  const components = new Set([...LINES.map(([form]) => form.split('/')[0] ?? ''), ...Object.keys(ABSENT)])
  return own.length > 0 ? own : [...components].filter((name) => name !== '*')
}

/** What to say of a class that `--comp-class-N` names. */
export function classAdvice(className: string): string {
  const known: readonly (readonly [RegExp, string])[] = [
    [/MUCComponent/i, 'muc'], [/PubSub/i, 'pubsub'], [/ArchiveComponent/i, 'message-archive'], [/HttpMessageReceiver|tigase\.http/i, 'http'],
    [/Socks5/i, 'proxy'], [/Stun/i, 'stun'], [/MonitorComponent/i, 'monitor'], [/StanzaSender/i, 'ssend'], [/StanzaReceiver/i, 'srecv'],
    [/ComponentProtocol|ComponentConnectionManager/i, 'ext'], [/EventBus/i, 'eventbus']
  ]
  const name = known.find(([form]) => form.test(className))?.[1]
  return (name === undefined ? undefined : ABSENT[name]) ?? 'Java classes cannot be loaded'
}
