/** What operators may set about sessions. */
import { ITERATIONS } from '../rules/scram.js'
import { bytes, integer, options, seconds, type Values } from '../config/option.js'

export const sessionOptions = options({
  resourcesMax: integer('--resources-per-account', 20, 1, 1000,
    'Devices of one account that may be connected at the same time, in the whole cluster (XEP-0205).'),
  slowBytes: bytes('--client-slow-bytes', 1024 ** 2, 64 * 1024, 1024 ** 3,
    'A client for which more than this waits must take something from time to time.'),
  slowSeconds: seconds('--client-slow-seconds', 10, 1, 600,
    'How long a slow client may take nothing at all before it is closed.'),
  pendingBytesMax: bytes('--client-pending-bytes', 4 * 1024 ** 2, 256 * 1024, 4 * 1024 ** 3,
    'A client for which more than this waits is closed at once.'),
  scramIterations: integer('--scram-iterations', ITERATIONS, 4096, 1_000_000,
    'Rounds of hashing for passwords that are set from now on (RFC 7677 asks for 4096 or more).')
})
export type SessionSettings = Values<typeof sessionOptions>
