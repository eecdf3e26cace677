/**
 * Sessions that may be resumed here (XEP-0198 §5), by SM-ID, and for a day the last counts of those that are over. Owns the
 * form of SM-IDs: the session's id, which nobody guesses, and a hint at the node that has it.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { AccountRef } from '../storage/store.js'
import { ResumeFailure } from '../stream/features/bind.js'
import type { Enabled } from '../stream/open-stream.js'
import type { Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import type { Tally } from '../telemetry/metrics.js'
import type { ResumeOutcome } from '../telemetry/reasons.js'
import type { ClientSession } from './client-session.js'
import type { HandledPrefix } from './handled-prefix.js'

const KEPT_MS = 24 * 60 * 60 * 1000
/** Sessions that are over and remembered. */
const KEPT_MAX = 10_000
const SM_ID = /^([0-9a-f]{32})-[0-9a-f]{8}$/
const HINT_DIGITS = 8

export interface ResumptionParts {
  readonly node: string
  readonly clock: Clock
  readonly log: Log
  readonly secondsMax: number
  /** Where clients should come back to; '' says nothing. */
  readonly location: string
  readonly resumes: Tally<ResumeOutcome>
  /** What counting starts from; for tests of the wrap at 2^32. */
  readonly start?: number
}

interface Over extends Pick<ClientSession, 'session' | 'account' | 'jid'> {
  readonly handled: HandledPrefix
  readonly until: number
}

export class Resumptions {
  readonly secondsMax: number
  readonly start: number
  readonly #parts: ResumptionParts
  readonly #hint: string
  readonly #live = new Map<string, ClientSession>()
  /** In the order of their ends. */
  readonly #over = new Map<string, Over>()

  constructor(parts: ResumptionParts) {
    this.#parts = parts
    this.#hint = createHash('sha256').update(parts.node).digest('hex').slice(0, HINT_DIGITS)
    this.secondsMax = parts.secondsMax
    this.start = parts.start ?? 0
  }

  add(session: ClientSession, seconds: number): Enabled {
    this.#live.set(session.session, session)
    const { location } = this.#parts
    return { id: this.#idOf(session.session), max: seconds, ...(location !== '' && { location }) }
  }

  /** @throws ResumeFailure, the same for what nobody has and for what somebody else has */
  find(previd: string, account: AccountRef): ClientSession {
    const id = SM_ID.exec(previd)?.[1] ?? ''
    const live = this.#live.get(id)
    const over = this.#over.get(id)
    const known = live ?? over
    if (known === undefined || !this.#isId(previd, known.session)) throw this.#failure('unknown')
    if (known.account.id !== account.id) {
      this.#parts.log.warn({ jid: account.jid.toString(), of: known.jid.toString() }, 'session.resume-foreign')
      throw this.#failure('foreign')
    }
    if (live !== undefined) return live
    throw this.#failure('expired', over?.handled.h)
  }

  resumed(inPlace: boolean): void {
    this.#parts.resumes.add(inPlace ? 'in-place' : 'resumed')
  }

  ended({ session, account, jid }: ClientSession, handled: HandledPrefix): void {
    const now = this.#parts.clock.now()
    this.#live.delete(session)
    this.#over.set(session, { session, account, jid, handled, until: now + KEPT_MS })
    for (const [id, { until }] of this.#over) {
      if (until > now && this.#over.size <= KEPT_MAX) return
      this.#over.delete(id)
    }
  }

  #failure(outcome: ResumeOutcome, h?: number): ResumeFailure {
    this.#parts.resumes.add(outcome)
    return new ResumeFailure('item-not-found', h)
  }

  #idOf(session: string): string {
    return `${session}-${this.#hint}`
  }

  #isId(previd: string, session: string): boolean {
    const id = Buffer.from(this.#idOf(session))
    const given = Buffer.from(previd)
    return id.length === given.length && timingSafeEqual(id, given)
  }
}
