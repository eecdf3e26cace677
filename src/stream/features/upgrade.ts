/**
 * Upgrade tasks (XEP-0480): a client that knows the password lends a hand with keys that its account lacks, such as those of an
 * import. All tasks are told to everybody, so that they say nothing about any account.
 */
import { HASH_BYTES, keysOfSalted, SCRAM_HASHES, type ScramHash, type ScramKeys } from '../../rules/scram.js'
import { treesOf } from '../../xml/inside.js'
import type { RawElement } from '../../xml/raw.js'
import { SaslFailure, type Authenticator, type Identity } from '../authenticator.js'
import { NS_SASL2, NS_SCRAM_UPGRADE, NS_UPGRADE } from '../namespaces.js'
import { dataIn } from './authenticate.js'

/** Nobody should move to SHA-1. */
const UPGRADES: readonly ScramHash[] = SCRAM_HASHES.filter((hash) => hash !== 'SHA-1').reverse()

const taskOf = (hash: ScramHash): string => `UPGR-SCRAM-${hash}`

/** §2.1. */
export const UPGRADE_OFFER = UPGRADES.map((hash) => `<upgrade xmlns='${NS_UPGRADE}'>${taskOf(hash)}</upgrade>`).join('')

/** Which of `tasks` make sense, better hashes first. */
export async function wantedUpgrades(authenticator: Authenticator, identity: Identity, tasks: readonly string[]): Promise<readonly ScramHash[]> {
  const known = UPGRADES.filter((hash) => tasks.includes(taskOf(hash)))
  if (known.length === 0) return known
  const weak = await authenticator.weakHashes(identity)
  return known.filter((hash) => weak.includes(hash))
}

/** §2.2. @param additional `<additional-data/>` of the mechanism that has just ended */
export function continueText(hash: ScramHash, additional: string): string {
  return `<continue xmlns='${NS_SASL2}'>${additional}<tasks><task>${taskOf(hash)}</task></tasks></continue>`
}

/** Throws `SaslFailure` unless `<next/>` names the task that was asked for. */
export function checkTask(element: RawElement, hash: ScramHash): void {
  if (element.attrs['task'] !== taskOf(hash)) throw new SaslFailure('malformed-request', 'another task')
}

/** How the client is to hash the password. */
export type Salting = Pick<ScramKeys, 'hash' | 'salt' | 'iterations'>

/** §3. */
export function saltText({ salt, iterations }: Salting): string {
  const data = `<salt xmlns='${NS_SCRAM_UPGRADE}' iterations='${iterations}'>${salt.toString('base64')}</salt>`
  return `<task-data xmlns='${NS_SASL2}'>${data}</task-data>`
}

/** Keys from the client's `<hash/>`. Throws `SaslFailure`. */
export function keysIn(element: RawElement, salting: Salting): ScramKeys {
  const found = treesOf(element.inside, element.ns).find((one) => one.is('hash', NS_SCRAM_UPGRADE))
  const salted = found && dataIn(found)
  if (salted?.length === HASH_BYTES[salting.hash]) return keysOfSalted(salting, salted)
  throw new SaslFailure('malformed-request', `not a password salted for ${salting.hash}`)
}
