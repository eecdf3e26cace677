/** Which database, and the numbers that hold for each of them. */
export interface SqliteSettings {
  readonly kind: 'sqlite'
  readonly file: string
}

export interface ServerSettings {
  readonly kind: 'postgresql' | 'mysql'
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password: string
  /** `true`: the server's certificate must be valid for `host`; `ca` names another root, as PEM text. */
  readonly ssl?: boolean | { readonly ca?: string; readonly verify: boolean }
  /** Connections at most; default 10. */
  readonly poolSize?: number
}

export type DatabaseSettings = SqliteSettings | ServerSettings
export type DatabaseKind = DatabaseSettings['kind']

/** A statement that takes longer is given up: a login that waits longer is of no use to anybody. */
export const STATEMENT_MS = 5000
/** Our own timer fires only when the server's did not: a frozen server or a cut cable. */
export const SILENT_GRACE_MS = 1000
/** A migration may build an index over many rows. */
export const MIGRATION_MS = 600_000
export const CONNECT_MS = 3000
export const POOL_SIZE = 10

/** For logs: where it is, without the password. */
export function addressOf(settings: DatabaseSettings): string {
  if (settings.kind === 'sqlite') return settings.file
  return `${settings.kind}://${settings.host}:${settings.port}/${settings.database}`
}
