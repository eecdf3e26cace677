/** A start that waits for a database that is away, with back-off, and gives up at once where an operator must act. */
import type { Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import { openStore, type OpenStore } from './open.js'
import { addressOf, type DatabaseSettings } from './settings.js'
import { StorageError } from './store.js'

export interface Patience {
  /** How long, milliseconds (`--db-wait`). */
  readonly waitMs: number
  readonly log: Log
  readonly clock: Clock
}

const FIRST_MS = 250
const LONGEST_MS = 5_000

/** Rejects with `DatabaseRefused` at once, with `StorageError` of kind `away` when patience ends. */
export async function openWhenThere(settings: DatabaseSettings, { waitMs, log, clock }: Patience): Promise<OpenStore> {
  const until = clock.now() + waitMs
  for (let delayMs = FIRST_MS; ; delayMs = Math.min(delayMs * 2, LONGEST_MS)) {
    try {
      return await openStore(settings, log, clock)
    } catch (error) {
      if (!(error instanceof StorageError) || error.kind !== 'away') throw error
      if (clock.now() + delayMs > until) throw outOfPatience(settings, waitMs, error)
      log.warn({ database: addressOf(settings), error: error.message, retryMs: delayMs }, 'database.waiting')
    }
    await new Promise<void>((resolve) => { setTimeout(resolve, delayMs) })
  }
}

function outOfPatience(settings: DatabaseSettings, waitMs: number, error: StorageError): StorageError {
  const where = addressOf(settings)
  const told = error.message.startsWith(where) ? error.message : `${where}: ${error.message}`
  const todo = 'see that the database runs and that --user-db-uri is right'
  return new StorageError(`${told}; waited ${waitMs / 1000} s (--db-wait): ${todo}`, 'away')
}
