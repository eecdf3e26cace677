/**
 * Exit codes of `starling` (after sysexits.h) and what an error that reaches the top means in them.
 */
import { ConfigError } from '../config/fault.js'
import { StartRefused } from '../cluster/claim.js'
import { DatabaseRefused } from '../storage/database.js'
import { SchemaTooNew } from '../storage/migrate.js'
import { StorageError } from '../storage/store.js'
import { CertificateError } from '../transport/certificate.js'

export const EXIT = {
  ok: 0,
  /** The command could not do what it was asked: the message says why. */
  failed: 1,
  usage: 64,
  /** A fault of the program. */
  bug: 70,
  io: 74,
  /** The name is held by another live node, or the database is away: try again. */
  temporary: 75,
  config: 78
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Ends the program with a sentence for people and no stack. */
export class CommandError extends Error {
  constructor(message: string, readonly exitCode: ExitCode = EXIT.failed) {
    super(message)
    this.name = 'CommandError'
  }
}

/** Errors of the operating system that stand for a broken or refused file, socket or device. */
const SYSTEM = /^E[A-Z0-9]+$/

/** An operator must change something before it can work. */
const CONFIG = [ConfigError, DatabaseRefused, SchemaTooNew, CertificateError]

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandError) return error.exitCode
  if (CONFIG.some((kind) => error instanceof kind)) return EXIT.config
  if (error instanceof StorageError) return error.kind === 'refused' ? EXIT.bug : EXIT.temporary
  if (error instanceof StartRefused) return error.exitCode
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return SYSTEM.test(code) ? EXIT.io : EXIT.bug
}

/** For the standard error: sentences for operators, a stack only for a fault of ours. */
export function errorText(error: unknown): string {
  if (error instanceof ConfigError) return error.message
  if (exitCodeOf(error) !== EXIT.bug) return `starling: ${error instanceof Error ? error.message : String(error)}`
  const trace = error instanceof Error ? error.stack ?? error.message : String(error)
  return `starling: this is a fault of the program, please report it\n${trace}`
}
