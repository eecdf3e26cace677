/**
 * Every node knows every online device of the cluster. Full sync in batches when a node comes up, changes pushed after,
 * digests compared to heal. A stanza goes only to the nodes that hold its user.
 */
import type { DeviceRecord, NodeRef, Strategy, StrategyHost } from '../../router/strategy.js'
import type { Cancel, Clock } from '../../telemetry/clock.js'
import type { Log } from '../../telemetry/log.js'
import { Outbox } from './outbox.js'
import { decodeMessage, RunningDigest } from './registry-codec.js'
import { Registry } from './registry.js'

export interface CachingParts {
  readonly clock: Clock
  readonly log: Log
}

const DIGEST_MS = 10_000
/** A login waits at most this long for other nodes; one that does not answer is fenced or catches up by its next sync. */
const ANNOUNCE_MS = 2000

export function onlineUsersCaching(parts: CachingParts): Strategy {
  return new OnlineUsersCaching(parts)
}

class OnlineUsersCaching implements Strategy {
  readonly name = 'online-users-caching'
  readonly #registry = new Registry()
  readonly #outboxes = new Map<string, Outbox>()
  readonly #own = new Map<string, DeviceRecord>()
  readonly #digest = new RunningDigest()
  #host: StrategyHost | undefined
  #timer: Cancel | undefined

  constructor(private readonly parts: CachingParts) {}

  start(host: StrategyHost): Promise<void> {
    this.#host = host
    for (const device of host.devices()) this.#keep(device)
    host.onMessage((from, message) => this.#heard(from, message))
    host.onNode((change, node) => (change === 'up' ? this.#up(node) : this.#gone(node)))
    for (const node of host.view()) if (node.name !== host.self.name) this.#up(node)
    this.#timer = this.parts.clock.every(DIGEST_MS, () => this.#compare())
    return Promise.resolve()
  }

  stop(): Promise<void> {
    this.#timer?.()
    for (const outbox of this.#outboxes.values()) outbox.close()
    this.#outboxes.clear()
    this.#registry.clear()
    return Promise.resolve()
  }

  async announce(device: DeviceRecord): Promise<void> {
    this.#keep(device)
    const told = [...this.#outboxes.values()].map((outbox) => new Promise<void>((resolve) => {
      outbox.push(device.session, { kind: 'put', record: device }, resolve)
    }))
    if (told.length === 0) return
    let cancel: Cancel = () => {}
    const late = new Promise<void>((resolve) => {
      cancel = this.parts.clock.after(ANNOUNCE_MS, resolve)
    })
    await Promise.race([Promise.all(told), late])
    cancel()
  }

  withdraw({ session }: DeviceRecord): void {
    this.#drop(session)
    for (const outbox of this.#outboxes.values()) outbox.push(session, { kind: 'delete', session })
  }

  locate(address: Parameters<Strategy['locate']>[0]): ReturnType<Strategy['locate']> {
    return this.#registry.locate(address)
  }

  #keep(device: DeviceRecord): void {
    this.#drop(device.session)
    this.#own.set(device.session, device)
    this.#digest.add(device)
  }

  #drop(session: string): void {
    const before = this.#own.get(session)
    if (before === undefined) return
    this.#own.delete(session)
    this.#digest.remove(before)
  }

  #up(node: NodeRef): void {
    const host = this.#host
    if (host === undefined || this.#registry.knows(node)) return
    this.#gone(node)
    this.#registry.add(node)
    const outbox = new Outbox({ node, devices: () => this.#own.values(), send: (to, message) => host.send(to, message) })
    this.#outboxes.set(node.name, outbox)
    outbox.sync()
  }

  #gone(node: NodeRef): void {
    this.#outboxes.get(node.name)?.close()
    this.#outboxes.delete(node.name)
    this.#registry.remove(node.name)
  }

  #heard(from: NodeRef, bytes: Uint8Array): void {
    if (!this.#registry.knows(from)) return // I8: a life that is over says nothing
    const message = decodeMessage(bytes, from)
    switch (message.kind) {
      case 'batch': { this.#registry.apply(from, message.changes, message); return }
      case 'pull': return this.#outboxes.get(from.name)?.sync()
      case 'digest': {
        if (this.#registry.agrees(from, message.digest)) return
        this.parts.log.warn({ node: from.name, theirs: message.digest.count }, 'cluster.registry.differs')
        return this.#outboxes.get(from.name)?.note({ kind: 'pull' })
      }
      default: return message satisfies never
    }
  }

  /** To each node that should know everything, what everything is. */
  #compare(): void {
    for (const outbox of this.#outboxes.values()) {
      if (outbox.idle) outbox.note({ kind: 'digest', digest: this.#digest.value })
      else outbox.retry()
    }
  }
}
