/**
 * Which database: Tigase's `--user-db` and `--user-db-uri=jdbc:...` made into settings for `storage/`.
 */
import { integer, options, seconds, text, type Option, type Values } from './option.js'

/** `true`: the server's certificate must be valid for the host; `{ verify: false }`: encrypted only. */
export type DatabaseTls = boolean | { readonly verify: false }

interface Pool {
  /** Connections, at most. */
  readonly poolSize: number
  /** How long a start waits for a database that is away. */
  readonly waitSeconds: number
}

export type DatabaseSettings = Pool & (
  | { readonly kind: 'sqlite'; readonly file: string }
  | {
    readonly kind: 'postgresql' | 'mysql'
    readonly host: string
    readonly port: number
    readonly database: string
    readonly user: string
    readonly password: string
    readonly ssl: DatabaseTls
  }
)

const SCHEMES = { postgresql: 'postgresql', mysql: 'mysql', mariadb: 'mysql', sqlite: 'sqlite', derby: 'sqlite' } as const
const KINDS = { pgsql: 'postgresql', ...SCHEMES } as const
type Kind = DatabaseSettings['kind']

function kindOption(): Option<Kind | 'by-uri'> {
  return {
    name: '--user-db', kind: 'pgsql | mysql | sqlite | derby', initial: 'by-uri', example: 'sqlite',
    why: 'Kind of the database; derby means the embedded default (SQLite). When not given, the URI tells.',
    parse(t) {
      if (t.startsWith('tigase.db.jdbc.')) return 'by-uri'
      const word = t.toLowerCase()
      if (Object.hasOwn(KINDS, word)) return KINDS[word as keyof typeof KINDS]
      throw new Error('one of pgsql, mysql, sqlite, derby')
    },
    print: (v) => ({ postgresql: 'pgsql', mysql: 'mysql', sqlite: 'sqlite', 'by-uri': '' })[v]
  }
}

export const databaseOptions = options({
  kind: kindOption(),
  uri: {
    ...text('--user-db-uri', '', 'Where it is: jdbc:postgresql://host:port/name?user=..&password=.., jdbc:mysql://.., jdbc:sqlite:path; '
      + 'ssl=require encrypts, ssl=verify checks the certificate too. When not given, ./data/starling.db.'),
    example: 'jdbc:sqlite:./data/starling.db',
    remarks: (uri: string) => [
      ...(/^jdbc:derby:/i.test(uri) ? ['Derby is not read: accounts are kept in SQLite (./data/starling.db); move them over by hand'] : []),
      ...foreignParameters(uri).map((name) => `parameter ${name} is ignored`)
    ]
  },
  password: {
    ...text('--user-db-password', '', 'Password of the database user; wins over the URI\'s.', true),
    environment: 'STARLING_DB_PASSWORD'
  },
  passwordFile: text('--user-db-password-file', '', 'File whose first line is the password of the database user.'),
  poolSize: integer('--data-repo-pool-size', 10, 1, 1000, 'Connections to the database, at most.'),
  waitSeconds: seconds('--db-wait', 60, 0, 86_400, 'How long a start waits for a database that cannot be reached.')
})

const USED = ['user', 'password', 'ssl', 'sslmode', 'usessl', 'requiressl', 'verifyservercertificate']
/** Java drivers' parameters that change nothing here. */
const HARMLESS = ['useunicode', 'characterencoding', 'autocreateuser', 'create', 'autoreconnect', 'servertimezone', 'tcpkeepalive',
  'allowpublickeyretrieval', 'uselegacydatetimecode', 'sslfactory', 'charset', 'stringtype', 'cacheprepstmts']

const decoded = (part: string): string => part.replace(/(?:%[0-9a-fA-F]{2})+/g, (run) => {
  try {
    return decodeURIComponent(run)
  } catch {
    return run
  }
})

/** Parameters by lower-case name; a percent sign that starts no escape stands for itself. */
function parametersOf(uri: string): ReadonlyMap<string, string> {
  const at = uri.indexOf('?')
  if (at < 0) return new Map()
  return new Map(uri.slice(at + 1).split('&').filter((pair) => pair !== '').map((pair) => {
    const [name = ''] = pair.split('=')
    return [decoded(name).toLowerCase(), decoded(pair.slice(name.length + 1))]
  }))
}

const foreignParameters = (uri: string): readonly string[] =>
  [...parametersOf(uri).keys()].filter((name) => !USED.includes(name) && !HARMLESS.includes(name))

function tlsOf(p: ReadonlyMap<string, string>): DatabaseTls {
  const mode = (p.get('sslmode') ?? p.get('ssl') ?? p.get('usessl') ?? p.get('requiressl') ?? 'false').toLowerCase()
  const checked = p.get('verifyservercertificate')?.toLowerCase() === 'true'
  if (/^(verify([-_](ca|full|identity))?)$/.test(mode) || (checked && mode === 'true')) return true
  if (/^(true|1|require|required|yes|on)$/.test(mode)) return { verify: false }
  if (/^(false|0|disable|disabled|off|no|prefer|preferred|allow)$/.test(mode)) return false
  throw new Error(`ssl=${mode}: allowed: off, require, verify`)
}

const FORMS: Readonly<Record<Kind, string>> = {
  postgresql: 'jdbc:postgresql://host:5432/database?user=name&password=secret',
  mysql: 'jdbc:mysql://host:3306/database?user=name&password=secret',
  sqlite: 'jdbc:sqlite:path'
}
const PORTS = { postgresql: 5432, mysql: 3306 } as const

export const DEFAULT_FILE = './data/starling.db'

type Read = (path: string) => string

function passwordOf(v: Values<typeof databaseOptions>, parameters: ReadonlyMap<string, string>, read: Read): string {
  if (v.password !== '') return v.password
  if (v.passwordFile === '') return parameters.get('password') ?? ''
  const [first = ''] = read(v.passwordFile).split(/\r?\n/)
  return first
}

/** Throws `Error` with what is allowed for `--user-db-uri`; `read` throws when the password file cannot be read. */
export function databaseSettings(v: Values<typeof databaseOptions>, read: Read): DatabaseSettings {
  const pool = { poolSize: v.poolSize, waitSeconds: v.waitSeconds }
  const uri = v.uri.trim()
  if (uri === '') {
    if (v.kind !== 'by-uri' && v.kind !== 'sqlite') throw new Error(`this kind needs an address: --user-db-uri=${FORMS[v.kind]}`)
    return { ...pool, kind: 'sqlite', file: DEFAULT_FILE }
  }
  const [, scheme = '', rest = ''] = /^(?:jdbc:)?([a-z]+):(.*)$/is.exec(uri) ?? []
  const kind = Object.hasOwn(SCHEMES, scheme.toLowerCase()) ? SCHEMES[scheme.toLowerCase() as keyof typeof SCHEMES] : undefined
  if (kind === undefined) throw new Error(`allowed: ${Object.values(FORMS).join(', ')}`)
  if (v.kind !== 'by-uri' && v.kind !== kind) {
    throw new Error(`--user-db says ${databaseOptions.kind.print(v.kind)}, this address is one of ${kind}`)
  }
  if (kind === 'sqlite') {
    const [file = ''] = scheme.toLowerCase() === 'derby' ? [''] : rest.split('?')
    return { ...pool, kind, file: file === '' ? DEFAULT_FILE : file }
  }
  const parameters = parametersOf(uri)
  const [, login, bracketed, name, digits, database] =
    /^\/\/(?:([^@/?]*)@)?(?:\[([0-9a-fA-F:.%]+)\]|([^:/?@,[\]]*))(?::(\d{1,5}))?\/([^?/]+)(?:\?.*)?$/s.exec(rest) ?? []
  const port = digits === undefined ? PORTS[kind] : Number(digits)
  if (database === undefined || port < 1 || port > 65535) throw new Error(`allowed: ${FORMS[kind]}`)
  const [loginUser = '', loginPassword] = (login ?? '').split(':').map(decoded)
  const user = parameters.get('user') ?? loginUser
  if (user === '') throw new Error(`a user is missing: ${FORMS[kind]}`)
  const given = passwordOf(v, parameters, read)
  const password = given === '' ? loginPassword ?? '' : given
  const host = bracketed ?? (name === undefined || name === '' ? 'localhost' : name)
  return { ...pool, kind, host, port, database: decoded(database), user, password, ssl: tlsOf(parameters) }
}
