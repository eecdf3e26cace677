/** Configuration: whatever stands in a file, it is read or refused with `ConfigError`; and entries are those that Java would read. */
import { ConfigError } from '../../src/config/fault.js'
import { parseAddress } from '../../src/config/address.js'
import { decodeProperties, readProperties } from '../../src/config/properties.js'
import { readSettings } from '../../src/config/settings.js'
import { GROUPS } from '../../src/groups.js'
import { mutant, tokensOf, type Material } from './mutate.js'
import type { Random } from './random.js'
import { same, type Target } from './run.js'

const NAMES: readonly string[] = Object.values(GROUPS).flatMap((group) => Object.values(group)).map(({ name }) => name)
const FILES: readonly string[] = [
  '--virt-hosts=im.test,two.test:tls-required\n--admins=a@im.test\n--cluster-mode=true\n',
    'config-type=--gen-config-def\n--user-db=sqlite\n',
  '--user-db-uri=jdbc:postgresql://db/tigase?user=u&password=p\n--user-db=pgsql', '# a\n! b\n  --c2s-ports = 5222,5223 \\\n   ,5224\n\n',
  'c2s/connections/ports[i]=5222,5223\nc2s/connections/5223/type=SECURE\n', 'sess-man/plugins-conf/jabber\\:iq\\:roster/x=1\n',
    '--sm-plugins=+a,-b,c=4\n',
  'sess-man/plugins-conf/urn\\:xmpp\\:ping/k[B]=true\n--comp-name-1=muc\n--comp-class-1=tigase.muc.MUCComponent\n',
    'key\\ with\\=x : y\\u0041\\t\\n\n',
  '--cluster-advertise=@eth0:5777\n--http-origins=*\n', '\ufeff--admins=\\u00e9@im.test\r\n--listen=::1\r'
]
const MATERIAL: Material = {
  pool: FILES.map((text) => Buffer.from(text)),
  tokens: [...tokensOf('=', ':', '\\', '\\\n', '\\\r\n', '\\u', '\\u0041', '\\u00', '#', '!', ' ', '\t', '\f', '\n', '\r', ',', '[',
    ']', '[S]', '[i]', '[im.test]', '/', '--',
    '__proto__', '--__proto__', 'constructor', 'sess-man/plugins-conf/__proto__/polluted', 'toString', '--comp-name-__proto__',
      'true', 'none', '*', '-1', '1k', '99g',
    'config-type', 'hasOwnProperty', 'c2s/', '\u0085', '\u2028', '\0', 'é'), ...tokensOf(...NAMES.map((name) => `\n${name}=`))]
}

export const PROPERTIES: Target = {
  name: 'configuration', variable: 'CONFIG_FUZZ_CASES', short: 400, long: 20_000,
  make: (random: Random) => mutant(random.pick(MATERIAL.pool), MATERIAL, random),
  check(bytes) {
    asJavaReads(decodeProperties(bytes))
    try {
      const plugins = [{ id: 'urn:xmpp:ping' }, { id: 'jabber:iq:roster' }]
      readSettings({ groups: GROUPS, plugins, argv: ['--property-file=f'], env: {}, readFile: () => bytes })
      return true
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      if (/\p{Cc}/u.test(error.message.replaceAll('\n', ''))) throw new Error('a complaint with control characters', { cause: error })
      return false
    } finally {
      clean()
    }
  }
}

/** No value has reached a prototype that others share. */
function clean(): void {
  for (const shared of [Object.prototype, Array.prototype, Function.prototype]) {
    if (Object.keys(shared).length > 0) throw new Error('a prototype that all objects share has got a property')
  }
}

function asJavaReads(text: string): void {
  const { entries, faults } = readProperties('f', text)
  if (faults.length > 0) return
  const shown = (pairs: readonly (readonly [string, string])[]): string =>
    pairs.filter(([key, value]) => key !== '' || value !== '').map((pair) => JSON.stringify(pair)).join('\n')
  same(shown(entries.map(({ key, value }) => [key, value])), shown(javaEntries(text).map(([key, value]) => [key, value.trimEnd()])),
    'our entries and those of a plain reading')
}

/** `java.util.Properties.load`, read plainly: natural lines, logical lines, then key, separator, element. */
export function javaEntries(text: string): readonly (readonly [string, string])[] {
  const entries: [string, string][] = []
  let logical: string | undefined
  for (const natural of text.replace(/^\ufeff/, '').split(/\r\n|\r|\n/)) {
    const line = natural.replace(/^[ \t\f]+/, '')
    if (logical === undefined && (line === '' || /^[#!]/.test(line))) continue
    const whole: string = (logical ?? '') + line
    const continues = (/\\*$/.exec(line)?.[0].length ?? 0) % 2 === 1
    logical = continues ? whole.slice(0, -1) : undefined
    if (!continues) entries.push(entryOf(whole))
  }
  if (logical !== undefined) entries.push(entryOf(logical))
  return entries
}

function entryOf(line: string): [string, string] {
  const [, key = '', value = ''] = /^((?:\\[^]|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*([^]*)$/.exec(line) ?? []
  return [unescaped(key), unescaped(value)]
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', f: '\f', r: '\r' }
const unescaped = (text: string): string => text.replace(/\\(?:u([0-9a-fA-F]{4})|([^])|$)/g, (_all, digits: string | undefined,
  char = '') =>
  (digits === undefined ? ESCAPES[String(char)] ?? String(char) : String.fromCharCode(Number.parseInt(digits, 16))))

export const ADDRESS_OPTION: Target = {
  name: 'address options', variable: 'CONFIG_FUZZ_CASES', short: 2_000, long: 100_000,
  make(random) {
    const pool = ['im.test:5222', 'tcp://10.0.0.1:1', '[::1]:5222', '@eth0', '[@Local Area]:8123', 'fe80::1%lo', ':1', '[',
      'a_b.c'].map((t) => Buffer.from(t))
    return mutant(random.pick(pool), { pool, tokens: tokensOf(':', '[', ']', '@', 'tcp://', '.', '::', '%', '65536', ' ', '/', 'é') },
      random)
  },
  check(bytes) {
    try {
      const { port } = parseAddress(bytes.toString())
      if (port !== undefined && port > 65_535) throw new RangeError(`port ${port}`)
      return true
    } catch (error) {
      if (error instanceof Error && error.constructor === Error) return false
      throw error
    }
  }
}
