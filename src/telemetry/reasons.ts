/**
 * The closed unions of reasons. Every closing and every refusal names one of these, in the log and as a
 * metric label; `docs/manual.md` explains each, and a test compares the two.
 */
export const STREAM_CLOSED = [
  'client-closed', 'connection-lost', 'stream-error', 'conflict', 'account-removed', 'account-disabled', 'password-changed', 'shutdown',
  'fenced', 'isolated', 'slow-reader', 'timeout', 'replaced', 'tls-failed', 'overloaded'
] as const
export type StreamClosedReason = (typeof STREAM_CLOSED)[number]

export const CONNECTION_REFUSED = [
  'address-limit', 'address-rate', 'unauthenticated-limit', 'failed-logins', 'connection-limit', 'proxy-header', 'not-ready',
  'tls-handshake', 'overloaded'
] as const
export type ConnectionRefusedReason = (typeof CONNECTION_REFUSED)[number]

export const RESUME_OUTCOME = ['resumed', 'in-place', 'unknown', 'expired', 'foreign'] as const
export type ResumeOutcome = (typeof RESUME_OUTCOME)[number]

export const NODE_CHANGE = ['joined', 'left', 'lost', 'fenced'] as const
export type NodeChangeReason = (typeof NODE_CHANGE)[number]

export const LINK_REFUSED = [
  'unknown-node', 'wrong-pin', 'wrong-key', 'replay', 'old-incarnation', 'own-name', 'wrong-cluster', 'protocol',
  'secret-mismatch', 'strategy'
] as const
export type LinkRefusedReason = (typeof LINK_REFUSED)[number]
