/** Several nodes in memory, each with a strategy, and lanes between them that are ordered and slow as the test likes. */
import type { DeviceRecord, NodeRef, Strategy, StrategyHost } from '../../src/router/strategy.js'
import { Jid } from '../../src/xmpp/jid.js'
import { HandClock, settled } from '../cluster/hand-clock.js'

export type MakeStrategy = (clock: HandClock) => Strategy

interface Message {
  readonly from: NodeRef
  readonly to: NodeRef
  readonly bytes: Uint8Array
  resolve(): void
  reject(error: Error): void
}

export class MemoryNode {
  readonly devices = new Map<string, DeviceRecord>()
  readonly strategy: Strategy
  onMessage: Parameters<StrategyHost['onMessage']>[0] = () => {}
  onNode: Parameters<StrategyHost['onNode']>[0] = () => {}
  view: NodeRef[]

  constructor(readonly ref: NodeRef, cluster: MemoryCluster, make: MakeStrategy) {
    this.view = [ref]
    this.strategy = make(cluster.clock)
  }

  device(jid: string, session: number, more: Partial<DeviceRecord> = {}): DeviceRecord {
    const [, local = '', domain = '', resource = ''] = /^(.+)@([^/]+)\/(.+)$/.exec(jid) ?? []
    return {
      node: this.ref, jid: new Jid(local, domain, resource), session: session.toString(16).padStart(32, '0'),
      hlc: { ms: session, count: 0 }, priority: undefined, presence: undefined, ...more
    }
  }

  /** As the session room does it: the device exists here, then it is announced. */
  async bind(device: DeviceRecord): Promise<void> {
    this.devices.set(device.session, device)
    await this.strategy.announce(device)
  }

  leave(device: DeviceRecord): void {
    this.devices.delete(device.session)
    this.strategy.withdraw(device)
  }
}

export class MemoryCluster {
  readonly clock = new HandClock()
  readonly nodes: MemoryNode[] = []
  /** Messages that have not arrived, by pair. */
  readonly #lanes = new Map<string, Message[]>()
  #incarnation = 0
  /** Names between which nothing arrives, `a>b`. */
  readonly cut = new Set<string>()
  /** Drops one message in the place of delivering it; for strategies that heal. */
  dropNext = false
  /** Most messages of one pair that waited at one time. */
  mostWaiting = 0

  constructor(private readonly make: MakeStrategy) {}

  async start(name: string): Promise<MemoryNode> {
    const node = new MemoryNode({ name, incarnation: ++this.#incarnation }, this, this.make)
    const others = [...this.nodes]
    this.nodes.push(node)
    await node.strategy.start({
      self: node.ref,
      view: () => node.view,
      devices: () => node.devices.values(),
      send: (to, bytes) => this.#send(node, to, bytes),
      onMessage: (handler) => void (node.onMessage = handler),
      onNode: (handler) => void (node.onNode = handler),
      onMoved: () => {}
    })
    for (const other of others) {
      for (const [here, there] of [[other, node], [node, other]] as const) {
        here.view = [...here.view, there.ref]
        here.onNode('up', there.ref)
      }
    }
    await settled()
    return node
  }

  /** The node is killed and fenced; what it sent may have arrived or not. */
  async lose(node: MemoryNode): Promise<void> {
    this.nodes.splice(this.nodes.indexOf(node), 1)
    for (const [lane, messages] of this.#lanes) {
      if (!lane.split('>').includes(node.ref.name)) continue
      this.#lanes.delete(lane)
      for (const message of messages) message.reject(new Error('gone'))
    }
    for (const other of this.nodes) {
      other.view = other.view.filter((ref) => ref.name !== node.ref.name)
      other.onNode('lost', node.ref)
    }
    await settled()
  }

  /** Everything that can arrive has arrived. */
  async quiet(): Promise<void> {
    for (let moved = true; moved;) {
      await settled()
      moved = this.#deliver()
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.strategy.stop()))
  }

  #send(from: MemoryNode, to: NodeRef, bytes: Uint8Array): Promise<void> {
    const lane = `${from.ref.name}>${to.name}`
    return new Promise((resolve, reject) => {
      const waiting = [...this.#lanes.get(lane) ?? [], { from: from.ref, to, bytes, resolve, reject }]
      this.mostWaiting = Math.max(this.mostWaiting, waiting.length)
      this.#lanes.set(lane, waiting)
    })
  }

  #deliver(): boolean {
    let moved = false
    for (const [lane, messages] of this.#lanes) {
      const message = this.cut.has(lane) ? undefined : messages.shift()
      if (message === undefined) continue
      moved = true
      const to = this.nodes.find((node) => node.ref.name === message.to.name && node.ref.incarnation === message.to.incarnation)
      if (to === undefined) message.reject(new Error('gone'))
      else {
        if (!this.dropNext) to.onMessage(message.from, message.bytes)
        this.dropNext = false
        message.resolve()
      }
    }
    return moved
  }
}

/** Runs until the promise is done, delivering what is sent. */
export async function through<T>(cluster: MemoryCluster, promise: Promise<T>): Promise<T> {
  let done = false
  const finished = promise.finally(() => {
    done = true
  })
  for (let turns = 0; !done && turns < 1000; turns++) await cluster.quiet()
  return finished
}
