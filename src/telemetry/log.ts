/**
 * Logging for operators: fixed event names, data as fields. Rooms get a `Log`; only this file knows pino.
 */
export interface Log {
  error(fields: object, event: string): void
  warn(fields: object, event: string): void
  info(fields: object, event: string): void
  debug(fields: object, event: string): void
  trace(fields: object, event: string): void
  /** A logger that adds `fields` to each line; one per connection, never per stanza. */
  child(fields: object): Log
  /** True if a line of this level would be written: guard arguments that cost something to build. */
  isLevelEnabled(level: 'debug' | 'trace'): boolean
}
