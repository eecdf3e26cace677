/** `StrategyHost`: what a strategy sees of the cluster. */
import type { DeviceRecord, NodeRef, StrategyHost } from '../router/strategy.js'

type OnMessage = Parameters<StrategyHost['onMessage']>[0]
type OnNode = Parameters<StrategyHost['onNode']>[0]
type OnMoved = Parameters<StrategyHost['onMoved']>[0]

export interface HostingParts {
  self(): NodeRef
  view(): readonly NodeRef[]
  /** `undefined`: that life is over. */
  register(to: NodeRef, message: Uint8Array): Promise<void> | undefined
}

export class Hosting {
  #onMessage: OnMessage = () => {}
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
      },
      onNode: (handler) => {
        this.#onNode = handler
      },
      onMoved: (_handler: OnMoved) => {} // sessions do not move between nodes yet
    }
  }

  message(from: NodeRef, message: Buffer): void {
    this.#onMessage(from, message)
  }

  node(change: 'up' | 'lost' | 'left', node: NodeRef): void {
    this.#onNode(change, node)
  }
}
