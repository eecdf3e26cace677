/** How the end of a stream is told to operators: one line, its level by who is to blame. */
import type { Log } from '../telemetry/log.js'
import { STREAM_CLOSED, type StreamClosedReason } from '../telemetry/reasons.js'

export interface Closing {
  readonly reason: StreamClosedReason
  /** The stream error that was said. */
  readonly condition: string | undefined
  readonly detail: string | undefined
  readonly stream: string
  readonly jid: string | undefined
  readonly seconds: number
  /** Stanzas. */
  readonly received: number
  readonly sent: number
}

export function closingLine(log: Log, closing: Closing): void {
  log[levelOf(closing)](closing, 'stream.closed')
}

function levelOf({ condition, jid, stream, reason }: Closing): 'error' | 'warn' | 'debug' | 'info' {
  if (condition === 'internal-server-error') return 'error'
  // A client that has logged in and then claims to be somebody else deserves a look.
  if (condition === 'invalid-from' && jid !== undefined) return 'warn'
  // Balancers' health checks connect and leave without a word.
  if (stream === '' && reason === 'connection-lost') return 'debug'
  return 'info'
}

/** Transports name their own reasons in the error that they end with. */
export function reasonOfBreak(error: (Error & { readonly reason?: unknown }) | undefined): StreamClosedReason {
  return STREAM_CLOSED.find((reason) => reason === error?.reason) ?? 'connection-lost'
}
