/** Reading of the configuration: the corpus of broken ones (B.12), and what wins over what. */
import { describe, expect, test } from '@jest/globals'
import { readSettings } from '../../src/config/settings.js'
import { flag, integer, options, text } from '../../src/config/option.js'
import { coded, complaints, faultsOf, read, warningsOf } from './reading.js'

describe('B.12 Configuration', () => {
  test.each([
    ['missing', coded('ENOENT'), 'no such file'],
    ['unreadable', coded('EACCES'), 'no permission to read it'],
    ['a directory', coded('EISDIR'), 'it is a directory']
  ])('C01: a file of --property-file that is %s is named with the reason', (_what, error, reason) => {
    expect(complaints({ files: { 'x/y.properties': error } })).toEqual([`config: cannot read x/y.properties: ${reason}`])
  })

  test('C01: no default file and nothing on the command line either', () => {
    expect(complaints({})).toEqual(['config: cannot read etc/init.properties or init.properties: no such file; '
      + 'name one with --property-file or give options as --option=value'])
  })

  test('C01: a default file that cannot be read is a fault also when the command line gives options', () => {
    const argv = ['--virt-hosts=a.org']
    expect(complaints({ argv, files: { 'etc/init.properties': coded('EACCES') } }))
      .toEqual(['config: cannot read etc/init.properties: no permission to read it'])
  })

  test('C02: \\u12 in a value, a key of no kind, a type letter of nobody: file and line', () => {
    expect(faultsOf('--admins=a\\u12@b\nnonsense=1\nc2s/max-inactivity-time[Q]=1\n')).toEqual([
      'config: f:1: --admins: after \\u four hexadecimal digits must follow; write \\\\ for a backslash',
      'config: f:2: nonsense=1: a key is --name, config-type or component/key',
      'config: f:3: c2s/max-inactivity-time[Q]=1: the type letter is one of F L I S B l i s b'
    ])
  })

  test('C02: control characters of a key are shown by number', () => {
    expect(faultsOf('\u001b[31mnonsense\u0007/x=1')).toEqual(['config: f:1: \\u001b[31mnonsense\\u0007/x=1: unknown line'])
  })

  test('C02: a value that its type letter does not allow', () => {
    expect(faultsOf('c2s/connections/tls/required[B]=perhaps')).toEqual(
      ['config: f:1: c2s/connections/tls/required[B]=perhaps: [B] asks for true or false'])
  })

  test('C03: an unknown option and an unknown line of a known component, each with the nearest name', () => {
    expect(faultsOf('--virt-hsots=a.org\nc2s/conections/ports[i]=5222\nfoo/bar=1\nmcu/history-db=none')).toEqual([
      'config: f:1: --virt-hsots=a.org: unknown option; did you mean --virt-hosts?',
      'config: f:2: c2s/conections/ports[i]=5222: unknown line; did you mean c2s/connections/ports?',
      'config: f:3: foo/bar=1: unknown line',
      'config: f:4: mcu/history-db=none: unknown line'
    ])
  })

  test.each(['70000', 'abc', '-1'])('C04: --c2s-ports=%s names the range', (value) => {
    expect(faultsOf(`--c2s-ports=${value}`))
      .toEqual([`config: f:1: --c2s-ports=${value}: allowed: ports from 0 to 65535, separated by commas, or none`])
  })

  test('C05: the same port twice names both places', () => {
    expect(faultsOf('\n--c2s-ports=5222,5280')).toEqual(
      ['config: default: --http-ports: port 5280 is named twice: by --c2s-ports (f:2) and by --http-ports (default)'])
    expect(faultsOf('--admin-listen=127.0.0.1:5222')).toEqual(
      ['config: f:1: --admin-listen: port 5222 is named twice: by --c2s-ports (default) and by --admin-listen (f:1)'])
    expect(faultsOf('--http-ports=80,80')[0]).toMatch(/port 80 is named twice/)
  })

  test('C05: port 0 may stand often; --proxy-protocol and --cluster-advertise name ports of others', () => {
    const argv = ['--c2s-ports=0,0', '--http-ports=0', '--proxy-protocol=5223', '--cluster-advertise=127.0.0.1:5777']
    const { values } = read({ argv })
    expect(values.doors.proxyProtocol).toEqual([5223])
  })

  test('C08: --virt-hosts empty, or with a host that IDNA refuses', () => {
    expect(faultsOf('--virt-hosts=')).toEqual(['config: f:1: --virt-hosts=: allowed: at least one domain'])
    for (const bad of ['a..b', 'xn--a', 'a b.org', '-', 'a_b@c', 'a.org:-nonsense', `${'a'.repeat(64)}.org`, 'a.org,A.ORG']) {
      expect(faultsOf(`--virt-hosts=${bad}`)).toHaveLength(1)
    }
  })

  test.each([
    ['jdbc:oracle:thin:@x', /allowed: jdbc:postgresql:/],
    ['jdbc:postgresql://host', /allowed: jdbc:postgresql:\/\/host:5432\/database/],
    ['jdbc:mysql://h1,h2/db?user=u', /allowed: jdbc:mysql:/],
    ['jdbc:postgresql://h:99999/db?user=u', /allowed: jdbc:postgresql:/],
    ['jdbc:postgresql://h/db', /a user is missing/],
    ['jdbc:postgresql://h/db?user=u&sslmode=sometimes', /ssl=sometimes/],
    ['http://h/db', /allowed: jdbc:/]
  ])('C09: a bad database URI is refused: %s', (uri, message) => {
    expect(faultsOf(`--user-db-uri=${uri}`)).toEqual([expect.stringMatching(message)])
  })

  test('C09: --user-db and the URI disagree; a server without a URI', () => {
    expect(faultsOf('--user-db=mysql\n--user-db-uri=jdbc:postgresql://h/d?user=u'))
      .toEqual(['config: f:2: --user-db-uri: --user-db says mysql, this address is one of postgresql'])
    expect(faultsOf('--user-db=pgsql')[0]).toMatch(/this kind needs an address/)
    expect(faultsOf('--user-db=sqlserver')[0]).toMatch(/allowed: one of pgsql, mysql, sqlite, derby/)
  })

  test('C13: a limit lower than the minimum of the RFC (RFC 6120 §13.12)', () => {
    expect(faultsOf('--c2s-stanza-bytes-max=9999')[0]).toMatch(/allowed: a size from 10000 to/)
  })

  test('C16: an option that Tigase has and we do not starts with one warning that says what to use instead', () => {
    expect(warningsOf(read({ files: { f: '--cross-domain-policy-file=x' } })))
      .toEqual(['1 --cross-domain-policy-file: ignored: browsers no longer ask for it; name the origins with --http-origins'])
  })

  test('C17: three faults in two files and one on the command line: all at once', () => {
    const files = { one: '--c2s-ports=x\n--nobody=1', two: '\n\n--db-wait=soon' }
    expect(complaints({ files, argv: ['--property-file=one,two', '--log-level=loud'] })).toEqual([
      'config: one:2: --nobody=1: unknown option',
      'config: command line: --log-level=loud: allowed: one of trace, debug, info, warn, error',
      'config: two:3: --db-wait=soon: allowed: a whole number from 0 to 86400',
      'config: one:1: --c2s-ports=x: allowed: ports from 0 to 65535, separated by commas, or none'
    ])
  })

  test('secrets are masked in every complaint', () => {
    const text = complaints({
      files: { f: '--externl=a:hush\n--user-db-passwort=hush\n--user-db-uri=jdbc:x://u:hush@h/d?password=hush\n--c2s-ports=x' }, env: {}
    }).join('\n')
    expect(text).toMatch(/--user-db-passwort=\*\*\*/)
    expect(text.replace('--externl=a:hush', '')).not.toMatch(/hush/)
  })

  test('control characters and endless values do not get into a complaint', () => {
    const [line = ''] = faultsOf(`--c2s-ports=\\u001b[31m${'x'.repeat(1000)}`)
    expect(line).toContain('\\u001b[31mxxx')
    expect(line.length).toBeLessThan(350)
  })
})

describe('what wins', () => {
  test('later files over earlier ones, later lines over earlier ones, the command line over all', () => {
    const files = { one: '--db-wait=1\n--data-repo-pool-size=1\n--data-repo-pool-size=2', two: '--db-wait=2' }
    expect(read({ files }).database).toMatchObject({ waitSeconds: 2, poolSize: 2 })
    expect(read({ files, argv: ['--property-file=one,two', '--db-wait=3'] }).database.waitSeconds).toBe(3)
    expect(read({ files, argv: ['--db-wait=3', '--property-file=one,two'] }).database.waitSeconds).toBe(3)
  })

  test('STARLING_PROPERTY_FILE names the files when the command line does not', () => {
    const files = { one: '--db-wait=1', two: '--db-wait=2' }
    expect(read({ files, argv: [], env: { STARLING_PROPERTY_FILE: 'one' } }).database.waitSeconds).toBe(1)
    expect(read({ files, argv: ['--property-file=two'], env: { STARLING_PROPERTY_FILE: 'one' } }).database.waitSeconds).toBe(2)
  })

  test('without a file named, etc/init.properties or init.properties is read', () => {
    expect(read({ files: { 'init.properties': '--db-wait=7' }, argv: [] }).files).toEqual(['init.properties'])
    expect(read({ files: { 'etc/init.properties': '--db-wait=8', 'init.properties': '--db-wait=7' },
      argv: [] }).database.waitSeconds).toBe(8)
    expect(read({ argv: ['--db-wait=9'] }).files).toEqual([])
  })

  test('a secret of the environment wins over files and loses to the command line', () => {
    const files = { f: '--user-db-uri=jdbc:mysql://h/d?user=u&password=uri\n--user-db-password=file' }
    const env = { STARLING_DB_PASSWORD: 'env' }
    expect(read({ files }).database).toMatchObject({ password: 'file' })
    expect(read({ files, env }).database).toMatchObject({ password: 'env' })
    expect(read({ files, env, argv: ['--property-file=f', '--user-db-password=line'] }).database).toMatchObject({ password: 'line' })
  })

  test('a word of the command line without a value is refused', () => {
    expect(complaints({ argv: ['--cluster-mode', 'foo'] })).toEqual([
      'config: command line: --cluster-mode: write --cluster-mode=value', 'config: command line: foo: write --option=value'
    ])
  })

  test('where a value came from is known for later complaints', () => {
    const settings = read({ files: { f: '\n--db-wait=1' } })
    expect(settings.originOf('--db-wait')).toEqual({ file: 'f', line: 2 })
    expect(settings.originOf('--c2s-ports').file).toBe('default')
  })
})

describe('plugins', () => {
  const greeter = { id: 'x:greeter', aliases: ['greeter'], config: options({ limit: integer('store-limit', 5, 1, 9, 'x'),
    loud: flag('loud', false, 'x') }) }
  const other = { id: 'x:other', config: options({ loud: flag('loud', false, 'x') }) }

  test('settings stand below sess-man/plugins-conf, by id or alias, or for all plugins', () => {
    const { pluginSettings } = read({
      plugins: [greeter, other], files: { f: 'sess-man/plugins-conf/x\\:greeter/store-limit[I]=7\nsess-man/plugins-conf/loud[B]=true\n' }
    })
    expect(Object.fromEntries(pluginSettings)).toEqual({ 'x:greeter': { limit: 7, loud: true }, 'x:other': { loud: true } })
  })

  test('a value that is not allowed and a key that the plugin does not have are refused', () => {
    const files = { f: 'sess-man/plugins-conf/greeter/store-limit=70\nsess-man/plugins-conf/greeter/nothing=1' }
    expect(complaints({ plugins: [greeter], files })).toEqual([
      expect.stringMatching(/f:2: .*unknown line/),
      'config: f:1: sess-man/plugins-conf/greeter/store-limit=70: allowed: a whole number from 1 to 9'
    ])
  })

  test('--sm-plugins with an id of nobody is refused with the nearest one', () => {
    expect(complaints({ plugins: [greeter], files: { f: '--sm-plugins=-x:greter' } }))
      .toEqual(['config: f:1: --sm-plugins=x:greter: unknown plugin; did you mean x:greeter?'])
  })
})

describe('checks of the rooms', () => {
  test('complain with the place of the option that they name', () => {
    const groups = { a: options({ x: text('--xx', '', 'x'), y: flag('--yy', false, 'x') }) }
    const check = () => readSettings({
      groups, argv: ['--yy=true'], env: {}, readFile: () => { throw coded('ENOENT') },
      checks: [(values, complain) => { if (values.a.y && values.a.x === '') complain('--yy', 'needs --xx') }]
    })
    expect(check).toThrow('config: command line: --yy: needs --xx')
  })
})
