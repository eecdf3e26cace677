/**
 * Why a transport ended on its own: the typed errors that `TransportSink.gone` receives.
 */
export type FailureReason = 'timeout' | 'slow-reader' | 'tls-failed' | 'protocol'

export class TransportFailure extends Error {
  constructor(readonly reason: FailureReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'TransportFailure'
  }
}

/** What an unknown thrown or emitted value says, for log lines. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
