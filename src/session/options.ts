/** What operators may set about sessions. */
import { ITERATIONS } from '../rules/scram.js'
import { integer, options, type Values } from '../config/option.js'

export const sessionOptions = options({
  resourcesMax: integer('--resources-per-account', 20, 1, 1000,
    'Devices of one account that may be connected at the same time, in the whole cluster (XEP-0205).'),
  scramIterations: integer('--scram-iterations', ITERATIONS, 4096, 1_000_000,
    'Rounds of hashing for passwords that are set from now on (RFC 7677 asks for 4096 or more).'),
  tokenDays: integer('--fast-token-days', 21, 0, 365,
    'Days that a login token (FAST, XEP-0484) is good for: a device that stays away longer needs its password. 0: no tokens.'),
  tokenRotateDays: integer('--fast-rotate-days', 7, 1, 365, 'A login token of this age in days is replaced when it is used.')
})
export type SessionSettings = Values<typeof sessionOptions>
