/**
 * How many connections a client address may have, how many of them without login, how fast new ones may come, and which
 * addresses fail to log in too often (XEP-0205 §4.1). Owns the counts; a connection holds a ticket while it lives.
 */
import type { ConnectionRefusedReason } from '../telemetry/reasons.js'
import type { Ticket } from './bounds.js'
import { countedAs } from './networks.js'
import type { Networks } from './networks.js'
import type { AddressLimitSettings } from './options.js'
import { PeriodCounts } from './period-counts.js'
import type { Timed, Wheel } from './wheel.js'

/** Counts of addresses that are idle are thrown away this often. */
const SWEEP_MS = 10_000
/** Addresses with failed logins, some megabytes; beyond, new ones are not counted until others are forgotten. */
const FAILED_MAX = 50_000

interface Counts {
  total: number
  unauthenticated: number
  /** Token bucket of new connections. */
  tokens: number
  refilledAt: number
}

export interface Asking {
  /**
   * Drops the connection when the node has too many without login and this is the oldest; absent for connections that
   * do not log in themselves (HTTP).
   */
  readonly evict?: (() => void) | undefined
  /** The rate of new connections has been asked already, for the socket below. */
  readonly paid?: boolean
}

export type Admission =
  | { readonly ticket: Ticket }
  | { readonly refused: ConnectionRefusedReason }

/** What a connection holds of the counts. */
class Place implements Ticket {
  readonly #limits: AddressLimits
  /** Nothing for an address that is exempt. */
  readonly key: string | undefined
  readonly counts: Counts | undefined
  /** Until it is authenticated. */
  evict: (() => void) | undefined
  #held = true

  constructor(limits: AddressLimits, key: string | undefined, counts: Counts | undefined, evict: (() => void) | undefined) {
    this.#limits = limits
    this.key = key
    this.counts = counts
    this.evict = evict
    limits.entered(this)
  }

  get exempt(): boolean {
    return this.key === undefined
  }

  authenticated(): void {
    if (this.evict === undefined) return
    this.#limits.proved(this, this.evict)
    this.evict = undefined
  }

  failed(): boolean {
    return this.#limits.failed(this.key)
  }

  release(): void {
    if (!this.#held) return
    this.#held = false
    this.authenticated()
    this.#limits.left(this)
  }
}

export class AddressLimits implements Timed {
  readonly #settings: AddressLimitSettings
  readonly #exempt: Networks
  readonly #wheel: Wheel
  readonly #counts = new Map<string, Counts>()
  readonly #failedLogins: PeriodCounts
  /** Oldest first; what to do when room is needed. */
  readonly #unauthenticated = new Set<() => void>()
  #total = 0

  constructor(settings: AddressLimitSettings, exempt: Networks, wheel: Wheel) {
    this.#settings = settings
    this.#exempt = exempt
    this.#wheel = wheel
    this.#failedLogins = new PeriodCounts(settings.loginFailuresSeconds * 1_000)
    wheel.look(this, wheel.now() + SWEEP_MS)
  }

  get connections(): number { return this.#total }
  get unauthenticated(): number { return this.#unauthenticated.size }

  admit(address: string, { evict, paid = false }: Asking = {}): Admission {
    if (this.#total >= this.#settings.connectionsMax) return { refused: 'connection-limit' }
    const key = this.#exempt.has(address) ? undefined : countedAs(address)
    if (key !== undefined && evict !== undefined && this.#isRefused(key)) return { refused: 'failed-logins' }
    const counts = key === undefined ? undefined : this.#countsOf(key)
    const refused = counts && this.#refusal(counts, evict !== undefined, paid)
    if (refused !== undefined) return { refused }
    if (evict !== undefined) this.#makeRoom()
    return { ticket: new Place(this, key, counts, evict) }
  }

  check(now: number): number {
    this.#failedLogins.forgetOld(now)
    for (const [key, counts] of this.#counts) {
      this.#refill(counts, now)
      if (counts.total === 0 && counts.tokens >= this.#settings.newBurst) this.#counts.delete(key)
    }
    return now + SWEEP_MS
  }

  #isRefused(key: string): boolean {
    return this.#failedLogins.of(key, this.#wheel.now()) >= this.#settings.loginFailures
  }

  entered({ counts, evict }: Place): void {
    this.#total++
    if (counts !== undefined) counts.total++
    if (evict === undefined) return
    this.#unauthenticated.add(evict)
    if (counts !== undefined) counts.unauthenticated++
  }

  proved({ counts }: Place, evict: () => void): void {
    this.#unauthenticated.delete(evict)
    if (counts !== undefined) counts.unauthenticated--
  }

  left({ counts }: Place): void {
    this.#total--
    if (counts !== undefined) counts.total--
  }

  /** Whoever fails once too often is refused for a whole period from then on. */
  failed(key: string | undefined): boolean {
    if (key === undefined) return false
    const now = this.#wheel.now()
    if (this.#failedLogins.size >= FAILED_MAX && this.#failedLogins.of(key, now) === 0) return false
    const failures = this.#failedLogins.add(key, now)
    if (failures === this.#settings.loginFailures) this.#failedLogins.extend(key, now)
    return failures >= this.#settings.loginFailures
  }

  #refusal(counts: Counts, logsIn: boolean, paid: boolean): ConnectionRefusedReason | undefined {
    const { perAddress, unauthenticatedPerAddress } = this.#settings
    this.#refill(counts, this.#wheel.now())
    if (!paid && counts.tokens < 1) return 'address-rate'
    if (!paid) counts.tokens--
    if (counts.total >= perAddress) return 'address-limit'
    return logsIn && counts.unauthenticated >= unauthenticatedPerAddress ? 'unauthenticated-limit' : undefined
  }

  #makeRoom(): void {
    const { connectionsMax, unauthenticatedPercent } = this.#settings
    const most = Math.max(1, Math.floor((connectionsMax * unauthenticatedPercent) / 100))
    if (this.#unauthenticated.size < most) return
    const [oldest] = this.#unauthenticated
    if (oldest === undefined) return
    this.#unauthenticated.delete(oldest)
    oldest()
  }

  #countsOf(key: string): Counts {
    let counts = this.#counts.get(key)
    if (counts === undefined) {
      counts = { total: 0, unauthenticated: 0, tokens: this.#settings.newBurst, refilledAt: this.#wheel.now() }
      this.#counts.set(key, counts)
    }
    return counts
  }

  #refill(counts: Counts, now: number): void {
    const { newPerSecond, newBurst } = this.#settings
    counts.tokens = Math.min(newBurst, counts.tokens + ((now - counts.refilledAt) / 1_000) * newPerSecond)
    counts.refilledAt = now
  }
}
