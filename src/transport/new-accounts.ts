/**
 * How many accounts people may make themselves (XEP-0077 §3.1.1): so many for an address in an hour, so many for all in a
 * day. Owns the counts, which are this node's.
 */
import type { Clock } from '../telemetry/clock.js'
import { countedAs } from './networks.js'
import type { Networks } from './networks.js'
import type { AddressLimitSettings } from './options.js'
import { PeriodCounts } from './period-counts.js'

const HOUR_MS = 3_600_000
const EVERYBODY = ''

export class NewAccounts {
  readonly #settings: AddressLimitSettings
  readonly #exempt: Networks
  readonly #clock: Clock
  readonly #hour = new PeriodCounts(HOUR_MS)
  readonly #day = new PeriodCounts(24 * HOUR_MS)

  constructor(settings: AddressLimitSettings, exempt: Networks, clock: Clock) {
    this.#settings = settings
    this.#exempt = exempt
    this.#clock = clock
  }

  /** Before the work, so that nobody overtakes; false when there are too many. */
  take(address: string): boolean {
    if (this.#exempt.has(address)) return true
    const { registrationsPerAddress, registrationsPerDay } = this.#settings
    const now = this.#clock.now()
    const key = countedAs(address)
    if (this.#hour.of(key, now) >= registrationsPerAddress || this.#day.of(EVERYBODY, now) >= registrationsPerDay) return false
    this.#hour.forgetOld(now)
    this.#add(key, now, 1)
    return true
  }

  /** Nothing came of it. */
  giveBack(address: string): void {
    if (!this.#exempt.has(address)) this.#add(countedAs(address), this.#clock.now(), -1)
  }

  #add(key: string, now: number, by: 1 | -1): void {
    this.#hour.add(key, now, by)
    this.#day.add(EVERYBODY, now, by)
  }
}
