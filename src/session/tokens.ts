/**
 * FAST tokens (XEP-0484) on the token rows: made, checked, rotated. A token is not kept: it is derived from its row and a secret
 * of the server, and can be derived again when somebody shows that he has it. Without the secret the rows are worth nothing.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { hashedToken } from '../rules/hashed-token.js'
import type { AccountRecord, TokenRow, TokenRows } from '../storage/store.js'
import { SaslFailure, type Identity, type NewToken, type TokenLogin, type Tokens, type TokenShown } from '../stream/authenticator.js'
import type { Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import { isGuest } from '../xmpp/guest.js'
import type { Credentials } from './credentials.js'

const NONCE_BYTES = 24
/** Of one account: two or three for each of more clients than anybody has. */
const TOKENS_MAX = 100
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** So long an expired token is told from one that never was. */
const REMEMBERED_MS = 7 * DAY_MS

export interface TokenParts {
  readonly rows: TokenRows
  readonly credentials: Pick<Credentials, 'find' | 'inTime'>
  readonly clock: Clock
  readonly log: Log
  /** The first makes new tokens, all are tried; the same on all nodes. */
  readonly secrets: readonly Buffer[]
  readonly lifetimeMs: number
  /** A token this old is replaced when it is used. */
  readonly rotateMs: number
}

interface Found {
  readonly row: TokenRow
  readonly token: string
}

export class AccountTokens implements Tokens {
  readonly #parts: TokenParts
  #sweptAt = -Infinity

  constructor(parts: TokenParts) {
    this.#parts = parts
  }

  async login(shown: TokenShown): Promise<TokenLogin> {
    const { credentials, rows, clock, rotateMs } = this.#parts
    const account = await credentials.find(shown.username, shown.domain)
    if (account === undefined) throw new SaslFailure('not-authorized', 'a token of a name that nobody has')
    const known = await credentials.inTime(rows.of(account, shown.agent))
    const found = this.#proven(account, known, shown)
    if (found === undefined) throw new SaslFailure('not-authorized', 'a token that this client does not have')
    if (account.disabled) {
      await credentials.inTime(rows.dropAll(account))
      throw new SaslFailure('account-disabled', 'a disabled account')
    }
    if (found.row.state === 'dropped' || found.row.expiresAt <= clock.wall()) throw expired()
    await this.#use(account, shown, found.row, known)
    return {
      identity: { id: account.id, jid: account.jid },
      answer: hashedToken(found.token, 'Responder', shown.binding),
      due: clock.wall() - found.row.issuedAt >= rotateMs
    }
  }

  async issue(identity: Identity, agent: string, mechanism: string): Promise<NewToken | undefined> {
    if (isGuest(identity)) return undefined                             // there is nobody to come back as
    const { rows, clock, log, lifetimeMs, secrets: [secret] } = this.#parts
    const now = Math.floor(clock.wall())
    const row: TokenRow = {
      nonce: randomBytes(NONCE_BYTES).toString('base64url'), mechanism, state: 'new', issuedAt: now, expiresAt: now + lifetimeMs, count: 0
    }
    try {
      await rows.issue(identity, agent, row, TOKENS_MAX)
    } catch (error) {
      log.warn({ err: error, account: identity.jid.toString() }, 'token.store-failed')
      return undefined
    }
    this.#sweep(now)
    return secret && { token: derive(secret, identity.id, agent, row), expiresAt: row.expiresAt }
  }

  // §5.1: all are compared, each in constant time. The row names the mechanism, and the token is made with it.
  #proven({ id }: AccountRecord, known: readonly TokenRow[], { agent, mechanism, binding, proof }: TokenShown): Found | undefined {
    const candidates = known.filter((row) => row.mechanism === mechanism)
      .flatMap((row) => this.#parts.secrets.map((secret): Found => ({ row, token: derive(secret, id, agent, row) })))
    return candidates.filter(({ token }) => timingSafeEqual(hashedToken(token, 'Initiator', binding), proof))[0]
  }

  async #use(account: AccountRecord, shown: TokenShown, row: TokenRow, known: readonly TokenRow[]): Promise<void> {
    const { credentials, rows } = this.#parts
    const { agent, count, invalidate } = shown
    // The common login writes nothing.
    const others = known.some((other) => other.state !== 'dropped' && other.expiresAt < row.expiresAt)
    const changes = row.state === 'new' || others || count !== undefined || row.count > 0
    if (changes && !(await credentials.inTime(rows.use(account, agent, row, count)))) {
      if (count === undefined && row.count === 0) throw expired()
      throw new SaslFailure('not-authorized', 'a token and a count that were shown before')      // §3.4
    }
    if (invalidate && !(await credentials.inTime(rows.drop(account, agent, row.nonce)))) throw expired()
  }

  #sweep(now: number): void {
    const { rows, log } = this.#parts
    if (now < this.#sweptAt + HOUR_MS) return
    this.#sweptAt = now
    rows.forget(now - REMEMBERED_MS).catch((error: unknown) => log.warn({ err: error }, 'token.store-failed'))
  }
}

function expired(): SaslFailure {
  return new SaslFailure('credentials-expired', 'a token that has expired, or was dropped')      // §4.2
}

/** 256 bits that belong to this account, this client, this mechanism and this row. */
function derive(secret: Buffer, account: number, agent: string, { mechanism, nonce }: TokenRow): string {
  return createHmac('sha256', secret).update(['token', account, agent, mechanism, nonce].join('\0')).digest('base64url')
}
