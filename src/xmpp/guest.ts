/**
 * Guests (XEP-0175 §2): people who log in without an account. Their address says what they are, so every node knows a guest
 * of any other without asking; their number is negative, so it is nobody's in the store.
 */
import { randomUUID } from 'node:crypto'
import { Jid } from './jid.js'

const LOCAL = /^guest-([0-9a-f]{8})-([0-9a-f]{4})-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/

export interface Guest {
  readonly id: number
  /** Bare. */
  readonly jid: Jid
}

/** A new one, whom nobody can foresee (RFC 4122 §4.4). */
export function newGuest(domain: string): Guest {
  const jid = new Jid(`guest-${randomUUID()}`, domain, '')
  return { id: numberOf(jid.local) ?? -1, jid }
}

/** `undefined` for every other address. */
export function guestOf(jid: Jid): Guest | undefined {
  const id = numberOf(jid.local)
  return id === undefined ? undefined : { id, jid: jid.bare }
}

export function isGuest({ id }: { readonly id: number }): boolean {
  return id < 0
}

/** Of 48 random bits: it tells two guests apart who are here together. */
function numberOf(local: string): number | undefined {
  const [, high, low] = LOCAL.exec(local) ?? []
  return high === undefined || low === undefined ? undefined : -1 - parseInt(high + low, 16)
}
