/** All online devices of the other nodes, by address and by node: what the caching strategy knows. Pure. */
import type { DeviceRecord, Location, NodeRef } from '../../router/strategy.js'
import { compareHlc } from '../../xmpp/hlc.js'
import type { Jid } from '../../xmpp/jid.js'
import { RunningDigest, type Change, type Digest } from './registry-codec.js'

interface NodeShelf {
  readonly node: NodeRef
  readonly records: Map<string, DeviceRecord>
  readonly digest: RunningDigest
  /** A full sync has come to its end once. */
  synced: boolean
  /** During a sync: what has not been named in it yet. */
  unnamed: Set<string> | undefined
}

export class Registry {
  readonly #shelves = new Map<string, NodeShelf>()
  readonly #byAccount = new Map<string, readonly DeviceRecord[]>()
  /** Nodes whose devices we do not know yet: they are asked about everybody. */
  #unknown: readonly NodeRef[] = []

  add(node: NodeRef): void {
    this.remove(node.name)
    const shelf = { node, records: new Map(), digest: new RunningDigest(), synced: false, unnamed: undefined }
    this.#shelves.set(node.name, shelf)
    this.#refresh()
  }

  /** With everything it has. */
  remove(name: string): void {
    const shelf = this.#shelves.get(name)
    if (shelf === undefined) return
    this.#shelves.delete(name)
    for (const record of shelf.records.values()) this.#unlist(record)
    this.#refresh()
  }

  clear(): void {
    this.#shelves.clear()
    this.#byAccount.clear()
    this.#refresh()
  }

  /** False: that life is not known, or is over. */
  knows(node: NodeRef): boolean {
    return this.#shelves.get(node.name)?.node.incarnation === node.incarnation
  }

  apply(node: NodeRef, changes: readonly Change[], marks: { readonly begin: boolean; readonly end: boolean }): void {
    const shelf = this.#shelves.get(node.name)
    if (shelf === undefined) return
    if (marks.begin) shelf.unnamed = new Set(shelf.records.keys())
    for (const change of changes) this.#change(shelf, change)
    if (!marks.end) return
    for (const session of shelf.unnamed ?? []) this.#forget(shelf, session)
    shelf.unnamed = undefined
    if (shelf.synced) return
    shelf.synced = true
    this.#refresh()
  }

  /** False: a node's devices are not what we have. The lane is ordered: a digest that comes in the middle of a sync ends it. */
  agrees(node: NodeRef, digest: Digest): boolean {
    const shelf = this.#shelves.get(node.name)
    return shelf === undefined || (shelf.synced && shelf.unnamed === undefined && shelf.digest.equals(digest))
  }

  locate(address: Jid): Location {
    const account = this.#byAccount.get(address.bare.toString())
    if (account === undefined) return { nodes: this.#unknown, devices: [], complete: true }
    const all = address.isBare || (account.length === 1 && account[0]?.jid.equals(address) === true)
    const devices = all ? account : latest(account.filter((record) => record.jid.equals(address)))
    const nodes = [...this.#unknown]
    for (const { node } of devices) if (!nodes.includes(node)) nodes.push(node)
    return { nodes, devices, complete: true }
  }

  #change(shelf: NodeShelf, change: Change): void {
    const session = change.kind === 'put' ? change.record.session : change.session
    shelf.unnamed?.delete(session)
    this.#forget(shelf, session)
    if (change.kind === 'delete') return
    const record = { ...change.record, node: shelf.node } // one object for each node, compared by identity
    shelf.records.set(session, record)
    shelf.digest.add(record)
    const account = record.jid.bare.toString()
    this.#byAccount.set(account, [...this.#byAccount.get(account) ?? [], record])
  }

  #forget(shelf: NodeShelf, session: string): void {
    const record = shelf.records.get(session)
    if (record === undefined) return
    shelf.records.delete(session)
    shelf.digest.remove(record)
    this.#unlist(record)
  }

  #unlist(record: DeviceRecord): void {
    const account = record.jid.bare.toString()
    const left = (this.#byAccount.get(account) ?? []).filter((other) => other !== record)
    if (left.length === 0) this.#byAccount.delete(account)
    else this.#byAccount.set(account, left)
  }

  #refresh(): void {
    this.#unknown = [...this.#shelves.values()].filter((shelf) => !shelf.synced).map((shelf) => shelf.node)
  }
}

/** Of two binds of one full JID the higher one wins; the other is being closed. */
function latest(records: readonly DeviceRecord[]): readonly DeviceRecord[] {
  if (records.length < 2) return records
  const order = (a: DeviceRecord, b: DeviceRecord): number => compareHlc(b.hlc, a.hlc) || (a.node.name < b.node.name ? 1 : -1)
  return [...records].sort(order).slice(0, 1)
}
