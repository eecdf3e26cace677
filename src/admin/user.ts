/**
 * `starling user add|passwd|disable|enable|delete|list`: accounts, straight in the database. Live nodes learn of it by a notice that they
 * read with their next beat.
 */
import { ACCOUNT_NOTICES, type ClusterTables } from '../storage/cluster-tables.js'
import type { Accounts, ScramKeys } from '../storage/store.js'
import { JidError, parseJid, type Jid } from '../xmpp/jid.js'
import { CommandError, EXIT } from './exit-codes.js'
import { keysOf } from './password-keys.js'

export interface UserPorts {
  readonly accounts: Accounts
  readonly cluster: Pick<ClusterTables, 'notify'>
  /** Served domains; none when the configuration does not name them. */
  readonly domains: readonly string[]
  readonly print: (line: string) => void
  /** `--scram-iterations` */
  readonly iterations: number
  /** Asks for a password that the command line does not give. */
  readonly readPassword: () => Promise<string>
}

/** Accounts in one reading. */
const PAGE = 500

export async function addUser(ports: UserPorts, address: string, password?: string): Promise<void> {
  const jid = account(address)
  if (ports.domains.length > 0 && !ports.domains.includes(jid.domain)) {
    throw new CommandError(`${jid.domain} is not a served domain; --virt-hosts names ${ports.domains.join(', ')}`)
  }
  if (await ports.accounts.find(jid) !== undefined) throw new CommandError(`the account ${jid.toString()} exists already`)
  const made = await ports.accounts.create(jid, await keys(ports, password))
  if (made === undefined) throw new CommandError(`the account ${jid.toString()} exists already`)
  await ports.cluster.notify(ACCOUNT_NOTICES.added, jid.toString())
  ports.print(`added ${jid.toString()}`)
}

export async function changePassword(ports: UserPorts, address: string, password?: string): Promise<void> {
  const jid = account(address)
  const known = await ports.accounts.find(jid)
  if (known === undefined) throw new CommandError(`there is no account ${jid.toString()}`)
  await ports.accounts.setKeys(known, await keys(ports, password))
  await ports.cluster.notify(ACCOUNT_NOTICES.password, jid.toString())
  ports.print(`changed the password of ${jid.toString()}`)
}

/** Who is disabled keeps everything, and cannot log in. */
export async function setUserDisabled(ports: UserPorts, address: string, disabled: boolean): Promise<void> {
  const jid = account(address)
  const known = await ports.accounts.find(jid)
  if (known === undefined) throw new CommandError(`there is no account ${jid.toString()}`)
  await ports.accounts.setDisabled(known, disabled)
  if (disabled) await ports.cluster.notify(ACCOUNT_NOTICES.disabled, jid.toString())
  ports.print(`${disabled ? 'disabled' : 'enabled'} ${jid.toString()}`)
}

export async function deleteUser(ports: UserPorts, address: string): Promise<void> {
  const jid = account(address)
  if (!await ports.accounts.remove(jid)) throw new CommandError(`there is no account ${jid.toString()}`)
  await ports.cluster.notify(ACCOUNT_NOTICES.removed, jid.toString())
  ports.print(`deleted ${jid.toString()}`)
}

/** Of one domain, or of all served ones. */
export async function listUsers(ports: UserPorts, domain?: string): Promise<void> {
  const domains = domain === undefined ? ports.domains : [parsed(domain).domain]
  if (domains.length === 0) throw new CommandError('name a domain: starling user list example.com', EXIT.usage)
  for (const one of domains) {
    let after: string | undefined
    do {
      const page: readonly Jid[] = await ports.accounts.list(one, PAGE, after)
      for (const jid of page) ports.print(jid.toString())
      after = page.length < PAGE ? undefined : page.at(-1)?.local
    } while (after !== undefined)
  }
}

function parsed(address: string): Jid {
  try {
    return parseJid(address)
  } catch (error) {
    if (error instanceof JidError) throw new CommandError(`'${address}' is not an address: ${error.message}`, EXIT.usage)
    throw error
  }
}

function account(address: string): Jid {
  const jid = parsed(address)
  if (jid.local !== '' && jid.isBare) return jid
  throw new CommandError(`'${address}' is not an account's address such as romeo@example.com`, EXIT.usage)
}

async function keys(ports: UserPorts, given: string | undefined): Promise<readonly ScramKeys[]> {
  const made = await keysOf(given ?? await ports.readPassword(), ports.iterations)
  if (made !== undefined) return made
  throw new CommandError('this password cannot be used: it is empty, longer than 1024 bytes or has forbidden characters')
}
