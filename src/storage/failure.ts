/**
 * What went wrong in a database, told from the codes of four drivers: PostgreSQL's SQLSTATE, MariaDB's numbers,
 * SQLite's names, and Node's. Pure. Anything without such a code is not the database's doing and stays as it is.
 */
import { types } from 'node:util'

export type Cause = 'password' | 'right' | 'database' | 'file'

export interface Failure {
  /** `again`: a deadlock or a serialization failure; the same work may pass at once. */
  readonly kind: 'away' | 'again' | 'refused'
  /** True: the statement certainly did nothing. False: it may have been done before the answer was lost. */
  readonly undone: boolean
  /** Set when trying again does not help: an operator must change something. */
  readonly cause?: Cause
  /** For the operator: the code, and the statement's text without its values. */
  readonly text: string
}

type Verdict = Omit<Failure, 'text'>

const AWAY: Verdict = { kind: 'away', undone: true }
const LOST: Verdict = { kind: 'away', undone: false }
const AGAIN: Verdict = { kind: 'again', undone: true }
const REFUSED: Verdict = { kind: 'refused', undone: true }
const fatal = (cause: Cause): Verdict => ({ kind: 'away', undone: true, cause })

const SQLSTATES: Readonly<Record<string, Verdict>> = {
  '40001': AGAIN, '40P01': AGAIN,
  // Cancelled by the time-out, lock not available, read-only (a standby).
  '57014': AWAY, '55P03': AWAY, '25006': AWAY, '25P03': AWAY, '57P03': AWAY,
  '57P01': LOST, '57P02': LOST, '57P05': LOST,
  '28000': fatal('password'), '28P01': fatal('password'), '3D000': fatal('database'), '42501': fatal('right')
}
/** Connection, resources, system error. */
const SQLSTATE_CLASSES: Readonly<Record<string, Verdict>> = { '08': LOST, '53': AWAY, '58': LOST }

const MARIADB: Readonly<Record<number, Verdict>> = {
  1213: AGAIN, 1020: AGAIN,
  // Lock wait, statement time, too many connections, memory, disk, read-only server.
  1205: AWAY, 1969: AWAY, 3024: AWAY, 1040: AWAY, 1203: AWAY, 1226: AWAY, 1041: AWAY, 1021: AWAY, 1114: AWAY, 1290: AWAY, 1792: AWAY,
  // Shutting down, interrupted, killed.
  1053: LOST, 1317: LOST, 1927: LOST, 1152: LOST, 1158: LOST, 1159: LOST, 1160: LOST, 1161: LOST,
  1045: fatal('password'), 1698: fatal('password'), 1130: fatal('password'), 1275: fatal('password'),
  1044: fatal('right'), 1142: fatal('right'), 1143: fatal('right'), 1227: fatal('right'), 1049: fatal('database')
}

const NODE_CODES = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EPIPE', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOENT', 'EACCES',
  'ECONNABORTED', 'EADDRNOTAVAIL', 'PROTOCOL_CONNECTION_LOST', 'PROTOCOL_SEQUENCE_TIMEOUT', 'STATEMENT_SILENT', 'ERR_STREAM_DESTROYED',
  'HANDSHAKE_SSL_ERROR', 'HANDSHAKE_NO_SSL_SUPPORT', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'EPROTO'
])
/** Those that happen while a connection is made: nothing was sent yet. */
const BEFORE_SENDING = new Set(['connect', 'getaddrinfo'])

/** The drivers say these in words only. */
const LOST_WORDS = /(?:^| - )connection terminated|connection error and is not queryable|connection is in closed state|server closed the connection/i
const NOT_MADE_WORDS = /timeout expired|timeout exceeded when trying to connect|unable to acquire a connection|does not support SSL/i
/** Timers of knex and of its pool: no connection was free, or none could be made. */
const POOL_TIMERS = new Set(['KnexTimeoutError', 'TimeoutError'])

const TEXT_MAX = 200

interface DriverError {
  readonly code?: unknown
  readonly errno?: unknown
  readonly syscall?: unknown
  readonly constraint?: unknown
}

function ofSqlite(code: string): Verdict {
  if (code.startsWith('SQLITE_BUSY') || code === 'SQLITE_PROTOCOL' || code === 'SQLITE_FULL') return AWAY
  if (code.startsWith('SQLITE_IOERR')) return LOST
  if (/^SQLITE_(?:CANTOPEN|NOTADB|CORRUPT|READONLY|PERM|AUTH)/.test(code)) return fatal('file')
  return REFUSED
}

function ofCode(code: string, { errno, syscall }: DriverError): Verdict | undefined {
  if (code.startsWith('SQLITE_')) return ofSqlite(code)
  if (NODE_CODES.has(code)) return typeof syscall === 'string' && BEFORE_SENDING.has(syscall) ? AWAY : LOST
  // Before SQLSTATE: names of MariaDB's errors come with the number.
  if (typeof errno === 'number' && errno >= 1000 && code.startsWith('ER_')) return MARIADB[errno] ?? REFUSED
  if (/^[0-9A-Z]{5}$/.test(code)) return SQLSTATES[code] ?? SQLSTATE_CLASSES[code.slice(0, 2)] ?? REFUSED
  return undefined
}

function ofWords(error: Error): Verdict | undefined {
  if (POOL_TIMERS.has(error.name)) return AWAY
  // libsql gives no code when it cannot open the file.
  if (error.message.startsWith('ConnectionFailed(')) return fatal('file')
  if (NOT_MADE_WORDS.test(error.message)) return AWAY
  return LOST_WORDS.test(error.message) ? LOST : undefined
}

/** `undefined`: not an error of a database. */
export function classify(error: unknown): Failure | undefined {
  if (!types.isNativeError(error)) return undefined
  const driver = error as DriverError
  const code = typeof driver.code === 'string' ? driver.code : ''
  const verdict = ofCode(code, driver) ?? ofWords(error)
  return verdict && { ...verdict, text: describe(error, code, verdict) }
}

/** knex writes the statement with its marks, ` - `, and the driver's words. Those of a refusal may hold values. */
function describe(error: Error, code: string, { kind }: Verdict): string {
  const { constraint } = error as DriverError
  const cut = error.message.lastIndexOf(' - ')
  const statement = cut < 0 ? '' : error.message.slice(0, cut)
  const words = kind === 'refused' ? statement : error.message.slice(cut < 0 ? 0 : cut + 3)
  return [code, typeof constraint === 'string' ? constraint : '', words.slice(0, TEXT_MAX)].filter((part) => part !== '').join(': ')
}
