/**
 * Commands that work on the database alone: opens it by the settings of the node, does one thing, closes it.
 */
import { networkInterfaces } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { DatabaseSettings } from '../config/database.js'
import { parseJid } from '../xmpp/jid.js'
import { ACCOUNT_NOTICES } from '../storage/cluster-tables.js'
import { openStore, type OpenStore } from '../storage/open.js'
import { createLogs } from '../telemetry/pino-log.js'
import type { UserAction } from './cli.js'
import { fenceNode, showNodes, type ClusterPorts } from './cluster-nodes.js'
import { clusterTest } from './cluster-test.js'
import { checkAll, type CheckSettings } from './check.js'
import { systemLookup } from './check-dns.js'
import { isLive } from './check-nodes.js'
import { CommandError, EXIT } from './exit-codes.js'
import { adminAddress, nodePage } from './node-page.js'
import { keysOf } from './password-keys.js'
import { readPassword } from './read-password.js'
import { reloadCertificates, type Told } from './reload.js'
import { addUser, changePassword, deleteUser, listUsers, setUserDisabled, type UserPorts } from './user.js'

/** What of the settings these commands look at. */
export interface CommandSettings {
  readonly database: DatabaseSettings
  readonly domains: readonly string[]
  readonly clusterName: string
  readonly scramIterations: number
  /** This configuration's own node, and where its admin listener is. */
  readonly node: { readonly name: string, readonly admin: string | undefined }
}

const print = (text: string): void => void process.stdout.write(`${text}\n`)

async function withStore<T>(settings: CommandSettings, work: (open: OpenStore) => Promise<T>): Promise<T> {
  const { database } = settings
  const logs = createLogs({ level: 'warn', format: 'text', destination: process.stderr })
  const open = await openStore(database, logs.room('storage'))
  try {
    await open.migrate()
    return await work(open)
  } finally {
    await open.close()
    logs.stop()
  }
}

export function userCommand(settings: CommandSettings, action: UserAction, words: readonly string[]): Promise<number> {
  const [address = '', password] = words
  return withStore(settings, async ({ store, cluster }) => {
    const { domains, scramIterations: iterations } = settings
    const ports: UserPorts = { accounts: store.accounts, cluster, domains, iterations, print, readPassword }
    switch (action) {
      case 'add': await addUser(ports, address, password); break
      case 'passwd': await changePassword(ports, address, password); break
      case 'disable': case 'enable': await setUserDisabled(ports, address, action === 'disable'); break
      case 'delete': await deleteUser(ports, address); break
      case 'list': await listUsers(ports, words[0]); break
      default: return action satisfies never
    }
    return EXIT.ok
  })
}

const clusterPorts = ({ clusterName }: CommandSettings, open: OpenStore): ClusterPorts =>
  ({ tables: open.cluster, clusterName, print, pause: (ms) => pause(ms) })

export const nodesCommand = (settings: CommandSettings, json: boolean): Promise<number> => withStore(settings, async (open) => {
  await showNodes(clusterPorts(settings, open), json)
  return EXIT.ok
})

export const fenceCommand = (settings: CommandSettings, name: string, incarnation: number): Promise<number> =>
  withStore(settings, async (open) => {
    await fenceNode(clusterPorts(settings, open), name, incarnation)
    return EXIT.ok
  })

export const reloadCommand = (settings: CommandSettings): Promise<number> => withStore(settings, async ({ cluster }) => {
  const { clusterName, node } = settings
  const rows = (await cluster.rows(clusterName)).filter(isLive)
  const nodes: Told[] = rows.map((row) => {
    const address = adminAddress(row)
    return { name: row.hostname, ask: async () => (address === undefined ? undefined : nodePage(address, row.hostname)) }
  })
  // A node by itself has no row
  const alone = { name: node.name, ask: async () => (node.admin === undefined ? undefined : nodePage(node.admin, node.name)) }
  if (nodes.every(({ name }) => name !== node.name) && await alone.ask() !== undefined) nodes.push(alone)
  return await reloadCertificates({ nodes, tables: cluster, print, pause: (ms) => pause(ms) }) ? EXIT.ok : EXIT.failed
})

/** Needs no database that works: it says so of one that does not. */
export async function checkCommand(settings: CheckSettings): Promise<number> {
  const logs = createLogs({ level: 'error', format: 'text', destination: process.stderr })
  const good = await checkAll(settings, { print, lookup: systemLookup(), interfaces: networkInterfaces(), log: logs.room('storage') })
  logs.stop()
  return good ? EXIT.ok : EXIT.failed
}

export const testCommand = (settings: CommandSettings, given?: string): Promise<number> => withStore(settings, async (open) => {
  const { store, cluster } = open
  const domain = given ?? settings.domains[0]
  if (domain === undefined) throw new CommandError('name a served domain: starling cluster test example.com', EXIT.usage)
  const green = await clusterTest(domain, {
    nodes: () => cluster.rows(settings.clusterName),
    print,
    async createAccount({ user, password }) {
      const jid = parseJid(`${user}@${domain}`)
      await store.accounts.create(jid, await keysOf(password) ?? [])
      await cluster.notify(ACCOUNT_NOTICES.added, jid.toString())
    },
    async removeAccount({ user }) {
      const jid = parseJid(`${user}@${domain}`)
      await store.accounts.remove(jid)
      await cluster.notify(ACCOUNT_NOTICES.removed, jid.toString())
    }
  })
  return green ? EXIT.ok : EXIT.failed
})
