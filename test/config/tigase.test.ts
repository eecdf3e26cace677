/** Files of Tigase 7.1 start unchanged; what means nothing here is said once. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { allGroups } from '../../src/config/settings.js'
import { GLOBALS } from '../../src/config/tigase.js'
import { GROUPS } from '../../src/groups.js'
import { read, warningsOf } from './reading.js'

const PLUGINS = ['urn:xmpp:ping', 'jabber:iq:register', 'jabber:iq:last', 'urn:xmpp:time', 'vcard-temp'].map((id) => ({ id }))
const file = (name: string) => read({
  files: { [name]: readFileSync(join(import.meta.dirname, 'tigase', name), 'utf8') }, plugins: PLUGINS
})

describe('real-world files of Tigase 7.1', () => {
  test('one server on MySQL: its settings', () => {
    const { values, database } = file('single.properties')
    expect(database).toEqual({
      kind: 'mysql', host: 'db.office.example.org', port: 3306, database: 'tigasedb', user: 'tigase', password: 't1gase&co',
      ssl: false, poolSize: 25, waitSeconds: 60
    })
    expect(values.server.virtualHosts).toMatchObject([
      { domain: 'office.example.org', anonymous: false, maxUsers: 0, tlsRequired: undefined },
      { domain: 'lab.example.org', register: false, tlsRequired: true }
    ])
    expect(values.server.admins).toEqual(['admin@office.example.org', 'ops@office.example.org'])
    expect(values.server.plugins).toEqual([
      { id: 'jabber:iq:register', on: false }, { id: 'jabber:iq:last', on: true }, { id: 'message-archive-xep-0136', on: true },
      { id: 'urn:xmpp:ping', on: true }, { id: 'jabber:iq:auth', on: true }
    ])
    expect(values.doors).toMatchObject({ c2sPorts: [5222], c2sTlsPorts: [5223], httpPorts: [5280], boshPorts: [] })
    expect(values.stream.vhostTlsRequired).toBe(true)
    expect(values.streamLimits.stanzaElements).toBe(20_000)
  })

  test('one server on MySQL: its warnings, one for each thing', () => {
    expect(warningsOf(file('single.properties'))).toEqual([
      '9 --auth-db-uri: ignored: accounts and data of all domains are in the one database of --user-db-uri',
      '25 --cross-domain-policy-file: ignored: browsers no longer ask for it; name the origins with --http-origins',
      '26 --monitoring: ignored: read /metrics on the admin listener (--admin-listen)',
      '31 sess-man/plugins-conf/amp/store-limit[L]: ignored: offline messages are kept by the server itself; see docs/options.md',
      '32 sess-man/plugins-conf/jabber:iq:register/registrations-per-second: '
        + 'ignored: see --registrations-per-address and --registrations-per-day',
      '36 basic-conf/logging/java.util.logging.FileHandler.limit: '
        + 'ignored: logs go to the standard output as JSON lines; use --log-level, --log-format and --debug (2 lines)',
      '12 --comp-class-1: component muc and its lines are ignored: group chat is not part of this version',
      '14 --comp-class-2: component proxy and its lines are ignored: the SOCKS5 proxy is not part of this version',
      '15 --sm-plugins: plugin message-archive-xep-0136 is not offered: there is no archive in this version',
      '15 --sm-plugins: plugin jabber:iq:auth is not offered: old clients too log in by SASL'
    ])
  })

  test('a cluster on PostgreSQL: its settings', () => {
    const settings = file('cluster.properties')
    expect(settings.values.cluster).toMatchObject({
      mode: true, ports: [5277], strategy: 'online-users-caching',
      nodes: ['xmpp1.example.net:5277', 'xmpp2.example.net', 'xmpp3.example.net']
    })
    expect(settings.database).toMatchObject({ kind: 'postgresql', port: 5432, user: 'tigase', password: 'hush', ssl: { verify: false } })
    expect(settings.values.doors).toMatchObject({
      c2sPorts: [5222, 443], httpPorts: [5280, 5285], httpsPorts: [5281], ws2sPorts: [5290], ws2sTlsPorts: [5291]
    })
  })

  test('a cluster on PostgreSQL: every line that changes nothing is named once', () => {
    const warned = warningsOf(file('cluster.properties'))
    const keys = warned.map((line) => line.split(' ')[1]?.replace(/:$/, ''))
    expect(keys).toEqual([
      '--cluster-connect-all', '--user-repo-pool-size', '--external', '--bind-ext-hostnames', '--cm-traffic-throttling',
      '--cm-ht-traffic-throttling', '--new-connections-throttling', '--net-buff-standard', '--net-buff-high-throughput',
      '--max-queue-size', '--watchdog_delay', '--watchdog_timeout', '--watchdog_ping_type', '--stats-history', '--stats-archiv',
      'cl-comp/repo-autoreload-interval[L]', 'cl-comp/cluster-connections-per-node[I]', 's2s/max-inactivity-time[L]',
      'c2s/max-inactivity-time[L]', '--comp-class-1', '--comp-class-ext', '--comp-class-3'
    ])
    expect(warned.at(-1)).toMatch(/component ours and its lines are ignored: Java classes cannot be loaded/)
  })

  test('no secret of a file comes back in a warning', () => {
    for (const name of ['single', 'cluster', 'hand-tuned']) {
      expect(warningsOf(file(`${name}.properties`)).join('\n')).not.toMatch(/t1gase|hush|topsecret|component-pass|verysecret|abc123/)
    }
  })

  test('a hand-tuned one on Derby: the embedded database, and one warning for each line', () => {
    const settings = file('hand-tuned.properties')
    expect(settings.database).toMatchObject({ kind: 'sqlite', file: './data/starling.db' })
    expect(settings.values.stream.vhostTlsRequired).toBe(true)
    expect(settings.values.server.virtualHosts.map((host) => [host.domain, host.tlsRequired]))
      .toEqual([['chat.example.com', undefined], ['conf.example.com', false]])
    expect(settings.values.session.smResumeSeconds).toBe(900)
    const warned = warningsOf(settings)
    expect(warned).toContain('4 --user-db-uri: Derby is not read: accounts are kept in SQLite (./data/starling.db); move them over by hand')
    expect(warned).toContain('5 --virt-hosts: chat.example.com: s2s-secret is ignored: this version does not speak to other servers')
    expect(warned.filter((line) => line.includes('processors'))).toHaveLength(1)
    expect(new Set(warned).size).toBe(warned.length)
  })
})

describe('the table of Tigase options', () => {
  const declared = new Set(Object.values(allGroups(GROUPS)).flatMap((group) => Object.values(group).map((option) => option.name)))
  const GLOBAL_OPTIONS = `config-type --admins --virt-hosts --trusted --debug --debug-packages --test --user-db --user-db-uri --auth-db
    --auth-db-uri --data-repo-pool-size --user-repo-pool-size --auth-repo-pool-size --user-repo-pool --auth-repo-pool
    --user-domain-repo-pool --auth-domain-repo-pool --roster-implementation --amp-repo-class --amp-repo-uri --amp-security-level
    --vhost-repo-class --sm-plugins --sm-threads-pool --skip-privacy --cluster-mode --cluster-nodes --cluster-connect-all
    --cluster-connections-per-node --sm-cluster-strategy-class --cl-conn-repo-class --cl-comp-ports --cm-see-other-host
    --client-port-delay-listening --tigase-primary-address --tigase-secondary-address --tigase-resolver-class --c2s-ports --s2s-ports
    --bosh-ports --ws2s-ports --external --bind-ext-hostnames --extcomp-repo-class --ext-comp --cm-traffic-throttling
    --cm-ht-traffic-throttling --new-connections-throttling --net-buff-standard --net-buff-high-throughput --max-queue-size
    --nonpriority-queue --queue-implementation --elements-number-limit --watchdog_delay --watchdog_timeout --watchdog_ping_type
    --stanza-ack --stringprep-processor --ssl-certs-location --ssl-container-class --ssl-def-cert-domain --tls-enabled-protocols
    --tls-enabled-ciphers --tls-jdk-nss-bug-workaround-active --hardened-mode --s2s-secret --s2s-skip-tls-hostnames
    --s2s-ejabberd-bug-workaround-active --sasl-strict --sasl-external-disabled --vhost-anonymous-enabled --vhost-register-enabled
    --vhost-tls-required --vhost-max-users --vhost-message-forward-jid --vhost-presence-forward-jid --vhost-disable-dns-check
    --domain-filter-policy --bosh-close-connection --bosh-extra-headers-file --client-access-policy-file --cross-domain-policy-file
    --ws-allow-unmasked-frames --monitoring --stats-history --stats-archiv --script-dir --tigase-config-repo-class
    --tigase-config-repo-uri --tracer-jids --tracer-ips --tracer-cids --monitor-tasks --reload-delay --resource-uri --experimental
    --shutdown-thread-dump --installation-id --api-keys`.split(/\s+/)

  test('knows every global option of Tigase 7.1', () => {
    expect(GLOBAL_OPTIONS.filter((name) => !declared.has(name) && !Object.hasOwn(GLOBALS, name))).toEqual([])
  })

  test('sends other names only to options that exist', () => {
    const targets = Object.values(GLOBALS).flatMap((rule) => rule.to ?? [])
    expect(targets.filter((name) => !declared.has(name))).toEqual([])
  })

  test.each(Object.entries(GLOBALS).filter(([name]) =>
    !declared.has(name) && name !== '--property-file'))('%s gives at most one warning, with advice', (name, rule) => {
    const { warnings } = read({ argv: [`${name}=something-else`.replace('--elements-number-limit=something-else',
      '--elements-number-limit=500')] })
    expect(warnings).toHaveLength(rule.instead === undefined ? 0 : 1)
  })

  test('a value that asks for what happens anyway gives no warning', () => {
    const argv = ['--cm-see-other-host=none', '--auth-db=tigase-auth', '--client-port-delay-listening=true', '--hardened-mode=false']
    expect(read({ argv }).warnings).toEqual([])
  })
})

describe('ports of connection managers', () => {
  test('5223 is TLS by habit, another port when its socket says ssl, and 5223 not when it says plain', () => {
    expect(read({ argv: ['--c2s-ports=5222,5223,5224', 'c2s/connections/5224/socket[S]=ssl'] }).values.doors)
      .toMatchObject({ c2sPorts: [5222], c2sTlsPorts: [5223, 5224] })
    expect(read({ argv: ['--c2s-ports=5222,5223', 'c2s/connections/5223/socket=plain', '--c2s-tls-ports=6223'] }).values.doors)
      .toMatchObject({ c2sPorts: [5222, 5223], c2sTlsPorts: [6223] })
  })

  test('a component line wins over the global option, whatever their order', () => {
    expect(read({ argv: ['c2s/connections/ports[i]=6222', '--c2s-ports=5222'] }).values.doors.c2sPorts).toEqual([6222])
  })
})
