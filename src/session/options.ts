/** What operators may set about sessions. */
import { ITERATIONS } from '../rules/scram.js'
import { bytes, integer, milliseconds, options, seconds, text, type Values } from '../config/option.js'

export const sessionOptions = options({
  resourcesMax: integer('--resources-per-account', 20, 1, 1000,
    'Devices of one account that may be connected at the same time, in the whole cluster (XEP-0205).'),
  scramIterations: integer('--scram-iterations', ITERATIONS, 4096, 1_000_000,
    'Rounds of hashing for passwords that are set from now on (RFC 7677 asks for 4096 or more).'),
  smResumeSeconds: seconds('--sm-resume-seconds', 300, 0, 900,
    'How long a device that has lost its connection is kept for its client to come back (XEP-0198); 0 for not at all.'),
  smLocation: text('--sm-location', '',
    'Host and port where clients of this node should come back to, such as node1.example.com:5222; empty for wherever they like.'),
  smQueue: integer('--sm-queue', 1_000, 10, 100_000,
    'Stanzas that are kept for a device that has lost its connection: beyond it the device is given up. A connected one may leave ' +
    'ten times as many unacknowledged, then its connection is dropped.'),
  smQueueBytes: bytes('--sm-queue-bytes', 4 * 1024 ** 2, 64 * 1024, 1024 ** 3,
    'The same in bytes; twice as many for a connected one.'),
  smRequestEvery: integer('--sm-request-every', 5, 1, 1_000,
    'Stanzas after which a client is asked what it has got; four times as many if it tells unasked.'),
  smRequestIdle: milliseconds('--sm-request-idle', 1_000, 250, 60_000, 'After fewer stanzas it is asked when so long has passed.'),
  smAckSeconds: seconds('--sm-ack-seconds', 60, 1, 3_600, 'A client that is asked and does not answer for so long has lost its line.'),
  csiHeld: integer('--csi-held', 256, 0, 1_000,
    'Presence and typing notices that wait, the newest of each sender, while nobody looks at a client (XEP-0352); 0: none do.'),
  tokenDays: integer('--fast-token-days', 21, 0, 365,
    'Days that a login token (FAST, XEP-0484) is good for: a device that stays away longer needs its password. 0: no tokens.'),
  tokenRotateDays: integer('--fast-rotate-days', 7, 1, 365, 'A login token of this age in days is replaced when it is used.')
})
export type SessionSettings = Values<typeof sessionOptions>
