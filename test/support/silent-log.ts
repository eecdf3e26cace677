/** A log that nobody reads. */
import type { Log } from '../../src/telemetry/log.js'

export const silentLog: Log = {
  error() {}, warn() {}, info() {}, debug() {}, trace() {},
  child: () => silentLog,
  isLevelEnabled: () => false
}
