/**
 * Why a transport ended on its own: the typed errors that `TransportSink.gone` receives.
 */
export type FailureReason = 'timeout' | 'slow-reader' | 'tls-failed' | 'stream-error'

export class TransportFailure extends Error {
  constructor(readonly reason: FailureReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'TransportFailure'
  }
}

/** What an unknown thrown or emitted value says, for log lines. */
export function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error)
}

/** The system's name for an error, such as ENOENT; 'unknown' if it has none. */
export function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
}

/** For sockets whose `close` tells their owner. */
export function ignoreError(): void {
  // It is said there.
}
