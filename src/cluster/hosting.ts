/** `StrategyHost`: what a strategy sees of the cluster. */
import type { DeviceRecord, NodeRef, StrategyHost } from '../router/strategy.js'

type OnMessage = Parameters<StrategyHost['onMessage']>[0]
type OnNode = Parameters<StrategyHost['onNode']>[0]

export interface HostingParts {
  self(): NodeRef
  view(): readonly NodeRef[]
  /** `undefined`: that life is over. */
  register(to: NodeRef, message: Uint8Array): Promise<void> | undefined
}

/** Of each node one message is in flight, so what comes before the strategy starts is little; a digest heals more. */
const EARLY_MAX = 1000

export class Hosting {
  #onMessage: OnMessage | undefined
  /** What came before the strategy listened. */
  #early: { readonly from: NodeRef; readonly message: Buffer }[] = []
  #onNode: OnNode = () => {}

  constructor(private readonly parts: HostingParts) {}

  host(devices: () => Iterable<DeviceRecord>): StrategyHost {
    const parts = this.parts
    return {
      get self() {
        return parts.self()
      },
      view: () => parts.view(),
      devices,
      send: (to, message) => parts.register(to, message) ?? Promise.reject(new Error(`node ${to.name} is gone`)),
      onMessage: (handler) => {
        this.#onMessage = handler
        queueMicrotask(() => this.#early.splice(0).forEach(({ from, message }) => handler(from, message)))
      },
      onNode: (handler) => {
        this.#onNode = handler
      },
      onMoved: () => {} // sessions do not move between nodes yet
    }
  }

  message(from: NodeRef, message: Buffer): void {
    if (this.#onMessage !== undefined && this.#early.length === 0) this.#onMessage(from, message)
    else if (this.#early.length < EARLY_MAX) this.#early.push({ from, message })
  }

  node(change: 'up' | 'lost' | 'left', node: NodeRef): void {
    this.#onNode(change, node)
  }
}
