/** A migrated store on a fresh database of each kind, and the values that storage tests are made of. */
import { openStore, type OpenStore } from '../../src/storage/open.js'
import type { NodeClaim } from '../../src/storage/cluster-tables.js'
import type { DatabaseKind } from '../../src/storage/settings.js'
import type { AccountRecord, RosterItem, ScramKeys, Store } from '../../src/storage/store.js'
import { Jid } from '../../src/xmpp/jid.js'
import { freshDatabase, type FreshDatabase } from '../databases.js'
import { recordingLog, type RecordingLog } from './recording-log.js'

export interface Opened extends OpenStore {
  readonly kind: DatabaseKind
  readonly fresh: FreshDatabase
  readonly log: RecordingLog
  end(): Promise<void>
}

export async function opened(kind: DatabaseKind): Promise<Opened> {
  const fresh = await freshDatabase(kind)
  const log = recordingLog()
  const open = await openStore(fresh.settings, log)
  await open.migrate()
  return {
    ...open,
    kind,
    fresh,
    log,
    async end() {
      await open.close()
      await fresh.drop()
    }
  }
}

export const user = (local: string, domain = 'example.com'): Jid => new Jid(local, domain, '')

export function keysFor(hash: ScramKeys['hash'] = 'SHA-256'): ScramKeys {
  return { hash, salt: Buffer.from([0, 255, 1]), iterations: 10_000, storedKey: Buffer.alloc(64, 7), serverKey: Buffer.alloc(64, 9) }
}

export async function account(store: Store, local: string): Promise<AccountRecord> {
  const made = await store.accounts.create(user(local), [keysFor()])
  if (made === undefined) throw new Error(`${local} exists already`)
  return made
}

export function rosterItem(jid: Jid, changes: Partial<RosterItem> = {}): RosterItem {
  return {
    jid, name: '', groups: [], subscription: 'none', ask: false, approved: false, pendingIn: undefined, listed: true, ...changes
  }
}

export function claimOf(hostname: string, bootNonce: string, changes: Partial<NodeClaim> = {}): NodeClaim {
  return {
    hostname, bootNonce, secondary: undefined, password: 'fresh', port: 5777, cpuUsage: 0.5, memUsage: 12.25, clusterName: 'play',
    advertise: `${hostname}:5777`, hostId: 'machine', strategy: 'broadcast', certSha256: undefined, protocolMin: 1, protocolMax: 2,
    version: '0.1.0', ...changes
  }
}
