/**
 * Nodes of one process joined by lanes that the test holds in its hand: each lane keeps its order, lanes are free against
 * each other, a node can die at any moment, what it has sent may still arrive.
 */
import type { PluginDeclaration } from '../../src/pipeline/api.js'
import type { Envelope, Mesh, MeshHandlers } from '../../src/router/envelope.js'
import type { DeviceRecord, NodeRef, Strategy } from '../../src/router/strategy.js'
import type { Jid } from '../../src/xmpp/jid.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { MemoryStore } from '../plugins/memory-store.js'
import { HandClock } from '../stream/hand-clock.js'
import { quiet, Rig } from './rig.js'

export type StrategyName = 'broadcast' | 'caching'

interface Frame {
  readonly from: NodeRef
  readonly deliver: (handlers: MeshHandlers) => void
}

export class FakeNode {
  readonly ref: NodeRef
  readonly rig: Rig
  handlers: MeshHandlers | undefined
  alive = true
  serving = true
  viewNo = 1
  /** Envelopes that this node has sent. */
  readonly sent: { readonly to: string; readonly envelope: Envelope }[] = []
  /** What `route` says of its channels. */
  room = true
  readonly view = new Map<string, NodeRef>()
  readonly #net: FakeNet

  constructor(net: FakeNet, ref: NodeRef, plugins: readonly PluginDeclaration[]) {
    this.#net = net
    this.ref = ref
    this.view.set(ref.name, ref)
    const { store, clock } = net
    this.rig = new Rig({ plugins, store, clock, mesh: this.#mesh(), strategy: net.strategyFor(this) })
  }

  #mesh(): Mesh {
    const { ref } = this
    const net = this.#net
    const read = <K extends 'viewNo' | 'serving'>(key: K): FakeNode[K] => this[key]
    return {
      self: ref,
      get viewNo() {
        return read('viewNo')
      },
      view: () => [...this.view.values()],
      route: (to, envelope) => {
        this.sent.push({ to: to.name, envelope })
        net.put(ref, to, 'route', (h) => h.envelope(ref, envelope))
        return this.room
      },
      answer: (to, ask, verdict) => net.put(ref, to, 'answer', (h) => h.answers(ref, ask, 1, verdict)),
      bound: (jid, hlc) => {
        for (const to of this.view.values()) if (to.name !== ref.name) net.put(ref, to, 'control', (h) => h.bound(ref, jid, hlc))
      },
      invalidate: async (cache, key) => {
        for (const to of this.view.values()) if (to.name !== ref.name) net.put(ref, to, 'control', (h) => h.invalidate(cache, key))
      },
      serving: () => read('serving'),
      listen: (handlers) => {
        this.handlers = handlers
      }
    }
  }
}

export class FakeNet {
  readonly store = new MemoryStore()
  readonly clock = new HandClock()
  readonly nodes = new Map<string, FakeNode>()
  readonly #strategy: StrategyName
  readonly #plugins: readonly PluginDeclaration[]
  readonly #lanes = new Map<string, { readonly to: NodeRef; readonly frames: Frame[] }>()
  readonly #directory = new Map<string, DeviceRecord>()

  constructor(strategy: StrategyName, names: readonly string[], plugins: readonly PluginDeclaration[], accounts: readonly string[]) {
    this.#strategy = strategy
    this.#plugins = plugins
    for (const account of accounts) this.store.add(parseJid(account))
    for (const name of names) this.add({ name, incarnation: 1 })
    for (const name of names) this.introduce(name)
  }

  node(name: string): FakeNode {
    const node = this.nodes.get(name)
    if (node === undefined) throw new Error(`no node ${name}`)
    return node
  }

  add(ref: NodeRef): FakeNode {
    const node = new FakeNode(this, ref, this.#plugins)
    this.nodes.set(ref.name, node)
    return node
  }

  /** The node and the others see each other. */
  introduce(name: string): void {
    const node = this.node(name)
    for (const other of this.nodes.values()) {
      if (other === node || !other.alive) continue
      this.#see(other, node.ref)
      this.#see(node, other.ref)
    }
  }

  #see(node: FakeNode, ref: NodeRef): void {
    if (node.view.get(ref.name)?.incarnation === ref.incarnation) return
    node.view.set(ref.name, ref)
    node.viewNo++
    node.handlers?.node('up', ref)
  }

  /** Dead at once; nobody knows yet. What it has sent is still under way. */
  kill(name: string): void {
    const node = this.node(name)
    node.alive = false
    for (const lane of this.#lanes.values()) if (lane.to.name === name) lane.frames.length = 0
  }

  /** The others learn that its life is over. */
  fence(name: string): void {
    const { ref } = this.node(name)
    this.nodes.delete(name)
    for (const [full, record] of this.#directory) if (record.node.name === name) this.#directory.delete(full)
    for (const other of this.nodes.values()) {
      other.view.delete(name)
      other.viewNo++
      other.handlers?.node('lost', ref)
    }
  }

  put(from: NodeRef, to: NodeRef, lane: string, deliver: Frame['deliver']): void {
    if (this.nodes.get(to.name)?.alive !== true) return
    const name = `${from.name}>${to.name} ${lane}`
    const known = this.#lanes.get(name) ?? { to, frames: [] }
    this.#lanes.set(name, known)
    known.frames.push({ from, deliver })
  }

  /** Lanes with something in them. */
  get busy(): readonly string[] {
    return [...this.#lanes].filter(([, { frames }]) => frames.length > 0).map(([name]) => name).sort()
  }

  /** One frame of that lane arrives. */
  step(lane: string): void {
    const { to, frames } = this.#lanes.get(lane) ?? { to: { name: '', incarnation: 0 }, frames: [] }
    const frame = frames.shift()
    const handlers = this.nodes.get(to.name)?.handlers
    if (frame !== undefined && handlers !== undefined) frame.deliver(handlers)
  }

  /** Everything arrives and everything that follows from it has happened. */
  async settle(): Promise<void> {
    for (;;) {
      await quiet()
      const [lane] = this.busy
      if (lane === undefined) return
      this.step(lane)
    }
  }

  strategyFor(node: FakeNode): Strategy {
    const directory = this.#directory
    const caching = this.#strategy === 'caching'
    const others = (): readonly NodeRef[] => [...node.view.values()].filter((ref) => ref.name !== node.ref.name)
    return {
      name: this.#strategy,
      start: async () => undefined,
      stop: async () => undefined,
      announce: async (device) => {
        directory.set(device.jid.toString(), device)
      },
      withdraw: (device) => {
        if (directory.get(device.jid.toString())?.session === device.session) directory.delete(device.jid.toString())
      },
      locate: (address: Jid) => {
        if (!caching) return { nodes: others(), complete: true }
        const devices = [...directory.values()].filter((d) => d.jid.equals(address) || (address.isBare && d.jid.bare.equals(address)))
        const names = new Set(devices.map((device) => device.node.name))
        return { nodes: others().filter((ref) => names.has(ref.name)), devices, complete: true }
      }
    }
  }
}
