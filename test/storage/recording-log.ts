/** A log that keeps its lines for a test to read. */
import type { Log } from '../../src/telemetry/log.js'

export interface Line {
  readonly level: string
  readonly event: string
  readonly fields: object
}

export interface RecordingLog extends Log {
  readonly lines: readonly Line[]
}

export function recordingLog(): RecordingLog {
  const lines: Line[] = []
  const at = (level: string) => (fields: object, event: string): void => void lines.push({ level, event, fields })
  const log: RecordingLog = {
    lines,
    error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug'), trace: at('trace'),
    child: () => log,
    isLevelEnabled: () => true
  }
  return log
}
