/** Rows that are played otherwise than they stand in the reference, because a text says so or there is nothing else to play. */
export interface Deviation {
  readonly id: string
  readonly was: string
  readonly is: string
  readonly why: string
}

export const DEVIATIONS: readonly Deviation[] = [
  { id: 'Q33', was: 'a password change sent to another user\'s address is forbidden', is: 'service-unavailable, as from nobody',
    why: 'RFC 6120 §13.10.2, RFC 6121 §8.5.1: an answer that differs would tell which accounts there are' },
  { id: 'H16', was: 'a wrong key ends the session', is: 'keys are passed over',
    why: 'XEP-0124 §15: keys are optional; the row holds where they are supported, and they are not' },
  { id: 'M17', was: 'any <a/> before enabling is dropped', is: 'one with a count; one without is bad-format',
    why: 'XEP-0198 §13: h is required, whenever it is sent' }
]
